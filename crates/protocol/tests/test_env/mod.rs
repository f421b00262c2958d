//! A session in memory, two hosts, and a clock that only moves when nobody has anything to do.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use getrandom::SysRng;
use matrix_qr_protocol::{
    channel::{CheckCode, Initiated, SecureChannel},
    driver::{self, Delivery, ExistingDeviceHost, Host, NewDeviceHost, Progress},
    error::{Cause, Error, UserError},
    homeserver::{BaseUrl, HomeserverAddress},
    login::{
        DeviceLookup, Ended, ExistingDeviceAnswer, NewDeviceAnswer, NoAuthorization, NoToken,
        NotImported, NotLookedUp, NotOpened, VerificationOutcome,
        message::{
            Authorization, CrossSigning, DeviceId, Message, SecretKey, Secrets, VerificationLink,
        },
    },
    qr::QrCode,
    rendezvous::{ApiRoot, Binding, Location, Payload, SequenceToken, SessionId, SessionUrl},
    revision::{Dialect, Prefix, Revision, Role},
};
use rand_core::UnwrapErr;

/// What the two devices speak.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    pub revision: Revision,
    pub dialect: Dialect,
}

/// An answer in place of the usual one.
#[derive(Debug, Clone)]
pub enum PlannedAnswer {
    New(NewDeviceAnswer),
    Existing(ExistingDeviceAnswer),
}

impl PlannedAnswer {
    /// Whose answer it is.
    pub fn role(&self) -> Role {
        match self {
            Self::New(_) => Role::New,
            Self::Existing(_) => Role::Existing,
        }
    }
}

/// What is planned for a sign-in.
#[derive(Clone)]
pub struct Pair {
    shown_by: Role,
    variant: Variant,
    cancel: Option<(Role, usize)>,
    intrude: Option<(usize, Vec<u8>)>,
    replay: Option<usize>,
    misplace: Option<(usize, Binding)>,
    end_session: Option<(usize, Ended)>,
    answer: Option<PlannedAnswer>,
    both_are: Option<Role>,
    lose_secrets: Option<bool>,
    wrong_digits: bool,
    never_appears: bool,
    slow_person: bool,
    polls: bool,
    binds_id: bool,
}

/// What became of it.
pub struct End {
    pub new: Result<(), Error>,
    pub existing: Result<(), Error>,
    pub scanner_alone: Option<Result<(), Error>>,
    pub requests_by_scanner: usize,
    pub sent_by_new: Vec<&'static str>,
    pub sent_by_existing: Vec<&'static str>,
    pub secrets_sent: bool,
    pub exported: bool,
    pub imported: bool,
    pub intruded: bool,
    /// What the existing device was told of the new one's ID.
    pub bound: Option<bool>,
    pub session_deleted: bool,
    /// Who waited at its end until the other device has read.
    pub awaited_reader: Vec<Role>,
}

impl End {
    /// This side's result, and the other's.
    pub fn of(&self, role: Role) -> (&Result<(), Error>, &Result<(), Error>) {
        match role {
            Role::New => (&self.new, &self.existing),
            Role::Existing => (&self.existing, &self.new),
        }
    }
}

macro_rules! plans {
    ($($name:ident($($arg:ident: $type:ty),*) => $field:ident = $value:expr;)*) => {
        $(pub fn $name(mut self, $($arg: $type),*) -> Self { self.$field = $value; self })*
    };
}

impl Pair {
    pub fn new(shown_by: Role) -> Self {
        Self {
            shown_by,
            variant: Variant {
                revision: Revision::Msc4108,
                dialect: Dialect::default(),
            },
            cancel: None,
            intrude: None,
            replay: None,
            misplace: None,
            end_session: None,
            answer: None,
            both_are: None,
            lose_secrets: None,
            wrong_digits: false,
            never_appears: false,
            slow_person: false,
            polls: false,
            binds_id: false,
        }
    }

