//! A device authorization (RFC 8628) on the server: from the request of a new device to its tokens.

use std::time::{Duration, Instant};

use super::{error::OAuthError, scope::Scope};

/// RFC 8628, "Device Access Token Response": what `slow_down` adds to the interval, for good.
const SLOW_DOWN_STEP: Duration = Duration::from_secs(5);
/// The network may bring two polls closer together than they were sent.
const POLL_TOLERANCE: Duration = Duration::from_millis(50);

/// A device authorization (RFC 8628): asked for by a new device, decided by a person, collected
/// once.
pub(crate) struct Grant {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    /// Proves to the consent form that it was served by us.
    pub(crate) csrf: String,
    pub(crate) client_id: String,
    pub(crate) scope: Scope,
    pub(crate) expires: Instant,
    pub(crate) interval: Duration,
    /// What the device says that it is.
    pub(crate) model: Option<String>,
    pub(super) last_poll: Option<Instant>,
    pub(super) decision: Option<Decision>,
}

/// What the person answers on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The other device is signed in.
    Allow,
    /// It is not: `access_denied`.
    Deny,
}

impl Grant {
    /// RFC 8628, "Device Access Token Response": `Ok` when the tokens may be collected.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<(), OAuthError> {
        let too_soon = |last: Instant| now.duration_since(last) + POLL_TOLERANCE < self.interval;
        let too_soon = self.last_poll.replace(now).is_some_and(too_soon);
        if now >= self.expires {
            return Err(OAuthError::expired_token());
        }
        if too_soon {
            return Err(self.slow_down());
        }
        match self.decision {
            None => Err(OAuthError::authorization_pending()),
            Some(Decision::Deny) => Err(OAuthError::access_denied()),
            Some(Decision::Allow) => Ok(()),
        }
    }

    pub(crate) fn slow_down(&mut self) -> OAuthError {
        self.interval += SLOW_DOWN_STEP;
        OAuthError::slow_down()
    }

    pub(crate) fn deny(&mut self) {
        self.decision = Some(Decision::Deny);
    }
}
