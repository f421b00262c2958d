//! The two people in the room: what passes between them, past every network, and what each of them
//! does.

use std::{sync::Mutex, time::Duration};

use matrix_qr_device::{
    Announce, ConsentLink, Opening, OwnDevice, Person, ProgressEvent, Start, UserId,
};
use matrix_qr_protocol::{
    channel::CheckCode,
    driver::Progress,
    error::Error,
    qr::QrCode,
    revision::{Dialect, Role},
};
use matrix_qr_sandbox::{Decision, Sandbox};
use tokio::{sync::watch, time::Instant};
use url::Url;

/// What the two people do at one sign-in.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) shown_by: Role,
    pub(crate) dialect: Dialect,
    pub(crate) announce: Announce,
    pub(crate) decision: Option<Decision>,
    /// Whether the existing device insists on an ID that is derived from the channel.
    pub(crate) require_bound_device: bool,
    /// Whether the person at the existing device says that the new one is theirs.
    pub(crate) is_own_device: bool,
    pub(crate) opening: Opening,
    pub(crate) digits: Digits,
    /// Whether the person at the new device takes the account.
    pub(crate) takes_account: bool,
    /// The code is scanned only then.
    pub(crate) scan_at: Option<When>,
    /// This side gives up at that moment.
    pub(crate) cancel: Vec<(Role, When)>,
}

/// What the person who is asked for the two digits types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digits {
    Right,
    Wrong,
    Never,
}

/// A moment of a sign-in.
#[derive(Clone, Debug)]
pub(crate) enum When {
    /// This side was told this.
    Told(Role, &'static str),
    /// This side was told so many things.
    Nth(Role, usize),
}

impl When {
    fn is_over(&self, told: &[(Role, String)]) -> bool {
        match self {
            Self::Told(role, what) => told.iter().any(|(by, told)| by == role && told == what),
            Self::Nth(role, count) => told.iter().filter(|(by, _)| by == role).count() >= *count,
        }
    }
}

impl Plan {
    pub(crate) fn shown_by(shown_by: Role) -> Self {
        Self {
            shown_by,
            dialect: Dialect::default(),
            announce: Announce::default(),
            decision: Some(Decision::Allow),
            require_bound_device: true,
            is_own_device: true,
            opening: Opening::Opened,
            digits: Digits::Right,
            takes_account: true,
            scan_at: None,
            cancel: Vec::new(),
        }
    }

    pub(crate) fn cancel(mut self, who: Role, when: When) -> Self {
        self.cancel.push((who, when));
        self
    }
}

/// What passes between the two people in the room.
pub(crate) struct Meeting {
    code: watch::Sender<Option<QrCode>>,
    digits: watch::Sender<Option<CheckCode>>,
    over: watch::Sender<bool>,
    told: watch::Sender<Vec<(Role, String)>>,
    /// Every piece of news as `Debug` has it.
    printed: Mutex<String>,
    /// When each side learned how much time its session has, and how much.
    sessions: Mutex<Vec<(Role, Instant, Duration)>>,
}

impl Meeting {
    pub(crate) fn new() -> Self {
        Self {
            code: watch::Sender::new(None),
            digits: watch::Sender::new(None),
            over: watch::Sender::new(false),
            told: watch::Sender::new(Vec::new()),
            printed: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    pub(crate) fn robot<'a>(
        &'a self,
        role: Role,
        plan: &'a Plan,
        sandbox: &'a Sandbox,
    ) -> Robot<'a> {
        Robot {
            meeting: self,
            role,
            plan,
            sandbox,
        }
    }

    pub(crate) async fn scan(&self, at: Option<&When>) -> Result<Start, Error> {
        if let Some(when) = at {
            self.until(when).await;
        }
        let mut over = self.over.subscribe();
        tokio::select! {
            biased;
            code = self.shown() => Ok(Start::Scan(code)),
            _ = over.wait_for(|over| *over) => Err(Error::Cancelled),
        }
    }

    /// The code, as soon as it is shown.
    pub(crate) async fn shown(&self) -> QrCode {
        seen(&self.code).await
    }

    pub(crate) fn show_code(&self, code: &QrCode) {
        self.code.send_replace(Some(code.clone()));
    }

    pub(crate) fn code(&self) -> Option<QrCode> {
        self.code.borrow().clone()
    }

    /// The digits, as soon as they are shown.
    pub(crate) async fn digits(&self) -> CheckCode {
        seen(&self.digits).await
    }

    pub(crate) fn show_digits(&self, digits: &CheckCode) {
        self.digits.send_replace(Some(digits.clone()));
    }

    /// Nobody will show a code any more.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    pub(crate) async fn until(&self, when: &When) {
        self.told
            .subscribe()
            .wait_for(|told| when.is_over(told))
            .await
            .unwrap();
    }

