//! The consent page in a real headless Chromium with scripts turned off, driven over WebDriver.
//!
//! `#[ignore]`: it needs Debian's `chromium` and `chromium-driver`. `cargo xtask test` runs it, and
//! reports what to install.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::common::{TestEnv, options, world_with};

const DRIVER: &str = "/usr/bin/chromedriver";
/// WebDriver, section 12: the key of an element in a response.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window. Chromium and its driver end when it is dropped.
struct Browser {
    driver: Child,
    http: Client,
    session: String,
}

impl Browser {
    async fn open() -> Self {
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{DRIVER}: {error}; apt-get install chromium chromium-driver")
            });
        let port = port(&mut driver);
        let http = Client::builder().no_proxy().build().unwrap();
        let mut browser = Self {
            driver,
            http,
            session: format!("http://127.0.0.1:{port}/session"),
        };
        let session = browser
            .call(
                Method::POST,
                "",
                &json!({ "capabilities": { "alwaysMatch": capabilities() } }),
            )
            .await;
        browser.session = format!(
            "{}/{}",
            browser.session,
            session["sessionId"].as_str().unwrap()
        );
        browser
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self
            .http
            .request(method.clone(), format!("{}{path}", self.session));
        let request = if method == Method::POST {
            request.json(body)
        } else {
            request
        };
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }

    async fn go(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({ "url": url }))
            .await;
    }

    /// The path of an element that must exist.
    async fn find(&self, css: &str) -> String {
        let found = self
            .call(
                Method::POST,
                "/element",
                &json!({ "using": "css selector", "value": css }),
            )
            .await;
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }

    async fn text(&self, css: &str) -> String {
        let path = format!("{}/text", self.find(css).await);
        self.call(Method::GET, &path, &Value::Null)
            .await
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn click(&self, css: &str) {
        let path = format!("{}/click", self.find(css).await);
        self.call(Method::POST, &path, &json!({})).await;
    }

    async fn type_into(&self, css: &str, text: &str) {
        let path = format!("{}/value", self.find(css).await);
        self.call(Method::POST, &path, &json!({ "text": text }))
            .await;
    }

    async fn close(mut self) {
        self.call(Method::DELETE, "", &Value::Null).await;
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
    }
}

/// The port that chromedriver reports.
fn port(driver: &mut Child) -> u16 {
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let mut ports = lines.map_while(Result::ok).filter_map(|line| {
        line.split_once("started successfully on port ")
            .and_then(|(_, port)| port.trim_end_matches('.').parse().ok())
    });
    ports.next().expect("chromedriver did not start")
}

fn capabilities() -> Value {
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    // 2 means blocked. The page must work without scripts.
    let preferences = json!({ "profile.managed_default_content_settings.javascript": 2 });
    // The driver may respond to a click before the next page is loaded, so look for an element with
    // a time limit.
    let timeouts = json!({ "implicit": 20_000 });
    json!({ "goog:chromeOptions": { "args": arguments, "prefs": preferences }, "timeouts": timeouts })
}

async fn waiting_grant(env: &TestEnv, device_id: &str) -> (String, Value) {
    let client_id = env.client_id().await;
    let scope = crate::common::scope(device_id);
    let (status, grant) = env.authorize(&client_id, &scope).await;
    assert_eq!(status, 200);
    (client_id, grant)
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_person_allows_in_a_browser_without_scripts() {
    let env = world_with(options()).await;
    let (client_id, grant) = waiting_grant(&env, "NEWDEVICE1").await;
    let browser = Browser::open().await;

    browser
        .go(grant["verification_uri_complete"].as_str().unwrap())
        .await;
    assert_eq!(
        browser.text("#user-code").await,
        grant["user_code"].as_str().unwrap()
    );
    assert_eq!(browser.text("#client").await, "A new device");
    assert_eq!(browser.text("#client-host").await, "client.example");
    assert_eq!(browser.text("#user").await, env.sandbox.user_id());
    assert!(browser.text("main").await.contains("Another device"));
    browser.click("#allow").await;
    // Only on the page that responds to the form.
    let result = browser.text("#result").await;
    assert!(result.contains("is being signed in"), "{result}");
    browser.close().await;

    let (status, tokens) = env
        .poll(&client_id, grant["device_code"].as_str().unwrap())
        .await;
    assert_eq!(status, 200, "{tokens}");
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_person_types_the_code_and_denies_in_a_browser_without_scripts() {
    let env = world_with(matrix_qr_sandbox::Options {
        auto_fill_code: false,
        ..options()
    })
    .await;
    let (client_id, grant) = waiting_grant(&env, "NEWDEVICE2").await;
    assert!(grant["verification_uri_complete"].is_null());
    let browser = Browser::open().await;

    browser
        .go(grant["verification_uri"].as_str().unwrap())
        .await;
    browser
        .type_into(
            "#code",
            &grant["user_code"].as_str().unwrap().to_lowercase(),
        )
        .await;
    browser.click("#continue").await;
    assert_eq!(
        browser.text("#user-code").await,
        grant["user_code"].as_str().unwrap()
    );
    browser.click("#deny").await;
    let result = browser.text("#result").await;
    assert!(result.contains("was not signed in"), "{result}");
    browser.close().await;

    let (_, refused) = env
        .poll(&client_id, grant["device_code"].as_str().unwrap())
        .await;
    assert_eq!(refused["error"], "access_denied");
}
