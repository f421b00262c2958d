//! The homeserver's Client-Server API, as much of it as a sign-in needs.
//!
//! Every call is bounded in time and size, and one that may be repeated is: a broken connection, a
//! 5xx and a 429 are not the end. Nothing here prints a token, a body or the path of a URL.

use std::{borrow::Cow, collections::BTreeSet, future::Future, pin::Pin, time::Duration};

use http::{StatusCode, header};
use matrix_qr_protocol::{is_identifier, login::DeviceLookup};
use ruma::{
    DeviceId, OwnedDeviceId, OwnedUserId,
    api::{
        IncomingResponse, MatrixVersion, OutgoingRequest, SupportedVersions,
        auth_scheme::{AccessToken, SendAccessToken},
        client::{
            account::whoami,
            device::{get_device, update_device},
        },
        path_builder::VersionHistory,
    },
};
use tokio::{
    sync::RwLock,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use crate::{
    device_name::DeviceName,
    http::{Bounds, Http, HttpError, HttpRequest, HttpResponse, host},
    secret::Secret,
};

mod effort;
mod error;

pub(crate) use effort::Effort;
pub use error::HomeserverError;

/// One account's session on a homeserver.
pub struct Homeserver {
    http: Http,
    base: Url,
    token: RwLock<Secret>,
    renew: Option<Renew>,
}

/// Gets another access token in place of one that the homeserver refuses, if there is one.
pub(crate) type Renew = Box<dyn Fn(Secret) -> Renewed + Send + Sync>;
type Renewed = Pin<Box<dyn Future<Output = Option<Secret>> + Send>>;

/// Whose session a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoAmI {
    /// The account.
    pub user_id: OwnedUserId,
    /// The device that the token belongs to.
    pub device_id: OwnedDeviceId,
}

