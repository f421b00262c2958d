//! Whose an access token is, asked seldom: what was answered is remembered for a while, who asks
//! about the same token at once asks once, and there are never many questions under way.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use axum::http::HeaderMap;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    homeserver::{Homeserver, Unanswered},
    token::{Fingerprint, Token},
};
use crate::{
    metrics::{Metrics, WhoamiResult},
    refusal::Refusal,
};

/// How many tokens are remembered, about 100 bytes each.
const REMEMBERED: usize = 10_000;

/// How many questions may be under way at once.
const AT_ONCE: usize = 16;

/// How long one may take, with its turn to be asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a homeserver says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// It does not say.
    Unavailable,
}

impl Verdict {
    /// How long it is believed. A user who has just signed out can create sessions for so long, and
    /// one whose token was unknown for a moment is not kept out for long.
    fn lasts(self) -> Duration {
        Duration::from_secs(match self {
            Self::Good => 60,
            Self::Bad => 10,
            Self::Unavailable => 1,
        })
    }

    fn counted(self) -> WhoamiResult {
        match self {
            Self::Good => WhoamiResult::Good,
            Self::Bad => WhoamiResult::Bad,
            Self::Unavailable => WhoamiResult::Unavailable,
        }
    }
}

#[derive(Clone, Copy)]
struct Known {
    verdict: Verdict,
    until: Instant,
}

/// The users of a homeserver.
pub(crate) struct Users {
    homeserver: Homeserver,
    /// By what cannot be used as a token, in case this memory is seen.
    known: Cache<Fingerprint, Known>,
    asking: Semaphore,
    /// So that the log says when that begins and when it ends, and not each time.
    away: AtomicBool,
    metrics: Metrics,
}

impl Users {
    pub(super) fn new(homeserver: Homeserver, metrics: Metrics) -> Self {
        let (known, asking) = (Cache::new(REMEMBERED), Semaphore::new(AT_ONCE));
        Self {
            homeserver,
            known,
            asking,
            away: AtomicBool::new(false),
            metrics,
        }
    }

    /// Whether the token in these headers is one of theirs.
    pub(super) async fn include(
        &self,
        headers: &HeaderMap,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        let Some(token) = Token::of(headers) else {
            return Ok(false);
        };
        match self.verdict(&token, Instant::now(), admit).await? {
            Verdict::Good => Ok(true),
            Verdict::Bad => Ok(false),
            Verdict::Unavailable => Err(Refusal::NoHomeserver),
        }
    }

    async fn verdict(
        &self,
        token: &Token,
        now: Instant,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Verdict, Refusal> {
        let fresh = |_: &Fingerprint, known: &mut Known| match known.until > now {
            true => EntryAction::Retain(known.verdict),
            false => EntryAction::ReplaceWithGuard,
        };
        // Whoever comes while another asks waits here for what he hears, and asks himself if that
        // one goes away.
        let place = match self.known.entry_async(&token.fingerprint(), fresh).await {
            EntryResult::Retained(verdict) => return Ok(verdict),
            EntryResult::Vacant(place) | EntryResult::Replaced(place, _) => place,
            EntryResult::Removed(..) | EntryResult::Timeout => return Ok(Verdict::Unavailable),
        };
        admit()?;
        let verdict = self.ask(token).await;
        // It fails where somebody has removed the place, and nobody does.
        let _ = place.insert(Known {
            verdict,
            until: Instant::now() + verdict.lasts(),
        });
        Ok(verdict)
    }

    async fn ask(&self, token: &Token) -> Verdict {
        let asked = async {
            // It is never closed.
            let _turn = self.asking.acquire().await;
            self.homeserver.knows(token).await
        };
        let answer = timeout(PATIENCE, asked)
            .await
            .unwrap_or(Err(Unanswered::TooSlow));
        self.note(answer.as_ref().err());
        let verdict = match answer {
            Ok(true) => Verdict::Good,
            Ok(false) => Verdict::Bad,
            Err(_) => Verdict::Unavailable,
        };
        self.metrics.whoami(verdict.counted());
        verdict
    }

    fn note(&self, error: Option<&Unanswered>) {
        let was_away = self.away.swap(error.is_some(), Relaxed);
        match error {
            Some(error) if !was_away => {
                tracing::warn!(%error, "the homeserver does not say whose an access token is");
            }
            None if was_away => {
                tracing::info!("the homeserver says again whose an access token is")
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use axum::{Router, http::StatusCode};
    use tokio::net::TcpListener;

    use super::*;

    /// Says what it is told to, and counts.
    struct Homeserver {
        answer: Arc<Mutex<(StatusCode, usize)>>,
        users: Users,
    }

    impl Homeserver {
        async fn start() -> Self {
            let answer = Arc::new(Mutex::new((StatusCode::OK, 0)));
            let shared = answer.clone();
            let router = Router::new().fallback(async move || {
                let mut answer = shared.lock().unwrap();
                answer.1 += 1;
                (answer.0, r#"{"user_id":"@alice:example.org"}"#)
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap())
                .parse()
                .unwrap();
            tokio::spawn(async move { axum::serve(listener, router).await });
            Self {
                answer,
                users: Users::new(super::Homeserver::new(url).unwrap(), Metrics::new()),
            }
        }

        fn says(&self, status: StatusCode) {
            self.answer.lock().unwrap().0 = status;
        }

        fn asked(&self) -> usize {
            self.answer.lock().unwrap().1
        }

        async fn verdict_after(&self, seconds: u64) -> Verdict {
            let headers = [(
                "authorization".parse().unwrap(),
                "Bearer a".parse().unwrap(),
            )];
            let token = Token::of(&headers.into_iter().collect()).unwrap();
            let now = Instant::now() + Duration::from_secs(seconds);
            self.users.verdict(&token, now, || Ok(())).await.unwrap()
        }
    }

    #[tokio::test]
    async fn each_answer_is_believed_for_its_time() {
        for (status, verdict, seconds) in [
            (StatusCode::OK, Verdict::Good, 60),
            (StatusCode::UNAUTHORIZED, Verdict::Bad, 10),
            (StatusCode::FORBIDDEN, Verdict::Bad, 10),
            (StatusCode::BAD_GATEWAY, Verdict::Unavailable, 1),
        ] {
            let homeserver = Homeserver::start().await;
            homeserver.says(status);
            assert_eq!(homeserver.verdict_after(0).await, verdict);
            homeserver.says(StatusCode::NOT_FOUND);
            assert_eq!(
                (
                    homeserver.verdict_after(seconds - 1).await,
                    homeserver.asked()
                ),
                (verdict, 1)
            );
            assert_eq!(
                homeserver.verdict_after(seconds).await,
                Verdict::Unavailable
            );
            assert_eq!(homeserver.asked(), 2, "{status}");
        }
    }

    #[tokio::test]
    async fn one_who_may_not_have_it_asked_leaves_the_place_to_the_next() {
        let homeserver = Homeserver::start().await;
        let headers = [(
            "authorization".parse().unwrap(),
            "Bearer a".parse().unwrap(),
        )]
        .into_iter()
        .collect();
        let refused = homeserver
            .users
            .include(&headers, || Err(Refusal::Network))
            .await;
        assert!(matches!(refused, Err(Refusal::Network)));
        assert_eq!(homeserver.asked(), 0);
        assert!(matches!(
            homeserver.users.include(&headers, || Ok(())).await,
            Ok(true)
        ));
        // What is known is nobody's to grant.
        assert!(matches!(
            homeserver
                .users
                .include(&headers, || Err(Refusal::Network))
                .await,
            Ok(true)
        ));
    }
}
