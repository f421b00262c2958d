//! MSC4388's names: the API of a homeserver, a session in it, a revision of its payload.

use std::fmt;

use url::Url;

use crate::homeserver::BaseUrl;
use crate::revision::Prefix;

/// The longest identifier, in bytes (Matrix appendices, "Opaque identifiers").
const MAX_ID_BYTES: usize = 255;

/// Where a homeserver's rendezvous API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRoot {
    base_url: BaseUrl,
    prefix: Prefix,
}

impl ApiRoot {
    /// The API of this homeserver, under these names.
    #[must_use]
    pub fn new(base_url: BaseUrl, prefix: Prefix) -> Self {
        Self { base_url, prefix }
    }

    /// The homeserver.
    #[must_use]
    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// The names that are used: in the path, and in a QR code for a session there.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// The URL at which sessions are created.
    #[must_use]
    pub fn url(&self) -> Url {
        self.base_url.below(self.path())
    }

    fn path(&self) -> &'static str {
        match self.prefix {
            Prefix::Stable => "/_matrix/client/v1/rendezvous",
            Prefix::Unstable => "/_matrix/client/unstable/io.element.msc4388/rendezvous",
        }
    }
}

/// A session in a homeserver's rendezvous API. Anyone who knows the ID can write there: `Debug`
/// does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId {
    api: ApiRoot,
    id: String,
}

impl SessionId {
    /// The session with this ID, or `None` if that is not an opaque identifier.
    #[must_use]
    pub fn parse(api: ApiRoot, id: &str) -> Option<Self> {
        // Two texts of the grammar mean something else in a path than themselves.
        let usable = is_opaque(id, b"") && !matches!(id, "." | "..");
        usable.then(|| Self {
            api,
            id: id.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn api(&self) -> &ApiRoot {
        &self.api
    }

    /// The ID as the server or the QR code gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// The URL of the session.
    #[must_use]
    pub fn url(&self) -> Url {
        self.api
            .base_url
            .below(&format!("{}/{}", self.api.path(), self.id))
    }

    /// The same session under other names: a code does not say which of them the server knows.
    #[must_use]
    pub fn under(self, prefix: Prefix) -> Self {
        Self {
            api: ApiRoot { prefix, ..self.api },
            ..self
        }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:?}, [redacted])", self.api)
    }
}

/// Which of a session's payloads this is. Opaque: it is sent back as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceToken(String);

impl SequenceToken {
    /// The token, or `None` if it is not one. Base64 is accepted beside the grammar's characters:
    /// the text's own examples are padded.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_opaque(text, b"+/=").then(|| Self(text.to_owned()))
    }

    /// The token as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Matrix appendices, "Opaque identifiers": 1 to 255 of `0-9A-Za-z-._~`.
fn is_opaque(text: &str, more: &[u8]) -> bool {
    let allowed = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') || more.contains(&b)
    };
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn api(base_url: &str, prefix: Prefix) -> ApiRoot {
        ApiRoot::new(BaseUrl::parse(base_url).unwrap(), prefix)
    }

    #[test]
    fn the_paths_are_those_of_the_text() {
        for (prefix, path) in [
            (Prefix::Stable, "/_matrix/client/v1/rendezvous"),
            (
                Prefix::Unstable,
                "/_matrix/client/unstable/io.element.msc4388/rendezvous",
            ),
        ] {
            for base in ["https://example.org", "https://example.org/"] {
                let api = api(base, prefix);
                assert_eq!(api.url().as_str(), format!("https://example.org{path}"));
                let session = SessionId::parse(api, "a~B.1_-").unwrap();
                assert_eq!(
                    session.url().as_str(),
                    format!("https://example.org{path}/a~B.1_-")
                );
                let other = session.under(prefix.other());
                assert_eq!(
                    (other.api().prefix(), other.api().base_url().as_str()),
                    (prefix.other(), base)
                );
            }
        }
    }

    #[test]
    fn ids_are_opaque_identifiers() {
        let id = |text: &str| SessionId::parse(api("https://example.org", Prefix::Stable), text);
        for text in [
            "a",
            "e8da6355-550b-4a32-a193-1619d9830668",
            "...",
            &"x".repeat(255),
        ] {
            assert_eq!(id(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "a?b",
            "a#b",
            "a b",
            "a%2F",
            "a=",
            "a+",
            "ä",
            "a\n",
            &"x".repeat(256),
        ] {
            assert_eq!(id(text), None, "{text:?}");
        }
    }

    #[test]
    fn tokens_may_be_base64() {
        for text in [
            "1",
            "VmbxF13QDusTgOCt8aoa0d2PQcnBOXeIxEqhw5aQ03o=",
            "a+/b",
            &"x".repeat(255),
        ] {
            assert_eq!(SequenceToken::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a\"", "a\\", "a,b", "ä", &"x".repeat(256)] {
            assert_eq!(SequenceToken::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn debug_tells_no_id() {
        let session =
            SessionId::parse(api("https://example.org", Prefix::Unstable), "abcdef").unwrap();
        assert_eq!(
            format!("{session:?}"),
            "SessionId(ApiRoot { base_url: BaseUrl(\"https://example.org\"), prefix: Unstable }, [redacted])"
        );
    }
}
