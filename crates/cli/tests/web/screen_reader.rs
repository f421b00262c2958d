//! What a screen reader says: each step, as it happens, and each question.
//!
//! It says what changes in a live region, if the region was there before.

use std::time::Duration;

use matrix_qr_device::{ConsentLink, Person as _, ProgressEvent, UserId, keys::BackupState};
use matrix_qr_page::{Page, PageOutcome, PagePerson, words};
use matrix_qr_protocol::{
    driver::Progress,
    login::message::DeviceId,
    qr::{QrCode, ShownCode},
    revision::Role,
};
use reqwest::Method;
use serde_json::Value;

use crate::{
    accessibility::page_for,
    people::{Eyes, browser, turn},
    preview::{code, roles, show},
    webdriver::Chromium,
};

impl Chromium {
    /// Opens the page, and notes which live regions it has.
    async fn listen(&self, page: &Page) {
        self.go(page.url().as_str()).await;
        self.until("document.querySelector('.device')").await;
        self.run(
            "for (const region of document.querySelectorAll('[aria-live=polite], [role=alert]')) {
               region.wasThere = true;
             }",
        )
        .await;
    }

    /// Waits until this is said.
    async fn hears(&self, words: &str) {
        let words = serde_json::to_string(words).unwrap();
        self.until(&format!(
            "[...document.querySelectorAll('[aria-live=polite], [role=alert]')].some((region) =>
               region.wasThere && region.innerText.includes({words}))"
        ))
        .await;
    }
}

/// All that a person reads of an event.
fn sentences(event: &ProgressEvent<'_>, role: Role) -> Vec<String> {
    match words::step(event, role) {
        words::EventText::Waits(what) => vec![what.to_owned()],
        words::EventText::Done { what, next } => vec![words::sentence(&what), next.to_owned()],
        words::EventText::Warning { what, advice, .. } => vec![words::sentence(&what), advice],
        words::EventText::Note(what) => vec![what],
        words::EventText::Nothing => Vec::new(),
    }
}

/// A person at a page, and a browser whose screen reader is on.
struct Listener<'a> {
    browser: &'a Chromium,
    page: Page,
    person: PagePerson,
}

impl<'a> Listener<'a> {
    async fn new(browser: &'a Chromium, role: Role) -> Self {
        let page = page_for(&[role]).await;
        let person = page.person(role).unwrap();
        person.tell(ProgressEvent::Session {
            time_left: Duration::from_secs(55),
        });
        browser.listen(&page).await;
        Self {
            browser,
            page,
            person,
        }
    }

    /// This happens: what the terminal would print is said, and these words.
    async fn hears(&self, event: ProgressEvent<'_>, more: &[&str]) {
        let sentences = sentences(&event, self.person.role());
        self.person.tell(event);
        let more = more.iter().map(|&words| words.to_owned());
        for words in sentences.into_iter().chain(more) {
            self.browser.hears(&words).await;
        }
    }

