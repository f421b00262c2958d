//! Whether an access token belongs to a user of the homeserver. Answers are cached for a while,
//! concurrent questions about one token are asked once, and only a few questions are asked at the
//! same time.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use axum::http::HeaderMap;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    bearer_token::{BearerToken, Fingerprint},
    whoami::{WhoamiClient, WhoamiError},
};
use crate::{
    metrics::{Metrics, WhoamiResult},
    refusal::Refusal,
};

/// How many answers are cached, about 100 bytes each.
const CACHED: usize = 10_000;

/// How many questions may be in progress at the same time.
const CONCURRENT: usize = 16;

/// How long a question may take, including the wait for its turn.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the homeserver says about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenVerdict {
    Good,
    Bad,
    /// It does not answer.
    Unavailable,
}

impl TokenVerdict {
    /// How long it is cached. For so long a user who has just signed out can still create sessions;
    /// a user whose token was unknown for a moment is not refused for long.
    fn lifetime(self) -> Duration {
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
struct CachedVerdict {
    verdict: TokenVerdict,
    until: Instant,
}

/// Checks tokens with the homeserver.
pub(crate) struct TokenChecker {
    homeserver: WhoamiClient,
    /// By fingerprint, which cannot be used as a token if this memory leaks.
    cache: Cache<Fingerprint, CachedVerdict>,
    asking: Semaphore,
    /// Whether the homeserver failed to answer the last question, so that only changes are logged.
    unanswered: AtomicBool,
    metrics: Metrics,
}

impl TokenChecker {
    pub(super) fn new(homeserver: WhoamiClient, metrics: Metrics) -> Self {
        let (cache, asking) = (Cache::new(CACHED), Semaphore::new(CONCURRENT));
        Self {
            homeserver,
            cache,
            asking,
            unanswered: AtomicBool::new(false),
            metrics,
        }
    }

    /// Whether these headers have the token of a user.
    pub(super) async fn is_user(
        &self,
        headers: &HeaderMap,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        let Some(token) = BearerToken::of(headers) else {
            return Ok(false);
        };
        match self.verdict(&token, Instant::now(), admit).await? {
            TokenVerdict::Good => Ok(true),
            TokenVerdict::Bad => Ok(false),
            TokenVerdict::Unavailable => Err(Refusal::NoHomeserver),
        }
    }

    async fn verdict(
        &self,
        token: &BearerToken,
        now: Instant,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<TokenVerdict, Refusal> {
        let fresh = |_: &Fingerprint, known: &mut CachedVerdict| match known.until > now {
            true => EntryAction::Retain(known.verdict),
            false => EntryAction::ReplaceWithGuard,
        };
        // Concurrent requests with the same token wait here for the answer to the first. If that
        // one is cancelled, the next one asks.
        let entry = match self.cache.entry_async(&token.fingerprint(), fresh).await {
            EntryResult::Retained(verdict) => return Ok(verdict),
            EntryResult::Vacant(entry) | EntryResult::Replaced(entry, _) => entry,
            EntryResult::Removed(..) | EntryResult::Timeout => {
                return Ok(TokenVerdict::Unavailable);
            }
        };
        admit()?;
        let verdict = self.ask(token).await;
        // It fails if the entry was removed, and nothing removes entries.
        let _ = entry.insert(CachedVerdict {
            verdict,
            until: Instant::now() + verdict.lifetime(),
        });
        Ok(verdict)
    }

    async fn ask(&self, token: &BearerToken) -> TokenVerdict {
        let question = async {
            // The semaphore is never closed.
            let _turn = self.asking.acquire().await;
            self.homeserver.accepts(token).await
        };
        let answer = timeout(TIMEOUT, question)
            .await
            .unwrap_or(Err(WhoamiError::TooSlow));
        self.log_change(answer.as_ref().err());
        let verdict = match answer {
            Ok(true) => TokenVerdict::Good,
            Ok(false) => TokenVerdict::Bad,
            Err(_) => TokenVerdict::Unavailable,
        };
        self.metrics.whoami(verdict.counted());
        verdict
    }

    fn log_change(&self, error: Option<&WhoamiError>) {
        let was_unanswered = self.unanswered.swap(error.is_some(), Relaxed);
        match error {
            Some(error) if !was_unanswered => {
                tracing::warn!(%error, "the homeserver does not say who owns an access token");
            }
            None if was_unanswered => {
                tracing::info!("the homeserver answers questions about access tokens again")
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

    /// Gives a configured answer, and counts the questions.
    struct FakeHomeserver {
        answer: Arc<Mutex<(StatusCode, usize)>>,
        checker: TokenChecker,
    }

    impl FakeHomeserver {
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
                checker: TokenChecker::new(WhoamiClient::new(url).unwrap(), Metrics::new()),
            }
        }

        fn says(&self, status: StatusCode) {
            self.answer.lock().unwrap().0 = status;
        }

        fn questions(&self) -> usize {
            self.answer.lock().unwrap().1
        }

        async fn verdict_after(&self, seconds: u64) -> TokenVerdict {
            let headers = [(
                "authorization".parse().unwrap(),
                "Bearer a".parse().unwrap(),
            )];
            let token = BearerToken::of(&headers.into_iter().collect()).unwrap();
            let now = Instant::now() + Duration::from_secs(seconds);
            self.checker.verdict(&token, now, || Ok(())).await.unwrap()
        }
    }

    #[tokio::test]
    async fn each_answer_is_cached_for_its_time() {
        for (status, verdict, seconds) in [
            (StatusCode::OK, TokenVerdict::Good, 60),
            (StatusCode::UNAUTHORIZED, TokenVerdict::Bad, 10),
            (StatusCode::FORBIDDEN, TokenVerdict::Bad, 10),
            (StatusCode::BAD_GATEWAY, TokenVerdict::Unavailable, 1),
        ] {
            let homeserver = FakeHomeserver::start().await;
            homeserver.says(status);
            assert_eq!(homeserver.verdict_after(0).await, verdict);
            homeserver.says(StatusCode::NOT_FOUND);
            assert_eq!(
                (
                    homeserver.verdict_after(seconds - 1).await,
                    homeserver.questions()
                ),
                (verdict, 1)
            );
            assert_eq!(
                homeserver.verdict_after(seconds).await,
                TokenVerdict::Unavailable
            );
            assert_eq!(homeserver.questions(), 2, "{status}");
        }
    }

    #[tokio::test]
    async fn a_refused_client_leaves_the_questions_to_the_next() {
        let homeserver = FakeHomeserver::start().await;
        let headers = [(
            "authorization".parse().unwrap(),
            "Bearer a".parse().unwrap(),
        )]
        .into_iter()
        .collect();
        let refused = homeserver
            .checker
            .is_user(&headers, || Err(Refusal::Network))
            .await;
        assert!(matches!(refused, Err(Refusal::Network)));
        assert_eq!(homeserver.questions(), 0);
        assert!(matches!(
            homeserver.checker.is_user(&headers, || Ok(())).await,
            Ok(true)
        ));
        // A cached answer does not need permission.
        assert!(matches!(
            homeserver
                .checker
                .is_user(&headers, || Err(Refusal::Network))
                .await,
            Ok(true)
        ));
    }
}
