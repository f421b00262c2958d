//! The person at this terminal, or a script: shows codes, asks questions and reports progress.

mod page;
mod redirect;
mod screen;
mod web;

use std::{
    future::pending,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_qr_device::{ConsentLink, Opening, OwnDevice, Person, ProgressEvent, UserId};
use matrix_qr_page::words;
use matrix_qr_protocol::{channel::CheckCode, driver::Progress, revision::Role};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use self::{redirect::RedirectFile, screen::SignInScreen};
use crate::{
    args::{ExchangeArgs, WebArgs},
    cancel::{self, Cancel},
    exit::Failure,
    keyboard::{self, Keyboard},
    output::Printer,
    progress,
    web::WebPage,
};

/// A window that is being resized has many sizes: the last one counts.
const SETTLED: Duration = Duration::from_millis(100);

/// The question before an existing device reads or shows a code.
pub(crate) const IS_OWN_DEVICE: &str =
    "Is the new device yours, and did you start this yourself? [y/N] ";

/// What Ctrl-C does: before another device has connected, after that, and after the keys were sent.
const BEFORE_CONNECTION: &str = "Cancelling.";
const CONNECTED: &str = "Cancelling, and informing the other device.";
const KEYS_SENT: &str = "The keys were sent already: checking on the new device.";

/// The person at a sign-in: at this terminal, or at a page. For a script, progress and questions are
/// events, and a line answers each question.
pub(crate) struct TerminalPerson {
    out: Printer,
    screen: Arc<SignInScreen>,
    keyboard: Keyboard,
    cancel: Cancel,
    /// What Ctrl-C would print now.
    on_cancel: Arc<Mutex<&'static str>>,
    /// Whether the person said beforehand that the new device is theirs.
    pub(crate) own_device: bool,
    /// Whether to open links in a browser instead of printing them.
    pub(crate) browser: bool,
    device_left: AtomicBool,
    /// Where the person is asked instead of here.
    page: Option<WebPage>,
    /// What leads a browser there.
    redirect: Option<RedirectFile>,
}

impl TerminalPerson {
    /// From now on, Ctrl-C and changes of the window size are noticed.
    pub(crate) fn new(
        out: Printer,
        role: Role,
        exchange: &ExchangeArgs,
        web: &WebArgs,
    ) -> Result<Self, Failure> {
        let on_cancel = Arc::new(Mutex::new(BEFORE_CONNECTION));
        let current = on_cancel.clone();
        let on_signal =
            move || out.cancelling(*current.lock().unwrap_or_else(PoisonError::into_inner));
        let cancel = Cancel::on_signals(on_signal)?;
        let screen = Arc::new(SignInScreen::new(out, role, exchange, web.web.is_some()));
        redraw_on_resize(&screen).map_err(cancel::no_signals)?;
        Ok(Self {
            out,
            screen,
            keyboard: Keyboard::default(),
            cancel,
            on_cancel,
            own_device: false,
            browser: true,
            device_left: AtomicBool::new(false),
            page: None,
            redirect: None,
        })
    }

    /// Whether a sign-in that failed may have left its device in the account.
    pub(crate) fn device_left(&self) -> bool {
        self.device_left.load(Ordering::Relaxed)
    }

    pub(crate) fn out(&self) -> Printer {
        self.out
    }

    /// Whether this person has cancelled.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    fn update_on_cancel(&self, event: &ProgressEvent<'_>) {
        let on_cancel = match event {
            ProgressEvent::Progress(Progress::Connected | Progress::Secure(_)) => CONNECTED,
            ProgressEvent::Progress(Progress::Sent("m.login.secrets")) => KEYS_SENT,
            _ => return,
        };
        *self
            .on_cancel
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = on_cancel;
    }

    /// Asks a question. Returns the trimmed answer; `None` if the input has ended.
    pub(crate) async fn ask(&self, prompt: &str, question: Value) -> Option<Zeroizing<String>> {
        self.screen.clear();
        self.keyboard.forget().await;
        self.out.event(question);
        self.out.prompt(prompt);
        let mut open = UnansweredPrompt(Some(self.out));
        let line = self.keyboard.line().await;
        // In a terminal, the person's Enter has ended the line.
        if line.is_some() && keyboard::is_terminal() {
            open.0 = None;
        }
        line.map(|line| Zeroizing::new(line.trim().to_owned()))
    }

    /// Asks for a yes; anything else is a no. `None` if the input has ended.
    pub(crate) async fn agrees(&self, prompt: &str, question: Value) -> Option<bool> {
        let answer = self.ask(prompt, question).await?;
        Some(
            ["y", "yes"]
                .iter()
                .any(|yes| answer.eq_ignore_ascii_case(yes)),
        )
    }
}

