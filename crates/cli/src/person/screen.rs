//! What a person sees of a sign-in: what to do next, what is done, and what the program waits for.

mod notices;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use matrix_qr_device::{ConsentLink, ProgressEvent};
use matrix_qr_page::words::{self, EventText};
use matrix_qr_protocol::{driver::Progress, qr::ShownCode, revision::Role};

use super::page::CodeToShow;
use crate::{
    args::{DrawingArgs, ExchangeArgs},
    output::{BOLD, GOOD, Printer, WaitingLine, boxed, harmless, paint, waiting_line},
    qr_picture::PictureFile,
    terminal::{Canvas, dialogue_canvas},
};

const WAITING: &str = "Waiting for the other device. Ctrl-C cancels.";

pub(super) struct SignInScreen {
    out: Printer,
    role: Role,
    qr: Option<PathBuf>,
    /// Whether a page shows the code.
    is_on_page: bool,
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
    pub(super) fn new(out: Printer, role: Role, exchange: &ExchangeArgs, is_on_page: bool) -> Self {
        Self {
            out,
            role,
            qr: exchange.qr.clone(),
            is_on_page,
            drawing: exchange.drawing,
            state: Mutex::default(),
        }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn tell(&self, event: &ProgressEvent<'_>) {
        match event {
            ProgressEvent::Session { time_left } => self.ends_in(*time_left),
            ProgressEvent::Progress(Progress::Show(code)) => return self.show(code),
            ProgressEvent::Progress(Progress::Secure(digits)) => {
                self.clear();
                self.out.say(format_args!(
                    "Type these two digits on the other device:\n{}",
                    boxed(&digits.to_string())
                ));
            }
            ProgressEvent::UserCode { code, link } => self.user_code(code, link),
            ProgressEvent::Token => self.state().user_code = None,
            _ => {}
        }
        self.step(words::step(event, self.role));
    }

    fn step(&self, step: EventText) {
        match step {
            EventText::Waits(what) => self.wait(what),
            EventText::Done { what, next } => self.done(next, &what),
            EventText::Warning { what, advice, next } => {
                self.warn(&what);
                if !advice.is_empty() {
                    self.out.say(format_args!("  {advice}"));
                }
                if !next.is_empty() {
                    self.wait(next);
                }
            }
            EventText::Note(what) => {
                self.clear();
                self.out.say(format_args!("  {what}"));
            }
            EventText::Nothing => {}
        }
    }

    fn show(&self, code: &ShownCode) {
        self.clear();
        if self.is_on_page {
            return self.wait(WAITING);
        }
        let shown = CodeToShow::new(
            code,
            words::invitation(self.role),
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
                self.out.say(paint(BOLD, words::invitation(self.role)));
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

    fn user_code(&self, code: &str, link: &ConsentLink) {
        self.clear();
        self.out
            .say("The other device opens a page of this host in its browser:");
        self.show_host(link);
        self.out.say(format_args!(
            "Agree there; if it asks for a code, it is:\n{}",
            boxed(code)
        ));
        self.state().user_code = Some(code.to_owned());
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
