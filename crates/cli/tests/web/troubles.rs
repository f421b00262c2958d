//! What goes wrong between the page and the program, and what others named.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use matrix_qr_device::{ConsentLink, Person as _, ProgressEvent, UserId};
use matrix_qr_page::{Page, PageOptions, PageOutcome};
use matrix_qr_protocol::revision::Role;
use serde_json::Value;

use crate::{
    accessibility::page_for,
    camera::photograph,
    people::{Eyes, browser, turn},
    support::sandbox::SandboxProcess,
};

/// A code, in base64: the camera and the pictures of these tests need one.
fn code() -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
    STANDARD_NO_PAD.encode(crate::preview::code())
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn the_camera_goes_on_after_the_page_has_lost_its_place() {
    let _turn = turn().await;
    let directory = tempfile::tempdir().unwrap();
    let film = crate::camera::film(&code(), directory.path());
    let frames = Arc::new(AtomicUsize::new(0));
    let counted = frames.clone();
    let options = PageOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        public: None,
        roles: vec![Role::Existing],
        read_code: Arc::new(move |_| {
            counted.fetch_add(1, Relaxed);
            Err("There is no QR code in this picture.".to_owned())
        }),
    };
    let page = Page::start(options).await.unwrap();
    let person = page.person(Role::Existing).unwrap();
    let browser = browser(page.url().as_str(), Eyes::Camera(&film)).await;
    let checks = async {
        browser.click(".use-camera").await;
        until_more(&frames).await;
        // Between the end of its stream and the next one, a page shows a token that is not valid.
        browser.run("kept = page; page = 'lost'").await;
        browser.reads("Another page is open").await;
        browser.run("page = kept").await;
        until_more(&frames).await;
    };
    tokio::select! {
        _ = person.scan() => panic!("there is no code"),
        () = checks => {}
    }
    browser.close().await;
}

