//! How long the servers take to respond. A sign-in sends them about twenty requests, one after the
//! other.

use std::time::Duration;

use url::Url;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::response::origin;

const SLOW: Duration = Duration::from_secs(1);

/// Compares the median of each server: a single late response says nothing.
pub(crate) fn check(times: &[(Url, Duration)]) -> Finding {
    let check = Check::Speed;
    let mut servers: Vec<String> = times.iter().map(|(url, _)| origin(url)).collect();
    servers.sort();
    servers.dedup();
    let medians: Vec<_> = servers
        .into_iter()
        .map(|server| (median(times, &server), server))
        .collect();
    let text =
        |(median, server): &(Duration, String)| format!("{server} takes {} ms", median.as_millis());
    let slow: Vec<_> = medians
        .iter()
        .filter(|(median, _)| *median > SLOW)
        .map(text)
        .collect();
    if medians.is_empty() {
        Finding::not_checked(check, "no server responded")
    } else if slow.is_empty() {
        Finding::good(
            check,
            medians.iter().map(text).collect::<Vec<_>>().join(", "),
        )
    } else {
        Finding::warning(check, slow.join(", "), TOO_SLOW)
    }
}

fn median(times: &[(Url, Duration)], server: &str) -> Duration {
    let of_server = times.iter().filter(|(url, _)| origin(url) == server);
    let mut times: Vec<_> = of_server.map(|(_, time)| *time).collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

const TOO_SLOW: Advice<'_> = Advice {
    effect: "A sign-in takes half a minute or more, and some run out of time.",
    remedy: "Check that server's load, its database and its proxy. The network may also be slow: \
        run this command from another one.",
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::finding::Verdict;

    fn finding(times: &[(&str, u64)]) -> Finding {
        let times: Vec<_> = times
            .iter()
            .map(|(host, ms)| {
                (
                    Url::parse(&format!("https://{host}/x")).unwrap(),
                    Duration::from_millis(*ms),
                )
            })
            .collect();
        check(&times)
    }

    #[test]
    fn a_server_is_slow_when_most_of_its_answers_are() {
        assert!(matches!(finding(&[]).verdict, Verdict::NotChecked { .. }));
        let good = finding(&[
            ("a.example", 3),
            ("b.example", 900),
            ("a.example", 5),
            ("b.example", 1000),
        ]);
        assert_eq!(
            (good.verdict, good.seen.as_str()),
            (
                Verdict::Good,
                "https://a.example takes 5 ms, https://b.example takes 1000 ms"
            )
        );
        assert_eq!(
            finding(&[("a.example", 2), ("a.example", 9000), ("a.example", 3)]).verdict,
            Verdict::Good
        );
        let slow = finding(&[
            ("a.example", 2),
            ("b.example", 1001),
            ("b.example", 1700),
            ("b.example", 5),
        ]);
        assert_eq!(
            (slow.verdict, slow.seen.as_str()),
            (Verdict::Warning, "https://b.example takes 1001 ms")
        );
    }
}
