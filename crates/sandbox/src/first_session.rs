//! A session without a QR code: the first device of an account cannot be signed in by another one.

use std::{fmt, time::Duration};

/// What a sign-in by other means would have given the account's first device.
#[derive(Clone)]
#[allow(
    missing_docs,
    reason = "the fields are those of the OAuth 2.0 token response and of whoami"
)]
pub struct FirstSession {
    pub access_token: String,
    pub refresh_token: String,
    pub client_id: String,
    pub device_id: String,
    pub user_id: String,
    pub expires_in: Duration,
}

impl fmt::Debug for FirstSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstSession")
            .field("user_id", &self.user_id)
            .field("device_id", &self.device_id)
            .field("client_id", &self.client_id)
            .field("access_token", &"[redacted]")
            .field("refresh_token", &"[redacted]")
            .field("expires_in", &self.expires_in)
            .finish()
    }
}
