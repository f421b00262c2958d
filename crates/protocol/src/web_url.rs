//! URLs that someone else gave us: each is checked here before anything uses it.

use thiserror::Error;
use url::{ParseError, Url};

/// Why a text is not a URL that this crate would let a device contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Longer than the given number of bytes.
    #[error("the URL is longer than {0} bytes")]
    TooLong(usize),
    /// A space, a control character or a backslash, which URL parsers read in different ways.
    #[error("the URL contains a space, a control character or a backslash")]
    ForbiddenCharacter,
    /// Not an absolute URL at all.
    #[error("this is not an absolute URL: {0}")]
    Syntax(ParseError),
    /// Neither `https` nor `http`.
    #[error("the URL is neither https nor http")]
    Scheme,
    /// A user name or a password before the host.
    #[error("the URL contains a user name or a password")]
    Credentials,
    /// A part that has no place in this kind of URL.
    #[error("the URL must not have a {0}")]
    UnexpectedPart(&'static str),
}

/// A URL that passed these rules, with the text that it came as. No `Debug`: some are secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct WebUrl {
    /// Exactly as it came, without an added or removed slash.
    pub(crate) text: String,
    pub(crate) url: Url,
}

impl WebUrl {
    /// Parses an absolute `http` or `https` URL of at most `max` bytes, with a host, without
    /// credentials and fragment.
    ///
    /// Plain `http` is accepted: whether it may be contacted (loopback, for development) is for the
    /// caller to decide.
    pub(crate) fn parse(text: &str, max: usize) -> Result<Self, UrlError> {
        if text.len() > max {
            return Err(UrlError::TooLong(max));
        }
        // `Url` drops or rewrites these silently, and a person would be shown something else than
        // what is contacted.
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return Err(UrlError::ForbiddenCharacter);
        }
        Ok(Self {
            text: text.to_owned(),
            url: check(Url::parse(text).map_err(UrlError::Syntax)?)?,
        })
    }
}

/// The same rules for a URL that is parsed already.
pub(crate) fn check(url: Url) -> Result<Url, UrlError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    if url.fragment().is_some() {
        return Err(UrlError::UnexpectedPart("fragment"));
    }
    Ok(url)
}

/// `path`, which begins with a slash, below `base`, whether `base` ends in a slash or not.
#[must_use]
pub fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ordinary_urls_pass() {
        for text in [
            "https://example.org",
            "http://127.0.0.1:8008/a?b=c",
            "https://[::1]/",
            "https://bücher.example/",
        ] {
            let parsed = WebUrl::parse(text, 100).unwrap();
            assert_eq!(parsed.text, text);
            assert_eq!(parsed.url, Url::parse(text).unwrap());
        }
    }

    #[test]
    fn each_rule_refuses_with_its_own_reason() {
        let cases = [
            ("https://example.org/too-long", UrlError::TooLong(26)),
            ("https://exam ple.org", UrlError::ForbiddenCharacter),
            ("https://example.org\\x", UrlError::ForbiddenCharacter),
            ("https://exa\nmple.org", UrlError::ForbiddenCharacter),
            (" https://example.org", UrlError::ForbiddenCharacter),
            (
                "/relative",
                UrlError::Syntax(ParseError::RelativeUrlWithoutBase),
            ),
            ("https://", UrlError::Syntax(ParseError::EmptyHost)),
            ("ftp://example.org", UrlError::Scheme),
            ("javascript:alert(1)", UrlError::Scheme),
            ("https://a@example.org", UrlError::Credentials),
            ("https://:b@example.org", UrlError::Credentials),
            ("https://example.org#", UrlError::UnexpectedPart("fragment")),
        ];
        for (text, error) in cases {
            assert_eq!(WebUrl::parse(text, 26).map(drop), Err(error), "{text}");
        }
    }

    #[test]
    fn a_path_is_joined_below_the_base_with_or_without_its_slash() {
        let cases = [
            ("https://a.example", "https://a.example/_matrix/x"),
            ("https://a.example/", "https://a.example/_matrix/x"),
            ("https://a.example/base", "https://a.example/base/_matrix/x"),
            (
                "https://a.example/base/",
                "https://a.example/base/_matrix/x",
            ),
        ];
        for (base, whole) in cases {
            let base = Url::parse(base).unwrap();
            assert_eq!(join(&base, "/_matrix/x").as_str(), whole);
        }
    }
}