fn redraw_on_resize(screen: &Arc<SignInScreen>) -> io::Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    let screen = Arc::downgrade(screen);
    tokio::spawn(async move {
        while resized.recv().await.is_some() {
            tokio::time::sleep(SETTLED).await;
            let Some(screen) = screen.upgrade() else {
                return;
            };
            screen.resized();
        }
    });
    Ok(())
}

impl Person for TerminalPerson {
    fn tell(&self, event: ProgressEvent<'_>) {
        self.update_on_cancel(&event);
        if matches!(event, ProgressEvent::DeviceLeft { .. }) {
            self.device_left.store(true, Ordering::Relaxed);
        }
        // First the screen: a script may open the picture as soon as it reads the event.
        self.screen.tell(&event);
        self.out.event(progress::event(&event));
        if let Some(page) = self.at_page() {
            page.tell(event);
        }
    }

    async fn confirm_own_device(&self) -> bool {
        let warning = OwnDevice::WARNING;
        if self.own_device {
            self.screen.warn_before(warning);
            self.out
                .event(json!({ "event": "warning", "what": warning }));
            return true;
        }
        if let Some(page) = self.at_page() {
            return page.confirm_own_device().await;
        }
        self.screen.warn_before(warning);
        let question = json!({ "event": "question", "question": "own_device", "warning": warning });
        match self.agrees(IS_OWN_DEVICE, question).await {
            Some(answer) => answer,
            None => self.input_ended().await,
        }
    }

    async fn enter_check_code(&self) -> CheckCode {
        if let Some(page) = self.at_page() {
            return page.enter_check_code().await;
        }
        let question = json!({ "event": "question", "question": "check_code" });
        let mut prompt = "Type the two digits that the other device shows: ";
        while let Some(line) = self.ask(prompt, question.clone()).await {
            if let Ok(digits) = line.parse() {
                self.screen.wait(words::COMPARING);
                return digits;
            }
            prompt = "That is not two digits. Type both, including a leading zero: ";
        }
        self.input_ended().await
    }

    async fn open_link(&self, link: &ConsentLink) -> Opening {
        if let Some(page) = self.at_page() {
            return page.open_link(link).await;
        }
        let question = json!({
            "event": "question",
            "question": "open_link",
            "host": link.host(),
            "link": link.url,
            "warning": link.warning,
        });
        self.screen.introduce(link, self.browser);
        let prompt = if self.browser {
            "Open it in your browser? [y/N] "
        } else {
            "Will you open it? [y/N] "
        };
        match self.agrees(prompt, question).await {
            Some(true) => {}
            Some(false) => return Opening::Refused,
            None => return self.input_ended().await,
        }
        if self.browser && self.out == Printer::Human {
            self.open(&link.url).await;
        }
        self.screen.wait(words::CONSENT);
        Opening::Opened
    }

    /// A script reads the account as an event, and names the only acceptable one in advance
    /// (`--user`).
    async fn confirm_account(&self, user_id: &UserId) -> bool {
        if let Some(page) = self.at_page() {
            return page.confirm_account(user_id).await;
        }
        if self.out == Printer::Json || !keyboard::is_terminal() {
            return true;
        }
        let prompt = "Is this your account, and do you want to add this device to it? [y/N] ";
        let Some(taken) = self.agrees(prompt, Value::Null).await else {
            return self.input_ended().await;
        };
        self.screen.wait(words::KEYS);
        taken
    }

    async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

impl TerminalPerson {
    async fn input_ended<T>(&self) -> T {
        self.cancel.input_ended();
        pending().await
    }
}

/// A prompt without an answer: its line has not ended.
struct UnansweredPrompt(Option<Printer>);

impl Drop for UnansweredPrompt {
    fn drop(&mut self) {
        if let Some(out) = self.0 {
            // The next output, perhaps an error, starts on a new line.
            out.say("");
        }
    }
}
