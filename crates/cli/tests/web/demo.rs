//! `demo --web`: both devices side by side on one page.

use crate::{
    people::{Eyes, browser, turn},
    support::command::RunningCommand,
};

const NEW: &str = ".device:nth-child(1)";
const EXISTING: &str = ".device:nth-child(2)";

/// The person is asked at the device that each question is for.
async fn plays(shown_by: &str, revision: &str) {
    let _turn = turn().await;
    let args = ["demo", "--web", "--json", "--shown-by", shown_by];
    let mut demo = RunningCommand::start(&[&args[..], &["--revision", revision]].concat());
    let url = demo.event("page")["url"].as_str().unwrap().to_owned();
    let browser = browser(&url, Eyes::None).await;
    browser
        .until(&format!(
            "document.querySelector('{EXISTING} .question button')"
        ))
        .await;
    let side_by_side = "const [new_, existing] = [...document.querySelectorAll('.device')];
        const [left, right] = [new_.getBoundingClientRect(), existing.getBoundingClientRect()];
        return left.top === right.top && left.right <= right.left;";
    browser.resize(1280, 800).await;
    assert_eq!(browser.run(side_by_side).await, true);
    browser.resize(500, 800).await;
    assert_eq!(browser.run(side_by_side).await, false, "no room for both");
    browser.resize(1280, 800).await;

    let yes = |device: &str| format!("{device} .question button[value=yes]");
    browser.click(&yes(EXISTING)).await;
    let (asks, shows) = match shown_by {
        "new" => (NEW, EXISTING),
        _ => (EXISTING, NEW),
    };
    let shown = |part: &str| format!("document.querySelector('{part}:not([hidden])')");
    browser.until(&shown(&format!("{shows} .digits"))).await;
    let digits = browser.text(&format!("{shows} .digits .large")).await;
    browser
        .type_into(&format!("{asks} .question input"), &digits)
        .await;
    browser.click(&format!("{asks} .question button")).await;
    browser
        .until(&format!("document.querySelector('{}')", yes(EXISTING)))
        .await;
    browser.click(&yes(EXISTING)).await;

    // The consent page, in a tab of its own.
    browser.until(&shown(&format!("{NEW} .user-code"))).await;
    let code = browser.text(&format!("{NEW} .user-code .large")).await;
    let page = browser.tab().await;
    browser.follow(&page).await;
    assert_eq!(browser.text("#user-code").await, code);
    browser.click("#allow").await;
    let said = browser.text("#result").await;
    assert!(said.contains("is being signed in"), "{said}");
    browser.close_tab(&page).await;

    for device in [NEW, EXISTING] {
        browser
            .until(&format!(
                "document.querySelector('{device} .outcome.success p')"
            ))
            .await;
    }
    browser.reads("reads an old message").await;
    let summary = demo.event("summary");
    let path = [&summary["shown_by"], &summary["revision"]];
    assert_eq!(path, [shown_by, revision]);
    assert_eq!(summary["verified"], true);
    demo.ends(0);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_demo_is_played_on_a_page_where_the_new_device_shows_the_code() {
    plays("new", "msc4108").await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_demo_is_played_on_a_page_where_the_existing_device_shows_the_code() {
    plays("existing", "msc4388").await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_demo_is_cancelled_on_its_page() {
    let _turn = turn().await;
    let mut demo = RunningCommand::start(&["demo", "--web", "--json"]);
    let url = demo.event("page")["url"].as_str().unwrap().to_owned();
    let browser = browser(&url, Eyes::None).await;
    browser.reads("Support staff never ask").await;
    browser.click("#cancel").await;
    browser
        .until("document.querySelectorAll('.outcome p').length === 4")
        .await;
    demo.ends(3);
    browser.close().await;
}
