//! The server's two APIs, as far as a client must know them: how it grants, and where an answer
//! says what.

use memchr::{memchr, memmem};

use crate::{client::Answer, error::BenchError, requests::JSON_SESSIONS};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Api {
    /// MSC4108's: payloads are bodies, revisions are ETags.
    #[default]
    Text,
    /// MSC4388's: both are in JSON.
    Json,
}

impl Api {
    pub(crate) fn created(self) -> u16 {
        if self == Self::Text { 201 } else { 200 }
    }

    pub(crate) fn written(self) -> u16 {
        if self == Self::Text { 202 } else { 200 }
    }

    pub(crate) fn deleted(self) -> u16 {
        if self == Self::Text { 204 } else { 200 }
    }

    /// The path of the session that was created, in the place of the one before.
    pub(crate) fn path(self, created: &Answer<'_>, path: &mut Vec<u8>) -> Result<(), BenchError> {
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

    /// Which write an answer is about, empty if it does not say.
    pub(crate) fn revision<'a>(self, answer: &Answer<'a>) -> &'a [u8] {
        match self {
            Self::Text => answer.etag,
            Self::Json => text(answer.body, b"\"sequence_token\":\"").unwrap_or_default(),
        }
    }

    /// The payload that was read, which has nothing that JSON escapes.
    pub(crate) fn payload<'a>(self, answer: &Answer<'a>) -> &'a [u8] {
        match self {
            Self::Text => answer.body,
            Self::Json => text(answer.body, b"\"data\":\"").unwrap_or_default(),
        }
    }
}

const NO_ID: BenchError = BenchError::Lacks {
    request: "create",
    what: "id",
};

/// What follows this, up to the next quote.
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
        let answer = |body| Answer {
            status: 200,
            etag: b"\"e\"",
            head: b"",
            body,
        };
        let read = answer(b"{\"data\":\"xyz\",\"sequence_token\":\"t\",\"expires_in_ms\":1}");
        assert_eq!(
            (Api::Json.payload(&read), Api::Json.revision(&read)),
            (&b"xyz"[..], &b"t"[..])
        );
        assert_eq!(
            (Api::Text.payload(&read), Api::Text.revision(&read)),
            (read.body, read.etag)
        );
        let mut path = b"before".to_vec();
        Api::Json
            .path(
                &answer(b"{\"id\":\"abc\",\"sequence_token\":\"t\"}"),
                &mut path,
            )
            .unwrap();
        assert_eq!(path, b"/_matrix/client/v1/rendezvous/abc");
        assert!(
            Api::Json
                .path(&answer(b"{\"sequence_token\":\"t\"}"), &mut path)
                .is_err()
        );
    }
}
