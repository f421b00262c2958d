//! The bodies of MSC4388's requests and responses.

use std::{borrow::Cow, time::Instant};

use serde::{Deserialize, Serialize, Serializer, de::IgnoredAny};

use crate::{
    refusal::Refusal,
    store::{id::SessionId, session::SessionSnapshot},
};

/// The first payload of a session.
#[derive(Deserialize)]
pub(super) struct CreateRequest<'a> {
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
}

/// The payload that replaces the one with this token. The token may be any text: one that is not of
/// this server is not the current one.
#[derive(Deserialize)]
pub(super) struct SendRequest<'a> {
    #[serde(borrow)]
    pub(super) sequence_token: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
}

/// Ignores unknown fields. A known field may only appear once: otherwise two readers could disagree
/// on which one counts.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Refusal> {
    let text = str::from_utf8(text).map_err(|_| Refusal::NotJson)?;
    // serde would also accept an array of the fields' values.
    let object = text
        .trim_start()
        .starts_with('{')
        .then(|| serde_json::from_str(text).ok())
        .flatten();
    object.ok_or_else(|| match serde_json::from_str(text) {
        Ok(IgnoredAny) => Refusal::BadJson,
        Err(_) => Refusal::NotJson,
    })
}

#[derive(Serialize)]
pub(super) struct DiscoverResponse {
    pub(super) create_available: bool,
}

#[derive(Serialize)]
pub(super) struct CreateResponse {
    id: TokenText,
    sequence_token: TokenText,
    expires_in_ms: u64,
}

#[derive(Serialize)]
pub(super) struct ReceiveResponse<'a> {
    data: &'a str,
    sequence_token: TokenText,
    expires_in_ms: u64,
    /// Our own extension: the token of the payload that this one replaced. A device that lost the
    /// response to its own write has no other way to know it, and the other device has bound its
    /// payload to it ("Secure operations").
    #[serde(
        rename = "io.github.matrix-qr.previous_sequence_token",
        skip_serializing_if = "Option::is_none"
    )]
    previous: Option<TokenText>,
}

#[derive(Serialize)]
pub(super) struct SendResponse {
    sequence_token: TokenText,
}

/// The proposal shows no body; Matrix clients expect an object.
#[derive(Serialize)]
pub(super) struct CancelResponse {}

impl CreateResponse {
    pub(super) fn new(id: SessionId, session: &SessionSnapshot, now: Instant) -> Self {
        Self {
            id: TokenText(id.to_text()),
            sequence_token: token(session),
            expires_in_ms: left(session, now),
        }
    }
}

impl<'a> ReceiveResponse<'a> {
    /// `None` if the stored payload is not text: it was not written through this API.
    pub(super) fn new(session: &'a SessionSnapshot, now: Instant) -> Option<Self> {
        let data = str::from_utf8(&session.payload).ok()?;
        let previous = session.replaced.map(|tag| TokenText(tag.to_text()));
        Some(Self {
            data,
            sequence_token: token(session),
            expires_in_ms: left(session, now),
            previous,
        })
    }
}

impl SendResponse {
    pub(super) fn new(session: &SessionSnapshot) -> Self {
        Self {
            sequence_token: token(session),
        }
    }
}

/// The JSON text of a response, in an allocation of this capacity.
pub(super) fn to_text(body: &impl Serialize, capacity: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(capacity);
    // Serializing these types into memory cannot fail.
    let written = serde_json::to_writer(&mut text, body);
    debug_assert!(written.is_ok(), "{written:?}");
    text
}

fn token(session: &SessionSnapshot) -> TokenText {
    TokenText(session.tag.to_text())
}

/// The remaining time in milliseconds.
fn left(session: &SessionSnapshot, now: Instant) -> u64 {
    let left = session.expires.saturating_duration_since(now);
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

/// An ID or token of this server: letters, digits, `-` and `_`, as opaque identifiers are (Matrix,
/// "Opaque Identifiers").
struct TokenText([u8; 22]);

impl Serialize for TokenText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<(String, String), Refusal> {
        let SendRequest {
            sequence_token,
            data,
        } = parse(text)?;
        Ok((sequence_token.into_owned(), data.into_owned()))
    }

    #[test]
    fn known_fields_appear_once_and_others_are_ignored() {
        for text in [
            r#"{"sequence_token":"a","data":"b"}"#,
            r#" {"data" : "b", "x": [{}], "sequence_token":"\u0061"} "#,
            r#"{"x":1,"x":2,"data":"b","sequence_token":"a"}"#,
        ] {
            assert!(
                matches!(read(text.as_bytes()), Ok((a, b)) if (&*a, &*b) == ("a", "b")),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_json_and_no_json_are_different_errors() {
        for text in [
            "{}",
            "[]",
            "7",
            r#"["a","b"]"#,
            r#"{"data":"b"}"#,
            r#"{"sequence_token":"a"}"#,
            r#"{"sequence_token":"a","data":null}"#,
            r#"{"sequence_token":1,"data":"b"}"#,
            r#"{"sequence_token":"a","data":["b"]}"#,
            r#"{"sequence_token":"a","data":"b","data":"b"}"#,
            r#"{"sequence_token":"a","data":"\ud800"}"#,
        ] {
            assert!(
                matches!(read(text.as_bytes()), Err(Refusal::BadJson)),
                "{text}"
            );
        }
        for text in [
            &b""[..],
            b"x",
            b"{",
            b"{\"data\":1",
            br#"{"sequence_token":"a","data":"b"}}"#,
            br#"{"sequence_token":"a","data":"b",}"#,
            b"\xef\xbb\xbf{\"sequence_token\":\"a\",\"data\":\"b\"}",
            b"{\"sequence_token\":\"a\",\"data\":\"\xff\"}",
            b"{\"sequence_token\":\"a\",\"data\":\"\n\"}",
        ] {
            assert!(
                matches!(read(text), Err(Refusal::NotJson)),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn what_needs_no_escape_is_not_copied() {
        let text = br#"{"sequence_token":"a","data":"plain"}"#;
        let parsed = parse::<SendRequest<'_>>(text);
        assert!(matches!(
            parsed,
            Ok(SendRequest {
                data: Cow::Borrowed("plain"),
                ..
            })
        ));
    }
}