    plans! {
        variant(variant: Variant) => variant = variant;
        cancel(role: Role, moment: usize) => cancel = Some((role, moment));
        intrude(write: usize, payload: &[u8]) => intrude = Some((write, payload.to_vec()));
        replay(write: usize) => replay = Some(write);
        misplace(write: usize, binding: Binding) => misplace = Some((write, binding));
        end_session(write: usize, ended: Ended) => end_session = Some((write, ended));
        answer(answer: PlannedAnswer) => answer = Some(answer);
        both_are(role: Role) => both_are = Some(role);
        lose_secrets(seen: bool) => lose_secrets = Some(seen);
        wrong_digits() => wrong_digits = true;
        never_appears() => never_appears = true;
        slow_person() => slow_person = true;
        polls() => polls = true;
        binds_id() => binds_id = true;
    }

    pub fn run(self) -> End {
        let world = Rc::new(TestEnv::new(self.clone()));
        let scanner_role = self.both_are.unwrap_or(self.shown_by.other());
        let (shower, scanner) = (
            SimulatedDevice::new(&world, self.shown_by, true),
            SimulatedDevice::new(&world, scanner_role, false),
        );
        let (mut shown, mut scanned) = (None, None);
        {
            let mut shower = pin!(show(&shower));
            let mut scanner = pin!(scan(&scanner, self.variant.dialect));
            world.run(|context| {
                poll(&mut shown, shower.as_mut(), context);
                poll(&mut scanned, scanner.as_mut(), context);
                scanned.is_some() && (shown.is_some() || self.both_are.is_some())
            });
        }
        let requests_by_scanner = scanner.requests.get();
        let scanned = scanned.unwrap();
        if self.both_are.is_some() {
            return world.end(Ok(()), Ok(()), Some(scanned), requests_by_scanner);
        }
        let (new, existing) = match self.shown_by {
            Role::New => (shown.unwrap(), scanned),
            Role::Existing => (scanned, shown.unwrap()),
        };
        world.end(new, existing, None, requests_by_scanner)
    }
}

fn poll<F: Future>(
    slot: &mut Option<F::Output>,
    future: std::pin::Pin<&mut F>,
    context: &mut Context<'_>,
) {
    if slot.is_none()
        && let Poll::Ready(output) = future.poll(context)
    {
        *slot = Some(output);
    }
}

async fn show(device: &SimulatedDevice) -> Result<(), Error> {
    let Variant { revision, dialect } = device.world.plan.variant;
    let (location, rng) = (location(revision), &mut UnwrapErr(SysRng));
    match device.role {
        Role::New => driver::show_as_new_device(device, location, dialect, rng).await,
        Role::Existing => {
            driver::show_as_existing_device(device, location, dialect, homeserver(), rng).await
        }
    }
}

fn location(revision: Revision) -> Location {
    match revision {
        Revision::Msc4108 => {
            Location::Url(SessionUrl::parse("https://rendezvous.example.org/abc").unwrap())
        }
        Revision::Msc4388 => Location::Id(session_id(homeserver().as_str(), "abc")),
    }
}

fn session_id(base_url: &str, id: &str) -> SessionId {
    SessionId::parse(
        ApiRoot::new(BaseUrl::parse(base_url).unwrap(), Prefix::Stable),
        id,
    )
    .unwrap()
}

/// What a payload is written against when there have been so many in this session.
pub fn binding(base_url: &str, id: &str, payloads: usize) -> Binding {
    let token = SequenceToken::parse(&payloads.to_string()).unwrap();
    Binding::new(&session_id(base_url, id), &token)
}

async fn scan(device: &SimulatedDevice, dialect: Dialect) -> Result<(), Error> {
    let code = device
        .world
        .until(|world| world.code.borrow().clone())
        .await;
    let code = QrCode::decode(&code.encode().unwrap()).unwrap();
    let rng = &mut UnwrapErr(SysRng);
    match device.role {
        Role::New => driver::scan_as_new_device(device, &code, dialect, rng).await,
        Role::Existing => {
            driver::scan_as_existing_device(device, &code, dialect, homeserver(), rng).await
        }
    }
}

/// A device that a test plays by hand, on the same secure channel.
pub struct ScriptedPeer<'a> {
    world: &'a TestEnv,
    device: SimulatedDevice,
    channel: SecureChannel,
}

