//! Whole sign-ins, with a page for each device.

use serde_json::Value;
use tokio::sync::SemaphorePermit;

use crate::{
    camera::{film, photograph},
    people::{Eyes, WebDevice, browser, turn},
    support::sandbox::{SandboxProcess, decide},
    webdriver::Chromium,
};

/// Who shows the code to whom, and how.
#[derive(Clone, Copy)]
struct Way {
    shown_by: &'static str,
    revision: &'static str,
    has_camera: bool,
}

/// Both devices, each with its browser: connected, before the digits are typed.
struct Meeting {
    sandbox: SandboxProcess,
    login: WebDevice,
    link: WebDevice,
    new: Chromium,
    existing: Chromium,
    _turn: SemaphorePermit<'static>,
}

impl Meeting {
    async fn begin(way: Way) -> Self {
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

    async fn digits(&self, way: Way) -> String {
        let (asks, shows) = self.browsers(way);
        shows
            .until("document.querySelector('.digits:not([hidden])')")
            .await;
        asks.until("document.querySelector('.question input')")
            .await;
        shows.text(".digits .large").await
    }

    /// From the digits to the end.
    async fn finish(mut self, way: Way) {
        let digits = self.digits(way).await;
        self.browsers(way).0.types_digits(&digits).await;
        self.existing.reads("127.0.0.1").await;
        let link = self.existing.text(".question .link").await;
        self.existing.press("[value=yes]").await;
        self.new
            .until("document.querySelector('.user-code:not([hidden])')")
            .await;
        decide(&link, "allow");
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
    if way.has_camera {
        let film = film(code["code"].as_str().unwrap(), sandbox.directory.path());
        browser(&device.url, Eyes::Camera(&film)).await
    } else {
        browser(&device.url, Eyes::None).await
    }
}

async fn scan(browser: &Chromium, code: &Value, way: Way, sandbox: &SandboxProcess) {
    browser.reads("Scan the code").await;
    if way.has_camera {
        browser.click(".use-camera").await;
    } else {
        let picture = photograph(code["code"].as_str().unwrap(), sandbox.directory.path());
        browser
            .type_into("[type=file]", picture.to_str().unwrap())
            .await;
    }
}

async fn signs_in(shown_by: &'static str, revision: &'static str, has_camera: bool) {
    let way = Way {
        shown_by,
        revision,
        has_camera,
    };
    Meeting::begin(way).await.finish(way).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_existing_device_films_an_msc4108_code() {
    signs_in("new", "msc4108", true).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_new_device_films_an_msc4108_code() {
    signs_in("existing", "msc4108", true).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_existing_device_films_an_msc4388_code() {
    signs_in("new", "msc4388", true).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_new_device_films_an_msc4388_code() {
    signs_in("existing", "msc4388", true).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn without_a_camera_a_picture_is_uploaded() {
    signs_in("new", "msc4108", false).await;
}

const WAY: Way = Way {
    shown_by: "new",
    revision: "msc4108",
    has_camera: false,
};

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn wrong_digits_end_it_on_both_pages() {
    let mut meeting = Meeting::begin(WAY).await;
    let digits = meeting.digits(WAY).await;
    let wrong = if digits == "11" { "12" } else { "11" };
    meeting.new.types_digits(wrong).await;
    for browser in [&meeting.new, &meeting.existing] {
        browser.until("document.querySelector('.outcome p')").await;
        browser.reads("tart again").await;
    }
    assert_eq!(meeting.login.command.end().0, 7);
    assert_ne!(meeting.link.command.end().0, 0);
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn cancel_on_either_page_is_heard_at_the_other() {
    for canceller in ["new", "existing"] {
        let mut meeting = Meeting::begin(WAY).await;
        meeting.digits(WAY).await;
        let (cancels, hears) = match canceller {
            "new" => (&meeting.new, &meeting.existing),
            _ => (&meeting.existing, &meeting.new),
        };
        cancels.click("#cancel").await;
        hears.until("document.querySelector('.outcome p')").await;
        cancels.until("document.querySelector('.outcome p')").await;
        let (new, existing) = (meeting.login.command.end().0, meeting.link.command.end().0);
        let expected = if canceller == "new" { (3, 4) } else { (4, 3) };
        assert_eq!((new, existing), expected, "{canceller}");
    }
}

/// The sign-in goes on without it, and a new page shows where it is.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_page_may_be_reloaded_and_a_browser_killed() {
    let mut meeting = Meeting::begin(WAY).await;
    meeting.digits(WAY).await;
    meeting.new.go(&meeting.login.url).await;
    let dead = std::mem::replace(
        &mut meeting.existing,
        browser("about:blank", Eyes::None).await,
    );
    drop(dead);
    meeting.existing.go(&meeting.link.url).await;
    meeting.finish(WAY).await;
}

/// A page of another origin that knows the address.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn another_origin_can_neither_read_nor_do_anything() {
    let _turn = turn().await;
    let sandbox = SandboxProcess::start();
    let homeserver = sandbox.homeserver().to_owned();
    let mut login = WebDevice::start(&sandbox, &["login", "--homeserver", &homeserver]);
    login.command.event("show");
    // The sandbox's own pages are of another origin. They forbid connections: so may it be one that
    // does not.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let attacker = format!("http://{}/", listener.local_addr().unwrap());
    let page = axum::Router::new().route(
        "/",
        axum::routing::get(|| async { axum::response::Html("<!doctype html><p>hello</p>") }),
    );
    tokio::spawn(async move { axum::serve(listener, page).await });
    let browser = browser(&attacker, Eyes::None).await;
    let url = serde_json::to_string(&login.url).unwrap();
    let outcomes = browser
        .run_async(&format!(
            "const url = {url}, done = arguments[0];
             const attempts = [
               fetch(url).then((r) => r.text()),
               fetch(url, {{ mode: 'no-cors' }}).then(async (r) => {{ const t = await r.text(); if (!t) throw 0; return t; }}),
               fetch(url + 'events').then((r) => r.text()),
               fetch(url + 'cancel', {{ method: 'POST' }}).then((r) => r.text()),
               new Promise((resolve, reject) => {{
                 const image = new Image();
                 image.onload = resolve; image.onerror = reject; image.src = url + 'code/0.svg';
               }}),
               new Promise((resolve, reject) => {{
                 const events = new EventSource(url + 'events');
                 events.onopen = resolve; events.onerror = reject;
               }}),
             ];
             // Sent without being read.
             fetch(url + 'cancel', {{ method: 'POST', mode: 'no-cors', body: '' }}).catch(() => 0);
             Promise.allSettled(attempts).then((all) => done(all.map((one) => one.status)));"
        ))
        .await;
    assert_eq!(outcomes, Value::from(vec!["rejected"; 6]));
    // Framed, it shows nothing.
    browser
        .run(&format!(
            "const frame = document.createElement('iframe'); frame.src = {url}; document.body.append(frame);"
        ))
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    // It has cancelled nothing, and taken nobody's place.
    browser.go(&login.url).await;
    browser.reads("scan this code").await;
    browser.close().await;
}
