//! The requests of both rendezvous APIs, as bytes, and the session's path in MSC4108's responses.

use crate::{api::RendezvousApi, client::RawResponse, error::BenchError};

const CREATE: &[u8] = b"/_matrix/client/v1/rendezvous";

/// Writes each request over the one before it, so that none needs an allocation.
#[derive(Default)]
pub(crate) struct RequestBuffer {
    pub(crate) api: RendezvousApi,
    bytes: Vec<u8>,
    /// A header line with the client's address, for each request.
    network: Vec<u8>,
}

impl RequestBuffer {
    pub(crate) fn of(api: RendezvousApi) -> Self {
        Self {
            api,
            ..Self::default()
        }
    }

    /// The requests of a client at this address, as a proxy on this machine would forward them.
    pub(crate) fn from_network(address: &str) -> Self {
        Self {
            network: format!("x-forwarded-for: {address}\r\n").into_bytes(),
            ..Self::default()
        }
    }

    pub(crate) fn create(&mut self, payload: &[u8]) -> &[u8] {
        self.head(b"POST ", CREATE);
        match self.api {
            RendezvousApi::Text => self.body(b"text/plain", [payload]),
            RendezvousApi::Json => {
                self.body(b"application/json", [b"{\"data\":\"", payload, b"\"}"])
            }
        }
    }

    /// `seen` is the ETag that the reader has seen, or empty. In MSC4388 it is always empty.
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
            RendezvousApi::Text => {
                self.line(b"if-match: ", revision);
                self.body(b"text/plain", [payload])
            }
            RendezvousApi::Json => {
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

impl<'a> RawResponse<'a> {
    /// Returns itself, if it has this status.
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

    /// The path of the session that was created, from `{"url":"http://host/path"}`.
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
        let response = |body| RawResponse {
            status: 201,
            etag: b"",
            head: b"",
            body,
        };
        assert_eq!(
            response(b"{\"url\":\"http://a:1/b/c\"}").path().unwrap(),
            b"/b/c"
        );
        assert!(response(b"{\"url\":\"http://a:1\"}").path().is_err());
    }

    #[test]
    fn a_request_has_what_the_text_asks_for() {
        let mut request = RequestBuffer::from_network("203.0.113.1");
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
        let mut request = RequestBuffer::of(RendezvousApi::Json);
        let text = String::from_utf8(request.write(b"/a", b"t", b"xyz").to_vec()).unwrap();
        assert_eq!(
            text,
            "PUT /a HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 35\r\n\r\n\
             {\"sequence_token\":\"t\",\"data\":\"xyz\"}"
        );
    }
}