/// Waits until frames arrive.
async fn until_more(frames: &AtomicUsize) {
    let before = frames.load(Relaxed);
    for _ in 0..300 {
        if frames.load(Relaxed) > before + 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no frame arrives after {before}");
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn what_does_not_arrive_or_work_is_said() {
    let _turn = turn().await;
    let directory = tempfile::tempdir().unwrap();
    let film = crate::camera::film(&code(), directory.path());
    let picture = photograph(&code(), directory.path());
    let picture = picture.to_str().unwrap();
    let page = page_for(&[Role::Existing]).await;
    let person = page.person(Role::Existing).unwrap();
    let browser = browser(page.url().as_str(), Eyes::Camera(&film)).await;
    let checks = async {
        browser.reads("Scan the code").await;
        browser
            .run("HTMLMediaElement.prototype.play = () => Promise.reject(new Error())")
            .await;
        browser.click(".use-camera").await;
        browser.reads("The camera cannot be used").await;
        let again = "document.querySelector('.use-camera:not([hidden])')";
        browser.until(again).await;
        for (answer, said) in [
            ("Promise.reject(new Error())", "The program does not answer"),
            (
                "Promise.resolve(new Response(null, { status: 408 }))",
                "did not arrive in time",
            ),
            (
                "Promise.resolve(new Response(null, { status: 422 }))",
                "cannot be read",
            ),
            (
                "Promise.resolve(new Response(null, { status: 503 }))",
                "cannot take this now",
            ),
        ] {
            browser.run(&format!("fetch = () => {answer}")).await;
            browser.type_into("[type=file]", picture).await;
            browser.reads(said).await;
        }
        let refused = "fetch = () => Promise.resolve(new Response(null, { status: 413 }))";
        browser.run(refused).await;
        browser.type_into("[name=answer]", "a long text").await;
        browser.press(":not([type=button])").await;
        browser.reads("This text is too long").await;
    };
    tokio::select! {
        _ = person.scan() => panic!("there is no code"),
        () = checks => {}
    }
    let user = UserId::parse("@alice:example.org").unwrap();
    let checks = async {
        browser.reads("Is this your account").await;
        browser
            .run("fetch = () => Promise.reject(new Error())")
            .await;
        browser.press("[value=yes]").await;
        browser.reads("The program does not answer").await;
    };
    tokio::select! {
        _ = person.confirm_account(&user) => panic!("nobody has answered"),
        () = checks => {}
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_second_page_says_that_the_program_has_ended() {
    let _turn = turn().await;
    let page = page_for(&[Role::New]).await;
    let person = page.person(Role::New).unwrap();
    let browser = browser(page.url().as_str(), Eyes::None).await;
    browser.until("document.querySelector('.device')").await;
    browser.open_tab().await;
    browser.go(page.url().as_str()).await;
    browser.reads("open on another page").await;
    person.end(PageOutcome {
        success: true,
        what: "Signed in.".to_owned(),
        cause: None,
        advice: String::new(),
    });
    page.close().await;
    // Or it has had time to take over.
    browser
        .until("/does not answer|Signed in/.test(document.body.innerText)")
        .await;
    let busy = "return document.body.innerText.includes('open on another page')";
    assert_eq!(browser.run(busy).await, false);
    browser.close().await;
}

/// In everything that can hold it.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn what_others_named_is_text_and_never_markup() {
    const MARKUP: &str = "<img src=x onerror=run()><b>bold</b>";
    let _turn = turn().await;
    let page = page_for(&[Role::Existing]).await;
    let person = page.person(Role::Existing).unwrap();
    let browser = browser(page.url().as_str(), Eyes::None).await;
    let is_text = async || {
        browser.reads(MARKUP).await;
        let made = "return document.querySelectorAll('[onerror], .device b').length";
        assert_eq!(browser.run(made).await, 0);
    };
    person.tell(ProgressEvent::LeftBehind(MARKUP));
    is_text().await;
    let link = ConsentLink {
        url: "https://auth.example.org/link?code=<b>1".parse().unwrap(),
        warning: Some(MARKUP.to_owned()),
    };
    tokio::select! {
        _ = person.open_link(&link) => panic!("nobody has answered"),
        () = async {
            browser.reads("and of no other").await;
            is_text().await;
        } => {}
    }
    person.tell(ProgressEvent::UserCode {
        code: MARKUP,
        link: &link,
    });
    browser.reads("if it asks for a code").await;
    is_text().await;
    person.end(PageOutcome {
        success: false,
        what: MARKUP.to_owned(),
        cause: None,
        advice: MARKUP.to_owned(),
    });
    browser.until("document.querySelector('.outcome p')").await;
    is_text().await;
    browser.close().await;
}

/// As it is written when the person agrees to open a browser.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn a_file_leads_a_browser_to_the_page() {
    let _turn = turn().await;
    let sandbox = SandboxProcess::start();
    let programs = tempfile::tempdir().unwrap();
    let opener = programs.path().join("xdg-open");
    let note = programs.path().join("opened");
    let script = format!(
        "#!/bin/sh\necho \"$1\" > {0}.tmp && /bin/mv {0}.tmp {0}\n",
        note.display()
    );
    fs::write(&opener, script).unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o700)).unwrap();
    let args = ["login", "--web", "--homeserver", sandbox.homeserver()];
    let mut login = sandbox.command_with(&args, |command| {
        command.env("PATH", programs.path());
        command.env("HOME", sandbox.directory.path());
    });
    login.answer("y");
    let browser = browser("about:blank", Eyes::None).await;
    let mut opened = String::new();
    while opened.is_empty() {
        opened = fs::read_to_string(&note).unwrap_or_default();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    browser.go(&format!("file://{}", opened.trim())).await;
    browser.reads("scan this code").await;
    let referrer = "return document.referrer";
    assert_eq!(browser.run(referrer).await, Value::from(""));
    browser.click("#cancel").await;
    login.ends(3);
    browser.close().await;
}
