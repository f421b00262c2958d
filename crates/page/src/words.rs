//! The sentences that a person reads of each event, on a page and in a terminal.

use matrix_qr_device::{ProgressEvent, keys::BackupState};
use matrix_qr_protocol::{driver::Progress, error::Cause, harmless, revision::Role};

/// While the other device has not connected.
pub const WAITING: &str = "Waiting for the other device.";

/// After the person has typed the digits.
pub const COMPARING: &str = "Comparing the digits.";

/// After the person has agreed to the link.
pub const CONSENT: &str = "Waiting for your consent. The new device shows the code for it.";

/// Before the new device has the keys.
pub const KEYS: &str = "Waiting for the keys.";

/// What an event means for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventText {
    /// What the device waits for now.
    Waits(&'static str),
    /// Something is done, and what the device waits for next; empty if that is said by what follows.
    Done {
        /// A sentence without its full stop.
        what: String,
        /// What it waits for.
        next: &'static str,
    },
    /// Something is not as it should be.
    Warning {
        /// The part of a sentence that follows "warning:".
        what: String,
        /// What to do about it: a sentence, or nothing.
        advice: String,
        /// What the device waits for; empty if that has not changed.
        next: &'static str,
    },
    /// Something to know: sentences.
    Note(String),
    /// Nothing, or something that needs more than a sentence: a code, digits.
    Nothing,
}

/// What to do with a QR code.
#[must_use]
pub fn invitation(role: Role) -> &'static str {
    match role {
        Role::New => {
            "On the device that is already signed in, choose to link a new device, \
             and scan this code:"
        }
        Role::Existing => "On the new device, choose to sign in with a QR code, and scan this one:",
    }
}

/// What a person needs to compare the name of a host; `None` for most names.
#[must_use]
pub fn host_note(host: &str) -> Option<&'static str> {
    host.contains("xn--").then_some(
        "This name has other letters than a to z. Where it says xn--, a browser may show letters \
         that look like others.",
    )
}

/// What the person reads.
#[must_use]
pub fn step(event: &ProgressEvent<'_>, role: Role) -> EventText {
    match event {
        ProgressEvent::Progress(progress) => progress_step(progress, role),
        ProgressEvent::Checking if role == Role::Existing => {
            EventText::Waits("Checking this device's keys and its homeserver.")
        }
        ProgressEvent::Checking => EventText::Waits("Checking the homeserver."),
        ProgressEvent::UserCode { .. } => EventText::Waits("Waiting for you to agree there."),
        ProgressEvent::Token => done("You have agreed: this device may sign in", KEYS),
        ProgressEvent::Account(user_id) => EventText::Done {
            what: format!(
                "This device will be added to {}",
                harmless(user_id.as_str())
            ),
            next: KEYS,
        },
        ProgressEvent::DeviceBound { bound: true, .. } => {
            done("The new device's ID is bound to this connection", "")
        }
        // Most apps do not do that: it is no reason for alarm.
        ProgressEvent::DeviceBound { bound: false, .. } => {
            note("The new device's ID is not bound to this connection; many apps cannot do that.")
        }
        ProgressEvent::LookingForDevice(_) => {
            EventText::Waits("Checking whether the new device's ID is unused.")
        }
        ProgressEvent::DeviceFound(_) => {
            done("The homeserver lists the new device", "Sharing the keys.")
        }
        ProgressEvent::SharingSecrets => EventText::Waits("Sharing the keys."),
        ProgressEvent::ImportingSecrets => {
            EventText::Waits("Checking the keys, and signing this device with them.")
        }
        ProgressEvent::KeysUploaded => {
            done("This device is verified", "Connecting the key backup.")
        }
        ProgressEvent::Backup(BackupState::Connected { .. }) => {
            done("The key backup is connected", "Finishing.")
        }
        ProgressEvent::Backup(BackupState::Unused(why)) => {
            warning(&format!("the key backup is not used: {why}"))
        }
        ProgressEvent::Verified(_) => done("The new device is verified", "Finishing."),
        other => aside(other),
    }
}

/// What is not one of the steps.
fn aside(event: &ProgressEvent<'_>) -> EventText {
    match event {
        ProgressEvent::Cleared { device_id } => cleared(*device_id),
        ProgressEvent::DeviceLeft {
            device_id,
            why,
            advice,
        } => EventText::Warning {
            what: harmless(&format!(
                "the device {device_id} may still be in your account: {why}"
            )),
            advice: harmless(advice),
            next: "",
        },
        ProgressEvent::Problem(error) => EventText::Warning {
            what: harmless(&error.what),
            advice: String::new(),
            next: "Still waiting.",
        },
        ProgressEvent::TooLate(_) => EventText::Waits("Checking on the new device."),
        ProgressEvent::LeftBehind(what) => warning(&format!(
            "this could not be removed, please remove it yourself: {what}"
        )),
        _ => EventText::Nothing,
    }
}

fn progress_step(progress: &Progress<'_>, role: Role) -> EventText {
    match (progress, role) {
        (Progress::Connected, _) => done("The other device has connected", ""),
        (Progress::Secure(_), Role::New) => EventText::Waits(
            "Waiting for the other device: type the digits there, then agree there.",
        ),
        (Progress::Secure(_), Role::Existing) => EventText::Waits(WAITING),
        (Progress::Confirmed, Role::New) => {
            done("The connection is secure", "Now agree on the other device.")
        }
        (Progress::Confirmed, Role::Existing) => done(
            "The connection is secure",
            "Waiting for the new device to ask for your consent.",
        ),
        _ => EventText::Nothing,
    }
}

fn cleared(device_id: Option<&str>) -> EventText {
    let device = device_id.map_or_else(
        || "If your account lists a device that you do not know, remove it there.".to_owned(),
        |id| format!("Its device {} was signed out again.", harmless(id)),
    );
    EventText::Note(format!(
        "An earlier sign-in was interrupted here. Its files were removed. {device}"
    ))
}

fn done(what: &str, next: &'static str) -> EventText {
    let what = what.to_owned();
    EventText::Done { what, next }
}

fn note(what: &str) -> EventText {
    EventText::Note(what.to_owned())
}

fn warning(what: &str) -> EventText {
    EventText::Warning {
        what: harmless(what),
        advice: String::new(),
        next: "",
    }
}

/// Whose side an error is on, as the end of a sentence. `None` where it is obvious.
#[must_use]
pub fn cause_name(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::Person => return None,
        Cause::Here => "this device",
        Cause::OtherDevice => "the other device",
        Cause::RendezvousServer => "the rendezvous server",
        Cause::Homeserver => "the homeserver",
        Cause::AuthorizationServer => "the homeserver's authorization server",
        Cause::Network => "the network, or the name of the server",
        Cause::Clock => "the time limit",
        Cause::ThirdParty => "a third party",
    })
}

/// A part of a sentence, perhaps with words of others, as a whole one.
#[must_use]
pub fn sentence(part: &str) -> String {
    let part = harmless(part);
    let mut letters = part.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let end = if part.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", letters.as_str())
}
