//! The rendezvous session over HTTP: patient with the network, suspicious of what it brings.
//!
//! MSC4108 and MSC4388, section "Insecure rendezvous session". `matrix_qr_protocol::rendezvous`
//! says what is sent and what an answer means; this module knows time, lost connections and the
//! `Prefer: wait` of servers that have it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matrix_qr_protocol::driver::Delivery;
use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{Binding, Location, Payload, Sent};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use crate::http::{Http, HttpError};
use crate::secret::Secret;

mod create;
mod error;
mod outage;
mod pace;
mod state;
mod wire;

pub(crate) use create::{PATHS, is_unrecognized};
pub use error::RendezvousError;
use outage::Outages;
use pace::{Backoff, Polls};
use state::{Heard, State};
use wire::exchange;
pub(crate) use wire::incoming;

/// How long a server may hold a GET, in seconds (RFC 7240); below the 30 s that many proxies allow.
const WAIT: u8 = 25;
/// How long one request may take that the server does not hold.
const QUICK: Duration = Duration::from_secs(15);
/// `Expires` and `Date` count whole seconds.
const GRAIN: Duration = Duration::from_secs(1);
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// A server that refuses a write and then says that nothing has changed contradicts itself. This
/// often is enough.
const MAX_CONTRADICTIONS: u32 = 3;

/// One device's end of a rendezvous session.
///
/// Its `Debug` does not say where: who knows the URL can write there.
pub struct RendezvousClient {
    http: Http,
    location: Location,
    deadline: Instant,
    relaxed: AtomicBool,
    outages: Outages,
    /// Never held across an await: both [`Self::receive`] and [`Self::send`] may be dropped at any
    /// point.
    state: Mutex<State>,
}

impl RendezvousClient {
    /// Creates a session at a homeserver: at the stable path, or else at the unstable one (step 2
    /// of "Establishment").
    ///
    /// # Errors
    ///
    /// [`RendezvousError::NotSupported`] when the homeserver has neither.
    pub async fn create(http: Http, homeserver: &Url) -> Result<Self, RendezvousError> {
        create::in_time(homeserver, create::at_homeserver(http, homeserver)).await
    }

    /// Creates a session at a rendezvous server's own endpoint.
    ///
    /// # Errors
    ///
    /// See [`RendezvousError`].
    pub async fn create_at(http: Http, endpoint: &Url) -> Result<Self, RendezvousError> {
        create::in_time(endpoint, create::at_endpoint(http, endpoint)).await
    }

