//! Which of the two metrics formats a scraper prefers (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// Whether it prefers Prometheus' text format to OpenMetrics. A scraper that accepts both alike, or
/// does not say, gets OpenMetrics.
pub(super) fn prefers_text(headers: &HeaderMap) -> bool {
    let lines = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let ranges: Vec<_> = lines.flat_map(|line| line.split(',')).map(range).collect();
    // The most specific matching range counts.
    let quality = |names: [&str; 3]| {
        let of = |name: &&str| {
            ranges
                .iter()
                .find(|(range, _)| range.eq_ignore_ascii_case(name))
        };
        names
            .iter()
            .find_map(of)
            .map_or(0.0, |(_, quality)| *quality)
    };
    let text = quality(["text/plain", "text/*", "*/*"]);
    text > quality(["application/openmetrics-text", "application/*", "*/*"])
}

/// A media range without its parameters, and its quality.
fn range(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q=")?.parse().ok());
    (name, quality.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_is_sent_to_those_who_prefer_it() {
        for (accept, text) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["text/plain"], true),
            (&["Text/Plain; version=0.0.4"], true),
            (&["text/html, */*;q=0.8"], false),
            (&["text/*"], true),
            (&["application/openmetrics-text; version=1.0.0"], false),
            (
                &["application/openmetrics-text;q=0", "text/plain;q=0.1"],
                true,
            ),
            // Prometheus 2.
            (
                &[
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ],
                false,
            ),
            // Telegraf.
            (
                &["application/vnd.google.protobuf;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"],
                true,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for line in accept {
                headers.append(header::ACCEPT, line.parse().unwrap());
            }
            assert_eq!(prefers_text(&headers), text, "{accept:?}");
        }
    }
}
