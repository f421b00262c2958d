//! The page over HTTP, as a browser asks for it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use matrix_qr_device::{ConsentLink, Opening, Person, ProgressEvent};
use matrix_qr_page::{Page, PageOptions, PageOutcome};
use matrix_qr_protocol::{
    driver::Progress,
    error::{Cause, UserError},
    qr::{QrCode, ShownCode},
    revision::Role,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

/// A code of the proposal's text, which says where it is from.
const CODE: &[u8] = b"code";

struct Browser {
    client: reqwest::Client,
    url: Url,
    origin: String,
}

impl Browser {
    fn at(page: &Page) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: page.url().clone(),
            origin: page.url().origin().ascii_serialization(),
        }
    }

    /// As the page asks.
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method.clone(), self.url.join(path).unwrap())
            .header("sec-fetch-site", "same-origin");
        match method {
            Method::GET => request,
            _ => request.header("origin", &self.origin),
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    async fn post(&self, path: &str, token: &str, body: impl Into<reqwest::Body>) -> StatusCode {
        let request = self.ask(Method::POST, path).header("x-page", token);
        let request = request.header("content-type", "application/json");
        request.body(body).send().await.unwrap().status()
    }

    async fn open(&self) -> OpenPage {
        OpenPage {
            response: self.get("events").await,
            read: String::new(),
        }
    }
}

/// The events of a page that is open.
struct OpenPage {
    response: Response,
    read: String,
}

impl OpenPage {
    /// The next event that is not only whether the page is there, unless the page is told nothing
    /// more.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            match self.next_of_any_kind().await {
                Some((event, _)) if event == "ping" => {}
                next => break next,
            }
        }
    }

    async fn next_of_any_kind(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim().to_owned()
                };
                let named = (field("event:"), field("data:"));
                self.read = rest.to_owned();
                if !named.0.is_empty() {
                    return Some(named);
                }
                continue;
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn token(&mut self) -> String {
        let (event, token) = self.next().await.unwrap();
        assert_eq!(event, "page");
        token
    }

    /// The next view for which this holds.
    async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (event, data) = self.next().await.expect("the page is told nothing more");
            assert_eq!(event, "view");
            let view: Value = serde_json::from_str(&data).unwrap();
            if holds(&view) {
                return view;
            }
        }
    }

    /// After this many warnings, this part is still shown.
    async fn still_shows(&mut self, part: &str, warnings: usize) {
        let is_warning = |line: &&Value| line["kind"] == "warning";
        let warned = |view: &Value| {
            let device = &view["devices"][0];
            let lines = device["lines"].as_array().unwrap();
            lines.iter().filter(is_warning).count() == warnings
                && device["waiting"] == "Still waiting."
        };
        let view = self.until(warned).await;
        assert!(!view["devices"][0][part].is_null(), "{part} in {view}");
    }

    async fn question(&mut self, kind: &str) -> Value {
        let asked = |view: &Value| view["devices"][0]["question"]["kind"] == kind;
        let view = self.until(asked).await;
        view["devices"][0]["question"].clone()
    }
}

fn read_code(bytes: &[u8]) -> Result<QrCode, String> {
    if bytes == CODE {
        Ok(QrCode::decode(&a_code()).unwrap())
    } else {
        Err("There is no QR code in this picture.".to_owned())
    }
}

/// MSC4108: MATRIX, version 2, the new device's; a key, and the session's URL.
fn a_code() -> Vec<u8> {
    let url = b"https://rendezvous.example/abc";
    let mut code = b"MATRIX\x02\x03".to_vec();
    code.extend([9; 32]);
    code.extend(u16::try_from(url.len()).unwrap().to_be_bytes());
    code.extend(url);
    code
}

fn options(roles: &[Role]) -> PageOptions {
    PageOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        public: None,
        roles: roles.to_vec(),
        read_code: Arc::new(read_code),
    }
}

async fn page_for(roles: &[Role]) -> Page {
    Page::start(options(roles)).await.unwrap()
}

fn reply(question: &Value, answer: &str) -> String {
    json!({ "question": question["id"], "answer": answer }).to_string()
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    for (file, content_type) in [
        ("", "text/html"),
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
    ] {
        let response = browser.get(file).await;
        assert_eq!(response.status(), 200, "{file}");
        let headers = response.headers().clone();
        assert!(
            headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with(content_type)
        );
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("://"), "{file}");
        for sink in ["innerHTML", "insertAdjacentHTML", "outerHTML", "eval("] {
            assert!(!text.contains(sink), "{file}: {sink}");
        }
    }
}

