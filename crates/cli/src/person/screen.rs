//! What a person sees of a sign-in: what to do now, what has been done, and what is waited for.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use matrix_qr_device::{ProgressEvent, encryption::BackupState};
use matrix_qr_protocol::{driver::Progress, qr::ShownCode, revision::Role};
use url::Url;

use super::page::Shown;
use crate::{
    args::{Exchange, Look},
    output::{BAD, BOLD, GOOD, Output, Waiting, harmless, large, paint, waiting_line},
    qr_picture::PictureFile,
    terminal::{Room, dialogue_room},
};

const WAITING: &str = "Waiting for the other device. Ctrl-C cancels.";

pub(super) struct Screen {
    out: Output,
    role: Role,
    qr: Option<PathBuf>,
    look: Look,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Option<Waiting>,
    /// The code that waits for its scanner, and the room that it was drawn for.
    shown: Option<(Shown, Room)>,
    /// When the session, and the sign-in with it, ends.
    until: Option<Instant>,
    /// Stays in view until the person has agreed: the consent page may ask for it.
    user_code: Option<String>,
    /// Lives as long as the screen does.
    picture: Option<PictureFile>,
}

impl Screen {
    pub(super) fn new(out: Output, role: Role, exchange: &Exchange) -> Self {
        Self {
            out,
            role,
            qr: exchange.qr.clone(),
            look: exchange.look,
            state: Mutex::default(),
        }
    }

    pub(super) fn tell(&self, event: &ProgressEvent<'_>) {
        match event {
            ProgressEvent::Progress(progress) => self.progress(progress),
            ProgressEvent::Checking if self.role == Role::Existing => {
                self.wait("Looking at this device's keys and its homeserver.")
            }
            ProgressEvent::Checking => self.wait("Looking at the homeserver."),
            ProgressEvent::Session { time_left } => self.ends_in(*time_left),
            ProgressEvent::UserCode { code, .. } => self.user_code(code),
            ProgressEvent::Token => self.agreed(),
            ProgressEvent::Account(user_id) => self.done(
                "Waiting for the keys.",
                &format!("This device is to be one of {}", harmless(user_id.as_str())),
            ),
            ProgressEvent::LookingForDevice(_) => {
                self.wait("Looking whether the new device's ID is free.")
            }
            ProgressEvent::DeviceFound(_) => {
                self.done("Sharing the keys.", "The homeserver shows the new device")
            }
            ProgressEvent::SharingSecrets => self.wait("Sharing the keys."),
            ProgressEvent::ImportingSecrets => {
                self.wait("Checking the keys, and signing this device with them.")
            }
            ProgressEvent::KeysUploaded => {
                self.done("Connecting the key backup.", "This device is verified")
            }
            ProgressEvent::Backup(BackupState::Connected { .. }) => {
                self.done("Finishing.", "The key backup is connected")
            }
            ProgressEvent::Backup(BackupState::Unused(why)) => {
                self.warn(&format!("the key backup is not used: {why}"))
            }
            ProgressEvent::Verified(_) => self.done("Finishing.", "The new device is verified"),
            ProgressEvent::Cleared { device_id } => self.cleared(*device_id),
            ProgressEvent::DeviceLeft {
                device_id,
                why,
                advice,
            } => {
                self.warn(&format!(
                    "the device {device_id} may still be in your account: {why}"
                ));
                self.out.say(format_args!("  {}", harmless(advice)));
            }
            ProgressEvent::Problem(error) => {
                self.warn(&error.what);
                self.wait("Waiting on.");
            }
            ProgressEvent::TooLate(_) => self.wait("Looking what became of the new device."),
            ProgressEvent::LeftBehind(what) => {
                self.warn(&format!("could not be removed, do it yourself: {what}"))
            }
            _ => {}
        }
    }

