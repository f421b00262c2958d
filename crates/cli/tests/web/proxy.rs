//! Behind a proxy with TLS, as docs/bots.md shows it.

use std::path::Path;

use crate::{
    camera::film,
    certificates::Certificates,
    people::{Eyes, browser_with},
    proxy_program::{ProxyProcess, ProxyProgram, free_address},
    support::sandbox::{SandboxProcess, decide},
};

const GUIDE: &str = include_str!("../../../../docs/bots.md");
const URL: &str = "https://sign-in.example.org";

/// The site of the guide, with these replacements. Each must occur once.
fn site(changes: &[(&str, &str)]) -> String {
    let (_, site) = GUIDE.split_once("```nginx\n").unwrap();
    let site = site.split_once("```").unwrap().0.to_owned();
    changes.iter().fold(site, |site, (old, new)| {
        assert_eq!(site.matches(old).count(), 1, "{old} in {site}");
        site.replace(old, new)
    })
}

/// A picture without a code, as large as the page takes it.
fn large_picture(directory: &Path) -> String {
    let path = directory.join("large.png");
    image::GrayImage::new(64, 64).save(&path).unwrap();
    let mut file = std::fs::read(&path).unwrap();
    // Programs that read a picture skip what follows it.
    file.resize(16 << 20, 0);
    std::fs::write(&path, file).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The frames of the camera, which needs TLS, go through it, and the events, as they happen.
#[tokio::test]
#[ignore = "needs chromium, chromedriver, nginx and openssl: cargo xtask test"]
async fn a_code_is_filmed_behind_nginx_as_the_guide_has_it() {
    let _turn = crate::people::turn().await;
    let sandbox = SandboxProcess::start();
    let homeserver = sandbox.homeserver();
    let mut login = sandbox.command(&["login", "--json", "--homeserver", homeserver]);
    let code = login.event("show")["code"].as_str().unwrap().to_owned();
    let (listen, proxied) = (free_address(), free_address());
    assert!(GUIDE.contains(&format!(
        "matrix-qr link --scan - --web 127.0.0.1:8787 --web-url {URL}\n"
    )));
    let listens = listen.to_string();
    let args = ["link", "--json", "--scan", "-", "--web", &listens];
    let mut link = sandbox.command_exactly(&[&args[..], &["--web-url", URL]].concat(), |_| {});
    let url = link.event("page")["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(URL), "{url}");

    let certificates = Certificates::new();
    let (pem, key) = (
        certificates.path("server.pem"),
        certificates.path("server.key"),
    );
    let site = site(&[
        ("443", "LISTEN"),
        (
            "# ssl_certificate, ssl_certificate_key",
            &format!("ssl_certificate {pem}; ssl_certificate_key {key};"),
        ),
        ("127.0.0.1:8787", &listens),
    ]);
    let _proxy = ProxyProcess::start_at(ProxyProgram::Nginx, &site, proxied).await;
    let there = format!("--host-resolver-rules=MAP sign-in.example.org {proxied}");
    let film = film(&code, sandbox.directory.path());
    let arguments = [&*there, "--ignore-certificate-errors"];
    let browser = browser_with(&arguments, &url, Eyes::Camera(&film)).await;
    browser.reads("Support staff never ask").await;
    browser.press("[value=yes]").await;
    browser.reads("Scan the code").await;
    let large = large_picture(sandbox.directory.path());
    browser.type_into("[type=file]", &large).await;
    browser.reads("o readable QR code was found").await;
    browser.click(".use-camera").await;
    browser
        .until("document.querySelector('.digits:not([hidden])')")
        .await;
    login.question("check_code");
    login.say(&browser.text(".digits .large").await);
    browser
        .until("document.querySelector('.question .link')")
        .await;
    let consent = browser.text(".question .link").await;
    browser.press("[value=yes]").await;
    login.event("user_code");
    decide(&consent, "allow");
    browser.reads("It is verified").await;
    login.event("signed_in");
    login.ends(0);
    link.ends(0);
    browser.close().await;
}
