//! A device authorization (RFC 8628) on the server: from the request of a new device to its tokens.

use std::time::{Duration, Instant};

use super::{error::OAuthErrorResponse, scope::Scope};

/// RFC 8628, "Device Access Token Response": what `slow_down` adds to the interval, for good.
const SLOW_DOWN_STEP: Duration = Duration::from_secs(5);
/// The network may bring two polls closer together than they were sent.
const POLL_TOLERANCE: Duration = Duration::from_millis(50);

/// A device authorization (RFC 8628): a new device requests it, a person decides, and it is
/// exchanged for tokens once.
pub(crate) struct Grant {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    /// Proves to the consent page that the sandbox has served the form.
    pub(crate) csrf: String,
    pub(crate) client_id: String,
    pub(crate) scope: Scope,
    pub(crate) expires: Instant,
    pub(crate) interval: Duration,
    /// The name that the device gives for itself.
    pub(crate) model: Option<String>,
    pub(super) last_poll: Option<Instant>,
    pub(super) decision: Option<Decision>,
}

/// The person's decision on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The new device is signed in.
    Allow,
    /// The new device is not signed in: `access_denied`.
    Deny,
}

impl Grant {
    /// RFC 8628, "Device Access Token Response": `Ok` if the device may have its tokens.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<(), OAuthErrorResponse> {
        let too_soon = |last: Instant| now.duration_since(last) + POLL_TOLERANCE < self.interval;
        let too_soon = self.last_poll.replace(now).is_some_and(too_soon);
        if now >= self.expires {
            return Err(OAuthErrorResponse::expired_token());
        }
        if too_soon {
            return Err(self.slow_down());
        }
        match self.decision {
            None => Err(OAuthErrorResponse::authorization_pending()),
            Some(Decision::Deny) => Err(OAuthErrorResponse::access_denied()),
            Some(Decision::Allow) => Ok(()),
        }
    }

    pub(crate) fn slow_down(&mut self) -> OAuthErrorResponse {
        self.interval += SLOW_DOWN_STEP;
        OAuthErrorResponse::slow_down()
    }

    pub(crate) fn deny(&mut self) {
        self.decision = Some(Decision::Deny);
    }
}
