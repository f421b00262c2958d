//! A real headless Chromium, driven over WebDriver. Tests of other crates use this file, too.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};

const DRIVER: &str = "/usr/bin/chromedriver";
/// WebDriver, section 12: the key of an element in a response.
pub(crate) const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window. Chromium and its driver end when it is dropped.
pub(crate) struct Chromium {
    driver: Child,
    /// Chromium itself: it would outlive its driver.
    process: Option<u64>,
    http: Client,
    session: String,
}

impl Chromium {
    /// With these arguments and preferences of Chromium besides the usual ones.
    pub(crate) async fn open(arguments: &[&str], preferences: Value) -> Self {
        let (driver, port) = start();
        let http = Client::builder().no_proxy().build().unwrap();
        let mut browser = Self {
            driver,
            process: None,
            http,
            session: format!("http://127.0.0.1:{port}/session"),
        };
        let capabilities = capabilities(arguments, preferences);
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let session = browser.call(Method::POST, "", &wanted).await;
        browser.process = session["capabilities"]["goog:processID"].as_u64();
        let id = session["sessionId"].as_str().unwrap();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
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

    pub(crate) async fn go(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({ "url": url }))
            .await;
    }

    /// The path of an element that must exist.
    pub(crate) async fn find(&self, css: &str) -> String {
        let found = self
            .call(
                Method::POST,
                "/element",
                &json!({ "using": "css selector", "value": css }),
            )
            .await;
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        let path = format!("{}/text", self.find(css).await);
        self.call(Method::GET, &path, &Value::Null)
            .await
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn click(&self, css: &str) {
        let path = format!("{}/click", self.find(css).await);
        self.call(Method::POST, &path, &json!({})).await;
    }

    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let path = format!("{}/value", self.find(css).await);
        self.call(Method::POST, &path, &json!({ "text": text }))
            .await;
    }

    pub(crate) async fn close(mut self) {
        self.call(Method::DELETE, "", &Value::Null).await;
        self.process = None;
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            let _ = Command::new("kill")
                .args(["-KILL", &process.to_string()])
                .status();
        }
        let _ = self.driver.kill();
    }
}

/// Starts chromedriver; returns the port that it reports. It takes any port of IPv4, and ends if
/// somebody has the same one of IPv6: then it is started again.
fn start() -> (Child, u16) {
    let mut said = String::new();
    for _ in 0..5 {
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{DRIVER}: {error}; apt-get install chromium chromium-driver")
            });
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            let port = line.split_once("started successfully on port ");
            let port = port.and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
            if let Some(port) = port {
                return (driver, port);
            }
            said.push_str(&line);
            said.push('\n');
        }
        driver.wait().unwrap();
    }
    panic!("chromedriver does not start:\n{said}")
}

fn capabilities(arguments: &[&str], preferences: Value) -> Value {
    let usual = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let arguments = [&usual, arguments].concat();
    // The driver may respond to a click before the next page is loaded, so look for an element with
    // a time limit.
    let timeouts = json!({ "implicit": 20_000 });
    json!({
        "goog:chromeOptions": { "args": arguments, "prefs": preferences },
        "timeouts": timeouts,
    })
}
