//! The person at the page.

use std::{future::pending, sync::Arc, time::Instant};

use matrix_qr_device::{ConsentLink, Opening, OwnDevice, Person, ProgressEvent, UserId};
use matrix_qr_protocol::{
    channel::CheckCode,
    driver::Progress,
    qr::{QrCode, ShownCode, picture::svg},
    revision::Role,
};

use crate::{
    questions::PageAnswer,
    shared::Shared,
    view::{
        CodeView, ConsentView, DeviceView, Line, LineKind, PageOutcome, PageQuestion, QuestionView,
        UserCodeView,
    },
    words::{self, EventText},
};

/// Shows on the page, and asks there.
pub struct PagePerson {
    shared: Arc<Shared>,
    device: usize,
    role: Role,
}

impl PagePerson {
    pub(crate) fn new(shared: Arc<Shared>, device: usize, role: Role) -> Self {
        Self {
            shared,
            device,
            role,
        }
    }

    /// The device that this person is at.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Asks for the other device's code, until there is one: from the camera, a picture or a text.
    pub async fn scan(&self) -> QrCode {
        let mut wrong = None;
        loop {
            match self.ask(PageQuestion::Code, wrong.take()).await {
                PageAnswer::Code(code) => return *code,
                PageAnswer::Text(text) => match (self.shared.read_code)(text.as_bytes()) {
                    Ok(code) => return code,
                    Err(why) => wrong = Some(why),
                },
            }
        }
    }

    /// Asks for a homeserver, until `read` accepts it. Its error is a sentence.
    pub async fn homeserver<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> T {
        let mut wrong = None;
        loop {
            let answer = self.ask(PageQuestion::Homeserver, wrong.take()).await;
            match read(text(&answer)) {
                Ok(homeserver) => return homeserver,
                Err(why) => wrong = Some(why),
            }
        }
    }

    /// Shows how it ended. The page asks for nothing more.
    pub fn end(&self, outcome: PageOutcome) {
        self.update(|device| {
            *device = DeviceView {
                lines: std::mem::take(&mut device.lines),
                outcome: Some(outcome),
                ..DeviceView::new(device.role)
            };
        });
    }

    async fn ask(&self, question: PageQuestion, wrong: Option<String>) -> PageAnswer {
        let (id, answer) = self.shared.questions.ask(self.device);
        let _shown = ShownQuestion { person: self, id };
        self.update(|device| {
            device.question = Some(QuestionView {
                id,
                question,
                wrong,
            });
        });
        match answer.await {
            Ok(answer) => answer,
            // Another question has replaced it.
            Err(_) => pending().await,
        }
    }

    async fn agrees(&self, question: PageQuestion) -> bool {
        text(&self.ask(question, None).await) == "yes"
    }

    fn update(&self, change: impl FnOnce(&mut DeviceView)) {
        self.shared.view.send_modify(|view| {
            if let Some(device) = view.devices.get_mut(self.device) {
                change(device);
            }
        });
    }

    fn line(&self, kind: LineKind, text: String) {
        self.update(|device| {
            device.lines.push(Line { kind, text });
            if kind == LineKind::Done {
                // What was shown for this step is not needed any more. After a warning it still is.
                device.code = None;
                device.digits = None;
                device.consent = None;
            }
        });
    }

    fn wait(&self, what: &str) {
        self.update(|device| device.waiting = (!what.is_empty()).then(|| what.to_owned()));
    }

    fn show(&self, code: &ShownCode) {
        let code = CodeView {
            invitation: words::invitation(self.role),
            text: code.to_base64(),
            // Without a drawing, the text remains.
            svg: svg(code.bytes()).unwrap_or_default(),
        };
        self.update(|device| device.code = Some(code));
        self.wait(words::WAITING);
    }
}

impl Person for PagePerson {
    fn tell(&self, event: ProgressEvent<'_>) {
        match &event {
            ProgressEvent::Session { time_left } => {
                let ends = Instant::now().checked_add(*time_left);
                self.shared.view.send_modify(|view| view.ends = ends);
            }
            ProgressEvent::Progress(Progress::Show(code)) => self.show(code),
            ProgressEvent::Progress(Progress::Secure(digits)) => {
                let digits = digits.to_string();
                self.update(|device| {
                    device.code = None;
                    device.digits = Some(digits);
                });
            }
            ProgressEvent::UserCode { code, link } => {
                let code = UserCodeView {
                    code: (*code).to_owned(),
                    host: link.host().to_owned(),
                    host_note: words::host_note(link.host()),
                    warning: link.warning.clone(),
                };
                self.update(|device| device.user_code = Some(code));
            }
            ProgressEvent::Token => self.update(|device| device.user_code = None),
            _ => {}
        }
        match words::step(&event, self.role) {
            EventText::Waits(what) => self.wait(what),
            EventText::Done { what, next } => {
                self.line(LineKind::Done, words::sentence(&what));
                self.wait(next);
            }
            EventText::Warning { what, advice, next } => {
                let text = format!("{} {advice}", words::sentence(&what));
                self.line(LineKind::Warning, text.trim_end().to_owned());
                if !next.is_empty() {
                    self.wait(next);
                }
            }
            EventText::Note(what) => self.line(LineKind::Note, what),
            EventText::Nothing => {}
        }
    }

    async fn confirm_own_device(&self) -> bool {
        let warning = OwnDevice::WARNING;
        self.agrees(PageQuestion::OwnDevice { warning }).await
    }

    async fn enter_check_code(&self) -> CheckCode {
        let mut wrong = None;
        loop {
            let answer = self.ask(PageQuestion::CheckCode, wrong.take()).await;
            if let Ok(digits) = text(&answer).parse() {
                self.wait(words::COMPARING);
                return digits;
            }
            wrong = Some("Type both digits, including a leading zero.".to_owned());
        }
    }

    async fn open_link(&self, link: &ConsentLink) -> Opening {
        let (url, host) = (link.url.to_string(), link.host().to_owned());
        let question = PageQuestion::OpenLink {
            link: url.clone(),
            host: host.clone(),
            host_note: words::host_note(&host),
            warning: link.warning.clone(),
        };
        if !self.agrees(question).await {
            return Opening::Refused;
        }
        self.update(|device| device.consent = Some(ConsentView { link: url, host }));
        self.wait(words::CONSENT);
        Opening::Opened
    }

    async fn confirm_account(&self, user_id: &UserId) -> bool {
        let user_id = user_id.to_string();
        let is_right = self.agrees(PageQuestion::ConfirmAccount { user_id }).await;
        self.wait(words::KEYS);
        is_right
    }

    async fn cancelled(&self) {
        self.shared.cancelled().await;
    }
}

/// Is on the page until this is dropped.
struct ShownQuestion<'a> {
    person: &'a PagePerson,
    id: u64,
}

impl Drop for ShownQuestion<'_> {
    fn drop(&mut self) {
        self.person.shared.questions.take_back(self.id);
        self.person.update(|device| {
            device.question.take_if(|question| question.id == self.id);
        });
    }
}

/// A code where a text was asked for is no answer.
fn text(answer: &PageAnswer) -> &str {
    match answer {
        PageAnswer::Text(text) => text.trim(),
        PageAnswer::Code(_) => "",
    }
}
