//! A command with a page, and the browser that shows it.

use std::{path::Path, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    support::{command::RunningCommand, sandbox::SandboxProcess},
    webdriver::{Chromium, ELEMENT},
};

/// Two sign-ins at a time, each with two browsers: more of them make each other late.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Waits for a turn, which lasts until what is returned is dropped.
pub(crate) async fn turn() -> SemaphorePermit<'static> {
    TURNS.acquire().await.unwrap()
}

/// How the browser gets at the other device's code.
pub(crate) enum Eyes<'a> {
    /// Its camera films this.
    Camera(&'a Path),
    /// It has no camera.
    None,
}

/// A device whose person is at a page.
pub(crate) struct WebDevice {
    pub(crate) command: RunningCommand,
    pub(crate) url: String,
}

impl WebDevice {
    /// `login` or `link` with these arguments besides `--web`.
    pub(crate) fn start(sandbox: &SandboxProcess, args: &[&str]) -> Self {
        let mut command = sandbox.command_exactly(&[args, &["--web", "--json"]].concat(), |_| {});
        let url = command.event("page")["url"].as_str().unwrap().to_owned();
        Self { command, url }
    }
}

/// A browser at this page.
pub(crate) async fn browser(url: &str, eyes: Eyes<'_>) -> Chromium {
    browser_with(&[], url, eyes).await
}

/// With these arguments of Chromium.
pub(crate) async fn browser_with(arguments: &[&str], url: &str, eyes: Eyes<'_>) -> Chromium {
    let film;
    let mut arguments = arguments.to_vec();
    arguments.push("--use-fake-ui-for-media-stream");
    if let Eyes::Camera(path) = eyes {
        film = format!("--use-file-for-fake-video-capture={}", path.display());
        arguments.extend(["--use-fake-device-for-media-stream", &film]);
    }
    let browser = Chromium::open(&arguments, json!({})).await;
    browser.go(url).await;
    browser
}

impl Chromium {
    /// The result of a script in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call(Method::POST, "/execute/sync", &body).await
    }

    /// What a script in the page hands to its callback, `arguments[0]`.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call(Method::POST, "/execute/async", &body).await
    }

    /// Waits until this holds in the page.
    pub(crate) async fn until(&self, condition: &str) {
        for _ in 0..300 {
            if self.run(&format!("return Boolean({condition})")).await == true {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let page = self.run("return document.body.innerText").await;
        panic!(
            "{condition} does not come true:\n{}",
            page.as_str().unwrap()
        );
    }

    /// Waits for this text.
    pub(crate) async fn reads(&self, text: &str) {
        let text = serde_json::to_string(text).unwrap();
        self.until(&format!("document.body.innerText.includes({text})"))
            .await;
    }

    /// Answers the question of this kind by its button.
    pub(crate) async fn press(&self, button: &str) {
        self.click(&format!(".question button{button}")).await;
    }

    /// Types the digits.
    pub(crate) async fn types_digits(&self, digits: &str) {
        self.type_into(".question input", digits).await;
        self.press("").await;
    }

    pub(crate) async fn devtools(&self, command: &str, params: Value) {
        let body = json!({ "cmd": command, "params": params });
        self.call(Method::POST, "/goog/cdp/execute", &body).await;
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height });
        self.call(Method::POST, "/window/rect", &size).await;
    }

    /// Types this where the focus is.
    pub(crate) async fn key(&self, key: &str) {
        let path = format!("{}/value", self.focused().await);
        self.call(Method::POST, &path, &json!({ "text": key }))
            .await;
    }

    /// The path of the element that has the focus.
    pub(crate) async fn focused(&self) -> String {
        let active = "/element/active";
        let focused = self.call(Method::GET, active, &Value::Null).await;
        format!("/element/{}", focused[ELEMENT].as_str().unwrap())
    }

    /// The tab that is shown.
    pub(crate) async fn tab(&self) -> Value {
        self.call(Method::GET, "/window", &Value::Null).await
    }

    /// Opens another one, and shows it.
    pub(crate) async fn open_tab(&self) {
        let kind = json!({ "type": "tab" });
        let tab = self.call(Method::POST, "/window/new", &kind).await;
        self.show_tab(&tab["handle"]).await;
    }

    pub(crate) async fn show_tab(&self, tab: &Value) {
        self.call(Method::POST, "/window", &json!({ "handle": tab }))
            .await;
    }

    /// Closes the tab that is shown, and shows this one.
    pub(crate) async fn close_tab(&self, next: &Value) {
        self.call(Method::DELETE, "/window", &Value::Null).await;
        self.show_tab(next).await;
    }

    /// Shows the tab that the page in this one has opened, as soon as it is there.
    pub(crate) async fn follow(&self, opener: &Value) {
        for _ in 0..300 {
            let tabs = self
                .call(Method::GET, "/window/handles", &Value::Null)
                .await;
            let opened = tabs.as_array().unwrap().iter().find(|tab| *tab != opener);
            if let Some(opened) = opened {
                return self.show_tab(opened).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no tab was opened");
    }
}
