//! One of the two devices' persons. What it is told goes to the board; what it is asked, the stage answers.

use std::sync::{Mutex, PoisonError};

use matrix_qr_device::{News, Opening, Person, UserId};
use matrix_qr_protocol::{
    channel::CheckCode,
    driver::Progress,
    qr::{QrCode, ShownCode},
    revision::Role,
};
use tokio::sync::oneshot;
use url::Url;

use super::stage::{Played, Stage, once};

pub(super) struct Actor<'a> {
    stage: &'a Stage<'a>,
    role: Role,
    /// The other device's camera, where this one shows the code.
    shows: Mutex<Option<oneshot::Sender<Box<QrCode>>>>,
}

impl<'a> Actor<'a> {
    pub(super) fn new(stage: &'a Stage<'a>, role: Role, shows: Option<oneshot::Sender<Box<QrCode>>>) -> Self {
        Self { stage, role, shows: Mutex::new(shows) }
    }

    fn show(&self, code: &ShownCode) {
        let _ = self.stage.revision.set((&code.code().location).into());
        self.stage.board.draw(code);
        let camera = self.shows.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(camera) = camera {
            // The other device may have ended already; then there is nobody to look.
            let _ = camera.send(Box::new(code.code().clone()));
        }
    }
}

impl Person for Actor<'_> {
    fn tell(&self, news: News<'_>) {
        self.stage.board.note(self.role, &news);
        match &news {
            News::Progress(Progress::Show(code)) => {
                self.stage.mark("rendezvous session");
                self.show(code);
            }
            News::Progress(Progress::Secure(digits)) => {
                self.stage.digits.send_replace(Some((*digits).clone()));
            }
            News::Progress(Progress::Confirmed) => self.stage.mark("secure channel"),
            News::Token => {
                self.stage.mark("consent and token");
                self.stage.agreed.send_replace(true);
            }
            News::DeviceFound(_) => self.stage.mark("device seen"),
            News::ImportingSecrets => self.stage.mark("secrets shared"),
            News::KeysUploaded => self.stage.mark("keys checked, signed and uploaded"),
            _ => {}
        }
    }

    async fn enter_check_code(&self) -> CheckCode {
        let shown = once(&self.stage.digits).await;
        let keyboard = match self.stage.person {
            Played::ByYou(keyboard) => keyboard,
            Played::Takes(time) => {
                tokio::time::sleep(time).await;
                self.stage.board.act(self.role, &format!("type {shown}"));
                return shown;
            }
        };
        let mut prompt = self.stage.board.ask("Type the two digits that the other device shows: ");
        loop {
            let Some(line) = keyboard.line().await else {
                self.stage.cancel.input_ended();
                return std::future::pending().await;
            };
            match line.parse() {
                Ok(digits) => {
                    prompt.answered();
                    return digits;
                }
                Err(_) => prompt.again(),
            }
        }
    }

    async fn open_link(&self, link: &Url) -> Opening {
        self.stage.mark("authorization asked for");
        let host = link.host_str().unwrap_or_default();
        self.stage.board.act(self.role, &format!("open the page at {host}"));
        self.stage.link.send_replace(Some(link.clone()));
        Opening::Opened
    }

    /// There is one account here.
    async fn confirm_account(&self, _user_id: &UserId) -> bool {
        true
    }

    async fn cancelled(&self) {
        self.stage.cancel.cancelled().await;
    }
}
