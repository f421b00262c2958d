//! What is wrong with a document that should be JSON, for the person who typed the name and the
//! administrator who serves the document.

use matrix_qr_protocol::printable;
use serde::de::DeserializeOwned;

/// The byte order marks of UTF-8 and of UTF-16 (RFC 8259, section 8.1: a JSON text must not begin
/// with one).
const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

/// Reads it. The error says what it is instead, as the predicate of a sentence that begins with the
/// document.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| fault(body, &error))
}

fn fault(body: &[u8], error: &serde_json::Error) -> String {
    let text = body.trim_ascii();
    if text.is_empty() {
        "is empty".to_owned()
    } else if BYTE_ORDER_MARKS.iter().any(|mark| body.starts_with(mark)) {
        "begins with a byte order mark, which JSON does not allow".to_owned()
    } else if text.starts_with(b"<") {
        "is a web page (HTML), not JSON".to_owned()
    } else if has_comment(text) {
        "contains a comment, which JSON does not allow".to_owned()
    } else if error.is_data() {
        format!(
            "does not have the expected content: {}",
            printable(&error.to_string())
        )
    } else {
        format!(
            "is not JSON (line {}, column {})",
            error.line(),
            error.column()
        )
    }
}

/// `//`, `/*` or `#` outside of a string.
fn has_comment(text: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    text.iter()
        .zip(text.iter().skip(1).chain([&b' ']))
        .any(|(byte, next)| {
            let ends = *byte == b'"' && !escaped;
            quoted ^= ends;
            escaped = *byte == b'\\' && !escaped;
            !quoted && (*byte == b'#' || (*byte == b'/' && matches!(next, b'/' | b'*')))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "only whether it can be read matters")]
    struct Document {
        url: String,
    }

    #[test]
    fn each_fault_is_named() {
        let cases: [(&[u8], &str); 12] = [
            (b"", "is empty"),
            (b" \r\n", "is empty"),
            (
                b"\xef\xbb\xbf{\"url\":\"a\"}",
                "begins with a byte order mark",
            ),
            (b"\xff\xfe{\0", "begins with a byte order mark"),
            (b"\n<!DOCTYPE html>", "is a web page (HTML)"),
            (b"{\"url\":\"https://a\" // ours\n}", "contains a comment"),
            (b"/* ours */ {\"url\":\"a\"}", "contains a comment"),
            (b"{\"url\":\"a\"}\n# ours", "contains a comment"),
            (b"{} // ours", "contains a comment"),
            (
                b"{\"url\":\"https://a\\\"//#\",}",
                "is not JSON (line 1, column 25)",
            ),
            (b"{\"url\":", "is not JSON (line 1, column 7)"),
            (
                b"{}",
                "does not have the expected content: missing field `url`",
            ),
        ];
        for (body, fault) in cases {
            let said = read::<Document>(body).unwrap_err();
            assert!(
                said.starts_with(fault),
                "{}: {said}",
                String::from_utf8_lossy(body)
            );
        }
        assert!(read::<Document>(b"{\"url\":\"https://a/#b\"}").is_ok());
    }
}
