//! The person at one of the two devices. The view shows their progress; the demonstration's context
//! answers their questions.

use std::sync::{Mutex, PoisonError};

use matrix_qr_device::{ConsentLink, Opening, OwnDevice, Person, ProgressEvent, UserId};
use matrix_qr_page::PagePerson;
use matrix_qr_protocol::{
    channel::CheckCode,
    driver::Progress,
    qr::{QrCode, ShownCode},
    revision::Role,
};
use tokio::sync::oneshot;

use super::context::{DemoContext, PlayedBy, once};
use crate::{keyboard::Keyboard, measure::wrap, person::IS_OWN_DEVICE};

pub(super) struct DemoPerson<'a> {
    context: &'a DemoContext<'a>,
    role: Role,
    /// The other device's camera, if this device shows the code.
    shows: Mutex<Option<oneshot::Sender<Box<QrCode>>>>,
}

impl<'a> DemoPerson<'a> {
    pub(super) fn new(
        context: &'a DemoContext<'a>,
        role: Role,
        shows: Option<oneshot::Sender<Box<QrCode>>>,
    ) -> Self {
        Self {
            context,
            role,
            shows: Mutex::new(shows),
        }
    }

    fn show(&self, code: &ShownCode) {
        let _ = self.context.revision.set((&code.code().location).into());
        self.context.view.draw(code);
        let camera = self
            .shows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(camera) = camera {
            // The other device may have ended already. Then nobody scans the code.
            let _ = camera.send(Box::new(code.code().clone()));
        }
    }
}

impl DemoPerson<'_> {
    /// The person at the page of this device, if there is one.
    fn at_page(&self) -> Option<&PagePerson> {
        match self.context.person {
            PlayedBy::Page(page) => page.person(self.role),
            PlayedBy::User(_) | PlayedBy::Program(_) => None,
        }
    }

    async fn asks(&self, keyboard: &Keyboard) -> bool {
        let context = self.context;
        keyboard.forget().await;
        let mut prompt = context.view.ask(IS_OWN_DEVICE);
        let Some(line) = keyboard.line().await else {
            context.cancel.input_ended();
            return std::future::pending().await;
        };
        prompt.answered();
        matches!(line.trim(), "y" | "Y" | "yes")
    }
}

impl Person for DemoPerson<'_> {
    fn tell(&self, event: ProgressEvent<'_>) {
        self.context.view.note(self.role, &event);
        match &event {
            ProgressEvent::Progress(Progress::Show(code)) => {
                self.context.mark("rendezvous session");
                self.show(code);
            }
            ProgressEvent::Progress(Progress::Secure(digits)) => {
                self.context.digits.send_replace(Some((*digits).clone()));
            }
            ProgressEvent::Progress(Progress::Confirmed) => self.context.mark("secure channel"),
            ProgressEvent::Token => {
                self.context.mark("consent and token");
                self.context.agreed.send_replace(true);
            }
            ProgressEvent::DeviceFound(_) => self.context.mark("device seen"),
            ProgressEvent::ImportingSecrets => self.context.mark("secrets shared"),
            ProgressEvent::KeysUploaded => self.context.mark("keys checked, signed and uploaded"),
            _ => {}
        }
        if let Some(page) = self.at_page() {
            page.tell(event);
        }
    }

    async fn confirm_own_device(&self) -> bool {
        if let Some(page) = self.at_page() {
            return page.confirm_own_device().await;
        }
        match self.context.person {
            PlayedBy::Page(_) => false,
            PlayedBy::User(keyboard) => {
                self.context.view.announce(&format!(
                    "The existing device asks, before it scans or shows a code:\n\n{}\n",
                    wrap(OwnDevice::WARNING, 76).join("\n")
                ));
                self.asks(keyboard).await
            }
            PlayedBy::Program(time) => {
                tokio::time::sleep(time).await;
                let does = "confirm, after a warning, that the new device is yours";
                self.context.view.act(self.role, does);
                true
            }
        }
    }

    async fn enter_check_code(&self) -> CheckCode {
        if let Some(page) = self.at_page() {
            return page.enter_check_code().await;
        }
        let shown = once(&self.context.digits).await;
        let keyboard = match self.context.person {
            PlayedBy::Page(_) => return std::future::pending().await,
            PlayedBy::User(keyboard) => keyboard,
            PlayedBy::Program(time) => {
                tokio::time::sleep(time).await;
                self.context.view.act(self.role, &format!("type {shown}"));
                return shown;
            }
        };
        let mut prompt = self
            .context
            .view
            .ask("Type the two digits that the other device shows: ");
        loop {
            let Some(line) = keyboard.line().await else {
                self.context.cancel.input_ended();
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

    async fn open_link(&self, link: &ConsentLink) -> Opening {
        self.context.mark("authorization requested");
        if let Some(page) = self.at_page() {
            return page.open_link(link).await;
        }
        let host = link.host();
        self.context
            .view
            .act(self.role, &format!("open the page at {host}"));
        self.context.link.send_replace(Some(link.url.clone()));
        Opening::Opened
    }

    /// The sandbox has only one account.
    async fn confirm_account(&self, _user_id: &UserId) -> bool {
        true
    }

    async fn cancelled(&self) {
        self.context.cancel.cancelled().await;
    }
}