impl ScriptedPeer<'_> {
    pub async fn say(&mut self, said: &[u8]) -> Result<Delivery, Ended> {
        let payload = self.channel.seal(said, self.device.binding()).unwrap();
        self.device.send(payload).await
    }

    /// Each takes the place of the one before, and nobody looks in between.
    pub fn say_at_once(&mut self, said: &[&[u8]]) {
        for said in said {
            let payload = self.channel.seal(said, self.device.binding()).unwrap();
            self.device.seen.set(self.world.state().unwrap() + 1);
            self.world.write(payload.bytes);
        }
        self.world.busy.set(true);
    }

    pub async fn hear(&mut self) -> Message {
        let payload = self.device.receive().await.unwrap();
        Message::parse(
            &self.channel.open(&payload).unwrap(),
            self.world.plan.variant.revision,
        )
        .unwrap()
    }

    /// Does not look for so long.
    pub async fn pause(&self, seconds: u64) {
        self.world.pass(seconds).await;
    }

    /// Waits until the other device has come to an end.
    pub async fn think(&self) {
        self.world
            .until(|world| world.over.get().then_some(()))
            .await;
    }
}

impl Pair {
    /// What the device that shows its code makes of such a peer, and how that one ends. The script
    /// begins when the digits are typed.
    pub fn against<T>(
        self,
        script: impl AsyncFnOnce(&mut ScriptedPeer<'_>) -> T,
    ) -> (Result<(), Error>, T) {
        let (shown_by, Variant { revision, dialect }) = (self.shown_by, self.variant);
        let world = Rc::new(TestEnv::new(self));
        let ours = SimulatedDevice::new(&world, shown_by, true);
        let (mut result, mut heard) = (None, None);
        {
            let mut ours = pin!(async {
                let result = show(&ours).await;
                world.over.set(true);
                result
            });
            let mut theirs = pin!(async {
                let device = SimulatedDevice::new(&world, shown_by.other(), false);
                let code = world.until(|world| world.code.borrow().clone()).await;
                let (initiated, payload) = Initiated::new(
                    &code.key,
                    revision,
                    dialect,
                    device.binding(),
                    &mut UnwrapErr(SysRng),
                )
                .unwrap();
                device.send(payload).await.unwrap();
                let (channel, check_code) =
                    initiated.finish(&device.receive().await.unwrap()).unwrap();
                device.tell(Progress::Secure(&check_code));
                world
                    .until(|world| world.confirmed.get().then_some(()))
                    .await;
                script(&mut ScriptedPeer {
                    world: &world,
                    device,
                    channel,
                })
                .await
            });
            world.run(|context| {
                poll(&mut result, ours.as_mut(), context);
                poll(&mut heard, theirs.as_mut(), context);
                result.is_some() && heard.is_some()
            });
        }
        (result.unwrap(), heard.unwrap())
    }
}

pub struct TestEnv {
    plan: Pair,
    /// All payloads; the last one stands in the session.
    payloads: RefCell<Vec<Vec<u8>>>,
    writes: Cell<usize>,
    ended: RefCell<Option<Ended>>,
    deleted: Cell<bool>,
    awaited_reader: RefCell<Vec<Role>>,
    code: RefCell<Option<QrCode>>,
    digits: RefCell<Option<CheckCode>>,
    confirmed: Cell<bool>,
    /// The one device of a test with a scripted peer has come to an end.
    over: Cell<bool>,
    sent: RefCell<Vec<(Role, &'static str)>>,
    exported: Cell<bool>,
    imported: Cell<bool>,
    intruded: Cell<bool>,
    bound: Cell<Option<bool>>,
    now: Cell<u64>,
    busy: Cell<bool>,
}

impl TestEnv {
    fn new(plan: Pair) -> Self {
        Self {
            plan,
            payloads: RefCell::new(vec![Vec::new()]),
            writes: Cell::default(),
            ended: RefCell::default(),
            deleted: Cell::default(),
            awaited_reader: RefCell::default(),
            code: RefCell::default(),
            digits: RefCell::default(),
            confirmed: Cell::default(),
            over: Cell::default(),
            sent: RefCell::default(),
            exported: Cell::default(),
            imported: Cell::default(),
            intruded: Cell::default(),
            bound: Cell::default(),
            now: Cell::default(),
            busy: Cell::default(),
        }
    }

