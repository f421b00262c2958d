//! RFC 8628, the device authorization grant: the polling for its outcome.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use oauth2::{
    AsyncHttpClient, DeviceCodeErrorResponse, DeviceCodeErrorResponseType as Outcome,
    RequestTokenError, basic::BasicErrorResponseType,
};
use tokio::time::{sleep, timeout_at};

use super::{
    client::{OAuth, TokenClient},
    device_grant::{DeviceAuthorization, MAX_LIFETIME, MIN_INTERVAL},
    error::OAuthError,
    exchange::{Exchanging, exchange},
    tokens::Tokens,
    under_way::UnderWay,
};
use crate::http::{HttpRequest, HttpResponse};

const WHAT_TOKEN: &str = "waiting for the decision";

/// What became of a [`DeviceAuthorization`].
#[derive(Debug)]
pub enum TokenOutcome {
    /// The person agreed.
    Granted(Tokens),
    /// The person refused.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The server gives no token, now or later.
    Failed(OAuthError),
}

impl OAuth {
    /// Polls until the person has decided or the codes expire (RFC 8628, section 3.4).
    ///
    /// Can be dropped at any moment, and called again as long as no outcome came.
    pub async fn await_token(&self, authorization: &DeviceAuthorization) -> TokenOutcome {
        let send = |request| {
            let http = self.http.clone();
            let poll = async move { exchange(&http, request).await };
            Box::pin(authorization.under_way.run(poll)) as Exchanging<'_>
        };
        await_token(&self.client(), authorization, &send).await
    }

    /// The tokens of a poll that was under way when [`Self::await_token`] was dropped, if it brings
    /// any. Nobody will use them: they are to be revoked.
    pub async fn late_tokens(&self, authorization: &DeviceAuthorization) -> Option<Tokens> {
        authorization.under_way.late().await
    }
}

/// Sections 3.4 and 3.5. The clock is tokio's, and the end is `expires_in`, whatever happens on the
/// way.
async fn await_token(
    client: &TokenClient,
    authorization: &DeviceAuthorization,
    send: &Send<'_>,
) -> TokenOutcome {
    let polling = timeout_at(
        authorization.given_at + authorization.expires_in(),
        poll(client, authorization, send),
    );
    polling.await.unwrap_or(TokenOutcome::Expired)
}

async fn poll(
    client: &TokenClient,
    authorization: &DeviceAuthorization,
    send: &Send<'_>,
) -> TokenOutcome {
    let patient = Patient {
        send,
        pace: Pace::new(authorization.interval()),
        under_way: &authorization.under_way,
    };
    // Section 3.5: "before each new request", so before the first one, too; the library would begin
    // at once. What the other device needed to agree counts.
    let interval = authorization.interval();
    sleep(interval.saturating_sub(authorization.given_at.elapsed())).await;
    let polling = client.exchange_device_access_token(&authorization.answer);
    let pause = |interval| sleep(patient.pace.keep(interval));
    // The library's own limit is by the wall clock, which may jump. Ours is the caller's.
    let answer = polling.request_async(&patient, pause, Some(2 * MAX_LIFETIME));
    match answer.await.map(|answer| Tokens::read(&answer)) {
        Ok(Ok(tokens)) => TokenOutcome::Granted(tokens),
        Ok(Err(error)) => TokenOutcome::Failed(error),
        Err(error) => outcome(error, authorization.under_way.has_lost()),
    }
}

/// How a request is sent.
type Send<'a> = dyn Fn(HttpRequest) -> Exchanging<'a> + Sync + 'a;

/// Section 3.5: after a lost connection, back off and ask again. A proxy's error page is no more
/// than that.
struct Patient<'s, 'a> {
    send: &'s Send<'a>,
    pace: Pace,
    under_way: &'s UnderWay,
}

impl<'c> AsyncHttpClient<'c> for Patient<'_, '_> {
    type Error = OAuthError;
    type Future = Exchanging<'c>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}

impl Patient<'_, '_> {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, OAuthError> {
        let mut pause = self.pace.current();
        let longest = pause * 4;
        loop {
            match (self.send)(request.clone()).await {
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, "polling for the token: backing off");
                    self.under_way.lose();
                    sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                // The library asks again, and is told then that the codes were used.
                Err(error) => {
                    self.under_way.lose();
                    return Err(error);
                }
                answer => return answer,
            }
        }
    }
}

/// The interval as it is now: the library adds five seconds to it at each `slow_down`.
struct Pace(AtomicU64);

impl Pace {
    fn new(interval: Duration) -> Self {
        let this = Self(AtomicU64::new(0));
        this.keep(interval);
        this
    }

    fn keep(&self, interval: Duration) -> Duration {
        let interval = interval.clamp(MIN_INTERVAL, MAX_LIFETIME);
        self.0.store(interval.as_secs(), Ordering::Relaxed);
        interval
    }

    fn current(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn outcome(
    error: RequestTokenError<OAuthError, DeviceCodeErrorResponse>,
    lost: bool,
) -> TokenOutcome {
    if let RequestTokenError::ServerResponse(said) = &error {
        match said.error() {
            Outcome::AccessDenied => return TokenOutcome::Denied,
            Outcome::ExpiredToken => return TokenOutcome::Expired,
            // RFC 6749, section 5.2: codes are good for one token.
            Outcome::Basic(BasicErrorResponseType::InvalidGrant) if lost => {
                return TokenOutcome::Failed(OAuthError::TokenLost);
            }
            // MSC4108's own name for it, in its diagram.
            other if other.as_ref() == "authorization_declined" => return TokenOutcome::Denied,
            _ => {}
        }
    }
    TokenOutcome::Failed(OAuthError::of(WHAT_TOKEN, error))
}

#[cfg(test)]
mod tests;