    fn progress(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Show(code) => self.show(code),
            Progress::Connected => self.done("", "The other device is here"),
            Progress::Secure(digits) => {
                self.clear();
                self.out.say(format_args!(
                    "Type these two digits on the other device:\n{}",
                    large(&digits.to_string())
                ));
                self.wait(match self.role {
                    Role::New => {
                        "Waiting for the other device: type the digits there, then agree there."
                    }
                    Role::Existing => "Waiting for the other device.",
                });
            }
            Progress::Confirmed => {
                let next = match self.role {
                    Role::New => "Now agree on the other device.",
                    Role::Existing => "Waiting for the new device to ask for your consent.",
                };
                self.done(next, "Nobody is in between");
            }
            Progress::Sent(_) | Progress::Received(_) => {}
        }
    }

    fn show(&self, code: &ShownCode) {
        self.clear();
        let shown = Shown::new(code, self.invitation(), dialogue_room(self.look).blocks);
        if self.qr.is_some() {
            self.write(code);
            self.out.say(shown.as_text());
            self.wait(WAITING);
        } else {
            self.draw(&mut self.state(), shown);
        }
    }

    /// In a window of another size: what left the screen is drawn anew, and fits.
    pub(super) fn resized(&self) {
        let mut state = self.state();
        let resized = state
            .shown
            .take_if(|(_, room)| *room != dialogue_room(self.look));
        if let Some((shown, _)) = resized {
            state.waiting = None;
            self.out.erase();
            self.draw(&mut state, shown);
        }
    }

    fn draw(&self, state: &mut State, shown: Shown) {
        let room = dialogue_room(self.look);
        let page = shown.page(&waiting_line(WAITING, state.until), room);
        self.out.say(page.words);
        if let Some(drawing) = page.drawing {
            self.out.draw(&drawing);
        }
        state.shown = Some((shown, room));
        state.waiting = Some(self.out.waiting(WAITING, state.until));
    }

    fn write(&self, code: &ShownCode) {
        let Some(path) = &self.qr else { return };
        match PictureFile::write(path, code.bytes()) {
            Ok(picture) => {
                self.out.say(paint(BOLD, self.invitation()));
                self.out.say(format_args!("  {}", picture.path().display()));
                self.state().picture = Some(picture);
            }
            Err(failure) => {
                self.clear();
                self.out.warn(&format!("{}: use the text", failure.what));
            }
        }
    }

    fn invitation(&self) -> &'static str {
        match self.role {
            Role::New => {
                "On the device that is signed in already, choose to link a new device, and scan this code:"
            }
            Role::Existing => {
                "On the new device, choose to sign in with a QR code, and scan this one:"
            }
        }
    }

    fn user_code(&self, code: &str) {
        self.clear();
        self.out.say(format_args!(
            "The other device opens a page in its browser. Agree there; if it asks for a code:\n{}",
            large(code)
        ));
        self.state().user_code = Some(code.to_owned());
        self.wait("Waiting until you have agreed there.");
    }

    fn agreed(&self) {
        self.state().user_code = None;
        self.done(
            "Waiting for the keys.",
            "You agreed: this device may sign in",
        );
    }

    /// Before the question whether to open the link: where it leads.
    pub(super) fn introduce(&self, link: &Url, browser: bool) {
        self.clear();
        let host = link.host_str().unwrap_or_default();
        self.out
            .say("To sign in the new device, you agree on a page of your homeserver's authorization server:");
        self.out.say(format_args!("  host  {}", paint(BOLD, host)));
        if !browser {
            self.out.say(format_args!("  link  {link}"));
        }
    }

    /// Something is true from now on; something else is waited for.
    fn done(&self, next: &str, what: &str) {
        self.clear();
        self.out.say(format_args!("{} {what}.", paint(GOOD, "✓")));
        if !next.is_empty() {
            self.wait(next);
        }
    }

    fn cleared(&self, device_id: Option<&str>) {
        self.clear();
        let device = match device_id {
            Some(id) => format!("Its device {} is signed out again.", harmless(id)),
            None => {
                "If your account lists a device that you do not know, remove it there.".to_owned()
            }
        };
        self.out.say(format_args!(
            "An earlier sign-in was interrupted here. Its files are removed. {device}"
        ));
    }

    fn warn(&self, what: &str) {
        self.clear();
        self.out.say(format_args!(
            "{} {}.",
            paint(BAD, "warning:"),
            harmless(what)
        ));
    }

    fn ends_in(&self, time: Duration) {
        self.state().until = Instant::now().checked_add(time);
    }

    /// In place of what was waited for before.
    pub(super) fn wait(&self, text: &str) {
        self.clear();
        let mut state = self.state();
        let text = match &state.user_code {
            Some(code) => format!("{text} Code: {}", harmless(code)),
            None => text.to_owned(),
        };
        state.waiting = Some(self.out.waiting(text, state.until));
    }

    /// Nothing is waited for, not for a scanner either.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.waiting = None;
        state.shown = None;
    }

    /// A panic elsewhere is no reason to show nothing more.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
