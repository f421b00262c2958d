//! The requests of both rendezvous APIs, as bytes, and where MSC4108's answers say that a session
//! is.

use crate::{api::Api, client::Answer, error::BenchError};

const CREATE: &[u8] = b"/_matrix/client/v1/rendezvous";

/// Where MSC4388's sessions are. The ID follows.
pub(crate) const JSON_SESSIONS: &[u8] = b"/_matrix/client/v1/rendezvous/";

/// Puts a request in the place of the one before, so that no allocation is made for each.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) api: Api,
    bytes: Vec<u8>,
    /// A line that each request gets, for the address of the client's network.
    network: Vec<u8>,
}

impl Request {
    pub(crate) fn of(api: Api) -> Self {
        Self {
            api,
            ..Self::default()
        }
    }

    /// As a proxy on this machine would pass it on.
    pub(crate) fn from_network(address: &str) -> Self {
        Self {
            network: format!("x-forwarded-for: {address}\r\n").into_bytes(),
            ..Self::default()
        }
    }

    pub(crate) fn create(&mut self, payload: &[u8]) -> &[u8] {
        self.head(b"POST ", CREATE);
        match self.api {
            Api::Text => self.body(b"text/plain", [payload]),
            Api::Json => self.body(b"application/json", [b"{\"data\":\"", payload, b"\"}"]),
        }
    }

    /// `seen` is the ETag that the reader knows, or empty, as it is in MSC4388, where the answer is
    /// the same.
    pub(crate) fn read(&mut self, path: &[u8], seen: &[u8]) -> &[u8] {
        self.head(b"GET ", path);
        if !seen.is_empty() {
            self.line(b"if-none-match: ", seen);
        }
        self.end()
    }

    pub(crate) fn write(&mut self, path: &[u8], revision: &[u8], payload: &[u8]) -> &[u8] {
        self.head(b"PUT ", path);
        match self.api {
            Api::Text => {
                self.line(b"if-match: ", revision);
                self.body(b"text/plain", [payload])
            }
            Api::Json => {
                let (start, middle) = (b"{\"sequence_token\":\"", b"\",\"data\":\"");
                self.body(
                    b"application/json",
                    [start, revision, middle, payload, b"\"}"],
                )
            }
        }
    }

    pub(crate) fn delete(&mut self, path: &[u8]) -> &[u8] {
        self.head(b"DELETE ", path);
        self.end()
    }

    fn head(&mut self, method: &[u8], path: &[u8]) {
        self.bytes.clear();
        for part in [
            method,
            path,
            b" HTTP/1.1\r\nhost: 127.0.0.1\r\n",
            &self.network,
        ] {
            self.bytes.extend_from_slice(part);
        }
    }

    fn line(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
    }

    fn body<const N: usize>(&mut self, media_type: &[u8], parts: [&[u8]; N]) -> &[u8] {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.line(b"content-type: ", media_type);
        self.line(b"content-length: ", length.to_string().as_bytes());
        self.end();
        parts
            .iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        &self.bytes
    }

    fn end(&mut self) -> &[u8] {
        self.bytes.extend_from_slice(b"\r\n");
        &self.bytes
    }
}

impl<'a> Answer<'a> {
    /// Itself, if it has this status.
    pub(crate) fn expect(self, request: &'static str, wanted: u16) -> Result<Self, BenchError> {
        let got = self.status;
        if got == wanted {
            Ok(self)
        } else {
            Err(BenchError::Status {
                request,
                wanted,
                got,
            })
        }
    }

    /// The path of the session that was created: what follows the host in
    /// `{"url":"http://host/path"}`.
    pub(crate) fn path(&self) -> Result<&'a [u8], BenchError> {
        let path = std::str::from_utf8(self.body).ok().and_then(|body| {
            let (_, from_host) = body.split_once("://")?;
            let (start, _) = from_host.get(from_host.find('/')?..)?.split_once('"')?;
            Some(start.as_bytes())
        });
        path.ok_or(BenchError::Lacks {
            request: "create",
            what: "url",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_that_of_the_url() {
        let answer = |body| Answer {
            status: 201,
            etag: b"",
            head: b"",
            body,
        };
        assert_eq!(
            answer(b"{\"url\":\"http://a:1/b/c\"}").path().unwrap(),
            b"/b/c"
        );
        assert!(answer(b"{\"url\":\"http://a:1\"}").path().is_err());
    }

    #[test]
    fn a_request_has_what_the_text_asks_for() {
        let mut request = Request::from_network("203.0.113.1");
        let text = String::from_utf8(request.write(b"/a", b"\"e\"", b"xyz").to_vec()).unwrap();
        assert_eq!(
            text,
            "PUT /a HTTP/1.1\r\nhost: 127.0.0.1\r\nx-forwarded-for: 203.0.113.1\r\nif-match: \"e\"\r\n\
             content-type: text/plain\r\ncontent-length: 3\r\n\r\nxyz"
        );
        assert!(
            !request
                .read(b"/a", b"")
                .windows(5)
                .any(|part| part == b"match")
        );
        let mut request = Request::of(Api::Json);
        let text = String::from_utf8(request.write(b"/a", b"t", b"xyz").to_vec()).unwrap();
        assert_eq!(
            text,
            "PUT /a HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 35\r\n\r\n\
             {\"sequence_token\":\"t\",\"data\":\"xyz\"}"
        );
    }
}
