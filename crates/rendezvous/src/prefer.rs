//! What a reader says about waiting, and what it is told: `Prefer: wait=N` (RFC 7240).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::response::ApiResponse;

/// The longest wait. Shorter than the time that proxies allow a response to take (usually 60 s).
const LONGEST: Duration = Duration::from_secs(30);

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How long the reader wants to wait (`Prefer: wait=N`, RFC 7240, "The wait preference"), in
/// seconds, cut to the longest wait. `None` without such a preference, or with an invalid one: a
/// preference never causes an error.
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let seconds = lines.flat_map(|line| line.split(',')).find_map(wait_of)?;
    Some(Duration::from_secs(seconds.parse().ok()?).min(LONGEST))
}

/// Adds that the preference was applied (RFC 7240, "The Preference-Applied Response Header Field").
pub(crate) fn with_preference_applied(response: ApiResponse, time: Duration) -> ApiResponse {
    let value = HeaderValue::try_from(format!("wait={}", time.as_secs()));
    let response = value.into_iter().fold(response, |response, value| {
        response.with(PREFERENCE_APPLIED, value)
    });
    ApiResponse {
        waited: true,
        ..response
    }
}

/// The value of a preference that is named `wait`.
fn wait_of(preference: &str) -> Option<&str> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    name.trim()
        .eq_ignore_ascii_case("wait")
        .then(|| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_preference_is_read_as_written() {
        let cases: [(&[&str], Option<u64>); 11] = [
            (&[], None),
            (&["wait=5"], Some(5)),
            (&["Wait = \"7\"; x=y"], Some(7)),
            (&["respond-async, wait=10"], Some(10)),
            (&["respond-async", "wait=3"], Some(3)),
            (&["wait=3, wait=9"], Some(3)),
            (&["wait=31"], Some(30)),
            (&["wait=0"], Some(0)),
            (&["wait=-1"], None),
            (&["wait=soon"], None),
            (&["await=5"], None),
        ];
        for (lines, seconds) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("prefer", line.parse().unwrap());
            }
            assert_eq!(
                preferred_wait(&headers),
                seconds.map(Duration::from_secs),
                "{lines:?}"
            );
        }
    }
}