#[tokio::test]
async fn each_answer_has_all_its_headers() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    let elsewhere = page.url().join("/").unwrap();
    let answers = [
        browser.get("").await,
        browser.get("events").await,
        browser.get("code/0.svg").await,
        browser.ask(Method::POST, "cancel").send().await.unwrap(),
        browser.client.get(elsewhere).send().await.unwrap(),
    ];
    for answer in answers {
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            (
                "permissions-policy",
                "camera=(self), microphone=(), geolocation=()",
            ),
        ] {
            assert_eq!(answer.headers()[name], value, "{}", answer.url());
        }
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        let directives: Vec<_> = policy.split("; ").collect();
        assert_eq!(
            directives,
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' data:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        );
    }
}

#[tokio::test]
async fn only_who_has_the_whole_address_gets_anything() {
    let page = page_for(&[Role::New]).await;
    let client = reqwest::Client::new();
    let url = page.url().as_str();
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
    let other = url.replace(page.url().path(), "/00112233445566778899aabbccddeeff/");
    for wrong in [&other, &url[..url.len() - 2], url.trim_end_matches('/')] {
        assert_eq!(client.get(wrong).send().await.unwrap().status(), 404);
    }
    let secret = page.url().path().trim_matches('/').to_owned();
    assert_eq!(secret.len(), 32, "128 bits");
    let next = page_for(&[Role::New]).await;
    assert!(
        !next.url().path().contains(&secret),
        "for one sign-in alone"
    );
}

#[tokio::test]
async fn another_name_for_this_address_is_refused() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    let port = page.url().port().unwrap();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST:{port}"), 200),
        (format!("attacker.example:{port}"), 421),
        (format!("127.0.0.1.attacker.example:{port}"), 421),
        (format!("127.0.0.2:{port}"), 421),
        ("127.0.0.1".to_owned(), 421),
        ("127.0.0.1:1".to_owned(), 421),
        (String::new(), 421),
    ] {
        let answer = browser
            .ask(Method::GET, "")
            .header("host", &host)
            .send()
            .await;
        assert_eq!(answer.unwrap().status(), status, "{host}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_page_has_the_proxys_name() {
    let options = PageOptions {
        public: Some("https://bot.example.org".parse().unwrap()),
        ..options(&[Role::New])
    };
    let page = Page::start(options).await.unwrap();
    let (origin, path) = (page.url().origin(), page.url().path());
    assert_eq!(origin.ascii_serialization(), "https://bot.example.org");
    assert_eq!(path.len(), 34);
}

#[tokio::test]
async fn what_comes_from_another_page_is_refused() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let post = || {
        let url = browser.url.join("cancel").unwrap();
        browser.client.post(url).header("x-page", &token)
    };
    let own = browser.origin.as_str();
    let port = page.url().port().unwrap();
    for (origin, site, status) in [
        (None, None, 403),
        (None, Some("same-origin"), 403),
        (Some("https://attacker.example"), None, 403),
        (Some("null"), Some("cross-site"), 403),
        (Some(&*format!("http://localhost:{port}")), None, 403),
        (Some(own), Some("cross-site"), 403),
        (Some(own), Some("same-site"), 403),
        (Some(own), Some("same-origin"), 204),
        (Some(own), None, 204),
    ] {
        let mut request = post();
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{origin:?}, {site:?}");
    }
}

#[tokio::test]
async fn another_page_may_only_lead_here() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    for (path, mode, status) in [
        ("", "navigate", 200),
        ("", "no-cors", 403),
        ("page.js", "no-cors", 403),
        ("events", "cors", 403),
        ("code/0.svg", "navigate", 403),
    ] {
        let request = browser.client.get(browser.url.join(path).unwrap());
        let request = request.header("sec-fetch-site", "cross-site");
        let answer = request.header("sec-fetch-mode", mode).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}, {mode}");
    }
}