    /// Creates a session of MSC4388 at a homeserver, with an access token of that homeserver if
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::NoNewer`] when the homeserver has no such sessions,
    /// [`RendezvousError::MustScan`] and [`RendezvousError::MustNotShow`] when it does not let this
    /// device create one.
    pub async fn create_msc4388(
        http: Http,
        base_url: &BaseUrl,
        access_token: Option<&Secret>,
    ) -> Result<Self, RendezvousError> {
        create::in_time(
            base_url.url(),
            create::with_id(http, base_url, access_token),
        )
        .await
    }

    /// Joins the session that a QR code names, and reads it for the first time.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::AlreadyUsed`] when something is written there: the scanning device is who
    /// writes first.
    pub async fn join(http: Http, location: Location) -> Result<Self, RendezvousError> {
        let server = location.server().clone();
        create::in_time(&server, create::join(http, location)).await
    }

    /// Where the session is, for the QR code.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// When the session ends, by the server's own clock: `Expires` minus `Date`, or
    /// `expires_in_ms`, counted from when that answer came.
    ///
    /// A later answer does not move it: the lifetime is fixed at creation.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left until then.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A person is at work: polling every 2 s is enough, where every second is usual.
    pub fn relaxed(&self, relaxed: bool) {
        self.relaxed.store(relaxed, Ordering::Relaxed);
    }

    /// What the next payload is written against.
    pub fn binding(&self) -> Binding {
        self.state().session.binding()
    }

    /// Whether an answer was lost that nothing can replace: the other device has written on, and
    /// bound what it says to a token that this device was never told. Then it is no forgery if that
    /// cannot be opened.
    pub fn has_lost_track(&self) -> bool {
        self.state().session.has_lost_track()
    }

    /// What does not work at the moment, if something does not: lost connections, 5xx, 429, an
    /// answer that does not come.
    pub fn trouble(&self) -> Option<RendezvousError> {
        self.outages.last()
    }

    /// Tells of each such trouble that lasts so long, once. Never ends.
    pub async fn report_trouble(&self, long: Duration, tell: impl Fn(RendezvousError)) {
        self.outages.report(long, tell).await;
    }

    /// Waits for the next payload that is not our own. Can be dropped at any moment and called
    /// again.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::Gone`], [`RendezvousError::Expired`], or what else ends the session. Lost
    /// connections, 5xx and 429 do not, until the deadline; then they are the [`Self::trouble`].
    pub async fn receive(&self) -> Result<Payload, RendezvousError> {
        self.in_time(self.next_payload()).await
    }

    /// Writes a payload. After an answer was lost it looks first (MSC4108), or writes the same
    /// again at once (MSC4388); after a refusal that passes it writes again. Can be dropped at any
    /// moment; what became of the payload is then found out by the next call, whichever that is.
    ///
    /// # Errors
    ///
    /// As for [`Self::receive`].
    pub async fn send(&self, payload: Payload) -> Result<Delivery, RendezvousError> {
        self.in_time(self.deliver(payload)).await
    }

    /// Deletes the session, as well as can be: a session that stays expires by itself.
    pub async fn delete(&self) {
        let request = self.state().session.delete();
        let outcome = timeout(FAREWELL, exchange(&self.http, request, FAREWELL)).await;
        tracing::debug!(
            answered = matches!(outcome, Ok(Ok(_))),
            "deleted the rendezvous session"
        );
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, RendezvousError>>,
    ) -> Result<T, RendezvousError> {
        match timeout_at(self.deadline, work).await {
            // The server forgets a session when its time is up.
            Ok(Err(RendezvousError::Gone)) if self.time_left() <= GRAIN => {
                Err(RendezvousError::Expired)
            }
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(RendezvousError::Expired),
        }
    }

    async fn next_payload(&self) -> Result<Payload, RendezvousError> {
        let (mut polls, mut backoff) = (Polls::new(), Backoff::new());
        loop {
            if let Some(payload) = self.state().overheard.take() {
                return Ok(payload);
            }
            match self.look(Some(WAIT)).await {
                Ok(heard) => {
                    self.outages.over();
                    backoff = Backoff::new();
                    sleep(polls.pause(heard, self.relaxed.load(Ordering::Relaxed))).await;
                }
                Err(error) => self.pause(error, &mut backoff).await?,
            }
        }
    }

    /// Before something is tried again that may work then.
    async fn pause(
        &self,
        error: RendezvousError,
        backoff: &mut Backoff,
    ) -> Result<(), RendezvousError> {
        if !error.is_transient() {
            return Err(error);
        }
        let pause = backoff.pause(&error);
        self.outages.note(error);
        sleep(pause).await;
        Ok(())
    }

    async fn deliver(&self, payload: Payload) -> Result<Delivery, RendezvousError> {
        let repeatable = self.state().session.is_repeatable();
        // The sooner the better: what the other device says next is bound to the token that an
        // answer would have had.
        let mut backoff = if repeatable {
            Backoff::eager()
        } else {
            Backoff::new()
        };
        let mut contradictions = 0;
        loop {
            match self.attempt(&payload).await {
                Ok(Attempt::Over(delivery)) => {
                    self.outages.over();
                    return Ok(delivery);
                }
                Ok(Attempt::Again) => {}
                Ok(Attempt::Conflict) if contradictions >= MAX_CONTRADICTIONS => {
                    return Err(RendezvousError::Contradiction);
                }
                Ok(Attempt::Conflict) => contradictions += 1,
                Err(error) => self.pause(error, &mut backoff).await?,
            }
        }
    }

    /// One step of a delivery: what is known already, or a look when it is not certain what is
    /// there, or else the write.
    async fn attempt(&self, payload: &Payload) -> Result<Attempt, RendezvousError> {
        if let Some(delivery) = self.state().known(payload) {
            return Ok(Attempt::Over(delivery));
        }
        if self.state().session.must_receive(payload) {
            if let Heard::Nothing { .. } = self.look(None).await? {
                if self.state().session.lacks_predecessor(payload) {
                    return self.abandon().await;
                }
                self.state().session.found_nothing();
            }
            return Ok(Attempt::Again);
        }
        if payload.binding != self.binding() {
            return self.abandon().await;
        }
        let request = self.state().session.send(payload)?;
        self.outages.note(unanswered(self.location.server()));
        let response = exchange(&self.http, request, QUICK).await?;
        Ok(match self.state().session.sent(&response)? {
            Sent::Accepted => Attempt::Over(Delivery::Done),
            Sent::Conflict => Attempt::Conflict,
        })
    }

    /// An earlier payload of ours stands there after all, and this one was sealed before that was
    /// known; or that one never came, and this one is counted after it. Nobody could open it. Then
    /// the end of the session has to say what it would have said.
    async fn abandon(&self) -> Result<Attempt, RendezvousError> {
        self.delete().await;
        Err(RendezvousError::Gone)
    }

    /// One GET. What it brings is in the state before anything can be dropped.
    async fn look(&self, wait: Option<u8>) -> Result<Heard, RendezvousError> {
        let asked = Instant::now();
        let request = self.state().session.receive(wait);
        let held = Duration::from_secs(wait.unwrap_or_default().into());
        let response = exchange(&self.http, request, QUICK + held).await?;
        let heard = self.state().heard(&response)?;
        Ok(pace::believed(heard, asked.elapsed()))
    }

    /// A panic elsewhere leaves the state whole: every change of it is one call.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unanswered(server: &Url) -> RendezvousError {
    let host = server.host_str().unwrap_or_default().to_owned();
    HttpError::Unreachable {
        host,
        why: "it has not answered yet".to_owned(),
    }
    .into()
}

enum Attempt {
    Over(Delivery),
    Again,
    Conflict,
}

impl std::fmt::Debug for RendezvousClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RendezvousClient")
            .field("time_left", &self.time_left())
            .finish_non_exhaustive()
    }
}
