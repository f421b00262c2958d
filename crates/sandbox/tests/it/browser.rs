//! The consent page in a real headless Chromium with scripts turned off, driven over WebDriver.
//!
//! `#[ignore]`: it needs Debian's `chromium` and `chromium-driver`. `cargo xtask test` runs it, and
//! reports what to install.

use serde_json::{Value, json};

use crate::{
    common::{TestEnv, options, world_with},
    webdriver::Chromium,
};

async fn without_scripts() -> Chromium {
    // 2 means blocked. The page must work without scripts.
    let preferences = json!({ "profile.managed_default_content_settings.javascript": 2 });
    Chromium::open(&[], preferences).await
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
    let browser = without_scripts().await;

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
    let browser = without_scripts().await;

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
