//! A device at a sign-in: the rendezvous session and the person, as the driver wants them. The
//! questions of each role are answered in `new_device` and `existing_device`.

use std::{
    future::{Future, pending},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_qr_protocol::{
    channel::CheckCode,
    driver::{Delivery, Host, Progress},
    error::{Cause, Error, UserError},
    login::Ended,
    rendezvous::{Binding, Payload},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use crate::{
    client_server_api::Homeserver,
    discovery,
    http::Http,
    person::{Person, ProgressEvent},
    rendezvous_client::{RendezvousClient, RendezvousError},
    showing::{Place, Showing},
    silence::{SILENCE, Wait, explained, unanswered_rendezvous},
    start::{RendezvousAt, Start},
    user_error::ToUserError,
};

/// How long a payload of ours is stored before another one of ours replaces it: the other device
/// counts them ("Secure operations"), and could not open the second without the first. It polls
/// every second or two. Only a last word follows so closely.
const TO_BE_READ: Duration = Duration::from_millis(2500);
/// How long we do not listen to the other device after we have asked a server or the store: their
/// answer mostly comes sooner than the other device's next message, and a request for that would be
/// broken off to write.
const SHORTLY: Duration = Duration::from_millis(50);
/// How long writing a last word may take, at the end of a sign-in.
const LAST_WORD: Duration = Duration::from_secs(5);

/// One device at one sign-in.
pub(crate) struct HostAdapter<'a, P, D> {
    pub(crate) rendezvous: RendezvousClient,
    pub(crate) person: &'a P,
    pub(crate) device: D,
    /// When we wrote what the other device has not answered.
    unanswered: Mutex<Option<Instant>>,
    /// Whether something is asked of this device.
    asked: AtomicBool,
    /// Whether the session was seen to be deleted.
    gone: watch::Sender<bool>,
}

impl<'a, P, D> HostAdapter<'a, P, D> {
    pub(crate) fn new(rendezvous: RendezvousClient, person: &'a P, device: D) -> Self {
        Self {
            rendezvous,
            person,
            device,
            unanswered: Mutex::new(None),
            asked: AtomicBool::new(false),
            gone: watch::Sender::new(false),
        }
    }

    /// Why it ended, where the driver only saw that a payload cannot be opened, or that the time is
    /// up.
    pub(crate) fn explained(&self, error: Error) -> Error {
        match error {
            Error::Expired => match self.rendezvous.problem() {
                Some(last) => Error::ExpiredWithProblem(last.to_user_error()),
                None => error,
            },
            _ if error.is_of_a_foreign_payload() && self.rendezvous.has_lost_track() => {
                Error::Rendezvous(lost_track(error.advice()))
            }
            error => error,
        }
    }

    /// The sign-in, while the person hears of problems with the rendezvous session.
    pub(crate) async fn while_reporting<T>(&self, sign_in: impl Future<Output = T>) -> T
    where
        P: Person,
    {
        let tell = |error: RendezvousError| {
            self.person
                .tell(ProgressEvent::Problem(&error.to_user_error()));
        };
        tokio::select! {
            end = sign_in => end,
            () = self.rendezvous.report_problems(SILENCE, tell) => pending().await,
        }
    }

    /// Answers a question of the login, while the person hears of what is slow.
    pub(crate) async fn answer<T>(&self, wait: Wait, work: impl Future<Output = T>) -> T
    where
        P: Person,
    {
        // Where a person decides, the other device's next message will take a while.
        self.rendezvous.relaxed(wait == Wait::Person);
        self.asked.store(true, Ordering::Relaxed);
        // Boxed: a step of the encryption store is a deep one, and this may run on a small stack.
        let work = Box::pin(work);
        let answer = match wait.slow() {
            Some(slow) => explained(self.person, || slow, work).await,
            None => work.await,
        };
        self.asked.store(false, Ordering::Relaxed);
        answer
    }

    /// Is ready when the session was seen to be deleted.
    pub(crate) async fn until_gone(&self) {
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    fn unanswered(&self) -> MutexGuard<'_, Option<Instant>> {
        let unanswered = self.unanswered.lock();
        unanswered.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Person, D> Host for HostAdapter<'_, P, D> {
    async fn receive(&self) -> Result<Payload, Ended> {
        if self.asked.load(Ordering::Relaxed) {
            sleep(SHORTLY).await;
        }
        let payload = self.rendezvous.receive().await.map_err(ended);
        if payload == Err(Ended::Gone) {
            self.gone.send_replace(true);
        }
        let payload = payload?;
        *self.unanswered() = None;
        Ok(payload)
    }

    fn binding(&self) -> Binding {
        self.rendezvous.binding()
    }

    async fn send(&self, payload: Payload) -> Result<Delivery, Ended> {
        let delivery = self.rendezvous.send(payload).await.map_err(ended)?;
        *self.unanswered() = Some(Instant::now());
        Ok(delivery)
    }

    async fn until_read(&self) {
        let written = *self.unanswered();
        let Some(written) = written else { return };
        let read = async {
            let heard = self.rendezvous.receive().await;
            // Without a session nobody reads. No other error means that it was read.
            if !matches!(
                heard,
                Ok(_) | Err(RendezvousError::Gone | RendezvousError::Expired)
            ) {
                pending::<()>().await;
            }
        };
        let _ = timeout_at(written + TO_BE_READ, read).await;
    }

    async fn delete(&self) {
        self.rendezvous.delete().await;
    }

    async fn enter_check_code(&self) -> CheckCode {
        self.rendezvous.relaxed(true);
        let code = self.person.enter_check_code().await;
        self.rendezvous.relaxed(false);
        code
    }

    async fn cancelled(&self) {
        self.person.cancelled().await;
    }

    async fn patience(&self) {
        sleep(LAST_WORD).await;
    }

    fn tell(&self, progress: Progress<'_>) {
        self.person.tell(ProgressEvent::Progress(progress));
    }
}

/// Makes a rendezvous session, or joins the one of the scanned code. `base` is the homeserver of
/// [`RendezvousAt::Homeserver`], if its name is resolved already.
pub(crate) async fn open_session<P: Person>(
    http: &Http,
    start: &Start,
    base: Option<&Url>,
    showing: Showing,
    home: Option<&Homeserver>,
    person: &P,
) -> Result<RendezvousClient, Error> {
    explained(
        person,
        unanswered_rendezvous,
        Box::pin(async {
            let rendezvous = match start {
                Start::Scan(code) => {
                    RendezvousClient::join(http.clone(), code.location.clone()).await
                }
                Start::Show(at) => {
                    let place = match base {
                        Some(base) => Place::Homeserver(base.clone()),
                        None => place(http, at).await?,
                    };
                    place.open(http, showing, home).await
                }
            };
            rendezvous.map_err(|error| match error {
                RendezvousError::AlreadyUsed => Error::AlreadyUsed,
                error => ended(error).into(),
            })
        }),
    )
    .await
}

async fn place(http: &Http, at: &RendezvousAt) -> Result<Place, Error> {
    match at {
        RendezvousAt::Endpoint(url) => Ok(Place::Endpoint(url.clone())),
        RendezvousAt::Homeserver(homeserver) => {
            let base = discovery::resolve(http, homeserver).await;
            base.map(Place::Homeserver)
                .map_err(|error| Error::Rendezvous(error.to_user_error()))
        }
    }
}

/// What to do is the same as after a forgery, which it looks like.
fn lost_track(advice: &str) -> UserError {
    UserError::new(
        Cause::RendezvousServer,
        "an answer of the rendezvous server was lost in transit and cannot be requested \
         again",
        advice,
    )
}

fn ended(error: RendezvousError) -> Ended {
    match error {
        RendezvousError::Gone => Ended::Gone,
        RendezvousError::Expired => Ended::Expired,
        other => Ended::Unusable(other.to_user_error()),
    }
}
