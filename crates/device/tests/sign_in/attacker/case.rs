//! One sign-in under attack, and what must be true of its end whatever was done.

use std::{sync::Arc, time::Duration};

use matrix_qr_device::{
    Device, GrantOptions, Granted, OwnDevice, RendezvousAt, Showing, SignInOptions, SignedIn,
    Start, http::Policy, session::SessionDir,
};
use matrix_qr_protocol::{
    error::{Cause, Error},
    homeserver::HomeserverAddress,
    qr::QrCode,
    rendezvous::{Location, SessionUrl},
    revision::{Dialect, Revision, Role},
};
use matrix_qr_sandbox::Options;
use tokio::time::Instant;

use super::{
    attack::{Act, Attack, Expect, SessionSide, SessionStep},
    wire::{AttackedWire, Case, SCANS, SHOWS},
};
use crate::{
    meeting::{Meeting, Plan},
    test_env::{TestEnv, ended, sign_in},
};

/// How long sessions and tokens live on the servers, whose clock does not leap.
const LONG: Duration = Duration::from_secs(60 * 60);
/// How much longer than its session a device may take to the end.
const GRACE: Duration = Duration::from_secs(30);

/// How long the existing device looks whether the new one has signed itself.
const LOOKS: Duration = Duration::from_secs(10);

/// An account, and the attacker on the way to its homeserver.
pub(crate) struct Scene {
    world: TestEnv,
    wire: Arc<AttackedWire>,
    pub(crate) revision: Revision,
    pub(crate) shown_by: Role,
    /// What another sign-in wrote.
    others: Vec<String>,
    /// The steps that a sign-in has which nobody attacks.
    pub(crate) steps: Vec<SessionStep>,
}

/// How a device ended, and how long after it learned of its session.
pub(crate) struct DeviceEnd<T> {
    pub(crate) result: Result<T, Error>,
    pub(crate) after: Duration,
    /// How long it may have taken.
    pub(crate) bound: Duration,
}

pub(crate) struct CaseEnd {
    pub(crate) new: DeviceEnd<SignedIn>,
    pub(crate) existing: DeviceEnd<Granted>,
    pub(crate) told: Vec<(Role, String)>,
    pub(crate) case: Case,
}

impl Scene {
    pub(crate) async fn start(revision: Revision, shown_by: Role) -> Self {
        let options = Options {
            session_lifetime: LONG,
            access_token_lifetime: LONG,
            token_interval: Duration::ZERO,
            ..Options::default()
        };
        let world = Box::pin(TestEnv::with(options)).await;
        let wire = AttackedWire::start(world.sandbox.homeserver(), revision).await;
        let world = Box::pin(behind(world, &wire)).await;
        let mut scene = Self {
            world,
            wire,
            revision,
            shown_by,
            others: Vec::new(),
            steps: Vec::new(),
        };
        let end = scene.sign_in(None).await;
        assert_eq!(scene.wrongs(None, &end).await, Vec::<String>::new());
        scene.others = end.case.payloads;
        scene.steps = end.case.steps;
        scene
    }

    /// Whose device this is.
    pub(crate) fn role(&self, side: SessionSide) -> Role {
        match side {
            SessionSide::Shows => self.shown_by,
            SessionSide::Scans => self.shown_by.other(),
        }
    }

    /// Whether this can be done. The last read brings nothing: the session ends.
    pub(crate) fn has(&self, attack: &Attack, step: SessionStep) -> bool {
        let is_last = matches!(step, SessionStep::Read(message) if message > self.others.len());
        attack.fits(step, self.revision) && (!is_last || matches!(attack.act, Act::Request(_)))
    }

