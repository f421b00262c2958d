//! A poll for the token, which is never interrupted: its answer may be the only one that ever
//! brings it (RFC 8628 gives a token once).

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use oauth2::basic::BasicTokenResponse;
use tokio::{sync::Mutex, task::JoinHandle, time::timeout};

use super::{error::OAuthError, tokens::Tokens};
use crate::http::HttpResponse;

/// How long a sign-in that is over waits for the answer.
const LONGEST: Duration = Duration::from_secs(5);

type Answer = Result<HttpResponse, OAuthError>;

/// The poll of the moment, and what became of those before it.
#[derive(Default)]
pub(super) struct UnderWay {
    poll: Mutex<Option<JoinHandle<Answer>>>,
    /// An answer was lost, and it may have been the one with the token.
    lost: AtomicBool,
}

impl UnderWay {
    /// Runs a poll to its end, even if the caller is dropped.
    pub(super) async fn run(&self, poll: impl Future<Output = Answer> + Send + 'static) -> Answer {
        let mut task = self.poll.lock().await;
        if task.is_some() {
            self.lose();
        }
        let answer = task.insert(tokio::spawn(poll)).await;
        *task = None;
        let (what, why) = (
            "waiting for the decision",
            "the request for it was interrupted",
        );
        answer.unwrap_or(Err(OAuthError::Malformed { what, why }))
    }

    /// Notes that an answer was lost.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// The result of a poll that nobody waits for any longer.
    pub(super) async fn late(&self) -> Option<Tokens> {
        let task = self.poll.lock().await.take()?;
        let answer = timeout(LONGEST, task).await.ok()?.ok()?.ok()?;
        let answer: BasicTokenResponse = serde_json::from_slice(answer.body()).ok()?;
        Tokens::read(&answer).ok()
    }
}
