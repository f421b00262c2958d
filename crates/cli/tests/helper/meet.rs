//! Two helpers at one sign-in, and the programs and people at both.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    account::OwnKeysAccount,
    caller::{HelperLine, PATIENCE, TestCaller},
    holder::OwnKeys,
    support::sandbox::decide,
};

/// One of the two devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    New,
    Existing,
}

pub(crate) use Side::{Existing, New};

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            New => Existing,
            Existing => New,
        }
    }
}

/// Changes an answer that would be right.
pub(crate) type Change = fn(&OwnKeys, &mut Value);

/// What a program does in place of the right answer.
#[derive(Debug, Clone)]
pub(crate) enum Mischief {
    Close,
    Terminate,
    /// The helper is killed. The person at the other device gives up then.
    Kill,
    /// Nothing.
    Hang,
    Cancel,
    AnswerError,
    /// This is the result.
    Answer(Value),
    /// This is the whole line.
    Say(&'static str),
    /// The answer is what this makes of the right one.
    Change(Change),
}

/// How a sign-in ended at one device.
#[derive(Debug)]
pub(crate) enum HelperEnd {
    Result(Value),
    Error(Value),
    Closed,
}

impl HelperEnd {
    pub(crate) fn unwrap(self) -> Value {
        match self {
            Self::Result(result) => result,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn error(&self) -> &Value {
        match self {
            Self::Error(error) => error,
            other => panic!("{other:?}"),
        }
    }
}

/// A sign-in, and what is known at both devices.
pub(crate) struct HelperMeeting {
    pub(crate) new: TestCaller,
    pub(crate) existing: TestCaller,
    pub(crate) new_params: Value,
    pub(crate) existing_params: Value,
    pub(crate) shown_by: Side,
    pub(crate) keys: OwnKeys,
    /// What the existing device's program answers to `secrets`.
    pub(crate) secrets: Value,
    /// What the new device's program was to store.
    pub(crate) kept: Option<Value>,
    mischief: Option<(Side, &'static str, Mischief)>,
    /// How long the sign-in may take.
    patience: Duration,
    /// How often that question is answered as usual before.
    usual_answers: usize,
    ids: [Option<u64>; 2],
    ends: [Option<HelperEnd>; 2],
    /// The code that is shown.
    code: Value,
    digits: Option<String>,
    /// Who waits for them, and how they are changed.
    digits_wanted: Option<(Side, u64, Option<Change>)>,
}

impl HelperMeeting {
    pub(crate) fn new(new_params: Value, existing_params: Value, shown_by: Side) -> Self {
        Self {
            new: TestCaller::initialized(),
            existing: TestCaller::initialized(),
            new_params,
            existing_params,
            shown_by,
            keys: OwnKeys::default(),
            secrets: Value::Null,
            kept: None,
            mischief: None,
            patience: PATIENCE,
            usual_answers: 0,
            ids: [None; 2],
            ends: [None, None],
            code: Value::Null,
            digits: None,
            digits_wanted: None,
        }
    }

    /// Instead of the answer to this question, once. `secrets` is asked for more than once: where
    /// the existing device scans, the last time is meant, when they are sent.
    pub(crate) fn with(self, side: Side, method: &'static str, mischief: Mischief) -> Self {
        let last_of_three = method == "secrets" && self.shown_by == New;
        Self {
            usual_answers: if last_of_three { 2 } else { 0 },
            ..self.with_first(side, method, mischief)
        }
    }

    /// The same, the first time that it is asked.
    pub(crate) fn with_first(
        mut self,
        side: Side,
        method: &'static str,
        mischief: Mischief,
    ) -> Self {
        if matches!(mischief, Mischief::Hang) {
            self.patience += Duration::from_secs(30);
        }
        self.mischief = Some((side, method, mischief));
        self
    }

    /// Returns how it ended at the new device and at the existing one.
    pub(crate) fn run(&mut self) -> [HelperEnd; 2] {
        let until = Instant::now() + self.patience;
        self.begin(self.shown_by);
        while self.ends.iter().any(Option::is_none) {
            assert!(
                Instant::now() < until,
                "{:?} {:?}",
                self.new.heard,
                self.existing.heard
            );
            for side in [New, Existing] {
                if self.ends[side as usize].is_none() {
                    self.listen(side);
                }
            }
            self.do_not_wait_for_the_other();
            self.do_not_show_the_code_to_nobody();
        }
        std::mem::take(&mut self.ends).map(Option::unwrap)
    }

    /// If the device that shows the code has ended before, nobody scans it.
    fn do_not_wait_for_the_other(&mut self) {
        let [new, existing] = &self.ends;
        if self.ids[1].is_none() && new.is_some() {
            self.ends[1] = Some(HelperEnd::Closed);
        } else if self.ids[0].is_none() && existing.is_some() {
            self.ends[0] = Some(HelperEnd::Closed);
        }
    }

    /// If the device that scans ended before it did, the person ends it at the other one.
    fn do_not_show_the_code_to_nobody(&mut self) {
        let shows = self.shown_by;
        let has_ended = |side: Side| self.ends[side as usize].is_some();
        if !has_ended(shows.other()) || has_ended(shows) {
            return;
        }
        let is_connected = |line: &String| line.contains(r#""event":"connected""#);
        let caller = self.caller(shows);
        let is_cancel = |line: &String| line.contains(r#""method":"cancel""#);
        if !caller.heard.iter().any(is_connected) && !caller.said.iter().any(is_cancel) {
            caller.request("cancel", json!({}));
        }
    }

    fn begin(&mut self, side: Side) {
        let (method, params) = match side {
            New => ("login", &self.new_params),
            Existing => ("link", &self.existing_params),
        };
        let mut params = params.clone();
        if side != self.shown_by {
            let params = params.as_object_mut().unwrap();
            for not_of_a_scanning_device in ["homeserver", "revision"] {
                params.remove(not_of_a_scanning_device);
            }
            params.insert("scan".to_owned(), true.into());
        }
        self.ids[side as usize] = Some(self.caller(side).request(method, params));
    }

    pub(crate) fn caller(&mut self, side: Side) -> &mut TestCaller {
        match side {
            New => &mut self.new,
            Existing => &mut self.existing,
        }
    }

    fn listen(&mut self, side: Side) {
        match self.caller(side).hear(Duration::from_millis(20)) {
            Err(()) => self.ends[side as usize] = Some(HelperEnd::Closed),
            Ok(Some(HelperLine::Question { id, method, params })) => {
                self.asked(side, id, &method, &params);
            }
            Ok(Some(HelperLine::Answer { id, result }))
                if id.as_u64() == self.ids[side as usize] =>
            {
                self.ends[side as usize] = Some(match result {
                    Ok(result) => HelperEnd::Result(result),
                    Err(error) => HelperEnd::Error(error),
                });
            }
            Ok(_) => {}
        }
    }

    fn asked(&mut self, side: Side, id: u64, method: &str, params: &Value) {
        let usual_answers = &mut self.usual_answers;
        let now = |(at, what, _): &mut (Side, &str, Mischief)| {
            let is_meant = *at == side && *what == method;
            is_meant
                && usual_answers
                    .checked_sub(1)
                    .map(|left| *usual_answers = left)
                    .is_none()
        };
        match self.mischief.take_if(now) {
            Some((_, _, Mischief::Close)) => self.caller(side).close(),
            Some((_, _, Mischief::Terminate)) => self.caller(side).signal("TERM"),
            Some((_, _, Mischief::Kill)) => {
                self.caller(side).signal("KILL");
                self.caller(side.other()).request("cancel", json!({}));
            }
            Some((_, _, Mischief::Hang)) => {}
            Some((_, _, Mischief::Cancel)) => drop(self.caller(side).request("cancel", json!({}))),
            Some((_, _, Mischief::AnswerError)) => {
                let error = json!({ "code": 1, "message": "it failed" });
                let line = json!({ "jsonrpc": "2.0", "id": id, "error": error });
                self.caller(side).say(&line.to_string());
            }
            Some((_, _, Mischief::Answer(result))) => {
                let line = json!({ "jsonrpc": "2.0", "id": id, "result": result });
                self.caller(side).say(&line.to_string());
            }
            Some((_, _, Mischief::Say(line))) => self.caller(side).say(line),
            Some((_, _, Mischief::Change(change))) => {
                if let Some(mut answer) = self.usual(side, id, method, params) {
                    change(&self.keys, &mut answer);
                    self.caller(side).answer(id, &answer);
                } else if let Some((_, _, later)) = &mut self.digits_wanted {
                    *later = Some(change);
                }
            }
            None => {
                if let Some(answer) = self.usual(side, id, method, params) {
                    self.caller(side).answer(id, &answer);
                }
            }
        }
    }

    fn usual(&mut self, side: Side, id: u64, method: &str, params: &Value) -> Option<Value> {
        let text = |name: &str| params[name].as_str().unwrap();
        Some(match method {
            "show_code" => {
                assert!(text("drawing").contains('▀') && text("svg").contains("</svg>"));
                self.code = params["code"].clone();
                self.begin(side.other());
                Value::Null
            }
            "scan_code" => json!({ "code": self.code }),
            "show_check_code" => {
                let digits = text("digits").to_owned();
                if let Some((side, id, change)) = self.digits_wanted.take() {
                    let mut answer = json!({ "digits": digits });
                    change.inspect(|change| change(&self.keys, &mut answer));
                    self.caller(side).answer(id, &answer);
                }
                self.digits = Some(digits);
                Value::Null
            }
            "enter_check_code" => match &self.digits {
                Some(digits) => json!({ "digits": digits }),
                None => {
                    self.digits_wanted = Some((side, id, None));
                    return None;
                }
            },
            "confirm_own_device" => {
                assert!(text("warning").contains("Support staff never ask"));
                json!({ "confirmed": true })
            }
            "open_link" => {
                assert!(params["warning"].is_null());
                decide(text("link"), "allow");
                json!({ "opened": true })
            }
            "confirm_user" => json!({ "confirmed": true }),
            "device_keys" => self.keys.upload(text("user_id"), text("device_id")),
            "keep" => {
                self.kept = Some(params.clone());
                Value::Null
            }
            "secrets" => self.secrets.clone(),
            other => panic!("{other}"),
        })
    }

    /// Both programs have what they want. Returns what both helpers wrote to standard error.
    pub(crate) fn end(&mut self) -> String {
        let ends = |caller: &mut TestCaller| {
            caller.close();
            caller.ends(0)
        };
        [ends(&mut self.new), ends(&mut self.existing)].concat()
    }
}

/// An account whose devices hold their keys themselves, and the directories of two of them.
pub(crate) struct HelperAccount {
    pub(crate) account: OwnKeysAccount,
    /// The servers run in it.
    _runtime: Runtime,
}

impl HelperAccount {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let account = runtime.block_on(OwnKeysAccount::start());
        let this = Self {
            account,
            _runtime: runtime,
        };
        // The account itself has the other directory open.
        let (from, to) = (this.directory("existing"), this.existing_directory());
        fs::create_dir(&to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(from.join("session.json"), to.join("session.json")).unwrap();
        this
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.new_directory().parent().unwrap().join(name)
    }

    pub(crate) fn new_directory(&self) -> PathBuf {
        self.account.new_directory()
    }

    pub(crate) fn existing_directory(&self) -> PathBuf {
        self.directory("helper")
    }

    /// Both devices' programs hold the keys.
    pub(crate) fn meeting(&self, revision: &str, shown_by: Side) -> HelperMeeting {
        let homeserver = self.account.sandbox.homeserver();
        let new = json!({
            "directory": self.new_directory(), "keys": "caller",
            "homeserver": homeserver, "revision": revision,
        });
        let existing = json!({
            "directory": self.existing_directory(), "keys": "caller", "revision": revision,
        });
        let mut meeting = HelperMeeting::new(new, existing, shown_by);
        meeting.secrets = serde_json::to_value(self.account.secrets()).unwrap();
        meeting
    }

    pub(crate) fn devices_beside(&self, first: &str) -> Vec<String> {
        let mut devices = self.account.sandbox.record().devices;
        devices.retain(|device| device != first);
        devices
    }

    /// Nothing is left of the new device, and it was never there without a signature.
    pub(crate) fn assert_undone(&self, first: &str, why: &str) {
        let record = self.account.sandbox.record();
        assert_eq!(record.devices, [first], "{why}");
        assert_eq!(record.unsigned_moments, 0, "{why}");
        assert!(!self.new_directory().exists(), "{why}");
    }
}

/// The tokens that are stored in a directory.
pub(crate) fn tokens(directory: &Path) -> Vec<String> {
    let session = fs::read(directory.join("session.json")).unwrap();
    let session: Value = serde_json::from_slice(&session).unwrap();
    ["access_token", "refresh_token"]
        .map(|name| session["user"][name].as_str().unwrap().to_owned())
        .into()
}

/// Every text in it.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
