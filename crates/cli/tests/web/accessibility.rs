//! Each state of the page: checked by axe-core, at the widths of a phone and of a desk, in both
//! themes, and used with the keyboard alone.

use std::{path::Path, sync::Arc};

use matrix_qr_device::Person as _;
use matrix_qr_page::{Page, PageOptions};
use matrix_qr_protocol::revision::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    people::{Eyes, browser, turn},
    preview::{STATES, roles, show},
    webdriver::{Chromium, ELEMENT},
};

const AXE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/web/node_modules/axe-core/axe.min.js"
);

/// WebDriver, section 17.4.2: the key Tab, and Enter.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

async fn page(state: &'static str) -> Page {
    let options = PageOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        public: None,
        roles: roles(state),
        read_code: Arc::new(|_| Err("There is no QR code in this picture.".to_owned())),
    };
    Page::start(options).await.unwrap()
}

/// What axe-core finds, and whether the page is wider than its window.
async fn findings(browser: &Chromium, width: u32, theme: &str) -> Value {
    let metrics = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
    browser
        .devtools("Emulation.setDeviceMetricsOverride", metrics)
        .await;
    let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
    browser
        .devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    browser
        .run_async(
            "const done = arguments[0];
             axe.run().then(({ violations }) => {
               const found = violations.map((v) => [v.id, v.nodes.map((n) => n.html)]);
               if (document.documentElement.scrollWidth > innerWidth) found.push('too wide');
               done(found);
             });",
        )
        .await
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: cargo xtask test"]
async fn no_state_of_the_page_shuts_anybody_out() {
    let _turn = turn().await;
    let axe = std::fs::read_to_string(AXE).unwrap_or_else(|error| {
        let directory = Path::new(AXE).ancestors().nth(3).unwrap();
        panic!("{AXE}: {error}; npm ci --prefix {}", directory.display())
    });
    let browser = browser("about:blank", Eyes::None).await;
    for state in STATES {
        let page = page(state).await;
        let people: Vec<_> = roles(state)
            .into_iter()
            .map(|role| page.person(role).unwrap())
            .collect();
        let checks = async {
            browser.go(page.url().as_str()).await;
            browser.until("document.querySelector('.device')").await;
            browser.run(&axe).await;
            for (width, theme) in [
                (360, "light"),
                (360, "dark"),
                (1280, "light"),
                (1280, "dark"),
            ] {
                let found = findings(&browser, width, theme).await;
                assert_eq!(found, json!([]), "{state}, {width} px, {theme}");
            }
        };
        tokio::select! {
            () = show(state, people.first().unwrap(), people.get(1)) => {}
            () = checks => {}
        }
    }
    browser.close().await;
}

impl Chromium {
    async fn devtools(&self, command: &str, params: Value) {
        let body = json!({ "cmd": command, "params": params });
        self.call(Method::POST, "/goog/cdp/execute", &body).await;
    }

    async fn key(&self, key: &str) {
        let focused = self
            .call(Method::GET, "/element/active", &Value::Null)
            .await;
        let path = format!("/element/{}/value", focused[ELEMENT].as_str().unwrap());
        self.call(Method::POST, &path, &json!({ "text": key }))
            .await;
    }

    /// Presses Tab until this has the focus.
    async fn tab_to(&self, css: &str) {
        for _ in 0..20 {
            let has_focus = format!("return document.activeElement.matches({css:?})");
            if self.run(&has_focus).await == true {
                return;
            }
            self.key(TAB).await;
        }
        panic!("Tab does not lead to {css}");
    }
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_keyboard_is_enough() {
    let _turn = turn().await;
    let browser = browser("about:blank", Eyes::None).await;
    let page = page("check-code").await;
    let person = page.person(Role::Existing).unwrap();
    browser.go(page.url().as_str()).await;
    let user = matrix_qr_device::UserId::parse("@alice:example.org").unwrap();
    let answers = async {
        let own = person.confirm_own_device().await;
        let digits = person.enter_check_code().await.to_string();
        (own, digits, person.confirm_account(&user).await)
    };
    let keys = async {
        browser.reads("Support staff").await;
        // Enter alone answers nothing.
        browser.key(ENTER).await;
        browser.tab_to("button[value=yes]").await;
        browser.key(ENTER).await;
        browser.reads("two digits").await;
        browser.key("07").await;
        browser.key(ENTER).await;
        browser.reads("your account").await;
        browser.tab_to("button[value=no]").await;
        browser.key(ENTER).await;
    };
    let (answers, ()) = tokio::join!(answers, keys);
    assert_eq!(answers, (true, "07".to_owned(), false));
    let cancelled = person.cancelled();
    let keys = async {
        browser.tab_to("#cancel").await;
        browser.key(ENTER).await;
    };
    tokio::join!(cancelled, keys);
    browser.close().await;
}
