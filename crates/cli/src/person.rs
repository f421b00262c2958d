//! The person at this terminal: shows, asks and tells, one thing at a time.

mod page;
mod questions;
mod screen;

use std::{
    future::pending,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_qr_device::{Opening, Person, ProgressEvent, UserId};
use matrix_qr_protocol::{channel::CheckCode, driver::Progress, error::Error, revision::Role};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use self::screen::Screen;
use crate::{
    args::Exchange,
    cancel::Cancel,
    exit::Failure,
    keyboard::{self, Keyboard},
    output::Output,
    progress,
};

/// A window that is dragged has many sizes: the last one counts.
const SETTLED: Duration = Duration::from_millis(100);

/// What Ctrl-C does, for the one who has pressed it: before there is another device, with one, and
/// after the keys were sent.
const ALONE: &str = "Cancelling.";
const TOGETHER: &str = "Cancelling: the other device is told.";
const TOO_LATE: &str = "The keys are sent already: looking up what became of the new device.";

/// Also for scripts: then what is told is an event, and a question is an event that a line answers.
pub(crate) struct Terminal {
    out: Output,
    screen: Arc<Screen>,
    keyboard: Keyboard,
    cancel: Cancel,
    /// What is said when the person gives up now.
    farewell: Arc<Mutex<&'static str>>,
    /// Whether to open links, rather than to print them.
    pub(crate) browser: bool,
    device_left: AtomicBool,
}

impl Terminal {
    /// From here on Ctrl-C is heard, and a window that changes its size.
    pub(crate) fn new(out: Output, role: Role, exchange: &Exchange) -> Result<Self, Failure> {
        let farewell = Arc::new(Mutex::new(ALONE));
        let said = farewell.clone();
        let heard = move || out.cancelling(*said.lock().unwrap_or_else(PoisonError::into_inner));
        let unheard =
            |error| Failure::here(format!("signals cannot be heard: {error}"), "Begin again.");
        let cancel = Cancel::on_signals(heard).map_err(unheard)?;
        let screen = Arc::new(Screen::new(out, role, exchange));
        redraw_on_resize(&screen).map_err(unheard)?;
        Ok(Self {
            out,
            screen,
            keyboard: Keyboard::default(),
            cancel,
            farewell,
            browser: true,
            device_left: AtomicBool::new(false),
        })
    }

    /// Whether a sign-in that failed may have left its device in the account.
    pub(crate) fn device_left(&self) -> bool {
        self.device_left.load(Ordering::Relaxed)
    }

    /// What stands in the input of a terminal by now is no answer to the questions that come.
    pub(crate) async fn listen(&self) {
        self.keyboard.listen().await;
    }

    pub(crate) fn out(&self) -> Output {
        self.out
    }

    pub(crate) fn has_given_up(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// The end of a sign-in, in the words for how the person gave up.
    pub(crate) fn explained(&self, error: Error) -> Failure {
        self.cancel.explained(error)
    }

    fn will_say(&self, event: &ProgressEvent<'_>) {
        let farewell = match event {
            ProgressEvent::Progress(Progress::Connected | Progress::Secure(_)) => TOGETHER,
            ProgressEvent::Progress(Progress::Sent("m.login.secrets")) => TOO_LATE,
            _ => return,
        };
        *self.farewell.lock().unwrap_or_else(PoisonError::into_inner) = farewell;
    }

    /// What `work` gives, unless the person gives up first.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Failure::cancelled()),
            result = work => result,
        }
    }
}

fn redraw_on_resize(screen: &Arc<Screen>) -> io::Result<()> {
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

impl Person for Terminal {
    fn tell(&self, event: ProgressEvent<'_>) {
        self.will_say(&event);
        if matches!(event, ProgressEvent::DeviceLeft { .. }) {
            self.device_left.store(true, Ordering::Relaxed);
        }
        // A script that hears of the code may look for its picture at once.
        self.screen.tell(&event);
        self.out.event(progress::event(&event));
    }

    async fn enter_check_code(&self) -> CheckCode {
        let question = json!({ "event": "question", "question": "check_code" });
        let mut prompt = "Type the two digits that it shows: ";
        while let Some(line) = self.ask(prompt, question.clone()).await {
            if let Ok(digits) = line.parse() {
                self.screen.wait("Comparing the digits.");
                return digits;
            }
            prompt = "Two digits, with a leading zero if there is one: ";
        }
        self.nobody_answers().await
    }

    async fn open_link(&self, link: &Url) -> Opening {
        let host = link.host_str().unwrap_or_default();
        let question =
            json!({ "event": "question", "question": "open_link", "host": host, "link": link });
        self.screen.introduce(link, self.browser);
        let prompt = if self.browser {
            "Open it in your browser? [y/N] "
        } else {
            "Will you open it? [y/N] "
        };
        match self.agrees(prompt, question).await {
            Some(true) => {}
            Some(false) => return Opening::Refused,
            None => return self.nobody_answers().await,
        }
        if self.browser && self.out == Output::Human {
            self.open(link).await;
        }
        self.screen
            .wait("Waiting for your consent; the new device shows the code for it.");
        Opening::Opened
    }

    /// A script hears of the account, and says beforehand which one it must be (`--user`).
    async fn confirm_account(&self, _user_id: &UserId) -> bool {
        if self.out == Output::Json || !keyboard::is_terminal() {
            return true;
        }
        let prompt = "Is that your account, and is this device to be one of it? [y/N] ";
        let Some(taken) = self.agrees(prompt, Value::Null).await else {
            return self.nobody_answers().await;
        };
        self.screen.wait("Waiting for the keys.");
        taken
    }

    async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

impl Terminal {
    async fn nobody_answers<T>(&self) -> T {
        self.cancel.input_ended();
        pending().await
    }

    /// A browser that does not come is no reason to stop: the person can open the link by hand.
    async fn open(&self, link: &Url) {
        let url = link.to_string();
        let opened = tokio::task::spawn_blocking(move || open::that_detached(url)).await;
        match opened {
            Ok(Ok(())) => self.out.say(format_args!(
                "If nothing opens, open it yourself:\n  {link}"
            )),
            _ => self.out.say(format_args!(
                "No browser could be opened. Open this yourself:\n  {link}"
            )),
        }
    }
}
