//! Two devices, each with its page in a browser of its own.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::sync::SemaphorePermit;

use crate::{
    camera::{film, photograph},
    people::{Eyes, WebDevice, browser, turn},
    support::sandbox::{SandboxProcess, decide},
    webdriver::Chromium,
};

/// How the code gets into the page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Filmed,
    Uploaded,
    Dropped,
    Pasted,
}

/// Who shows the code to whom, and how.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) shown_by: &'static str,
    pub(crate) revision: &'static str,
    pub(crate) taken: Taken,
}

/// Both devices, each with its browser: connected, before the digits are typed.
pub(crate) struct WebMeeting {
    sandbox: SandboxProcess,
    pub(crate) login: WebDevice,
    pub(crate) link: WebDevice,
    pub(crate) new: Chromium,
    pub(crate) existing: Chromium,
    _turn: SemaphorePermit<'static>,
}

impl WebMeeting {
    pub(crate) async fn begin(way: Way) -> Self {
        let turn = turn().await;
        let sandbox = SandboxProcess::start();
        let homeserver = sandbox.homeserver().to_owned();
        let shows = ["--revision", way.revision];
        let scans = ["--scan", "-"];
        let login_shows = [&["login", "--homeserver", &homeserver], &shows[..]].concat();
        let login_scans = [&["login"], &scans[..]].concat();
        let link_shows = [&["link"], &shows[..]].concat();
        let link_scans = [&["link"], &scans[..]].concat();
        let new_shows = way.shown_by == "new";
        let (login, link) = if new_shows {
            (login_shows, link_scans)
        } else {
            (login_scans, link_shows)
        };
        let mut login = WebDevice::start(&sandbox, &login);
        let mut link = WebDevice::start(&sandbox, &link);
        let (new, existing);
        if new_shows {
            new = browser(&login.url, Eyes::None).await;
            let code = login.command.event("show");
            existing = scanning(&link, &code, way, &sandbox).await;
            confirm_own_device(&existing).await;
            scan(&existing, &code, way, &sandbox).await;
        } else {
            existing = browser(&link.url, Eyes::None).await;
            confirm_own_device(&existing).await;
            let code = link.command.event("show");
            new = scanning(&login, &code, way, &sandbox).await;
            scan(&new, &code, way, &sandbox).await;
        }
        Self {
            sandbox,
            login,
            link,
            new,
            existing,
            _turn: turn,
        }
    }

    /// The browser that asks for the digits, and the one that shows them.
    fn browsers(&self, way: Way) -> (&Chromium, &Chromium) {
        if way.shown_by == "new" {
            (&self.new, &self.existing)
        } else {
            (&self.existing, &self.new)
        }
    }

    pub(crate) async fn digits(&self, way: Way) -> String {
        let (asks, shows) = self.browsers(way);
        shows
            .until("document.querySelector('.digits:not([hidden])')")
            .await;
        asks.until("document.querySelector('.question input')")
            .await;
        shows.text(".digits .large").await
    }

    /// Types the digits and agrees to the link, which is returned.
    pub(crate) async fn agree(&self, way: Way) -> String {
        let digits = self.digits(way).await;
        self.browsers(way).0.types_digits(&digits).await;
        self.existing.reads("127.0.0.1").await;
        let link = self.existing.text(".question .link").await;
        self.existing.press("[value=yes]").await;
        self.new
            .until("document.querySelector('.user-code:not([hidden])')")
            .await;
        link
    }

    /// From the consent to the end.
    pub(crate) async fn finish(mut self, link: &str) {
        decide(link, "allow");
        self.new.reads("Is this your account").await;
        self.new.press("[value=yes]").await;
        self.existing.reads("It is verified").await;
        self.new.reads("Signed in as @alice:").await;
        let granted = self.link.command.event("granted");
        assert_eq!(granted["verified"], true);
        self.login.command.event("signed_in");
        assert_eq!(self.login.command.end().0, 0);
        assert_eq!(self.link.command.end().0, 0);
        self.new.close().await;
        self.existing.close().await;
        drop(self.sandbox);
    }
}

async fn confirm_own_device(existing: &Chromium) {
    existing.reads("Support staff never ask").await;
    existing.press("[value=yes]").await;
}

/// The browser of the device that scans.
async fn scanning(
    device: &WebDevice,
    code: &Value,
    way: Way,
    sandbox: &SandboxProcess,
) -> Chromium {
    if way.taken == Taken::Filmed {
        let film = film(code["code"].as_str().unwrap(), sandbox.directory.path());
        browser(&device.url, Eyes::Camera(&film)).await
    } else {
        browser(&device.url, Eyes::None).await
    }
}

async fn scan(browser: &Chromium, code: &Value, way: Way, sandbox: &SandboxProcess) {
    browser.reads("Scan the code").await;
    if way.taken == Taken::Filmed {
        return browser.click(".use-camera").await;
    }
    let picture = photograph(code["code"].as_str().unwrap(), sandbox.directory.path());
    match way.taken {
        Taken::Dropped => browser.drop_file(&picture, ".question").await,
        Taken::Pasted => browser.paste(&std::fs::read(&picture).unwrap()).await,
        _ => {
            let picture = picture.to_str().unwrap();
            browser.type_into("[type=file]", picture).await;
        }
    }
}

impl Chromium {
    /// Drags a file from elsewhere onto this element.
    async fn drop_file(&self, file: &Path, css: &str) {
        let middle = self
            .run(&format!(
                "const at = document.querySelector({css:?}).getBoundingClientRect();
                 return [at.x + at.width / 2, at.y + at.height / 2];"
            ))
            .await;
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({ "items": [], "files": [file], "dragOperationsMask": 1 });
            let event = json!({ "type": kind, "x": middle[0], "y": middle[1], "data": data });
            self.devtools("Input.dispatchDragEvent", event).await;
        }
    }

    /// Copies a picture, in PNG, and presses Ctrl-V.
    async fn paste(&self, picture: &[u8]) {
        let permissions =
            json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.devtools("Browser.grantPermissions", permissions).await;
        let picture = STANDARD.encode(picture);
        let copied = self
            .run_async(&format!(
                "const bytes = Uint8Array.from(atob({picture:?}), (c) => c.charCodeAt(0));
                 const item = new ClipboardItem({{ 'image/png': new Blob([bytes], {{ type: 'image/png' }}) }});
                 navigator.clipboard.write([item]).then(() => arguments[0](''), (e) => arguments[0](String(e)));"
            ))
            .await;
        assert_eq!(copied, "");
        self.key("\u{e009}v\u{e009}").await;
    }
}
