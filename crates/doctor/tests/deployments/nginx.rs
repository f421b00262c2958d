//! A real nginx in front of our server, configured as in docs/nginx.conf, and in each bad way that
//! nginx offers.

use std::net::{Ipv4Addr, SocketAddr};

use matrix_qr_doctor::Check;
use matrix_qr_protocol::revision::Role;
use matrix_qr_rendezvous::{Config, Rendezvous, serve};
use matrix_qr_sandbox::{Options, Sandbox};
use url::Url;

use crate::{
    faults::{describe, examined, faults},
    meeting::Plan,
    proxy_program::{ProxyProcess, ProxyProgram, free_port},
    test_env::TestEnv,
};

const DOCUMENTED: &str = include_str!("../../../../docs/nginx.conf");

/// What some of the bad ways refer to.
const ZONES: &str = "proxy_cache_path cache keys_zone=cache:1m;
    limit_req_zone $binary_remote_addr zone=slow:1m rate=1r/m;\n";

/// Where the three servers of the file listen here, instead of on 443.
struct Ports {
    server_name: u16,
    homeserver: u16,
    rendezvous: u16,
}

impl Ports {
    /// nginx cannot be told to take any.
    fn free() -> Self {
        Self {
            server_name: free_port(),
            homeserver: free_port(),
            rendezvous: free_port(),
        }
    }

    fn rendezvous_url(&self) -> Url {
        format!("http://127.0.0.1:{}/", self.rendezvous)
            .parse()
            .unwrap()
    }

    /// The file for this machine. What is replaced must be there, as often as it is expected.
    fn file(&self, synapse: &Url, rendezvous: SocketAddr) -> String {
        let mut file = DOCUMENTED.to_owned();
        let mut put = |old: &str, new: &[String]| {
            assert_eq!(file.matches(old).count(), new.len(), "{old}");
            new.iter().for_each(|new| file = file.replacen(old, new, 1));
        };
        let listen = |port: u16| format!("listen 127.0.0.1:{port};");
        put(
            "listen 443 ssl;",
            &[self.server_name, self.homeserver, self.rendezvous].map(listen),
        );
        // Not every machine that runs the tests has IPv6.
        put("listen [::]:443 ssl;", &[(); 3].map(|()| String::new()));
        put("ssl_certificate ", &[(); 3].map(|()| "# ".to_owned()));
        put("ssl_certificate_key ", &[(); 3].map(|()| "# ".to_owned()));
        put(
            "https://matrix.example.org",
            &[format!("http://127.0.0.1:{}", self.homeserver)],
        );
        put(
            "http://127.0.0.1:8008",
            &[synapse.as_str().trim_end_matches('/').to_owned()],
        );
        put("http://127.0.0.1:8090", &[format!("http://{rendezvous}")]);
        // Port 80 of this machine is none of ours.
        let end = file.find("# Everything else goes to https.").unwrap();
        file.truncate(end);
        file
    }
}

/// nginx with this file. It is ready when the rendezvous server's port is.
async fn nginx(file: &str, ports: &Ports) -> ProxyProcess {
    let listen = (Ipv4Addr::LOCALHOST, ports.rendezvous).into();
    ProxyProcess::start_at(ProxyProgram::Nginx, &format!("{ZONES}{file}"), listen).await
}

/// Our server, on a port of its own, for clients that come by nginx.
async fn rendezvous(ports: &Ports) -> (Rendezvous, SocketAddr) {
    let rendezvous = Rendezvous::new(Config::new(ports.rendezvous_url()));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, rendezvous.clone(), std::future::pending()));
    (rendezvous, address)
}

