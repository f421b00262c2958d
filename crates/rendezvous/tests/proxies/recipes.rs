//! The files that docs/deploy.md shows, unchanged except for names, ports and certificates.

use reqwest::Method;

use crate::{
    CREATE, Config, Deployment, ProxyProgram, a_whole_exchange, browser::Browser, forged_behind,
};

const APACHE: &str = include_str!("../../../../docs/apache.conf");
const HAPROXY: &str = include_str!("../../../../docs/haproxy.cfg");
const CADDY: &str = include_str!("../../../../docs/Caddyfile");
const GUIDE: &str = include_str!("../../../../docs/deploy.md");

/// The file with these replacements. Each must occur once.
fn changed(file: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(file.to_owned(), |file, (old, new)| {
        assert_eq!(file.matches(old).count(), 1, "{old} in {file}");
        file.replace(old, new)
    })
}

fn apache() -> String {
    let site = changed(
        APACHE,
        &[
            ("<VirtualHost *:443>", "Listen LISTEN\n<VirtualHost LISTEN>"),
            ("SSLEngine on", ""),
            ("SSLCertificateFile ", "# "),
            ("SSLCertificateKeyFile ", "# "),
            ("127.0.0.1:8090", "BACKEND"),
        ],
    );
    // The compression that Debian enables globally.
    format!("Include /etc/apache2/mods-available/deflate.conf\n{site}")
}

fn haproxy() -> String {
    changed(
        HAPROXY,
        &[
            (
                ":443,[::]:443 v6only ssl crt /etc/haproxy/certificates/ alpn h2,http/1.1",
                "LISTEN",
            ),
            ("127.0.0.1:8090", "BACKEND"),
        ],
    )
}

fn caddy() -> String {
    let (_, site) = CADDY.split_once("# matrix-qr-rendezvous.").unwrap();
    let site = site.split_once('\n').unwrap().1;
    changed(
        site,
        &[
            (
                "rendezvous.example.org {",
                "http://rendezvous.example.org:PORT {",
            ),
            ("127.0.0.1:8090", "BACKEND"),
        ],
    )
}

/// Nothing is compressed, no client can forge its address, and a reader can wait.
async fn as_shown(program: ProxyProgram, site: &str) {
    let tags = a_whole_exchange(program, site).await;
    assert!(
        tags.iter()
            .all(|tag| tag.len() == 24 && !tag.starts_with("W/")),
        "{program:?}: {tags:?}"
    );
    forged_behind(program, site).await;
    let deployment = Deployment::start(program, site, |_: &mut Config| {}).await;
    let browser = Browser::new(&deployment.proxy.url, [127, 0, 0, 2]);
    let created = browser.ask(Method::POST, CREATE, &[], "x").await;
    let body: serde_json::Value = serde_json::from_slice(&created.body).unwrap();
    let path = body["url"]
        .as_str()
        .unwrap()
        .strip_prefix("https://rendezvous.example.org")
        .unwrap();
    let wait = browser
        .request(Method::GET, path)
        .header("if-none-match", &created.etag)
        .header("prefer", "wait=1");
    let held = wait.send().await.unwrap();
    assert_eq!(
        (
            held.status().as_u16(),
            &held.headers()["preference-applied"]
        ),
        (304, &"wait=1".parse().unwrap())
    );
    assert_eq!(
        held.headers()
            .get_all("access-control-allow-origin")
            .iter()
            .count(),
        1
    );
    assert_eq!(held.headers().get_all("date").iter().count(), 1);
}

#[test]
fn the_guide_shows_the_files_themselves() {
    for (language, file) in [("apache", APACHE), ("", HAPROXY)] {
        assert!(
            GUIDE.contains(&format!("\n```{language}\n{file}```\n")),
            "{file}"
        );
    }
}

#[tokio::test]
#[ignore = "needs apache2: cargo xtask test"]
async fn apache_as_the_guide_has_it() {
    as_shown(ProxyProgram::Apache, &apache()).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn haproxy_as_the_guide_has_it() {
    as_shown(ProxyProgram::Haproxy, &haproxy()).await;
}

#[tokio::test]
#[ignore = "needs caddy: cargo xtask test"]
async fn caddy_as_the_guide_has_it() {
    as_shown(ProxyProgram::Caddy, &caddy()).await;
}
