//! One page at a time: a second one that is open somewhere else learns only that it is the second,
//! and takes over when the first is gone.

use std::{fmt::Write as _, future::pending, sync::Arc};

use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

/// 128 random bits, in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// `None` if the operating system has no randomness.
    pub(crate) fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        let mut text = String::with_capacity(32);
        for byte in bytes {
            write!(text, "{byte:02x}").ok()?;
        }
        Some(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// In constant time: a guess learns nothing from how long it takes.
    pub(crate) fn is(&self, guess: &str) -> bool {
        self.0.as_bytes().ct_eq(guess.as_bytes()).into()
    }
}

/// How often a page may leave the question unanswered whether it is there.
const MAX_UNANSWERED: u8 = 2;

/// The place of the page that is open.
#[derive(Clone, Default)]
pub(crate) struct Viewer(Arc<watch::Sender<Option<Place>>>);

struct Place {
    token: Token,
    /// How often it was asked whether it is there since it was heard last.
    unanswered: u8,
}

/// A page is open. The place is free again when this is dropped.
pub(crate) struct Viewing {
    viewer: Viewer,
    token: Token,
}

impl Viewer {
    /// Takes the place, if it is free.
    pub(crate) fn take(&self) -> Option<Viewing> {
        let token = Token::random()?;
        let is_taken = self.0.send_if_modified(|place| {
            let is_free = place.is_none();
            place.get_or_insert_with(|| Place {
                token: token.clone(),
                unanswered: 0,
            });
            is_free
        });
        let viewer = self.clone();
        // Not made where the place is not taken: it would free the place of another one.
        is_taken.then(|| Viewing { viewer, token })
    }

    /// Hears a page that shows this token: whether it is the one that is open.
    pub(crate) fn hears(&self, token: &str) -> bool {
        let mut is_heard = false;
        self.change(|place| {
            if place.token.is(token) {
                place.unanswered = 0;
                is_heard = true;
            }
        });
        is_heard
    }

    /// Changes the place, if it is taken. Nobody waits for that.
    fn change(&self, change: impl FnOnce(&mut Place)) {
        self.0.send_if_modified(|place| {
            place.as_mut().map(change);
            false
        });
    }

    /// Is ready as soon as a page is open.
    pub(crate) async fn arrived(&self) {
        if self.0.subscribe().wait_for(Option::is_some).await.is_err() {
            pending().await
        }
    }
}

impl Viewing {
    /// What the page shows with each request, so that no other page can answer.
    pub(crate) fn token(&self) -> &str {
        self.token.as_str()
    }

    /// Before the page is asked whether it is there: whether it has answered before. A machine that
    /// sleeps or leaves the network closes no connection.
    pub(crate) fn may_be_there(&self) -> bool {
        let mut may_be_there = false;
        self.viewer.change(|place| {
            may_be_there = place.unanswered < MAX_UNANSWERED;
            place.unanswered = place.unanswered.saturating_add(1);
        });
        may_be_there
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.viewer.0.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_gets_the_place_when_the_first_is_gone() {
        let viewer = Viewer::default();
        let first = viewer.take().unwrap();
        assert!(viewer.take().is_none());
        let old = first.token().to_owned();
        assert!(viewer.hears(&old));
        drop(first);
        assert!(!viewer.hears(&old), "it may not answer any more");
        let second = viewer.take().unwrap();
        assert!(!viewer.hears(&old) && viewer.hears(second.token()));
    }

    #[test]
    fn who_leaves_too_many_questions_unanswered_is_not_there() {
        let viewer = Viewer::default();
        let viewing = viewer.take().unwrap();
        for _ in 0..10 {
            assert!(viewing.may_be_there() && viewing.may_be_there());
            assert!(viewer.hears(viewing.token()));
        }
        assert!(viewing.may_be_there() && viewing.may_be_there());
        assert!(!viewer.hears("another page") && !viewing.may_be_there());
    }

    #[test]
    fn a_token_has_128_bits() {
        let token = Token::random().unwrap();
        assert_eq!(token.as_str().len(), 32);
        assert!(token.is(token.as_str()));
        assert!(!token.is(&token.as_str()[..31]) && !token.is(""));
        assert!(token != Token::random().unwrap());
    }
}