/// The pause before the first repetition; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl Homeserver {
    /// Speaks to the homeserver at `base` with an access token.
    pub fn new(http: Http, base: Url, token: Secret) -> Self {
        Self {
            http,
            base,
            token: RwLock::new(token),
            renew: None,
        }
    }

    /// The same, for a device that is signed in: a token that has ended is replaced wherever that
    /// is noticed.
    pub(crate) fn renewing(self, renew: Renew) -> Self {
        Self {
            renew: Some(renew),
            ..self
        }
    }

    /// The homeserver's base URL.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The access token that is used at the moment.
    pub(crate) async fn token(&self) -> Secret {
        self.token.read().await.clone()
    }

    /// Uses another access token from now on: the old one was refreshed.
    pub async fn replace_token(&self, token: Secret) {
        *self.token.write().await = token;
    }

    /// Asks whose session the token is. Both names are shown to people and handed to programs, so
    /// they must be of the form that the specification gives them (appendices, "Historical user
    /// IDs": a longer name, a space or a control character is none). ruma takes others, too.
    ///
    /// # Errors
    ///
    /// See [`HomeserverError`]; `Malformed` for a token without a device, and for a name that is
    /// none.
    pub async fn whoami(&self) -> Result<WhoAmI, HomeserverError> {
        self.whoami_within(Effort::REPEATABLE).await
    }

    pub(crate) async fn whoami_within(&self, effort: Effort) -> Result<WhoAmI, HomeserverError> {
        let answer = self.call(whoami::v3::Request::new(), effort).await?;
        let malformed = HomeserverError::malformed;
        let (user_id, device_id) = (answer.user_id, answer.device_id);
        let device_id = device_id.ok_or_else(|| malformed("whoami without a device"))?;
        if user_id.validate_historical().is_err() || !is_identifier(user_id.as_str()) {
            return Err(malformed("whoami with an invalid user ID"));
        }
        if !is_identifier(device_id.as_str()) {
            return Err(malformed("whoami with an invalid device ID"));
        }
        Ok(WhoAmI { user_id, device_id })
    }

    /// Asks whether the account has this device.
    ///
    /// # Errors
    ///
    /// Every answer but a 200 for that very device and a 404 `M_NOT_FOUND` is an error: "I could
    /// not find out" is neither "present" nor "absent" (MSC4108, "Secret sharing and device
    /// verification", step 1).
    pub async fn device(&self, device_id: &DeviceId) -> Result<DeviceLookup, HomeserverError> {
        if matches!(device_id.as_str(), "" | "." | "..") {
            // Not even percent-encoding keeps these a path segment of their own.
            return Err(HomeserverError::malformed(
                "a device ID that does not fit in a URL path",
            ));
        }
        let request = get_device::v3::Request::new(device_id.to_owned());
        match self.call(request, Effort::REPEATABLE).await {
            Ok(answer) if answer.device.device_id == device_id => Ok(DeviceLookup::Present),
            Ok(_) => Err(HomeserverError::malformed(
                "the answer is about another device",
            )),
            Err(error) if error.is_not_found() => Ok(DeviceLookup::Absent),
            Err(error) => Err(error),
        }
    }

    /// Gives a device of the account a name, where the homeserver lets it have one (`PUT
    /// /devices/{id}`).
    ///
    /// # Errors
    ///
    /// See [`HomeserverError`].
    pub(crate) async fn name_device(
        &self,
        device_id: &DeviceId,
        name: &DeviceName,
    ) -> Result<(), HomeserverError> {
        let mut request = update_device::v3::Request::new(device_id.to_owned());
        request.display_name = Some(name.as_str().to_owned());
        self.call(request, Effort::COURTESY).await.map(drop)
    }

    /// Sends a request of the Client-Server API and parses its answer. One that is refused because
    /// the token has ended was not executed: it is sent once more with another token.
    pub(crate) async fn call<R>(
        &self,
        request: R,
        effort: Effort,
    ) -> Result<R::IncomingResponse, HomeserverError>
    where
        R: OutgoingRequest<Authentication = AccessToken, PathBuilder = VersionHistory>,
    {
        let answer = self.answer(request, effort).await?;
        R::IncomingResponse::try_from_http_response(answer)
            .map_err(|_| HomeserverError::malformed("an answer that does not follow the API"))
    }

    /// The same, for an answer that is not read as a whole.
    pub(crate) async fn answer<R>(
        &self,
        request: R,
        effort: Effort,
    ) -> Result<HttpResponse, HomeserverError>
    where
        R: OutgoingRequest<Authentication = AccessToken, PathBuilder = VersionHistory>,
    {
        let token = self.token().await;
        let authorized = self.build(request.clone(), &token)?;
        match self.exchange(&authorized, effort).await {
            Err(HomeserverError::Expired) => {
                let token = self.renewed(token).await.ok_or(HomeserverError::Expired)?;
                self.exchange(&self.build(request, &token)?, effort).await
            }
            outcome => outcome,
        }
    }

    async fn renewed(&self, refused: Secret) -> Option<Secret> {
        let token = self.renew.as_ref()?(refused).await?;
        self.replace_token(token.clone()).await;
        Some(token)
    }

    fn build<R>(&self, request: R, token: &Secret) -> Result<HttpRequest, HomeserverError>
    where
        R: OutgoingRequest<Authentication = AccessToken, PathBuilder = VersionHistory>,
    {
        let mut request = request
            .try_into_http_request::<Vec<u8>>(
                self.base.as_str(),
                SendAccessToken::IfRequired(token.expose()),
                Cow::Owned(versions()),
            )
            .map_err(|_| HomeserverError::Http(HttpError::BadRequest))?;
        if let Some(token) = request.headers_mut().get_mut(header::AUTHORIZATION) {
            token.set_sensitive(true);
        }
        Ok(request)
    }

    /// Repeats the very same bytes while that may help, and no longer than the effort allows.
    async fn exchange(
        &self,
        request: &HttpRequest,
        effort: Effort,
    ) -> Result<HttpResponse, HomeserverError> {
        let deadline = Instant::now() + effort.within;
        let mut pause = FIRST_PAUSE;
        for _ in 1..effort.tries {
            match self.attempt(request, effort, deadline).await {
                Err(error) if error.is_transient() => {
                    let wait = error.retry_after().unwrap_or(pause);
                    // Not the sum: what a server asks for may be more than a clock can hold.
                    if wait >= deadline.saturating_duration_since(Instant::now()) {
                        return Err(error);
                    }
                    tracing::debug!(%error, "the homeserver is asked again");
                    sleep(wait).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
        self.attempt(request, effort, deadline).await
    }

    /// One try takes at most half of the whole time, so that a connection that hangs is not the
    /// only one tried.
    async fn attempt(
        &self,
        request: &HttpRequest,
        effort: Effort,
        deadline: Instant,
    ) -> Result<HttpResponse, HomeserverError> {
        let bounds = Bounds {
            bytes: effort.bytes,
            time: effort.within / effort.tries.min(2),
        };
        let answer = self.http.send_within(request.clone(), bounds);
        let too_late = |_| HttpError::unreachable(host(&self.base), "it did not answer in time");
        let answer = timeout_at(deadline, answer).await.map_err(too_late)??;
        if answer.status() == StatusCode::OK {
            Ok(answer)
        } else {
            Err(HomeserverError::from_answer(&answer))
        }
    }
}

/// v3 paths only: every homeserver with OAuth has them.
fn versions() -> SupportedVersions {
    SupportedVersions {
        versions: BTreeSet::from([MatrixVersion::V1_11]),
        features: BTreeSet::new(),
    }
}

impl std::fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Homeserver")
            .field("base", &self.base.as_str())
            .field("token", &"[redacted]")
            .finish()
    }
}
