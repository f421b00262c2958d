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

/// The place of the page that is open.
#[derive(Clone, Default)]
pub(crate) struct Viewer(Arc<watch::Sender<Option<Token>>>);

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
            place.get_or_insert_with(|| token.clone());
            is_free
        });
        let viewer = self.clone();
        // Not made where the place is not taken: it would free the place of another one.
        is_taken.then(|| Viewing { viewer, token })
    }

    /// Whether this is the token of the page that is open.
    pub(crate) fn is(&self, token: &str) -> bool {
        self.0
            .borrow()
            .as_ref()
            .is_some_and(|place| place.is(token))
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
        assert!(viewer.is(&old));
        drop(first);
        assert!(!viewer.is(&old), "it may not answer any more");
        let second = viewer.take().unwrap();
        assert!(!viewer.is(&old) && viewer.is(second.token()));
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
