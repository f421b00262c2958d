//! What the page shows at the moment. The page draws itself anew from each of these, so it may be
//! closed and opened again at any time. Nothing in it is secret, except for as long as the sign-in
//! runs: no token, no key.

use std::time::{Duration, Instant};

use matrix_qr_protocol::{error::UserError, revision::Role};
use serde::{Serialize, Serializer};

use crate::words::cause_name;

/// The whole page.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct View {
    /// One for each device whose person is asked here: one, or both in a demonstration.
    pub(crate) devices: Vec<DeviceView>,
    /// When the rendezvous session ends, and with it the sign-in.
    #[serde(rename = "seconds_left", serialize_with = "seconds_left")]
    pub(crate) ends: Option<Instant>,
}

/// One device.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DeviceView {
    #[serde(serialize_with = "role")]
    pub(crate) role: Role,
    /// What has happened, in order.
    pub(crate) lines: Vec<Line>,
    /// What the device waits for.
    pub(crate) waiting: Option<String>,
    /// The QR code to scan.
    pub(crate) code: Option<CodeView>,
    /// The two digits to type on the other device.
    pub(crate) digits: Option<String>,
    pub(crate) user_code: Option<UserCodeView>,
    /// The page that the person has agreed to open.
    pub(crate) consent: Option<ConsentView>,
    pub(crate) question: Option<QuestionView>,
    pub(crate) outcome: Option<PageOutcome>,
}

/// The code for the consent page.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UserCodeView {
    /// RFC 8628, section 3.2, `user_code`.
    pub(crate) code: String,
    /// Whose page it is for.
    pub(crate) host: String,
    pub(crate) host_note: Option<&'static str>,
    /// What is wrong with that host.
    pub(crate) warning: Option<String>,
}

/// The consent page: once more, in case that no browser has opened it, or its tab was closed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConsentView {
    pub(crate) link: String,
    pub(crate) host: String,
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) kind: LineKind,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineKind {
    Done,
    Warning,
    Note,
}

/// A QR code. Its picture is at `code/<device>.svg`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CodeView {
    pub(crate) invitation: &'static str,
    /// For a device without a camera.
    pub(crate) text: String,
    #[serde(skip)]
    pub(crate) svg: String,
}

/// What the person is asked.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct QuestionView {
    /// Every question has its own, so that an answer that comes late answers no other one.
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) question: PageQuestion,
    /// What was wrong with the last answer.
    pub(crate) wrong: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum PageQuestion {
    /// Whether the new device is the person's own.
    OwnDevice { warning: &'static str },
    /// The two digits of the other device.
    CheckCode,
    /// Whether to open this link.
    OpenLink {
        link: String,
        host: String,
        host_note: Option<&'static str>,
        warning: Option<String>,
    },
    /// Whether this is the person's account.
    ConfirmAccount { user_id: String },
    /// A homeserver.
    Homeserver,
    /// The other device's QR code: a picture, or text.
    Code,
}

/// How a device's sign-in ended, for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageOutcome {
    /// Whether it did what it was started for.
    pub success: bool,
    /// A sentence.
    pub what: String,
    /// Whose side a failure is on, as [`cause_name`] has it.
    pub cause: Option<&'static str>,
    /// What to do now: a sentence, or nothing.
    pub advice: String,
}

impl From<&UserError> for PageOutcome {
    fn from(error: &UserError) -> Self {
        Self {
            success: false,
            what: error.what.clone(),
            cause: cause_name(error.cause),
            advice: error.advice.to_owned(),
        }
    }
}

impl DeviceView {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            lines: Vec::new(),
            waiting: None,
            code: None,
            digits: None,
            user_code: None,
            consent: None,
            question: None,
            outcome: None,
        }
    }
}

fn role<S: Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match role {
        Role::New => "new",
        Role::Existing => "existing",
    })
}

fn seconds_left<S: Serializer>(ends: &Option<Instant>, serializer: S) -> Result<S::Ok, S::Error> {
    let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()));
    left.as_ref().map(Duration::as_secs).serialize(serializer)
}
