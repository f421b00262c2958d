//! The progress of a sign-in: as an event for scripts, and in a few words for the demonstration.

use matrix_qr_device::{ProgressEvent, keys::BackupState};
use matrix_qr_page::words;
use matrix_qr_protocol::{driver::Progress, revision::Role};
use serde_json::{Value, json};

/// One JSON object, named by `event`. It includes the check code and the user code, because a
/// script must pass them on.
pub(crate) fn event(event: &ProgressEvent<'_>) -> Value {
    match event {
        ProgressEvent::Progress(progress) => progress_event(progress),
        ProgressEvent::Checking => json!({ "event": "checking" }),
        ProgressEvent::Session { time_left } => {
            json!({ "event": "session", "seconds_left": time_left.as_secs() })
        }
        ProgressEvent::UserCode { code, link } => {
            let (url, warning) = (&link.url, &link.warning);
            json!({ "event": "user_code", "user_code": code, "link": url, "warning": warning })
        }
        ProgressEvent::Token => json!({ "event": "token" }),
        ProgressEvent::Account(user_id) => {
            json!({ "event": "account", "user_id": user_id.as_str() })
        }
        ProgressEvent::DeviceBound { id, bound } => {
            json!({ "event": "device_bound", "device_id": id.as_str(), "bound": bound })
        }
        ProgressEvent::LookingForDevice(id) => {
            json!({ "event": "looking_for_device", "device_id": id.as_str() })
        }
        ProgressEvent::DeviceFound(id) => {
            json!({ "event": "device_found", "device_id": id.as_str() })
        }
        ProgressEvent::SharingSecrets => json!({ "event": "sharing_secrets" }),
        ProgressEvent::ImportingSecrets => json!({ "event": "importing_secrets" }),
        ProgressEvent::KeysUploaded => json!({ "event": "keys_uploaded" }),
        ProgressEvent::Backup(state) => {
            let mut event = json!({ "event": "backup" });
            if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), backup(state)) {
                event.extend(fields);
            }
            event
        }
        ProgressEvent::Verified(id) => json!({ "event": "verified", "device_id": id.as_str() }),
        ProgressEvent::Cleared { device_id } => {
            json!({ "event": "cleared", "device_id": device_id })
        }
        ProgressEvent::DeviceLeft {
            device_id,
            why,
            advice,
        } => json!({
            "event": "left_behind",
            "what": format!("the device {device_id} of your account: {why}"),
            "device_id": device_id,
            "advice": advice,
        }),
        ProgressEvent::Problem(error) => {
            json!({ "event": "trouble", "what": error.what, "side": words::cause_name(error.cause) })
        }
        ProgressEvent::TooLate(id) => json!({ "event": "too_late", "device_id": id.as_str() }),
        ProgressEvent::LeftBehind(what) => json!({ "event": "left_behind", "what": what }),
        other => json!({ "event": "other", "what": format!("{other:?}") }),
    }
}

fn progress_event(progress: &Progress<'_>) -> Value {
    match progress {
        Progress::Show(code) => json!({ "event": "show", "code": code.to_base64() }),
        Progress::Connected => json!({ "event": "connected" }),
        Progress::Secure(digits) => json!({ "event": "check_code", "digits": digits.to_string() }),
        Progress::Confirmed => json!({ "event": "confirmed" }),
        Progress::Sent(message) => json!({ "event": "sent", "message": message }),
        Progress::Received(message) => json!({ "event": "received", "message": message }),
    }
}

/// Whether the key backup is connected, and if not, why.
pub(crate) fn backup(state: &BackupState) -> Value {
    match state {
        BackupState::Connected { version } => json!({ "connected": true, "version": version }),
        BackupState::Unused(why) => json!({ "connected": false, "why": why.to_string() }),
    }
}

/// What a device is doing, in a few words.
pub(crate) fn words(event: &ProgressEvent<'_>, role: Role) -> String {
    match event {
        ProgressEvent::Progress(progress) => progress_words(progress),
        ProgressEvent::Checking if role == Role::Existing => {
            "checks its own keys and its homeserver".to_owned()
        }
        ProgressEvent::Checking => "checks what the homeserver can do".to_owned(),
        ProgressEvent::Session { time_left } => {
            format!("rendezvous session: {} s left", time_left.as_secs())
        }
        ProgressEvent::UserCode { code, .. } => format!("waits for the consent; user code {code}"),
        ProgressEvent::Token => "receives its access token".to_owned(),
        ProgressEvent::Account(user_id) => format!("becomes a device of {user_id}"),
        ProgressEvent::DeviceBound { bound: true, .. } => {
            "the new device's ID is bound to this connection".to_owned()
        }
        ProgressEvent::DeviceBound { bound: false, .. } => {
            "the new device's ID is not bound to this connection".to_owned()
        }
        ProgressEvent::LookingForDevice(id) => {
            format!("checks whether the device ID {id} is unused")
        }
        ProgressEvent::DeviceFound(_) => "the homeserver lists the new device".to_owned(),
        ProgressEvent::SharingSecrets => "reads the secrets from its store".to_owned(),
        ProgressEvent::ImportingSecrets => "checks the secrets, signs itself".to_owned(),
        ProgressEvent::KeysUploaded => "uploads its signed keys".to_owned(),
        ProgressEvent::Backup(BackupState::Connected { version }) => {
            format!("connects key backup {version}")
        }
        ProgressEvent::Backup(BackupState::Unused(why)) => {
            format!("does not use the key backup: {why}")
        }
        ProgressEvent::Verified(_) => "sees the new device verified".to_owned(),
        ProgressEvent::Cleared { .. } => "removes the remains of an earlier sign-in".to_owned(),
        ProgressEvent::DeviceLeft { device_id, .. } => {
            format!("left behind: the device {device_id}")
        }
        ProgressEvent::Problem(error) => format!("waits: {}", error.what),
        ProgressEvent::TooLate(_) => {
            "cannot take the secrets back: checks on the new device".to_owned()
        }
        ProgressEvent::LeftBehind(what) => format!("left behind: {what}"),
        other => format!("{other:?}"),
    }
}

fn progress_words(progress: &Progress<'_>) -> String {
    match progress {
        Progress::Show(_) => "shows the QR code".to_owned(),
        Progress::Connected => "somebody has scanned it: is it the right device?".to_owned(),
        Progress::Secure(digits) => format!("shows the digits {digits}"),
        Progress::Confirmed => "the digits match: it is the right device".to_owned(),
        Progress::Sent(message) => format!("→ {message}"),
        Progress::Received(message) => format!("← {message}"),
    }
}
