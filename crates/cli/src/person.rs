//! The person at this terminal: shows, asks and tells, one thing at a time.

mod page;
mod questions;
mod screen;

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_qr_device::{News, Opening, Person, UserId};
use matrix_qr_protocol::{channel::CheckCode, revision::Role};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use self::screen::Screen;
use crate::{
    args::Exchange,
    cancel::Cancel,
    exit::Failure,
    keyboard::{self, Keyboard},
    news,
    output::Output,
};

/// A window that is dragged has many sizes: the last one counts.
const SETTLED: Duration = Duration::from_millis(100);

/// Also for scripts: then what is told is an event, and a question is an event that a line answers.
pub(crate) struct Terminal {
    out: Output,
    screen: Arc<Screen>,
    keyboard: Keyboard,
    cancel: Cancel,
    /// Whether to open links, rather than to print them.
    pub(crate) browser: bool,
    device_left: AtomicBool,
}

impl Terminal {
    /// From here on Ctrl-C is heard, and a window that changes its size.
    pub(crate) fn new(out: Output, role: Role, exchange: &Exchange) -> Result<Self, Failure> {
        let heard = move || out.cancelling("Cancelling: the other device is told.");
        let unheard = |error| Failure::here(format!("signals cannot be heard: {error}"), "Begin again.");
        let cancel = Cancel::on_signals(heard).map_err(unheard)?;
        let screen = Arc::new(Screen::new(out, role, exchange));
        redraw_on_resize(&screen).map_err(unheard)?;
        let device_left = AtomicBool::new(false);
        Ok(Self { out, screen, keyboard: Keyboard::default(), cancel, browser: true, device_left })
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
            let Some(screen) = screen.upgrade() else { return };
            screen.resized();
        }
    });
    Ok(())
}

impl Person for Terminal {
    fn tell(&self, news: News<'_>) {
        if matches!(news, News::DeviceLeft { .. }) {
            self.device_left.store(true, Ordering::Relaxed);
        }
        // A script that hears of the code may look for its picture at once.
        self.screen.tell(&news);
        self.out.event(news::event(&news));
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
        // Nobody is there to type them.
        self.cancel.cancel();
        pending().await
    }

    async fn open_link(&self, link: &Url) -> Opening {
        let host = link.host_str().unwrap_or_default();
        let question = json!({ "event": "question", "question": "open_link", "host": host, "link": link });
        self.screen.introduce(link, self.browser);
        let prompt =
            if self.browser { "Open it in your browser? [y/N] " } else { "Will you open it? [y/N] " };
        if !self.agrees(prompt, question).await {
            return Opening::Refused;
        }
        if self.browser && self.out == Output::Human {
            self.open(link).await;
        }
        self.screen.wait("Waiting for your consent; the new device shows the code for it.");
        Opening::Opened
    }

    /// A script hears of the account, and says beforehand which one it must be (`--user`).
    async fn confirm_account(&self, _user_id: &UserId) -> bool {
        if self.out == Output::Json || !keyboard::is_terminal() {
            return true;
        }
        let taken = self
            .agrees("Is that your account, and is this device to be one of it? [y/N] ", Value::Null)
            .await;
        self.screen.wait("Waiting for the keys.");
        taken
    }

    async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

impl Terminal {
    /// A browser that does not come is no reason to stop: the person can open the link by hand.
    async fn open(&self, link: &Url) {
        let url = link.to_string();
        let opened = tokio::task::spawn_blocking(move || open::that_detached(url)).await;
        match opened {
            Ok(Ok(())) => self.out.say(format_args!("If nothing opens, open it yourself:\n  {link}")),
            _ => self.out.say(format_args!("No browser could be opened. Open this yourself:\n  {link}")),
        }
    }
}
