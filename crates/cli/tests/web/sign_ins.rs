//! Whole sign-ins, with a page for each device.

use matrix_qr_page::words;

use crate::{
    meeting::{Taken, Way, WebMeeting},
    people::{Eyes, browser},
    webdriver::Chromium,
};

async fn signs_in(shown_by: &'static str, revision: &'static str, taken: Taken) {
    let way = Way {
        shown_by,
        revision,
        taken,
    };
    let meeting = WebMeeting::begin(way).await;
    let link = meeting.agree(way).await;
    meeting.finish(&link).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_existing_device_films_an_msc4108_code() {
    signs_in("new", "msc4108", Taken::Filmed).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_new_device_films_an_msc4108_code() {
    signs_in("existing", "msc4108", Taken::Filmed).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_existing_device_films_an_msc4388_code() {
    signs_in("new", "msc4388", Taken::Filmed).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_new_device_films_an_msc4388_code() {
    signs_in("existing", "msc4388", Taken::Filmed).await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn without_a_camera_a_picture_is_uploaded() {
    signs_in("new", "msc4108", Taken::Uploaded).await;
}

/// Dragged from a folder onto the page.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_picture_is_dropped() {
    signs_in("existing", "msc4108", Taken::Dropped).await;
}

/// Copied, and Ctrl-V.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_picture_is_pasted() {
    signs_in("new", "msc4388", Taken::Pasted).await;
}

const WAY: Way = Way {
    shown_by: "new",
    revision: "msc4108",
    taken: Taken::Uploaded,
};

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn wrong_digits_end_it_on_both_pages() {
    let mut meeting = WebMeeting::begin(WAY).await;
    let digits = meeting.digits(WAY).await;
    let wrong = if digits == "11" { "12" } else { "11" };
    meeting.new.types_digits(wrong).await;
    for browser in [&meeting.new, &meeting.existing] {
        browser.until("document.querySelector('.outcome p')").await;
        browser.reads("tart again").await;
    }
    // In the words of the terminal.
    for (device, browser) in [
        (&mut meeting.login, &meeting.new),
        (&mut meeting.link, &meeting.existing),
    ] {
        let error = device.command.event("error");
        let shown = browser.text(".outcome").await;
        let what = words::sentence(error["what"].as_str().unwrap());
        let cause = error["side"].as_str();
        let cause = cause.map_or(String::new(), |side| format!("Cause: {side}.\n"));
        let advice = error["advice"].as_str().unwrap();
        assert_eq!(shown, format!("{what}\n{cause}{advice}"));
    }
    assert_eq!(meeting.login.command.end().0, 7);
    assert_ne!(meeting.link.command.end().0, 0);
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn cancel_on_either_page_is_heard_at_the_other() {
    for canceller in ["new", "existing"] {
        let mut meeting = WebMeeting::begin(WAY).await;
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

/// The sign-in goes on without it, and a new page shows where it is: before the digits, and while the
/// person is at the consent page.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_page_may_be_reloaded_and_a_browser_killed() {
    let mut meeting = WebMeeting::begin(WAY).await;
    meeting.digits(WAY).await;
    meeting.new.go(&meeting.login.url).await;
    kill(&mut meeting.existing).await;
    meeting.existing.go(&meeting.link.url).await;
    let link = meeting.agree(WAY).await;
    meeting.existing.go(&meeting.link.url).await;
    let again = "document.querySelector('.consent:not([hidden]) a')";
    meeting.existing.until(again).await;
    let href = format!("return {again}.href");
    assert_eq!(meeting.existing.run(&href).await, link.as_str());
    kill(&mut meeting.new).await;
    meeting.new.go(&meeting.login.url).await;
    meeting
        .new
        .until("document.querySelector('.user-code:not([hidden])')")
        .await;
    meeting.finish(&link).await;
}

/// Chromium ends without a word, and the person starts another one.
async fn kill(browser: &mut Chromium) {
    let dead = std::mem::replace(browser, self::browser("about:blank", Eyes::None).await);
    drop(dead);
}