    pub(crate) async fn sign_in(&self, planned: Option<(&'static Attack, SessionStep)>) -> CaseEnd {
        let other_session = self.wire.other_session().await;
        self.wire.plan(planned, &self.others, Some(other_session));
        let (meeting, plan) = (Meeting::new(), Plan::shown_by(self.shown_by));
        let showing = Showing::Only(self.revision);
        let both = self.both(&meeting, &plan, showing);
        let hangs = tokio::time::sleep(Duration::from_secs(3 * 60 * 60));
        let (new, existing) = tokio::select! {
            both = both => both,
            () = hangs => panic!("{:?} hangs: {:?}", planned.map(|(attack, step)| (attack.name, step)), meeting.told()),
        };
        CaseEnd {
            new,
            existing,
            told: meeting.told(),
            case: self.wire.take(),
        }
    }

    async fn both(
        &self,
        meeting: &Meeting,
        plan: &Plan,
        showing: Showing,
    ) -> (DeviceEnd<SignedIn>, DeviceEnd<Granted>) {
        let world = &self.world;
        let (new, existing) = (
            meeting.robot(Role::New, plan, &world.sandbox),
            meeting.robot(Role::Existing, plan, &world.sandbox),
        );
        let setup = SignInOptions {
            showing,
            ..world.setup(Dialect::default())
        };
        let options = GrantOptions {
            showing,
            require_bound_device: true,
            ..GrantOptions::default()
        };
        let began = Instant::now();
        let new = async {
            let new = async {
                let start = self.start_of(Role::New, meeting).await?;
                sign_in(&setup, start, &new).await
            };
            timed(Role::New, meeting, began, ended(Role::New, meeting, new)).await
        };
        let existing = async {
            let existing = async {
                let own = OwnDevice::ask(&existing).await?;
                let start = self.start_of(Role::Existing, meeting).await?;
                world.existing.grant(own, start, options, &existing).await
            };
            timed(
                Role::Existing,
                meeting,
                began,
                ended(Role::Existing, meeting, existing),
            )
            .await
        };
        tokio::join!(Box::pin(new), Box::pin(existing))
    }

    async fn start_of(&self, role: Role, meeting: &Meeting) -> Result<Start, Error> {
        if role == self.shown_by {
            let here = HomeserverAddress::parse(self.wire.url.as_str()).unwrap();
            return Ok(Start::Show(RendezvousAt::Homeserver(here)));
        }
        match meeting.scan(None).await? {
            Start::Scan(code) => Ok(Start::Scan(by_the_other_name(code))),
            start => Ok(start),
        }
    }

    /// What the attack does not allow.
    fn unexpected(&self, attack: &Attack, step: SessionStep, end: &CaseEnd) -> Vec<String> {
        let is_good = end.new.result.is_ok() && end.existing.result.is_ok();
        let last = self.others.len();
        let is_over = match step {
            SessionStep::Delete(_) => true,
            SessionStep::Read(message) => message > last,
            SessionStep::Write(message) => message == last && matches!(attack.act, Act::Answer(_)),
            _ => false,
        };
        let (may_be_good, must_be_good, causes) = match attack.expect {
            Expect::Good => (true, true, &[] as &[Cause]),
            Expect::GoodOrEnds(causes) => (true, false, causes),
            Expect::Ends(causes) => (is_over, is_over, causes),
        };
        if must_be_good && !is_good {
            return vec!["it does not end well".to_owned()];
        }
        if is_good && !may_be_good {
            return vec!["it ends well".to_owned()];
        }
        // Somebody has to notice a forgery, or nothing is read until the time is up.
        let notices = |error: &Error| matches!(error.cause(), Cause::ThirdParty | Cause::Clock);
        if causes == [Cause::ThirdParty] && !is_good && !end.errors().any(notices) {
            return vec!["nobody says that a third party wrote".to_owned()];
        }
        let may_be_named = |error: &&Error| {
            // Without a code to scan a device does not begin.
            matches!(error, Error::CancelledOrDeclined | Error::Cancelled)
                || matches!(error.cause(), Cause::OtherDevice | Cause::Clock)
                || causes.contains(&error.cause())
        };
        let wrong = end.errors().filter(|error| !may_be_named(error));
        wrong
            .map(|error| format!("{:?} is named: {error}", error.cause()))
            .collect()
    }

    /// What is wrong with this end, whatever was done.
    pub(crate) async fn wrongs(
        &self,
        planned: Option<(&'static Attack, SessionStep)>,
        end: &CaseEnd,
    ) -> Vec<String> {
        let mut wrongs = Vec::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrongs.push(what.to_owned());
            }
        };
        let record = self.world.sandbox.record();
        must(
            record.unsigned_moments == 0,
            "a device was published unsigned",
        );
        for (after, bound) in [
            (end.new.after, end.new.bound),
            (end.existing.after, end.existing.bound),
        ] {
            must(
                after <= bound,
                &format!("it took {after:?}, and may take {bound:?}"),
            );
        }
        match (&end.new.result, &end.existing.result) {
            (Ok(new), Ok(granted)) => {
                let looked_long = end.existing.after >= LOOKS;
                must(granted.verified || looked_long, "it did not look for it");
                must(
                    granted.bound && granted.device_id.as_str() == new.device_id,
                    "two devices",
                );
                let mut uploads = record.key_uploads.iter();
                must(
                    uploads.any(|upload| {
                        upload.device_id == new.device_id && upload.has_self_signing_signature
                    }),
                    "no signed upload",
                );
            }
            (new, existing) => {
                must(new.is_err(), "only the new device is signed in");
                // The secrets are on their way, and the new device may take its time.
                let unseen = existing.as_ref().is_ok_and(|granted| !granted.verified);
                must(
                    existing.is_err() || unseen,
                    "only the existing device says so",
                );
                must(record.devices == record.bootstrap, "a device is left");
                must(!self.world.new_dir().exists(), "files are left");
                let left = |what: &str| what.starts_with("left behind") || what == "DeviceLeft";
                must(!end.told.iter().any(|(_, told)| left(told)), "left behind");
            }
        }
        for id in record
            .devices
            .iter()
            .filter(|id| !record.bootstrap.contains(id))
        {
            self.world.sandbox.remove_device(id).await.unwrap();
        }
        let _ = std::fs::remove_dir_all(self.world.new_dir());
        for error in end.errors() {
            must(
                is_clear(error),
                &format!("not clear: {error} {}", error.advice()),
            );
        }
        for wrong in untrue(planned, end) {
            must(false, &wrong);
        }
        let stands = match &end.case.session {
            Some(session) => self.wire.stands(session).await,
            None => false,
        };
        let Some((attack, step)) = planned else {
            must(!stands, "the session stands");
            return wrongs;
        };
        must(end.case.struck, "it was not done");
        // It ends by itself, and so it does for a device that was told that it had ended.
        let is_left = attack.lasts
            || matches!(step, SessionStep::Delete(_) | SessionStep::Create)
            || end
                .errors()
                .any(|error| error.cause() == Cause::Clock || is_left(error));
        must(!stands || is_left, "the session stands");
        for wrong in self.unexpected(attack, step, end) {
            must(false, &wrong);
        }
        wrongs
    }
}