#[tokio::test]
async fn digits_are_asked_for_until_there_are_two() {
    let page = page_for(&[Role::Existing]).await;
    let person = page.person(Role::Existing).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let (digits, ()) = tokio::join!(person.enter_check_code(), async {
        let first = open.question("check_code").await;
        assert_eq!(first["wrong"], Value::Null);
        assert_eq!(
            browser.post("answer", &token, reply(&first, "7")).await,
            204
        );
        let second = open.question("check_code").await;
        assert!(second["wrong"].as_str().unwrap().contains("leading zero"));
        let late = browser.post("answer", &token, reply(&first, "11")).await;
        assert_eq!(late, 410, "the first question is not open any more");
        assert_eq!(
            browser.post("answer", &token, reply(&second, "07")).await,
            204
        );
    });
    assert_eq!(digits.to_string(), "07");
    let gone = open.until(|view| view["devices"][0]["question"].is_null());
    gone.await;
}

#[tokio::test]
async fn a_link_is_opened_only_by_a_yes() {
    let link = ConsentLink {
        url: "https://auth.example.org/link?code=1".parse().unwrap(),
        warning: Some("It belongs to somebody else.".to_owned()),
    };
    for (answer, expected) in [
        ("yes", Opening::Opened),
        ("no", Opening::Refused),
        ("", Opening::Refused),
    ] {
        let page = page_for(&[Role::Existing]).await;
        let person = page.person(Role::Existing).unwrap();
        let browser = Browser::at(&page);
        let mut open = browser.open().await;
        let token = open.token().await;
        let (opening, ()) = tokio::join!(person.open_link(&link), async {
            let question = open.question("open_link").await;
            assert_eq!(question["host"], "auth.example.org");
            assert_eq!(question["link"], link.url.as_str());
            assert_eq!(question["warning"], "It belongs to somebody else.");
            browser
                .post("answer", &token, reply(&question, answer))
                .await;
        });
        assert_eq!(opening, expected, "{answer}");
    }
}

/// At the new device, which opens no page itself, and at the existing one.
#[tokio::test]
async fn what_is_wrong_with_a_host_is_said_next_to_it() {
    let link = ConsentLink {
        url: "https://xn--uth-xna.example.org/link?code=1"
            .parse()
            .unwrap(),
        warning: Some("It belongs to somebody else.".to_owned()),
    };
    let page = page_for(&[Role::New, Role::Existing]).await;
    let [new, existing] = [Role::New, Role::Existing].map(|role| page.person(role).unwrap());
    let mut open = Browser::at(&page).open().await;
    open.token().await;
    new.tell(ProgressEvent::UserCode {
        code: "ABC123",
        link: &link,
    });
    let shown = open.until(|view| {
        let device = &view["devices"][1];
        device["question"]["kind"] == "open_link"
    });
    let view = tokio::select! {
        _ = existing.open_link(&link) => panic!("nobody has answered"),
        view = shown => view,
    };
    let devices = &view["devices"];
    for shown in [&devices[0]["user_code"], &devices[1]["question"]] {
        assert_eq!(shown["host"], "xn--uth-xna.example.org");
        assert_eq!(shown["warning"], "It belongs to somebody else.");
        let note = shown["host_note"].as_str().unwrap();
        assert!(note.contains("letters that look like others"), "{note}");
    }
}

#[tokio::test]
async fn a_question_that_is_dropped_leaves_the_page() {
    let page = page_for(&[Role::New]).await;
    let person = page.person(Role::New).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let question = tokio::select! {
        _ = person.enter_check_code() => panic!("nobody has answered"),
        question = open.question("check_code") => question,
    };
    open.until(|view| view["devices"][0]["question"].is_null())
        .await;
    assert_eq!(
        browser.post("answer", &token, reply(&question, "11")).await,
        410
    );
}

