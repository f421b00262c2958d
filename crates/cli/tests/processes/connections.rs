//! How requests reach a server with TLS.

use tempfile::TempDir;

use crate::{
    certificates::Certificates,
    proxy_program::{ProxyProcess, ProxyProgram, free_address},
    support::command::RunningCommand,
};

/// A homeserver with nothing but versions, behind HTTP/2 where the client offers it.
fn site(certificates: &Certificates, log: &str) -> String {
    let (pem, key) = (
        certificates.path("server.pem"),
        certificates.path("server.key"),
    );
    format!(
        "log_format seen '$server_protocol $connection';
        server {{
            access_log {log} seen;
            listen LISTEN ssl http2;
            ssl_certificate {pem};
            ssl_certificate_key {key};
            default_type application/json;
            location = /_matrix/client/versions {{ return 200 '{{\"versions\": [\"v1.15\"]}}'; }}
            location / {{ return 404 '{{\"errcode\": \"M_UNRECOGNIZED\"}}'; }}
        }}"
    )
}

#[tokio::test]
#[ignore = "needs nginx and openssl: cargo xtask test"]
async fn all_requests_to_a_server_with_http_2_share_a_connection() {
    let (directory, certificates) = (TempDir::new().unwrap(), Certificates::new());
    let log = directory.path().join("log");
    let listen = free_address();
    let site = site(&certificates, log.to_str().unwrap());
    let proxy = ProxyProcess::start_at(ProxyProgram::Nginx, &site, listen).await;
    let homeserver = format!("https://{listen}");
    let authority = certificates.path("ca.pem");
    let mut doctor = RunningCommand::start_with(&["doctor", "--json", &homeserver], |command| {
        command.env("SSL_CERT_FILE", authority);
    });
    doctor.event("summary");
    drop(proxy);
    let log = std::fs::read_to_string(log).unwrap();
    let mut requests: Vec<_> = log.lines().collect();
    assert!(requests.len() > 2, "{log}");
    requests.dedup();
    let [all] = requests[..] else { panic!("{log}") };
    assert!(all.starts_with("HTTP/2.0 "), "{log}");
}