impl CaseEnd {
    fn errors(&self) -> impl Iterator<Item = &Error> {
        let (new, existing) = (self.new.result.as_ref(), self.existing.result.as_ref());
        new.err().into_iter().chain(existing.err())
    }
}

/// Whether this device had no reason to delete the session.
fn is_left(error: &Error) -> bool {
    matches!(error, Error::ExpiredWithProblem(_))
}

/// What a device says although it is not so, or does not say to the other one.
fn untrue(planned: Option<(&'static Attack, SessionStep)>, end: &CaseEnd) -> Vec<String> {
    let mut wrongs = Vec::new();
    let sent = (Role::Existing, "sent m.login.secrets".to_owned());
    if end.told.contains(&sent) {
        let denied = |error: &&Error| error.advice().contains("No secrets were sent");
        let denials = end.errors().filter(denied);
        wrongs.extend(denials.map(|error| format!("secrets were sent, but {error}")));
    }
    // Where nothing is in the way of the end, nobody waits for the time to run out when the other
    // one does not. One that has not joined the session leaves it: its code can be scanned again.
    let is_late = |error: &Error| matches!(error, Error::Expired | Error::ExpiredWithProblem(_));
    let late = end.errors().filter(|error| is_late(error)).count();
    let is_told = |(attack, step): (&Attack, SessionStep)| {
        !attack.lasts && step != SessionStep::Join && end.errors().count() == 2
    };
    if planned.is_some_and(is_told) && late == 1 {
        wrongs.push("one of them waits until the time is up".to_owned());
    }
    wrongs
}

/// Two sentences, for a person.
fn is_clear(error: &Error) -> bool {
    let (what, advice) = (error.to_string(), error.advice());
    let is_text = |text: &str| !text.is_empty() && text.len() < 300 && !text.contains(['{', '\n']);
    is_text(&what) && is_text(advice) && what != advice && advice.ends_with('.')
}

/// The same account, whose first device knows the homeserver by the attacker's address.
async fn behind(world: TestEnv, wire: &AttackedWire) -> TestEnv {
    let directory = world.existing_dir();
    let TestEnv {
        sandbox,
        existing,
        room,
        dirs,
        fault_proxy,
        passphrase,
    } = world;
    drop(existing);
    let session = SessionDir::new(&directory);
    let mut stored = session.load().unwrap();
    stored.homeserver = wire.url.clone();
    {
        let _lock = session.lock().unwrap();
        session.save(&stored).unwrap();
    }
    let existing = Device::open(&directory, Policy::HttpsOrLoopback, None)
        .await
        .unwrap();
    TestEnv {
        sandbox,
        existing,
        room,
        dirs,
        fault_proxy,
        passphrase,
    }
}

/// The code as the other device is shown it: the same session, by a name of its own, so that the
/// attacker knows whose requests are whose.
fn by_the_other_name(code: QrCode) -> QrCode {
    let location = match &code.location {
        Location::Url(session) => {
            let url = session.as_str().replacen(SHOWS, SCANS, 1);
            Location::Url(SessionUrl::parse(&url).unwrap())
        }
        Location::Id(_) => code.location.under_other_names().unwrap(),
    };
    QrCode { location, ..code }
}

async fn timed<T>(
    role: Role,
    meeting: &Meeting,
    began: Instant,
    side: impl Future<Output = Result<T, Error>>,
) -> DeviceEnd<T> {
    let result = Box::pin(side).await;
    let (since, left) = meeting.session(role).unwrap_or((began, Duration::ZERO));
    DeviceEnd {
        result,
        after: since.elapsed(),
        bound: left + GRACE,
    }
}
