//! What is stored in a session, and what it was written against.

use std::fmt;

use super::session_id::{SequenceToken, SessionId};

/// The largest payload, in bytes (section "Maximum payload size").
pub const MAX_PAYLOAD_BYTES: usize = 4096;

/// A payload of a rendezvous session, sealed or to be opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// Its bytes, at most 4096.
    pub bytes: Vec<u8>,
    /// What was stored in the session when it was written.
    pub binding: Binding,
}

/// What a payload is written against. In MSC4108 that is nothing that the payload itself could
/// show; in MSC4388 it is authenticated with every payload ("Secure channel", `Aad`).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Binding {
    aad: Vec<u8>,
    token: Option<SequenceToken>,
}

impl Binding {
    /// `Aad := EncodeStringAsBytes16(BaseUrl) || EncodeStringAsBytes8(RendezvousId) ||
    /// EncodeStringAsBytes8(SequenceToken)`.
    #[must_use]
    pub fn new(session: &SessionId, token: &SequenceToken) -> Self {
        let base_url = session.api().base_url().as_str();
        // No length is cut: a base URL has at most 512 bytes, an identifier 255.
        let [.., high, low] = base_url.len().to_be_bytes();
        let mut aad = [&[high, low], base_url.as_bytes()].concat();
        for text in [session.as_str(), token.as_str()] {
            let [.., length] = text.len().to_be_bytes();
            aad.push(length);
            aad.extend(text.as_bytes());
        }
        Self {
            aad,
            token: Some(token.clone()),
        }
    }

    /// The additional authenticated data. Empty in MSC4108.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.aad
    }

    pub(super) fn token(&self) -> Option<&SequenceToken> {
        self.token.as_ref()
    }
}

/// A payload that is bound to nothing, as those of MSC4108 are.
impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            binding: Binding::default(),
        }
    }
}

/// Text that is bound to nothing.
impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}

/// Not shown: anyone who knows the session's ID can write there.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding([redacted])")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::homeserver::BaseUrl;
    use crate::rendezvous::ApiRoot;
    use crate::revision::Prefix;

    fn binding(base_url: &str, id: &str, token: &str) -> Binding {
        let api = ApiRoot::new(BaseUrl::parse(base_url).unwrap(), Prefix::Stable);
        Binding::new(
            &SessionId::parse(api, id).unwrap(),
            &SequenceToken::parse(token).unwrap(),
        )
    }

    #[test]
    fn the_aad_is_the_three_strings_with_their_lengths() {
        let bound = binding("https://a.org", "abcdef", "1=");
        assert_eq!(bound.as_bytes(), b"\x00\x0dhttps://a.org\x06abcdef\x021=");
    }

    #[test]
    fn long_strings_have_long_lengths() {
        let base_url = format!("https://a/{}", "x".repeat(502));
        let (id, token) = ("i".repeat(255), "t".repeat(255));
        let bound = binding(&base_url, &id, &token);
        let expected = [
            b"\x02\x00",
            base_url.as_bytes(),
            b"\xff",
            id.as_bytes(),
            b"\xff",
            token.as_bytes(),
        ]
        .concat();
        assert_eq!(bound.as_bytes(), expected);
    }

    #[test]
    fn the_base_url_is_bound_as_it_is_written() {
        assert_ne!(
            binding("https://a.org", "x", "1"),
            binding("https://a.org/", "x", "1")
        );
        assert_ne!(
            binding("https://a.org", "x", "1"),
            binding("https://A.org", "x", "1")
        );
    }

    #[test]
    fn without_a_session_id_there_is_nothing_to_bind_to() {
        assert_eq!(Payload::from(b"x".to_vec()).binding.as_bytes(), b"");
        assert_eq!(Payload::from("x"), b"x".to_vec().into());
        assert_eq!(Binding::default().token(), None);
    }

    #[test]
    fn debug_tells_no_id() {
        let payload = Payload {
            bytes: b"xyz".to_vec(),
            binding: binding("https://a.org", "abcdef", "1"),
        };
        assert_eq!(
            format!("{payload:?} {:?}", payload.binding),
            "Payload(3 bytes) Binding([redacted])"
        );
    }
}
