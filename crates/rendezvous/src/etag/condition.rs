//! `If-Match` and `If-None-Match`: one ETag, which a proxy may have modified.
//!
//! A proxy that compresses modifies the ETag of a response, and the browser sends the modified ETag
//! back. All tags are created by this server, in one known form: if a known suffix is removed and
//! the rest has that form, that tag is meant. A weak tag then counts as a strong one: our payloads
//! never have two representations.

use axum::http::{HeaderMap, HeaderName};

use crate::{refusal::Refusal, store::id::WriteTag};

/// What proxies append to an ETag, after `-` (Apache), `--` (Jetty) or `;`: the name of a coding.
const CODINGS: [&str; 6] = ["gzip", "br", "zstd", "deflate", "x-gzip", "compress"];

/// How many characters a tag of this server has.
const OURS: usize = 22;

/// The payload that a request refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// A tag of this server, unmodified or modified.
    Own(WriteTag),
    /// A tag that this server has not created.
    Foreign,
}

impl Condition {
    /// From the header of this name (MSC4108, "The send mechanism"). `*`, lists, tags without
    /// quotes, and weak tags of others are malformed.
    pub(super) fn of(headers: &HeaderMap, name: HeaderName) -> Result<Option<Self>, Refusal> {
        let mut lines = headers.get_all(name).iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        let only = lines
            .next()
            .is_none()
            .then(|| Self::parse(line.as_bytes()))
            .flatten();
        only.map(Some).ok_or(Refusal::MalformedETag)
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let (weak, quoted) = match line.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, line),
        };
        let tag = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if !tag
            .iter()
            .all(|byte| *byte != b'"' && byte.is_ascii_graphic())
        {
            return None;
        }
        match str::from_utf8(tag).ok().and_then(parse_tag) {
            Some(tag) => Some(Self::Own(tag)),
            None => (!weak).then_some(Self::Foreign),
        }
    }

    /// `None` for a foreign tag.
    pub(super) fn tag(self) -> Option<WriteTag> {
        match self {
            Self::Own(tag) => Some(tag),
            Self::Foreign => None,
        }
    }
}

fn parse_tag(tag: &str) -> Option<WriteTag> {
    let (token, decoration) = tag.split_at_checked(OURS)?;
    let known = |separator| {
        decoration.strip_prefix(separator).is_some_and(|coding| {
            CODINGS
                .iter()
                .any(|known| coding.eq_ignore_ascii_case(known))
        })
    };
    (decoration.is_empty() || ["-", "--", ";"].into_iter().any(known))
        .then(|| WriteTag::parse(token))
        .flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::{HeaderValue, header};

    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Condition>, ()> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                "if-match",
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        Condition::of(&headers, header::IF_MATCH).map_err(|_| ())
    }

    #[test]
    fn one_tag_and_nothing_else() {
        assert_eq!(read(&[]), Ok(None));
        for strange in ["\"abc\"", "\"\"", "\"AAAAAAAAAAAAAAAAAAAAAB\""] {
            assert_eq!(read(&[strange]), Ok(Some(Condition::Foreign)), "{strange}");
        }
        for wrong in [
            "",
            "*",
            "abc",
            "\"",
            "W/",
            "W/\"abc\"",
            "w/\"\"",
            "\"a\", \"b\"",
            "\"a\",\"b\"",
            "\"a b\"",
            "'a'",
            "\"é\"",
        ] {
            assert_eq!(read(&[wrong]), Err(()), "{wrong}");
        }
        assert_eq!(read(&["\"a\"", "\"a\""]), Err(()));
    }

    #[test]
    fn our_tag_is_recognized_with_what_proxies_append() {
        let tag = WriteTag::random();
        for own in [
            format!("\"{tag}\""),
            format!("W/\"{tag}\""),
            format!("\"{tag}-gzip\""),
            format!("\"{tag}-br\""),
            format!("\"{tag}-zstd\""),
            format!("\"{tag}--gzip\""),
            format!("\"{tag};gzip\""),
            format!("W/\"{tag}-gzip\""),
        ] {
            assert_eq!(read(&[&own]), Ok(Some(Condition::Own(tag))), "{own}");
        }
        for strange in [
            format!("\"{tag}-\""),
            format!("\"{tag}gzip\""),
            format!("\"{tag}-gzip-gzip\""),
            format!("\"{tag}-elsewhere\""),
            format!("\"gzip-{tag}\""),
            format!("\"{tag}{tag}\""),
            "\"AAAA-gzip\"".to_owned(),
        ] {
            assert_eq!(read(&[&strange]), Ok(Some(Condition::Foreign)), "{strange}");
            assert_eq!(read(&[&format!("W/{strange}")]), Err(()), "{strange}");
        }
        for wrong in [
            format!("{tag}"),
            format!("\"{tag}\", \"{tag}\""),
            format!("W/\"{tag}\",*"),
        ] {
            assert_eq!(read(&[&wrong]), Err(()), "{wrong}");
        }
    }
}