#[tokio::test]
async fn the_second_page_waits_for_the_first_to_go() {
    let page = page_for(&[Role::New]).await;
    let person = page.person(Role::New).unwrap();
    let browser = Browser::at(&page);
    let mut first = browser.open().await;
    let token = first.token().await;
    let mut second = browser.open().await;
    let (event, data) = second.next().await.unwrap();
    assert_eq!(event, "busy");
    assert_ne!(data, "", "browsers drop such events");
    assert_eq!(second.next().await, None, "and nothing else");
    assert_eq!(browser.post("cancel", "", "").await, 409);
    let late = json!({ "id": 7 });
    let kept = browser.post("answer", &token, reply(&late, "")).await;
    assert_eq!(kept, 410, "the first one still takes part");
    person.tell(ProgressEvent::Checking);
    drop(first);
    let mut third = loop {
        let mut open = browser.open().await;
        match open.next().await.unwrap() {
            (event, new) if event == "page" => {
                assert_ne!(new, token);
                break open;
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert_eq!(
        browser.post("cancel", &token, "").await,
        409,
        "the first one"
    );
    let view = third.until(|_| true).await;
    assert_eq!(view["devices"][0]["waiting"], "Checking the homeserver.");
}

/// As a laptop that sleeps, or a phone that leaves the network: its connection stays open.
/// `start_paused`: the seconds pass in no time.
#[tokio::test(start_paused = true)]
async fn a_page_that_says_nothing_any_more_loses_its_place() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    let mut first = browser.open().await;
    let token = first.token().await;
    let second = async {
        loop {
            let mut open = browser.open().await;
            match open.next().await.unwrap() {
                (event, token) if event == "page" => break token,
                _ => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    };
    let second = tokio::time::timeout(Duration::from_secs(60), second);
    assert_ne!(second.await.expect("the place stays taken"), token);
    assert_eq!(browser.post("here", &token, "").await, 409);
}

/// `start_paused`: a minute passes in no time.
#[tokio::test(start_paused = true)]
async fn a_page_that_answers_keeps_its_place() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let began = tokio::time::Instant::now();
    let answers = async {
        while began.elapsed() < Duration::from_secs(60) {
            let (event, _) = open
                .next_of_any_kind()
                .await
                .expect("it has lost its place");
            if event == "ping" {
                assert_eq!(browser.post("here", "", "").await, 409, "another page");
                assert_eq!(browser.post("here", &token, "").await, 204);
            }
        }
    };
    let answered = tokio::time::timeout(Duration::from_secs(600), answers);
    answered.await.expect("it is asked whether it is there");
}

#[tokio::test]
async fn a_code_is_taken_from_a_picture_or_a_text() {
    let page = page_for(&[Role::Existing]).await;
    let person = page.person(Role::Existing).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let (code, ()) = tokio::join!(person.scan(), async {
        let question = open.question("code").await;
        let path = format!("picture?question={}", question["id"]);
        let post = |body: Vec<u8>| {
            let request = browser.ask(Method::POST, &path).header("x-page", &token);
            request.body(body).send()
        };
        let blurred = post(b"a wall".to_vec()).await.unwrap();
        assert_eq!(blurred.status(), 200);
        let why: Value = blurred.json().await.unwrap();
        assert_eq!(why["why"], "There is no QR code in this picture.");
        assert_eq!(post(vec![0; (16 << 20) + 1]).await.unwrap().status(), 413);
        assert_eq!(post(CODE.to_vec()).await.unwrap().status(), 204);
        assert_eq!(post(CODE.to_vec()).await.unwrap().status(), 410, "once");
    });
    assert_eq!(code, QrCode::decode(&a_code()).unwrap());

    let (_, ()) = tokio::join!(person.scan(), async {
        let first = open.question("code").await;
        browser
            .post("answer", &token, reply(&first, "nonsense"))
            .await;
        let second = open.until(|view| view["devices"][0]["question"]["wrong"].is_string());
        let second = second.await["devices"][0]["question"].clone();
        browser.post("answer", &token, reply(&second, "code")).await;
    });
}

/// Reading a picture takes a while; who posts many of them gets no more of that.
#[tokio::test]
async fn one_picture_is_read_at_a_time_even_if_nobody_waits_for_it() {
    let (started, starts) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let read_code = move |_: &[u8]| {
        started.send(()).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
        Err("There is no QR code in this picture.".to_owned())
    };
    let page = Page::start(PageOptions {
        read_code: Arc::new(read_code),
        ..options(&[Role::Existing])
    })
    .await
    .unwrap();
    let person = page.person(Role::Existing).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let scanning = tokio::spawn(async move { person.scan().await });
    let question = open.question("code").await;
    let path = format!("picture?question={}", question["id"]);
    let post = || {
        let request = browser.ask(Method::POST, &path).header("x-page", &token);
        request.body("a frame").send()
    };
    // The first one's request is given up while it is being read.
    let first = tokio::spawn(post());
    let (_, starts) = tokio::task::spawn_blocking(|| (starts.recv(), starts))
        .await
        .unwrap();
    first.abort();
    let second = tokio::spawn(post());
    // It has arrived: the answers to what was asked after it are there.
    for _ in 0..5 {
        assert_eq!(browser.get("").await.status(), 200);
    }
    assert_eq!(starts.try_recv(), Err(mpsc::TryRecvError::Empty));
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
    assert_eq!(starts.try_recv(), Ok(()));
    scanning.abort();
}

/// As a phone that leaves the network. `start_paused`: a minute passes in no time.
#[tokio::test(start_paused = true)]
async fn a_picture_that_does_not_arrive_loses_its_turn() {
    let page = page_for(&[Role::Existing]).await;
    let person = page.person(Role::Existing).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let scanning = async {
        let question = open.question("code").await;
        let path = format!("picture?question={}", question["id"]);
        let url = browser.url.join(&path).unwrap();
        let mut stalled = tokio::net::TcpStream::connect(url.authority())
            .await
            .unwrap();
        let head = format!(
            "POST {}?{} HTTP/1.1\r\nhost: {}\r\norigin: {}\r\nsec-fetch-site: same-origin\r\n\
             x-page: {token}\r\ncontent-length: 100\r\n\r\nhalf",
            url.path(),
            url.query().unwrap(),
            url.authority(),
            browser.origin,
        );
        stalled.write_all(head.as_bytes()).await.unwrap();
        // It has arrived: the answers to what was asked after it are there.
        for _ in 0..5 {
            assert_eq!(browser.get("").await.status(), 200);
        }
        let next = browser.ask(Method::POST, &path).header("x-page", &token);
        assert_eq!(next.body(CODE).send().await.unwrap().status(), 204);
        let mut said = Vec::new();
        stalled.read_to_end(&mut said).await.unwrap();
        assert!(String::from_utf8_lossy(&said).starts_with("HTTP/1.1 408"));
    };
    tokio::join!(person.scan(), scanning);
}

/// `start_paused`: ten seconds pass in no time.
#[tokio::test(start_paused = true)]
async fn who_does_not_finish_a_request_is_disconnected() {
    let page = page_for(&[Role::New]).await;
    let address = ("127.0.0.1", page.url().port().unwrap());
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut said = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), slow.read_to_end(&mut said));
    ended.await.expect("the connection stays open").unwrap();
    assert_eq!(String::from_utf8_lossy(&said), "");
}

/// In case that no browser has opened it, or its tab was closed.
#[tokio::test]
async fn the_link_stays_until_the_sign_in_goes_on() {
    let link = ConsentLink {
        url: "https://auth.example.org/link?code=1".parse().unwrap(),
        warning: None,
    };
    let page = page_for(&[Role::Existing]).await;
    let person = page.person(Role::Existing).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let (opening, ()) = tokio::join!(person.open_link(&link), async {
        let question = open.question("open_link").await;
        browser
            .post("answer", &token, reply(&question, "yes"))
            .await;
    });
    assert_eq!(opening, Opening::Opened);
    let agreed = open.until(|view| view["devices"][0]["consent"].is_object());
    let shown = agreed.await["devices"][0]["consent"].clone();
    let expected = json!({ "link": link.url.as_str(), "host": "auth.example.org" });
    assert_eq!(shown, expected);
    person.tell(ProgressEvent::Progress(Progress::Confirmed));
    open.until(|view| view["devices"][0]["consent"].is_null())
        .await;
}

/// A network that fails for a moment: the person goes on with what the page shows.
#[tokio::test]
async fn a_warning_takes_nothing_off_the_page() {
    let page = page_for(&[Role::Existing]).await;
    let person = page.person(Role::Existing).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let problem = UserError::new(
        Cause::RendezvousServer,
        "the rendezvous server does not answer",
        "Try again.",
    );
    let trouble = || person.tell(ProgressEvent::Problem(&problem));

    let code = ShownCode::new(QrCode::decode(&a_code()).unwrap()).unwrap();
    person.tell(ProgressEvent::Progress(Progress::Show(&code)));
    trouble();
    open.still_shows("code", 1).await;
    person.tell(ProgressEvent::Progress(Progress::Connected));
    let digits = "07".parse().unwrap();
    person.tell(ProgressEvent::Progress(Progress::Secure(&digits)));
    trouble();
    open.still_shows("digits", 2).await;
    person.tell(ProgressEvent::Progress(Progress::Confirmed));
    let link = ConsentLink {
        url: "https://auth.example.org/link?code=1".parse().unwrap(),
        warning: None,
    };
    let answers = async {
        let question = open.question("open_link").await;
        let yes = reply(&question, "yes");
        browser.post("answer", &token, yes).await
    };
    let (opening, status) = tokio::join!(person.open_link(&link), answers);
    assert_eq!((opening, status.as_u16()), (Opening::Opened, 204));
    trouble();
    open.still_shows("consent", 3).await;
}

/// A proxy would give the connection to the next request, and hyper closes it.
#[tokio::test]
async fn a_refusal_whose_request_may_not_have_been_read_says_that_the_connection_ends() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    let connection = async |path, body: &'static str| {
        let request = browser.ask(Method::POST, path).body(body);
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            response.headers().get("connection").cloned(),
        )
    };
    let close = Some("close".parse().unwrap());
    assert_eq!(
        connection("picture?question=0", "a picture").await,
        (409, close)
    );
    assert_eq!(connection("picture?question=0", "").await, (409, None));
}

