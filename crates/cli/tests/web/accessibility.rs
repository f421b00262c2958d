//! Each state of the page: checked by axe-core, at the widths of a phone and of a desk, in both
//! themes, and used with the keyboard alone.

use std::{path::Path, sync::Arc};

use matrix_qr_device::Person as _;
use matrix_qr_page::{Page, PageOptions};
use matrix_qr_protocol::revision::Role;
use serde_json::{Value, json};

use crate::{
    people::{Eyes, browser, turn},
    preview::{STATES, roles, show},
    webdriver::Chromium,
};

const AXE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/web/node_modules/axe-core/axe.min.js"
);

/// WebDriver, section 17.4.2: the key Tab, and Enter.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// A page without a sign-in.
pub(crate) async fn page_for(roles: &[Role]) -> Page {
    let options = PageOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        public: None,
        roles: roles.to_vec(),
        read_code: Arc::new(|_| Err("There is no QR code in this picture.".to_owned())),
    };
    Page::start(options).await.unwrap()
}

/// The accessibility checker, a script.
pub(crate) fn axe() -> String {
    std::fs::read_to_string(AXE).unwrap_or_else(|error| {
        let directory = Path::new(AXE).ancestors().nth(3).unwrap();
        panic!("{AXE}: {error}; npm ci --prefix {}", directory.display())
    })
}

/// Nothing is found at any width in either theme.
pub(crate) async fn check(browser: &Chromium, state: &str) {
    for width in [360, 768, 1280] {
        for theme in ["light", "dark"] {
            let found = findings(browser, width, theme).await;
            assert_eq!(found, json!([]), "{state}, {width} px, {theme}");
        }
    }
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

/// Answers where the answer is shown, too: wrong ones, and the link that was agreed to.
async fn answer(browser: &Chromium, state: &str) -> bool {
    let shown = match state {
        "scan" | "homeserver" => {
            browser.type_into(".question [name=answer]", "x").await;
            browser.press(":not([type=button])").await;
            ".wrong:not(:empty)"
        }
        "open-link" => {
            browser.press("[value=yes]").await;
            ".consent:not([hidden])"
        }
        _ => return false,
    };
    browser
        .until(&format!("document.querySelector('{shown}')"))
        .await;
    true
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: cargo xtask test"]
async fn no_state_of_the_page_shuts_anybody_out() {
    let _turn = turn().await;
    let axe = axe();
    let browser = browser("about:blank", Eyes::None).await;
    for state in STATES {
        let page = page_for(&roles(state)).await;
        let people: Vec<_> = roles(state)
            .into_iter()
            .map(|role| page.person(role).unwrap())
            .collect();
        let checks = async {
            browser.go(page.url().as_str()).await;
            browser.until("document.querySelector('.device')").await;
            browser.run(&axe).await;
            check(&browser, state).await;
            if answer(&browser, state).await {
                check(&browser, &format!("{state}, answered")).await;
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
    let page = page_for(&[Role::Existing]).await;
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
