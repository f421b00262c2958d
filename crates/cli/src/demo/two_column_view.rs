//! The demonstration's output: a column for each device, and a line for each step as it happens.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anstyle::Style;
use matrix_qr_device::ProgressEvent;
use matrix_qr_protocol::{driver::Progress, qr::ShownCode, revision::Role};
use serde_json::{Value, json};

use crate::{
    args::ShownByChoice,
    keyboard,
    measure::wrap,
    output::{BOLD, DIM, GOOD, Printer, harmless, paint},
    progress,
    qr_picture::drawings,
    terminal::result_canvas,
};

/// Both columns and the space between them have 80 characters.
const COLUMN: usize = 35;
const PLAIN: Style = Style::new();

#[derive(Clone)]
pub(super) struct TwoColumnView {
    out: Printer,
    began: Instant,
    /// The question below the columns.
    question: Arc<Mutex<Option<String>>>,
}

impl TwoColumnView {
    pub(super) fn new(out: Printer) -> Self {
        Self {
            out,
            began: Instant::now(),
            question: Arc::default(),
        }
    }

    pub(super) fn open(&self, shown_by: ShownByChoice, user_id: &str) {
        let (new, existing) = match shown_by {
            ShownByChoice::New => ("shows the code", "scans it"),
            ShownByChoice::Existing => ("scans it", "shows the code"),
        };
        self.line(&format!(
            "{user_id} gets a new device. Its homeserver runs in this process.\n"
        ));
        self.row(
            "",
            [
                &format!("NEW DEVICE ({new})"),
                &format!("EXISTING DEVICE ({existing})"),
            ],
            BOLD,
        );
        self.row(
            "",
            ["─".repeat(COLUMN).as_str(), "─".repeat(COLUMN).as_str()],
            DIM,
        );
    }

    /// A step of one device.
    pub(super) fn note(&self, role: Role, event: &ProgressEvent<'_>) {
        if self.out == Printer::Json {
            return self.event(role, progress::event(event));
        }
        let loud = matches!(
            event,
            ProgressEvent::Progress(Progress::Secure(_)) | ProgressEvent::UserCode { .. }
        );
        self.write(
            role,
            &progress::words(event, role),
            if loud { BOLD } else { PLAIN },
        );
    }

    /// What the person at one device does.
    pub(super) fn act(&self, role: Role, words: &str) {
        self.event(role, json!({ "event": "person", "does": words }));
        self.write(role, &format!("you: {words}"), GOOD);
    }

    /// Adds the device and the time.
    fn event(&self, role: Role, mut event: Value) {
        if let Some(event) = event.as_object_mut() {
            event.insert("device".to_owned(), json!(name(role)));
            event.insert(
                "at_ms".to_owned(),
                json!(self.began.elapsed().as_millis() as u64),
            );
        }
        self.out.event(event);
    }

    fn write(&self, role: Role, words: &str, style: Style) {
        let time = format!("{:>4.1}", self.began.elapsed().as_secs_f64());
        for (place, words) in wrap(&harmless(words), COLUMN).iter().enumerate() {
            let time = if place == 0 { time.as_str() } else { "" };
            let texts = if role == Role::New {
                [words.as_str(), ""]
            } else {
                ["", words.as_str()]
            };
            self.row(time, texts, style);
        }
    }

    fn row(&self, time: &str, [new, existing]: [&str; 2], style: Style) {
        let new = paint(style, format_args!("{new:<COLUMN$}"));
        let left = format!(
            "{} {new} {}",
            paint(DIM, format_args!("{time:>4}")),
            paint(DIM, "│")
        );
        self.line(&if existing.is_empty() {
            left
        } else {
            format!("{left} {}", paint(style, existing))
        });
    }

    pub(super) fn draw(&self, code: &ShownCode) {
        if self.out == Printer::Json {
            return;
        }
        let canvas = result_canvas();
        let drawings = drawings(code.bytes(), canvas.blocks);
        match drawings
            .iter()
            .find(|drawing| drawing.columns() <= canvas.columns)
        {
            Some(drawing) => self.line(&format!("\n{}\n", drawing.text(canvas.ink))),
            None => self.line(&format!(
                "\nThis window is too narrow for the QR code. As text:\n{}\n",
                code.to_base64()
            )),
        }
    }

    pub(super) fn announce(&self, text: &str) {
        self.line(&format!("\n{text}"));
    }

    /// Asks a question below the columns. It stays there until it is answered or dropped.
    pub(super) fn ask(&self, question: &str) -> OpenQuestion {
        *self.question() = Some(question.to_owned());
        self.print_question();
        OpenQuestion(self.clone())
    }

    /// The next output starts on a new line.
    pub(super) fn close(&self) {
        self.withdraw();
    }

    fn line(&self, text: &str) {
        if self.out == Printer::Json {
            return;
        }
        if self.question().is_some() {
            // Replaces the question, which is printed again below. The terminal still has what was
            // typed so far.
            self.out.prompt("\r\u{1b}[K");
        }
        self.out.result(text, json!(null));
        self.print_question();
    }

    fn print_question(&self) {
        if let Some(question) = self.question().as_deref() {
            self.out.prompt(question);
        }
    }

    fn withdraw(&self) {
        if self.question().take().is_some() {
            self.out.say("");
        }
    }

    fn question(&self) -> MutexGuard<'_, Option<String>> {
        self.question.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::New => "new",
        Role::Existing => "existing",
    }
}

/// A question below the columns.
pub(super) struct OpenQuestion(TwoColumnView);

impl OpenQuestion {
    /// The answer was invalid: asks again.
    pub(super) fn again(&mut self) {
        self.0.print_question();
    }

    /// In a terminal, the person's Enter has ended the line.
    pub(super) fn answered(&mut self) {
        if keyboard::is_terminal() {
            *self.0.question() = None;
        }
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}
