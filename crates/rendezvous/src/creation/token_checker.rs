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
    bearer_token::{BearerToken, Fingerprint},
    whoami::{WhoamiClient, WhoamiError},
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
enum TokenVerdict {
    Good,
    Bad,
    /// It does not say.
    Unavailable,
}

impl TokenVerdict {
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
struct CachedVerdict {
    verdict: TokenVerdict,
    until: Instant,
}

/// The users of a homeserver.
pub(crate) struct TokenChecker {
    homeserver: WhoamiClient,
    /// By what cannot be used as a token, in case this memory is seen.
    known: Cache<Fingerprint, CachedVerdict>,
    asking: Semaphore,
    /// So that the log says when that begins and when it ends, and not each time.
    away: AtomicBool,
    metrics: Metrics,
}

impl TokenChecker {
    pub(super) fn new(homeserver: WhoamiClient, metrics: Metrics) -> Self {
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
        // Whoever comes while another asks waits here for what he hears, and asks himself if that
        // one goes away.
        let place = match self.known.entry_async(&token.fingerprint(), fresh).await {
            EntryResult::Retained(verdict) => return Ok(verdict),
            EntryResult::Vacant(place) | EntryResult::Replaced(place, _) => place,
            EntryResult::Removed(..) | EntryResult::Timeout => {
                return Ok(TokenVerdict::Unavailable);
            }
        };
        admit()?;
        let verdict = self.ask(token).await;
        // It fails where somebody has removed the place, and nobody does.
        let _ = place.insert(CachedVerdict {
            verdict,
            until: Instant::now() + verdict.lasts(),
        });
        Ok(verdict)
    }

    async fn ask(&self, token: &BearerToken) -> TokenVerdict {
        let asked = async {
            // It is never closed.
            let _turn = self.asking.acquire().await;
            self.homeserver.accepts(token).await
        };
        let answer = timeout(PATIENCE, asked)
            .await
            .unwrap_or(Err(WhoamiError::TooSlow));
        self.note(answer.as_ref().err());
        let verdict = match answer {
            Ok(true) => TokenVerdict::Good,
            Ok(false) => TokenVerdict::Bad,
            Err(_) => TokenVerdict::Unavailable,
        };
        self.metrics.whoami(verdict.counted());
        verdict
    }

    fn note(&self, error: Option<&WhoamiError>) {
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
    struct WhoamiClient {
        answer: Arc<Mutex<(StatusCode, usize)>>,
        users: TokenChecker,
    }

    impl WhoamiClient {
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
                users: TokenChecker::new(super::WhoamiClient::new(url).unwrap(), Metrics::new()),
            }
        }

        fn says(&self, status: StatusCode) {
            self.answer.lock().unwrap().0 = status;
        }

        fn asked(&self) -> usize {
            self.answer.lock().unwrap().1
        }

        async fn verdict_after(&self, seconds: u64) -> TokenVerdict {
            let headers = [(
                "authorization".parse().unwrap(),
                "Bearer a".parse().unwrap(),
            )];
            let token = BearerToken::of(&headers.into_iter().collect()).unwrap();
            let now = Instant::now() + Duration::from_secs(seconds);
            self.users.verdict(&token, now, || Ok(())).await.unwrap()
        }
    }

    #[tokio::test]
    async fn each_answer_is_believed_for_its_time() {
        for (status, verdict, seconds) in [
            (StatusCode::OK, TokenVerdict::Good, 60),
            (StatusCode::UNAUTHORIZED, TokenVerdict::Bad, 10),
            (StatusCode::FORBIDDEN, TokenVerdict::Bad, 10),
            (StatusCode::BAD_GATEWAY, TokenVerdict::Unavailable, 1),
        ] {
            let homeserver = WhoamiClient::start().await;
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
                TokenVerdict::Unavailable
            );
            assert_eq!(homeserver.asked(), 2, "{status}");
        }
    }

    #[tokio::test]
    async fn one_who_may_not_have_it_asked_leaves_the_place_to_the_next() {
        let homeserver = WhoamiClient::start().await;
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