    /// Polls until it is done. The clock moves by a second whenever nothing happened.
    fn run(&self, mut poll_all: impl FnMut(&mut Context<'_>) -> bool) {
        let mut context = Context::from_waker(Waker::noop());
        while !poll_all(&mut context) {
            if !self.busy.replace(false) {
                self.now.set(self.now.get() + 1);
            }
            if self.now.get() == 300 {
                self.ended.borrow_mut().get_or_insert(Ended::Expired);
            }
            assert!(self.now.get() < 400, "somebody waits for ever");
        }
    }

    fn until<'a, T>(
        &'a self,
        ready: impl Fn(&Self) -> Option<T> + 'a,
    ) -> impl Future<Output = T> + 'a {
        poll_fn(move |_| match ready(self) {
            Some(value) => {
                self.busy.set(true);
                Poll::Ready(value)
            }
            None => Poll::Pending,
        })
    }

    async fn pass(&self, seconds: u64) {
        let then = self.now.get() + seconds;
        self.until(|world| (world.now.get() >= then).then_some(()))
            .await;
    }

    fn write(&self, payload: Vec<u8>) {
        self.payloads.borrow_mut().push(payload);
        self.writes.set(self.writes.get() + 1);
        let write = self.writes.get();
        if let Some((at, payload)) = &self.plan.intrude
            && *at + 1 == write
        {
            self.intrude(payload.clone());
        }
        if self.plan.replay == Some(write) {
            let payload = self.payloads.borrow()[write - 2].clone();
            self.intrude(payload);
        }
        if let Some((at, ended)) = &self.plan.end_session
            && *at == write
        {
            *self.ended.borrow_mut() = Some(ended.clone());
        }
    }

    fn intrude(&self, payload: Vec<u8>) {
        self.intruded.set(true);
        self.payloads.borrow_mut().push(payload);
    }

    fn binding(&self, payloads: usize) -> Binding {
        match self.plan.variant.revision {
            Revision::Msc4108 => Binding::default(),
            Revision::Msc4388 => binding(homeserver().as_str(), "abc", payloads),
        }
    }

    fn state(&self) -> Result<usize, Ended> {
        match self.ended.borrow().clone() {
            Some(ended) => Err(ended),
            None if self.deleted.get() => Err(Ended::Gone),
            None => Ok(self.payloads.borrow().len()),
        }
    }

    fn end(
        &self,
        new: Result<(), Error>,
        existing: Result<(), Error>,
        scanner_alone: Option<Result<(), Error>>,
        requests_by_scanner: usize,
    ) -> End {
        let sent_by = |role| {
            self.sent
                .borrow()
                .iter()
                .filter(|(by, _)| *by == role)
                .map(|(_, kind)| *kind)
                .collect()
        };
        End {
            new,
            existing,
            scanner_alone,
            requests_by_scanner,
            sent_by_new: sent_by(Role::New),
            sent_by_existing: sent_by(Role::Existing),
            secrets_sent: self
                .sent
                .borrow()
                .iter()
                .any(|(_, kind)| *kind == "m.login.secrets"),
            exported: self.exported.get(),
            imported: self.imported.get(),
            intruded: self.intruded.get(),
            bound: self.bound.get(),
            session_deleted: self.deleted.get(),
            awaited_reader: self.awaited_reader.borrow().clone(),
        }
    }
}

pub struct SimulatedDevice {
    world: Rc<TestEnv>,
    role: Role,
    shows: bool,
    /// How many payloads of the session this device has seen.
    seen: Cell<usize>,
    overtaken: RefCell<Option<Payload>>,
    moments: Cell<usize>,
    requests: Cell<usize>,
}

impl SimulatedDevice {
    fn new(world: &Rc<TestEnv>, role: Role, shows: bool) -> Self {
        Self {
            world: world.clone(),
            role,
            shows,
            seen: Cell::new(1),
            overtaken: RefCell::default(),
            moments: Cell::default(),
            requests: Cell::default(),
        }
    }

