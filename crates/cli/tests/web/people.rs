//! A command with a page, and the browser that shows it.

use std::{path::Path, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    support::{command::RunningCommand, sandbox::SandboxProcess},
    webdriver::Chromium,
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
    let film;
    let mut arguments = vec!["--use-fake-ui-for-media-stream"];
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
}