#[tokio::test]
async fn an_answer_has_a_bounded_size_and_its_form() {
    let page = page_for(&[Role::New]).await;
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let long = json!({ "question": 0, "answer": "x".repeat(16 << 10) }).to_string();
    assert_eq!(browser.post("answer", &token, long).await, 413);
    for malformed in ["", "{}", "[]", "{\"question\":\"0\",\"answer\":\"\"}"] {
        let status = browser.post("answer", &token, malformed).await;
        assert!(status.is_client_error(), "{malformed}: {status}");
    }
}

#[tokio::test]
async fn cancel_is_heard_by_each_device() {
    let page = page_for(&[Role::New, Role::Existing]).await;
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    let people = [Role::New, Role::Existing].map(|role| page.person(role).unwrap());
    assert_eq!(browser.post("cancel", &token, "").await, 204);
    for person in people {
        tokio::time::timeout(Duration::from_secs(5), person.cancelled())
            .await
            .expect("it has heard it");
    }
}

#[tokio::test]
async fn the_end_is_shown_before_the_page_closes() {
    let page = page_for(&[Role::New]).await;
    let person = page.person(Role::New).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    open.token().await;
    person.end(PageOutcome {
        success: true,
        what: "Signed in as <b>@alice:example.org</b>.".to_owned(),
        cause: None,
        advice: String::new(),
    });
    let closing = tokio::spawn(page.close());
    let view = open
        .until(|view| view["devices"][0]["outcome"].is_object())
        .await;
    let outcome = &view["devices"][0]["outcome"];
    assert_eq!(outcome["success"], true);
    assert_eq!(open.next().await, None, "there is nothing to wait for");
    closing.await.unwrap();
    let gone = browser.ask(Method::GET, "").send().await;
    gone.expect_err("nobody listens there");
}

