//! What a person sees of a sign-in: what to do next, what is done, and what the program waits for.

mod notices;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use matrix_qr_device::{ProgressEvent, keys::BackupState};
use matrix_qr_protocol::{driver::Progress, qr::ShownCode, revision::Role};
use url::Url;

use super::page::CodeToShow;
use crate::{
    args::{DrawingArgs, ExchangeArgs},
    measure::wrap,
    output::{BAD, BOLD, GOOD, Printer, WaitingLine, boxed, harmless, paint, waiting_line},
    qr_picture::PictureFile,
    terminal::{Canvas, dialogue_canvas},
};

const WAITING: &str = "Waiting for the other device. Ctrl-C cancels.";

pub(super) struct SignInScreen {
    out: Printer,
    role: Role,
    qr: Option<PathBuf>,
    drawing: DrawingArgs,
    state: Mutex<ScreenState>,
}

#[derive(Default)]
struct ScreenState {
    waiting: Option<WaitingLine>,
    /// The code to scan, and the canvas for which it was drawn.
    shown: Option<(CodeToShow, Canvas)>,
    /// When the rendezvous session ends, and with it the sign-in.
    until: Option<Instant>,
    /// Shown until the person has agreed: the consent page may ask for it.
    user_code: Option<String>,
    /// Removed with the screen.
    picture: Option<PictureFile>,
}

impl SignInScreen {
    pub(super) fn new(out: Printer, role: Role, exchange: &ExchangeArgs) -> Self {
        Self {
            out,
            role,
            qr: exchange.qr.clone(),
            drawing: exchange.drawing,
            state: Mutex::default(),
        }
    }

    pub(super) fn tell(&self, event: &ProgressEvent<'_>) {
        match event {
            ProgressEvent::Progress(progress) => self.progress(progress),
            ProgressEvent::Checking if self.role == Role::Existing => {
                self.wait("Checking this device's keys and its homeserver.")
            }
            ProgressEvent::Checking => self.wait("Checking the homeserver."),
            ProgressEvent::Session { time_left } => self.ends_in(*time_left),
            ProgressEvent::UserCode { code, .. } => self.user_code(code),
            ProgressEvent::Token => self.consented(),
            ProgressEvent::Account(user_id) => self.done(
                "Waiting for the keys.",
                &format!(
                    "This device will be added to {}",
                    harmless(user_id.as_str())
                ),
            ),
            ProgressEvent::DeviceBound { bound, .. } => self.bound(*bound),
            ProgressEvent::LookingForDevice(_) => {
                self.wait("Checking whether the new device's ID is unused.")
            }
            ProgressEvent::DeviceFound(_) => {
                self.done("Sharing the keys.", "The homeserver lists the new device")
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
                self.wait("Still waiting.");
            }
            ProgressEvent::TooLate(_) => self.wait("Checking on the new device."),
            ProgressEvent::LeftBehind(what) => self.warn(&format!(
                "this could not be removed, please remove it yourself: {what}"
            )),
            _ => {}
        }
    }

    fn progress(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Show(code) => self.show(code),
            Progress::Connected => self.done("", "The other device has connected"),
            Progress::Secure(digits) => {
                self.clear();
                self.out.say(format_args!(
                    "Type these two digits on the other device:\n{}",
                    boxed(&digits.to_string())
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
                self.done(next, "The connection is secure");
            }
            Progress::Sent(_) | Progress::Received(_) => {}
        }
    }

    fn show(&self, code: &ShownCode) {
        self.clear();
        let shown = CodeToShow::new(
            code,
            self.invitation(),
            dialogue_canvas(self.drawing).blocks,
        );
        if self.qr.is_some() {
            self.write(code);
            self.out.say(shown.as_text());
            self.wait(WAITING);
        } else {
            self.draw(&mut self.state(), shown);
        }
    }

    /// After the window size has changed: draws the code again so that it fits.
    pub(super) fn resized(&self) {
        let mut state = self.state();
        let resized = state
            .shown
            .take_if(|(_, canvas)| *canvas != dialogue_canvas(self.drawing));
        if let Some((shown, _)) = resized {
            state.waiting = None;
            self.out.erase();
            self.draw(&mut state, shown);
        }
    }

    fn draw(&self, state: &mut ScreenState, shown: CodeToShow) {
        let canvas = dialogue_canvas(self.drawing);
        let page = shown.page(&waiting_line(WAITING, state.until), canvas);
        self.out.say(page.words);
        if let Some(drawing) = page.drawing {
            self.out.draw(&drawing);
        }
        state.shown = Some((shown, canvas));
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
                self.out
                    .warn(&format!("{}; use the text instead", failure.what));
            }
        }
    }

    fn invitation(&self) -> &'static str {
        match self.role {
            Role::New => {
                "On the device that is already signed in, choose to link a new device, \
                 and scan this code:"
            }
            Role::Existing => {
                "On the new device, choose to sign in with a QR code, and scan this one:"
            }
        }
    }

    fn user_code(&self, code: &str) {
        self.clear();
        self.out.say(format_args!(
            "The other device opens a page in its browser. Agree there; \
             if it asks for a code, it is:\n{}",
            boxed(code)
        ));
        self.state().user_code = Some(code.to_owned());
        self.wait("Waiting for you to agree there.");
    }

    fn consented(&self) {
        self.state().user_code = None;
        self.done(
            "Waiting for the keys.",
            "You have agreed: this device may sign in",
        );
    }

    /// Shows what a sign-in can lead to, before the existing device begins one.
    pub(super) fn warn_before(&self, warning: &str) {
        self.out
            .say(paint(BAD, "Before you sign in another device:"));
        for line in wrap(warning, 76) {
            self.out.say(format_args!("  {line}"));
        }
    }

    /// Shows where the link leads, before the question whether to open it.
    pub(super) fn introduce(&self, link: &Url, browser: bool) {
        self.clear();
        let host = link.host_str().unwrap_or_default();
        self.out
            .say("To sign in the new device, agree on this page of your authorization server:");
        self.out.say(format_args!("  host  {}", paint(BOLD, host)));
        if !browser {
            self.out.say(format_args!("  link  {link}"));
        }
    }

    /// A step is done; the program waits for the next one.
    fn done(&self, next: &str, what: &str) {
        self.clear();
        self.out.say(format_args!("{} {what}.", paint(GOOD, "✓")));
        if !next.is_empty() {
            self.wait(next);
        }
    }

    fn ends_in(&self, time: Duration) {
        self.state().until = Instant::now().checked_add(time);
    }

    /// Replaces the waiting line.
    pub(super) fn wait(&self, text: &str) {
        self.clear();
        let mut state = self.state();
        let text = match &state.user_code {
            Some(code) => format!("{text} Code: {}", harmless(code)),
            None => text.to_owned(),
        };
        state.waiting = Some(self.out.waiting(text, state.until));
    }

    /// Removes the waiting line, and forgets the code to scan.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.waiting = None;
        state.shown = None;
    }

    /// The screen goes on after a panic elsewhere.
    fn state(&self) -> MutexGuard<'_, ScreenState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