    /// The payload that stands in the session, as this device finds it. It has seen one less, or
    /// several less if somebody else wrote.
    fn look(&self, there: usize) -> Payload {
        let seen = self.seen.replace(there);
        let bytes = self.world.payloads.borrow()[there - 1].clone();
        let binding = match &self.world.plan.misplace {
            Some((write, binding)) if *write + 1 == there => binding.clone(),
            _ => self.world.binding(seen),
        };
        Payload { bytes, binding }
    }

    fn heard(&self) -> Option<Result<Payload, Ended>> {
        if let Some(payload) = self.overtaken.borrow_mut().take() {
            return Some(Ok(payload));
        }
        match self.world.state() {
            Err(ended) => Some(Err(ended)),
            Ok(there) => (there > self.seen.get()).then(|| Ok(self.look(there))),
        }
    }

    fn moment(&self) {
        self.moments.set(self.moments.get() + 1);
    }

    /// A question takes a while.
    async fn asked(&self) {
        self.moment();
        self.world.pass(2).await;
    }

    fn planned(&self) -> Option<PlannedAnswer> {
        self.world.plan.answer.clone()
    }
}

/// The planned answer to this question, or else the usual one.
macro_rules! planned {
    ($device:ident, $role:ident($answers:ident::$question:ident), $usual:expr) => {{
        $device.asked().await;
        match $device.planned() {
            Some(PlannedAnswer::$role($answers::$question(answer))) => answer,
            _ => $usual,
        }
    }};
}

impl Host for SimulatedDevice {
    async fn receive(&self) -> Result<Payload, Ended> {
        self.requests.set(self.requests.get() + 1);
        loop {
            if self.world.plan.polls {
                self.world.pass(1).await;
                if let Some(heard) = self.heard() {
                    return heard;
                }
            } else {
                return self.world.until(|_| self.heard()).await;
            }
        }
    }

    fn binding(&self) -> Binding {
        self.world.binding(self.seen.get())
    }

    async fn send(&self, payload: Payload) -> Result<Delivery, Ended> {
        self.requests.set(self.requests.get() + 1);
        self.world.pass(1).await;
        if self.world.exported.get()
            && self.role == Role::Existing
            && self.world.plan.lose_secrets.is_some()
        {
            *self.world.ended.borrow_mut() = Some(Ended::Gone);
        }
        let there = self.world.state()?;
        if self.overtaken.borrow().is_some() {
            return Ok(Delivery::Overtaken);
        }
        if there > self.seen.get() {
            *self.overtaken.borrow_mut() = Some(self.look(there));
            return Ok(Delivery::Overtaken);
        }
        assert_eq!(
            payload.binding,
            self.world.binding(there),
            "written where it was sealed for"
        );
        self.seen.set(there + 1);
        self.world.write(payload.bytes);
        Ok(Delivery::Done)
    }

    async fn until_read(&self) {
        self.world.awaited_reader.borrow_mut().push(self.role);
        let then = self.world.now.get() + 2;
        self.world
            .until(|world| (world.now.get() >= then || world.state().is_err()).then_some(()))
            .await;
        if self.overtaken.borrow_mut().take().is_none()
            && let Ok(there) = self.world.state()
            && there > self.seen.get()
        {
            self.look(there);
        }
    }

    async fn delete(&self) {
        self.world.deleted.set(true);
        self.world.busy.set(true);
    }

    async fn enter_check_code(&self) -> CheckCode {
        assert!(
            self.shows,
            "only the device that shows the QR code is asked"
        );
        self.moment();
        self.world
            .pass(if self.world.plan.slow_person { 30 } else { 1 })
            .await;
        let digits = self
            .world
            .until(|world| world.digits.borrow().clone())
            .await;
        if !self.world.plan.wrong_digits {
            return digits;
        }
        let other = if digits == "00".parse().unwrap() {
            "01"
        } else {
            "00"
        };
        other.parse().unwrap()
    }

    async fn cancelled(&self) {
        let Some((role, moment)) = self.world.plan.cancel else {
            return std::future::pending().await;
        };
        self.world
            .until(|_| (role == self.role && self.moments.get() >= moment).then_some(()))
            .await;
    }