    async fn hears_the_end(self) {
        self.person.end(PageOutcome {
            success: false,
            what: "This sign-in timed out.".to_owned(),
            cause: Some("the time limit"),
            advice: "Start again with a new code.".to_owned(),
        });
        self.browser.hears("This sign-in timed out.").await;
        self.browser.hears("Cause: the time limit.").await;
        self.browser.hears("Start again with a new code.").await;
        drop(self.page);
    }
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_screen_reader_says_each_step_of_a_new_device() {
    let _turn = turn().await;
    let browser = browser("about:blank", Eyes::None).await;
    let new = Listener::new(&browser, Role::New).await;
    let code = ShownCode::new(QrCode::decode(&code()).unwrap()).unwrap();
    let digits = "07".parse().unwrap();
    let link = ConsentLink {
        url: "https://auth.example.org/link?code=ABC123".parse().unwrap(),
        warning: None,
    };
    let user_code = ProgressEvent::UserCode {
        code: "ABC123",
        link: &link,
    };
    let user = UserId::parse("@alice:example.org").unwrap();
    let version = "1".to_owned();
    let backup = BackupState::Connected { version };
    let show = Progress::Show(&code);
    new.hears(ProgressEvent::Checking, &[]).await;
    let invited = ["choose to link a new device", words::WAITING];
    new.hears(ProgressEvent::Progress(show), &invited).await;
    new.hears(ProgressEvent::Progress(Progress::Connected), &[])
        .await;
    let secure = Progress::Secure(&digits);
    let read_out = ["Type these two digits", "07"];
    new.hears(ProgressEvent::Progress(secure), &read_out).await;
    new.hears(ProgressEvent::Progress(Progress::Confirmed), &[])
        .await;
    new.hears(user_code, &["auth.example.org", "ABC123"]).await;
    new.hears(ProgressEvent::Token, &[]).await;
    new.hears(ProgressEvent::Account(&user), &["@alice:example.org"])
        .await;
    new.hears(ProgressEvent::ImportingSecrets, &[]).await;
    new.hears(ProgressEvent::KeysUploaded, &[]).await;
    new.hears(ProgressEvent::Backup(&backup), &[]).await;
    new.hears_the_end().await;
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_screen_reader_says_each_step_of_an_existing_device() {
    let _turn = turn().await;
    let browser = browser("about:blank", Eyes::None).await;
    let existing = Listener::new(&browser, Role::Existing).await;
    let digits = "07".parse().unwrap();
    let id = DeviceId::parse("ABCDEFGH").unwrap();
    existing.hears(ProgressEvent::Checking, &[]).await;
    existing
        .hears(ProgressEvent::Progress(Progress::Connected), &[])
        .await;
    let secure = Progress::Secure(&digits);
    let read_out = ["Type these two digits", "07"];
    existing
        .hears(ProgressEvent::Progress(secure), &read_out)
        .await;
    existing
        .hears(ProgressEvent::Progress(Progress::Confirmed), &[])
        .await;
    for bound in [true, false] {
        let bound = ProgressEvent::DeviceBound { id: &id, bound };
        existing.hears(bound, &[]).await;
    }
    let looking = ProgressEvent::LookingForDevice(&id);
    existing.hears(looking, &[]).await;
    existing.hears(ProgressEvent::DeviceFound(&id), &[]).await;
    existing.hears(ProgressEvent::Verified(&id), &[]).await;
    let left = ProgressEvent::LeftBehind("a rendezvous session");
    existing.hears(left, &["a rendezvous session"]).await;
    existing.hears_the_end().await;
    browser.close().await;
}

/// It says the name and the description of what gets the focus.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_screen_reader_says_each_question() {
    let _turn = turn().await;
    let browser = browser("about:blank", Eyes::None).await;
    for (state, asked) in [
        ("own-device", "Is the new device yours"),
        ("check-code", "the two digits that the other device shows"),
        ("open-link", "auth.example.org"),
        ("account", "@alice:example.org"),
        ("scan", "Scan the code"),
        ("homeserver", "Your homeserver"),
    ] {
        let page = page_for(&roles(state)).await;
        let person = page.person(roles(state)[0]).unwrap();
        let checks = async {
            browser.go(page.url().as_str()).await;
            browser
                .until("document.activeElement.closest('.question')")
                .await;
            let focused = browser.focused().await;
            let label = format!("{focused}/computedlabel");
            let label = browser.call(Method::GET, &label, &Value::Null).await;
            assert!(label.as_str().unwrap().contains(asked), "{state}: {label}");
            // Its description: the warning.
            let described = browser
                .run(
                    "const by = document.activeElement.getAttribute('aria-describedby');
                     return by && by.split(' ')
                       .map((id) => document.getElementById(id).textContent).join(' ');",
                )
                .await;
            let warning = match state {
                "own-device" => "Support staff never ask",
                "open-link" => "belongs neither to your homeserver",
                _ => "",
            };
            let described = described.as_str().unwrap_or_default();
            assert!(described.contains(warning), "{state}: {described}");
        };
        tokio::select! {
            () = show(state, &person, None) => {}
            () = checks => {}
        }
    }
    browser.close().await;
}
