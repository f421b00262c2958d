//! The two rendezvous APIs, as far as a client must know them: the statuses, and where a response
//! has the session, the write and the payload.

use memchr::{memchr, memmem};

use crate::{client::RawResponse, error::BenchError};

/// Where MSC4388's sessions are. The ID follows.
const JSON_SESSIONS: &[u8] = b"/_matrix/client/v1/rendezvous/";

/// Which proposal the requests follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RendezvousApi {
    /// MSC4108's: a payload is a body, and its name an ETag.
    #[default]
    Text,
    /// MSC4388's: a payload and its sequence token are in JSON.
    Json,
}

impl RendezvousApi {
    pub(crate) fn created(self) -> u16 {
        if self == Self::Text { 201 } else { 200 }
    }

    pub(crate) fn written(self) -> u16 {
        if self == Self::Text { 202 } else { 200 }
    }

    pub(crate) fn deleted(self) -> u16 {
        if self == Self::Text { 204 } else { 200 }
    }

    /// Replaces `path` with that of the session that was created.
    pub(crate) fn path(
        self,
        created: &RawResponse<'_>,
        path: &mut Vec<u8>,
    ) -> Result<(), BenchError> {
        path.clear();
        match self {
            Self::Text => path.extend_from_slice(created.path()?),
            Self::Json => {
                path.extend_from_slice(JSON_SESSIONS);
                path.extend_from_slice(text(created.body, b"\"id\":\"").ok_or(NO_ID)?);
            }
        }
        Ok(())
    }

    /// The ETag or sequence token in a response, empty if there is none.
    pub(crate) fn revision<'a>(self, response: &RawResponse<'a>) -> &'a [u8] {
        match self {
            Self::Text => response.etag,
            Self::Json => text(response.body, b"\"sequence_token\":\"").unwrap_or_default(),
        }
    }

    /// The payload that was read. It must have no characters that JSON escapes.
    pub(crate) fn payload<'a>(self, response: &RawResponse<'a>) -> &'a [u8] {
        match self {
            Self::Text => response.body,
            Self::Json => text(response.body, b"\"data\":\"").unwrap_or_default(),
        }
    }
}

const NO_ID: BenchError = BenchError::Lacks {
    request: "create",
    what: "id",
};

/// The text between this and the next quote.
fn text<'a>(body: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let rest = body.get(memmem::find(body, start)? + start.len()..)?;
    rest.get(..memchr(b'"', rest)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_says_in_its_body_what_text_says_in_its_headers() {
        let response = |body| RawResponse {
            status: 200,
            etag: b"\"e\"",
            head: b"",
            body,
        };
        let read = response(b"{\"data\":\"xyz\",\"sequence_token\":\"t\",\"expires_in_ms\":1}");
        assert_eq!(
            (
                RendezvousApi::Json.payload(&read),
                RendezvousApi::Json.revision(&read)
            ),
            (&b"xyz"[..], &b"t"[..])
        );
        assert_eq!(
            (
                RendezvousApi::Text.payload(&read),
                RendezvousApi::Text.revision(&read)
            ),
            (read.body, read.etag)
        );
        let mut path = b"before".to_vec();
        RendezvousApi::Json
            .path(
                &response(b"{\"id\":\"abc\",\"sequence_token\":\"t\"}"),
                &mut path,
            )
            .unwrap();
        assert_eq!(path, b"/_matrix/client/v1/rendezvous/abc");
        assert!(
            RendezvousApi::Json
                .path(&response(b"{\"sequence_token\":\"t\"}"), &mut path)
                .is_err()
        );
    }
}
