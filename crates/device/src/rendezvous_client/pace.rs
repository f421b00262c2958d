//! How long to wait before asking again.

use std::time::Duration;

use matrix_qr_protocol::rendezvous::RendezvousApiError;

use super::{error::RendezvousError, state::Heard};

/// The first pause between two polls. Most answers come from a program, not from a person:
/// docs/design.md has the figures.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
const USUAL_PAUSE: Duration = Duration::from_secs(1);
/// While a person is at work.
const RELAXED_PAUSE: Duration = Duration::from_secs(2);

const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// The clock decides whether a server waited. One that claims it, and answered at once, is polled.
/// One that took as long as a pause made us wait, whatever it claims: a proxy may have removed the
/// header.
pub(super) fn believed(heard: Heard, took: Duration) -> Heard {
    match heard {
        Heard::Nothing { .. } if took < FIRST_PAUSE => Heard::Nothing { waited: false },
        Heard::Nothing { .. } if took >= USUAL_PAUSE => Heard::Nothing { waited: true },
        heard => heard,
    }
}

/// The pauses between polls of a server that answers at once: short at first, because most payloads
/// come soon. A payload is noticed after at most a quarter longer than it took to come.
pub(super) struct Polls(Duration);

impl Polls {
    pub(super) fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    /// No pause after a request that the server held, or that brought something.
    pub(super) fn pause(&mut self, heard: Heard, relaxed: bool) -> Duration {
        match heard {
            Heard::Theirs => return Duration::ZERO,
            Heard::Nothing { waited: true } => {
                *self = Self::new();
                return Duration::ZERO;
            }
            Heard::Ours | Heard::Nothing { waited: false } => {}
        }
        let longest = if relaxed { RELAXED_PAUSE } else { USUAL_PAUSE };
        let pause = self.0.min(longest);
        self.0 = (pause * 5 / 4).min(longest);
        pause
    }
}

/// The pauses after lost connections and the like.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(FIRST_BACKOFF)
    }

    /// The first repetition follows at once.
    pub(super) fn eager() -> Self {
        Self(Duration::ZERO)
    }

    /// Longer each time, and never shorter than what the server asks for.
    pub(super) fn pause(&mut self, error: &RendezvousError) -> Duration {
        let asked = match error {
            RendezvousError::Server(RendezvousApiError::RateLimited { retry_after }) => {
                retry_after.unwrap_or_default()
            }
            _ => Duration::ZERO,
        };
        let pause = self.0;
        self.0 = (pause * 2).clamp(FIRST_BACKOFF, LONGEST_BACKOFF);
        pause.max(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Heard = Heard::Nothing { waited: false };

    fn pauses(polls: &mut Polls, relaxed: bool) -> Vec<u128> {
        (0..8)
            .map(|_| polls.pause(AT_ONCE, relaxed).as_millis())
            .collect()
    }

    #[test]
    fn polls_grow_to_a_second_and_to_two_while_a_person_is_at_work() {
        let mut polls = Polls::new();
        assert_eq!(
            pauses(&mut polls, false),
            [100, 125, 156, 195, 244, 305, 381, 476]
        );
        assert_eq!(
            pauses(&mut polls, true),
            [596, 745, 931, 1164, 1455, 1818, 2000, 2000]
        );
        assert_eq!(polls.pause(AT_ONCE, false), USUAL_PAUSE);
    }

    #[test]
    fn a_server_that_waits_is_asked_again_at_once() {
        let mut polls = Polls::new();
        pauses(&mut polls, false);
        assert_eq!(
            polls.pause(Heard::Nothing { waited: true }, false),
            Duration::ZERO
        );
        assert_eq!(polls.pause(AT_ONCE, false), FIRST_PAUSE);
    }

    #[test]
    fn whether_a_server_waited_is_seen_by_the_clock() {
        for (says, milliseconds, waited) in [
            (true, 5, false),
            (true, 500, true),
            (false, 500, false),
            (false, 15_000, true),
        ] {
            let heard = believed(
                Heard::Nothing { waited: says },
                Duration::from_millis(milliseconds),
            );
            assert!(
                matches!(heard, Heard::Nothing { waited: is } if is == waited),
                "{says} {milliseconds}"
            );
        }
        assert!(matches!(
            believed(Heard::Theirs, Duration::ZERO),
            Heard::Theirs
        ));
    }

    #[test]
    fn reading_back_what_we_wrote_is_no_reason_to_hurry() {
        assert_eq!(Polls::new().pause(Heard::Ours, false), FIRST_PAUSE);
    }

    #[test]
    fn a_server_that_asks_for_peace_gets_it() {
        let limited = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            RendezvousError::Server(RendezvousApiError::RateLimited { retry_after })
        };
        let mut backoff = Backoff::new();
        assert_eq!(backoff.pause(&limited(7)), Duration::from_secs(7));
        assert_eq!(backoff.pause(&limited(0)), Duration::from_secs(1));
        let gone = RendezvousError::Gone;
        let rest: Vec<u64> = (0..4).map(|_| backoff.pause(&gone).as_secs()).collect();
        assert_eq!(rest, [2, 4, 5, 5]);
        let mut eager = Backoff::eager();
        let pauses: Vec<u128> = (0..3).map(|_| eager.pause(&gone).as_millis()).collect();
        assert_eq!(pauses, [0, 500, 1000]);
        assert_eq!(
            Backoff::eager().pause(&limited(7)),
            Duration::from_secs(7),
            "even then"
        );
    }
}
