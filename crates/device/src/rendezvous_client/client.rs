//! One device's end of a session, once there is one.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matrix_qr_protocol::rendezvous::{Binding, Location, Payload};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::RendezvousError;
use super::outage::Outages;
use super::pace::{self, Backoff, Polls};
use super::state::{Heard, State};
use super::wire::{QUICK, exchange};
use crate::http::Http;

/// How long a server may hold a GET, in seconds (RFC 7240); below the 30 s that many proxies allow.
const WAIT: u8 = 25;
/// `Expires` and `Date` count whole seconds.
const GRAIN: Duration = Duration::from_secs(1);
/// How long the last request, which deletes the session, may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a session lives when the server does not say.
const USUAL_LIFETIME: Duration = Duration::from_secs(300);
/// How long it lives at most, whatever the server says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// One device's end of a rendezvous session.
///
/// Its `Debug` does not show the URL: anyone who knows it can write there.
pub struct RendezvousClient {
    pub(super) http: Http,
    location: Location,
    deadline: Instant,
    relaxed: AtomicBool,
    pub(super) outages: Outages,
    /// Never held across an await: both [`Self::receive`] and [`Self::send`] may be dropped at any
    /// point.
    state: Mutex<State>,
}

impl RendezvousClient {
    /// For a session that has just answered.
    pub(super) fn new(http: Http, state: State) -> Self {
        // Then it has not expired: a `Date` that suggests it comes from a proxy, and another clock
        // than `Expires`.
        let stated = state.session.time_left().filter(|left| !left.is_zero());
        let lifetime = stated.unwrap_or(USUAL_LIFETIME).min(LONGEST_LIFETIME);
        Self {
            http,
            location: state.session.location(),
            deadline: Instant::now() + lifetime,
            relaxed: AtomicBool::new(false),
            outages: Outages::new(),
            state: Mutex::new(state),
        }
    }

    /// Where the session is, for the QR code.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What is left until the session ends, by the server's own clock: `Expires` minus `Date`, or
    /// `expires_in_ms`, counted from when that answer came.
    ///
    /// A later answer does not change when it ends: the lifetime is fixed at creation.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether a person is at work: then the session is polled every 2 s instead of every second.
    pub fn relaxed(&self, relaxed: bool) {
        self.relaxed.store(relaxed, Ordering::Relaxed);
    }

    /// What the next payload is written against.
    pub fn binding(&self) -> Binding {
        self.state().session.binding()
    }

    /// Whether an answer was lost that nothing can replace: the other device has written its next
    /// payload, bound to a token that this device never received. If that payload cannot be opened,
    /// it is no forgery.
    pub fn has_lost_track(&self) -> bool {
        self.state().session.has_lost_track()
    }

    /// The current problem, if there is one: lost connections, 5xx, 429, an answer that does not
    /// come.
    pub fn problem(&self) -> Option<RendezvousError> {
        self.outages.last()
    }

    /// Reports each such problem that lasts as long as `long`, once. Never ends.
    pub async fn report_problems(&self, long: Duration, report: impl Fn(RendezvousError)) {
        self.outages.report(long, report).await;
    }

    /// Waits for the other device's next payload. Can be dropped at any moment and called again.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::Gone`], [`RendezvousError::Expired`], or what else ends the session. Lost
    /// connections, 5xx and 429 do not, until the deadline; then they are the [`Self::problem`].
    pub async fn receive(&self) -> Result<Payload, RendezvousError> {
        self.in_time(self.next_payload()).await
    }

    /// Deletes the session if the server can be reached. Otherwise it expires by itself.
    pub async fn delete(&self) {
        let request = self.state().session.delete();
        let outcome = timeout(FAREWELL, exchange(&self.http, request, FAREWELL)).await;
        tracing::debug!(
            answered = matches!(outcome, Ok(Ok(_))),
            "deleted the rendezvous session"
        );
    }

    pub(super) async fn in_time<T>(
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
            match self.read(Some(WAIT)).await {
                Ok(heard) => {
                    self.outages.over();
                    backoff = Backoff::new();
                    sleep(polls.pause(heard, self.relaxed.load(Ordering::Relaxed))).await;
                }
                Err(error) => self.pause(error, &mut backoff).await?,
            }
        }
    }

    /// Waits until something can be tried again, if the error may pass.
    pub(super) async fn pause(
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

    /// One GET. What it brings is in the state before anything can be dropped.
    pub(super) async fn read(&self, wait: Option<u8>) -> Result<Heard, RendezvousError> {
        let asked = Instant::now();
        let request = self.state().session.receive(wait);
        let held = Duration::from_secs(wait.unwrap_or_default().into());
        let response = exchange(&self.http, request, QUICK + held).await?;
        let heard = self.state().heard(&response)?;
        Ok(pace::believed(heard, asked.elapsed()))
    }

    /// A panic elsewhere leaves the state whole: every change of it is one call.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RendezvousClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RendezvousClient")
            .field("time_left", &self.time_left())
            .finish_non_exhaustive()
    }
}