    async fn patience(&self) {
        self.world.pass(5).await;
    }

    fn tell(&self, progress: Progress<'_>) {
        self.moment();
        match progress {
            Progress::Show(code) => *self.world.code.borrow_mut() = Some(code.code().clone()),
            Progress::Secure(digits) => *self.world.digits.borrow_mut() = Some(digits.clone()),
            Progress::Confirmed => self.world.confirmed.set(true),
            Progress::Sent(kind) => self.world.sent.borrow_mut().push((self.role, kind)),
            Progress::Connected | Progress::Received(_) => {}
        }
    }
}

impl NewDeviceHost for SimulatedDevice {
    async fn request_authorization(
        &self,
        _: HomeserverAddress,
        bound: DeviceId,
    ) -> Result<Authorization, NoAuthorization> {
        planned!(self, New(NewDeviceAnswer::RequestAuthorization), {
            let usual = wanted().device_id;
            let device_id = if self.world.plan.binds_id {
                bound
            } else {
                usual
            };
            Ok(Authorization {
                device_id,
                ..wanted()
            })
        })
    }

    async fn await_token(&self) -> Result<(), NoToken> {
        planned!(self, New(NewDeviceAnswer::AwaitToken), Ok(()))
    }

    async fn import_secrets(&self, heard: Secrets) -> Result<(), NotImported> {
        planned!(self, New(NewDeviceAnswer::ImportSecrets), {
            assert_eq!(heard, secrets());
            self.world.imported.set(true);
            Ok(())
        })
    }
}

impl ExistingDeviceHost for SimulatedDevice {
    async fn find_device(&self, _: DeviceId, bound: bool) -> Result<DeviceLookup, NotLookedUp> {
        self.world.bound.set(Some(bound));
        planned!(
            self,
            Existing(ExistingDeviceAnswer::FindDevice),
            Ok(DeviceLookup::Absent)
        )
    }

    async fn open_uri(&self, _: VerificationLink) -> Result<(), NotOpened> {
        planned!(self, Existing(ExistingDeviceAnswer::OpenUri), Ok(()))
    }

    async fn await_device(&self, _: DeviceId) -> Result<DeviceLookup, UserError> {
        let usual = if self.world.plan.never_appears {
            DeviceLookup::Absent
        } else {
            DeviceLookup::Present
        };
        planned!(self, Existing(ExistingDeviceAnswer::AwaitDevice), Ok(usual))
    }

    async fn export_secrets(&self) -> Result<Secrets, UserError> {
        planned!(self, Existing(ExistingDeviceAnswer::ExportSecrets), {
            self.world.exported.set(true);
            Ok(secrets())
        })
    }

    async fn await_verified(&self, _: DeviceId) -> VerificationOutcome {
        planned!(self, Existing(ExistingDeviceAnswer::AwaitVerified), {
            let patience = self.world.now.get() + 10;
            let seen = |world: &TestEnv| match world.plan.lose_secrets {
                Some(true) => Some(VerificationOutcome::Verified),
                Some(false) => Some(VerificationOutcome::Unseen),
                None if world.imported.get() => Some(VerificationOutcome::Verified),
                None => (world.now.get() > patience).then_some(VerificationOutcome::Unseen),
            };
            self.world.until(seen).await
        })
    }
}

pub fn homeserver() -> HomeserverAddress {
    HomeserverAddress::parse("https://matrix.example.org").unwrap()
}

pub fn wanted() -> Authorization {
    let link = VerificationLink {
        verification_uri: "https://id.example.org/link".parse().unwrap(),
        verification_uri_complete: None,
    };
    Authorization {
        link,
        device_id: DeviceId::parse("a/b+c").unwrap(),
    }
}

pub fn user_error() -> UserError {
    UserError::new(Cause::Homeserver, "it broke", "Mend it.")
}

fn secrets() -> Secrets {
    let key = |byte| SecretKey::new(&[byte; 32]);
    Secrets {
        cross_signing: CrossSigning {
            master_key: key(1),
            self_signing_key: key(2),
            user_signing_key: key(3),
        },
        backup: None,
    }
}