    pub(crate) fn note(&self, role: Role, what: &str) {
        self.told
            .send_modify(|told| told.push((role, what.to_owned())));
    }

    pub(crate) fn told(&self) -> Vec<(Role, String)> {
        self.told.borrow().clone()
    }

    /// When this side learned how much time its session has, and how much.
    #[allow(dead_code, reason = "read by sign_in/attacker.rs")]
    pub(crate) fn session(&self, role: Role) -> Option<(Instant, Duration)> {
        let sessions = self.sessions.lock().unwrap();
        let own = sessions.iter().find(|(side, ..)| *side == role);
        own.map(|(_, since, left)| (*since, *left))
    }

    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }
}

async fn seen<T: Clone>(sender: &watch::Sender<Option<T>>) -> T {
    sender
        .subscribe()
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap()
}

/// A person who does what the plan says.
pub(crate) struct Robot<'a> {
    meeting: &'a Meeting,
    role: Role,
    plan: &'a Plan,
    sandbox: &'a Sandbox,
}

/// One word for each piece of news: tests count, compare and cancel by it.
fn name(event: &ProgressEvent<'_>) -> String {
    match event {
        ProgressEvent::Progress(Progress::Show(_)) => "show".into(),
        ProgressEvent::Progress(Progress::Connected) => "connected".into(),
        ProgressEvent::Progress(Progress::Secure(_)) => "secure".into(),
        ProgressEvent::Progress(Progress::Confirmed) => "confirmed".into(),
        ProgressEvent::Progress(Progress::Sent(kind)) => format!("sent {kind}"),
        ProgressEvent::Progress(Progress::Received(kind)) => format!("received {kind}"),
        ProgressEvent::LeftBehind(what) => format!("left behind: {what}"),
        other => format!("{other:?}")
            .split([' ', '(', '{'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

impl Robot<'_> {
    /// The person at the consent page: with the code that is in the link, or else the only one that
    /// waits.
    async fn decide(&self, link: &Url, decision: Decision) {
        let code = match link.query_pairs().find(|(name, _)| name == "code") {
            Some((_, code)) => code.into_owned(),
            None => self.sandbox.next_pending().await,
        };
        assert!(self.sandbox.decide(&code, decision));
    }
}

/// The word of a person who gives it.
pub(crate) async fn own(robot: &Robot<'_>) -> OwnDevice {
    OwnDevice::ask(robot).await.unwrap()
}

impl Person for Robot<'_> {
    fn tell(&self, event: ProgressEvent<'_>) {
        match &event {
            ProgressEvent::Progress(Progress::Show(code)) => {
                drop(self.meeting.code.send_replace(Some(code.code().clone())))
            }
            ProgressEvent::Progress(Progress::Secure(digits)) => self.meeting.show_digits(digits),
            ProgressEvent::Session { time_left } => {
                let session = (self.role, Instant::now(), *time_left);
                self.meeting.sessions.lock().unwrap().push(session);
            }
            _ => {}
        }
        self.meeting
            .printed
            .lock()
            .unwrap()
            .push_str(&format!("{event:?}\n"));
        self.meeting.note(self.role, &name(&event));
    }

    async fn confirm_own_device(&self) -> bool {
        self.meeting.note(self.role, "asked whether it is theirs");
        self.plan.is_own_device
    }

    async fn enter_check_code(&self) -> CheckCode {
        self.meeting.note(self.role, "asked for digits");
        let digits = self.meeting.digits().await;
        match self.plan.digits {
            Digits::Right => digits,
            Digits::Wrong if digits == "00".parse().unwrap() => "01".parse().unwrap(),
            Digits::Wrong => "00".parse().unwrap(),
            Digits::Never => std::future::pending().await,
        }
    }

    async fn open_link(&self, link: &ConsentLink) -> Opening {
        self.meeting.note(self.role, "asked to open");
        if let Some(warning) = &link.warning {
            self.meeting.note(self.role, warning);
        }
        if self.plan.opening == Opening::Opened
            && let Some(decision) = self.plan.decision
        {
            self.decide(&link.url, decision).await;
        }
        self.plan.opening.clone()
    }

    async fn confirm_account(&self, user_id: &UserId) -> bool {
        self.meeting.note(self.role, "asked for account");
        assert_eq!(user_id.as_str(), self.sandbox.user_id());
        self.plan.takes_account
    }

    async fn cancelled(&self) {
        let now = |told: &Vec<(Role, String)>| {
            self.plan
                .cancel
                .iter()
                .any(|(who, when)| *who == self.role && when.is_over(told))
        };
        let _ = self.meeting.told.subscribe().wait_for(now).await;
    }
}
