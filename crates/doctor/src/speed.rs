//! How long the servers take. A sign-in asks them some twenty times, one after the other.

use std::time::Duration;

use url::Url;

use crate::seen::place;
use crate::{Check, Finding};

const SLOW: Duration = Duration::from_secs(1);

/// Of each server's answers, half came sooner: one that was late for itself says nothing.
pub(crate) fn check(times: &[(Url, Duration)]) -> Finding {
    let check = Check::Speed;
    let mut servers: Vec<String> = times.iter().map(|(server, _)| place(server)).collect();
    servers.sort();
    servers.dedup();
    let usual: Vec<_> = servers
        .into_iter()
        .map(|server| (usual(times, &server), server))
        .collect();
    let told =
        |(time, server): &(Duration, String)| format!("{server} takes {} ms", time.as_millis());
    let slow: Vec<String> = usual
        .iter()
        .filter(|(time, _)| *time > SLOW)
        .map(told)
        .collect();
    if usual.is_empty() {
        Finding::not_checked(check, "no server answered")
    } else if slow.is_empty() {
        Finding::good(check, usual.iter().map(told).collect::<Vec<_>>().join(", "))
    } else {
        Finding::warning(check, slow.join(", "), TOO_SLOW)
    }
}

fn usual(times: &[(Url, Duration)], server: &str) -> Duration {
    let mut times: Vec<_> = times
        .iter()
        .filter(|(url, _)| place(url) == server)
        .map(|(_, time)| *time)
        .collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

const TOO_SLOW: (&str, &str) = (
    "People wait half a minute and more for a sign-in, and some run out of its time.",
    "Look at that server's load, its database and its proxy. It may also be the way there: examine it from another network.",
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Verdict;

    fn verdict(times: &[(&str, u64)]) -> Finding {
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
        assert!(matches!(verdict(&[]).verdict, Verdict::NotChecked { .. }));
        let good = verdict(&[
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
            verdict(&[("a.example", 2), ("a.example", 9000), ("a.example", 3)]).verdict,
            Verdict::Good
        );
        let slow = verdict(&[
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