/// Examines the documented file with this change, in front of the sandbox as the homeserver.
async fn assert_found(change: impl Fn(&str) -> String, expected: &[Check]) {
    let ports = Ports::free();
    let (rendezvous, address) = rendezvous(&ports).await;
    let options = Options {
        rendezvous_redirect: Some(ports.rendezvous_url()),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let documented = ports.file(sandbox.homeserver(), address);
    let file = change(&documented);
    assert_eq!(
        file == documented,
        expected.is_empty(),
        "the change must be one"
    );
    let _nginx = nginx(&file, &ports).await;
    let report = examined(&format!("127.0.0.1:{}", ports.server_name)).await;
    // Our server accepts its ETags in compressed form, too.
    let expected: Vec<_> = expected
        .iter()
        .map(|check| (*check, *check != Check::Compression))
        .collect();
    assert_eq!(faults(&report), expected, "{}", describe(&report));
    assert_eq!(rendezvous.sessions(), report.left_behind);
}

/// Adds directives for the rendezvous server. They replace directives of the same name.
fn with(directives: &'static str) -> impl Fn(&str) -> String {
    let name = directives.split(' ').next().unwrap();
    move |file| {
        let (before, location) = file.rsplit_once("location / {").unwrap();
        let others = location
            .lines()
            .filter(|line| line.split_whitespace().next() != Some(name));
        format!(
            "{before}location / {{ {directives}\n{}",
            others.collect::<Vec<_>>().join("\n")
        )
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn as_documented_it_has_no_fault() {
    assert_found(str::to_owned, &[]).await;
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn as_documented_two_devices_meet_through_it() {
    let ports = Ports::free();
    let (rendezvous, address) = rendezvous(&ports).await;
    let options = Options {
        rendezvous_redirect: Some(ports.rendezvous_url()),
        ..Options::default()
    };
    let world = TestEnv::with(options).await;
    let _nginx = nginx(&ports.file(world.sandbox.homeserver(), address), &ports).await;
    for shown_by in [Role::New, Role::Existing] {
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        assert!(end.existing.unwrap().verified);
        let code = end.code.unwrap();
        let matrix_qr_protocol::rendezvous::Location::Url(session) = &code.location else {
            panic!("{code:?}")
        };
        assert_eq!(
            session.url().port(),
            Some(ports.rendezvous),
            "through nginx"
        );
        end.new.unwrap();
        world.reopen_new().await.log_out().await.unwrap();
    }
    assert_eq!(rendezvous.sessions(), 0);
}

/// Settings for pages in the enclosing block are undone.
#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn as_documented_it_works_beside_settings_for_pages() {
    let pages = "gzip on; gzip_types *; charset utf-8; expires -1; proxy_cache cache; \
                 add_header Access-Control-Allow-Origin * always;";
    let ports = Ports::free();
    let (_rendezvous, address) = rendezvous(&ports).await;
    let options = Options {
        rendezvous_redirect: Some(ports.rendezvous_url()),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let name = "server_name rendezvous.example.org;";
    let file = ports
        .file(sandbox.homeserver(), address)
        .replace(name, &format!("{name} {pages}"));
    let _nginx = nginx(&file, &ports).await;
    let report = examined(sandbox.homeserver().as_str()).await;
    assert_eq!(faults(&report), [], "{}", describe(&report));
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn each_bad_way_is_found() {
    use Check::{Caching, ConditionalRead, ContentType, Cors, Delete, Etag};
    use Check::{Lifetime, PayloadLimit, Preflight, Write};
    let cases: [(&str, &[Check]); 11] = [
        ("proxy_hide_header ETag;", &[Etag]),
        ("client_max_body_size 1k;", &[PayloadLimit]),
        (
            "proxy_hide_header Access-Control-Allow-Origin;",
            &[Preflight, Cors],
        ),
        ("proxy_hide_header Access-Control-Expose-Headers;", &[Cors]),
        (
            "add_header Access-Control-Allow-Origin * always;",
            &[Preflight, Cors],
        ),
        ("charset utf-8;", &[ContentType]),
        ("expires -1;", &[Caching, Lifetime]),
        ("proxy_set_header If-Match \"\";", &[Write]),
        ("proxy_set_header If-None-Match \"\";", &[ConditionalRead]),
        (
            "limit_except GET POST { deny all; }",
            &[Write, Delete, Preflight],
        ),
        (
            "if ($request_method = OPTIONS) { return 405; }",
            &[Preflight],
        ),
    ];
    for (directives, expected) in cases {
        assert_found(with(directives), expected).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn compression_gets_a_warning() {
    for directives in ["gzip on; gzip_types text/plain;", "gzip on; gzip_types *;"] {
        assert_found(with(directives), &[Check::Compression]).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_cache_a_limit_and_a_wrong_port_are_found() {
    let cached =
        "proxy_cache cache; proxy_ignore_headers Cache-Control Expires; proxy_cache_valid any 1m;";
    assert_found(with(cached), &[Check::Caching]).await;
    let limited = "limit_req zone=slow;";
    assert_found(
        with(limited),
        &[Check::Read, Check::Delete, Check::Preflight],
    )
    .await;
    assert_found(with("proxy_pass http://127.0.0.1:1;"), &[Check::Delegation]).await;
}

/// It makes no difference, so it is not reported.
#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn what_does_no_harm_is_no_fault() {
    let ports = Ports::free();
    let (_rendezvous, address) = rendezvous(&ports).await;
    let options = Options {
        rendezvous_redirect: Some(ports.rendezvous_url()),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let file = with("proxy_buffering off;")(&ports.file(sandbox.homeserver(), address));
    let _nginx = nginx(&file, &ports).await;
    assert_eq!(faults(&examined(sandbox.homeserver().as_str()).await), []);
}