/// Its connection was lost when the sign-in ended; it comes back after a second.
#[tokio::test]
async fn a_page_that_comes_back_is_shown_the_end() {
    let page = page_for(&[Role::New]).await;
    let person = page.person(Role::New).unwrap();
    let browser = Browser::at(&page);
    let mut open = browser.open().await;
    let token = open.token().await;
    drop(open);
    while browser.post("here", &token, "").await == 204 {}
    person.end(PageOutcome {
        success: true,
        what: "Signed in.".to_owned(),
        cause: None,
        advice: String::new(),
    });
    let closing = tokio::spawn(page.close());
    // The server has no reason to stay but this page.
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    let mut open = browser.open().await;
    open.token().await;
    open.until(|view| view["devices"][0]["outcome"].is_object())
        .await;
    closing.await.unwrap();
}

/// `start_paused`: what is waited for takes its time.
#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_who_has_never_opened_the_page() {
    let page = page_for(&[Role::New]).await;
    let began = tokio::time::Instant::now();
    page.close().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_failure_has_its_cause() {
    let error = UserError::new(Cause::Network, "Nothing answers.", "Try again.");
    let page = page_for(&[Role::New]).await;
    let mut open = Browser::at(&page).open().await;
    open.token().await;
    page.person(Role::New).unwrap().end((&error).into());
    let view = open.until(|view| view["devices"][0]["outcome"].is_object());
    let expected = json!({
        "success": false,
        "what": "Nothing answers.",
        "cause": "the network, or the name of the server",
        "advice": "Try again.",
    });
    assert_eq!(view.await["devices"][0]["outcome"], expected);
}
