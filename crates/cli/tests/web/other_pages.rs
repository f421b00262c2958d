//! Other pages in the same browser: a second one of the same sign-in, and those of other origins.

use axum::{response::Html, routing::get};
use matrix_qr_device::{Person as _, ProgressEvent};
use matrix_qr_protocol::revision::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    accessibility::{axe, check, page_for},
    people::{Eyes, WebDevice, browser, turn},
    support::sandbox::SandboxProcess,
};

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: cargo xtask test"]
async fn a_second_page_says_that_it_is_one_and_takes_over_when_the_first_is_closed() {
    let _turn = turn().await;
    let page = page_for(&[Role::New]).await;
    let person = page.person(Role::New).unwrap();
    let browser = browser(page.url().as_str(), Eyes::None).await;
    person.tell(ProgressEvent::Checking);
    browser.reads("Checking the homeserver").await;
    let first = browser.tab().await;
    browser.open_tab().await;
    let second = browser.tab().await;
    browser.go(page.url().as_str()).await;
    browser.reads("open on another page").await;
    let devices = "return document.querySelectorAll('.device').length";
    assert_eq!(browser.run(devices).await, 0, "and nothing else");
    browser.run(&axe()).await;
    check(&browser, "second").await;
    browser.show_tab(&first).await;
    browser.close_tab(&second).await;
    browser.reads("Checking the homeserver").await;
    let told = "return document.querySelector('#connection').textContent";
    assert_eq!(browser.run(told).await, "");
    browser.close().await;
}

/// A page of another origin that knows the address, in the browser that has the page open. Of the
/// same host, and of another one: browsers tell these apart.
#[tokio::test]
#[ignore = "needs chromium and chromedriver: cargo xtask test"]
async fn another_origin_can_neither_read_nor_do_anything() {
    let _turn = turn().await;
    let sandbox = SandboxProcess::start();
    let homeserver = sandbox.homeserver().to_owned();
    let mut login = WebDevice::start(&sandbox, &["login", "--homeserver", &homeserver]);
    let browser = browser(&login.url, Eyes::None).await;
    browser.reads("scan this code").await;
    let own = browser.tab().await;
    let port = another_origin().await;
    for host in ["127.0.0.1", "localhost"] {
        browser.open_tab().await;
        browser.go(&format!("http://{host}:{port}/")).await;
        let url = serde_json::to_string(&login.url).unwrap();
        let outcomes = browser.run_async(&ATTEMPTS.replace("URL", &url)).await;
        assert_eq!(outcomes, Value::from(vec!["rejected"; 8]), "{host}");
        // Framed, it shows nothing.
        for frame in [0, 1] {
            let into = json!({ "id": frame });
            browser.call(Method::POST, "/frame", &into).await;
            let shown = "return document.querySelector('#devices, #device')";
            assert_eq!(browser.run(shown).await, Value::Null, "{host}");
            let out = json!({ "id": null });
            browser.call(Method::POST, "/frame", &out).await;
        }
        // Opened, it cannot be reached.
        browser.run(&format!("opened = window.open({url})")).await;
        browser.until("opened.closed").await;
        let opener = browser.tab().await;
        let tabs = browser
            .call(Method::GET, "/window/handles", &Value::Null)
            .await;
        let tabs = tabs.as_array().unwrap().iter();
        for opened in tabs.filter(|tab| **tab != own && **tab != opener) {
            browser.show_tab(opened).await;
            browser.reads("open on another page").await;
            browser.close_tab(&opener).await;
        }
        browser.close_tab(&own).await;
    }
    // It has cancelled nothing, and taken nobody's place.
    browser.reads("scan this code").await;
    browser.click("#cancel").await;
    login.command.ends(3);
    browser.close().await;
}

/// The sandbox's own pages are of another origin. They forbid connections: so may it be one that
/// does not. Returns its port.
async fn another_origin() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = || async { Html("<!doctype html><body><p>hello</p>") };
    let page = axum::Router::new().route("/", get(page));
    tokio::spawn(async move { axum::serve(listener, page).await });
    port
}

const ATTEMPTS: &str = "
    const url = URL, done = arguments[0];
    const loaded = (element, attribute, path) => new Promise((resolve, reject) => {
      element.onload = resolve; element.onerror = reject;
      element[attribute] = url + path;
      document.body.append(element);
    });
    const make = (name) => document.createElement(name);
    const style = make('link');
    style.rel = 'stylesheet';
    // Neither of these says whether it has loaded anything.
    const framed = loaded(make('iframe'), 'src', '');
    const target = make('iframe');
    target.name = 'target';
    const form = make('form');
    form.method = 'post'; form.action = url + 'cancel'; form.target = 'target';
    document.body.append(target, form);
    const posted = new Promise((resolve) => { target.onload = resolve; });
    form.submit();
    const sent = fetch(url + 'cancel', { method: 'POST', mode: 'no-cors', body: '' }).catch(() => 0);
    const attempts = [
      fetch(url).then((r) => r.text()),
      fetch(url + 'events').then((r) => r.text()),
      fetch(url + 'cancel', { method: 'POST' }).then((r) => r.text()),
      fetch(url + 'cancel', { method: 'POST', headers: { 'x-page': 'guess' } }).then((r) => r.text()),
      loaded(make('img'), 'src', 'code/0.svg'),
      loaded(make('script'), 'src', 'page.js'),
      loaded(style, 'href', 'page.css'),
      new Promise((resolve, reject) => {
        const events = new EventSource(url + 'events');
        events.onopen = resolve; events.onerror = reject;
      }),
    ];
    Promise.all([framed, posted, sent])
      .then(() => Promise.allSettled(attempts))
      .then((all) => done(all.map((one) => one.status)));";
