//! Two binaries over one Redis: one is killed in the middle of a sign-in, which continues through
//! the other.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "conformance/certificates.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod certificates;

#[path = "conformance/redis_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod redis_server;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use reqwest::{Client, Response, StatusCode};

use crate::{certificates::Certificates, redis_server::RedisServer};

/// Killed with the test, or earlier.
struct Instance {
    process: Child,
    address: String,
}

impl Instance {
    fn start(redis: &RedisServer) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"))
            .args([
                "--public-url",
                "https://a.example",
                "--listen",
                "127.0.0.1:0",
                "--store",
                &redis.url(),
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut output = String::new();
        while !output.contains("listening") {
            assert_ne!(log.read_line(&mut output).unwrap(), 0, "{output}");
        }
        // Keeps reading, because the program blocks once the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let (_, rest) = output.split_once("127.0.0.1:").unwrap();
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Self {
            process,
            address: format!("http://127.0.0.1:{port}"),
        }
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server with the most verbose log, and the log so far.
struct Logging {
    process: Child,
    file: tempfile::NamedTempFile,
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Logging {
    fn start(arguments: &[&str]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"))
            .args([
                "--public-url",
                "https://a.example",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
            ])
            .args(arguments)
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stderr(file.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { process, file }
    }

    async fn until(&self, words: &[&str]) -> String {
        for _ in 0..1000 {
            let output = std::fs::read_to_string(self.file.path()).unwrap();
            if words.iter().any(|word| output.contains(word)) {
                return output;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!(
            "{words:?} in {}",
            std::fs::read_to_string(self.file.path()).unwrap()
        );
    }
}

/// The status of `/ready`, at the address in the log.
async fn ready(server: &Logging) -> u16 {
    let output = server.until(&["listening for the operator"]).await;
    let (_, rest) = output
        .split_once("listening for the operator address=")
        .unwrap();
    let address = rest.split_whitespace().next().unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    client
        .get(format!("http://{address}/ready"))
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

/// Right and wrong passwords, also over TLS, where the libraries log much.
#[tokio::test]
#[ignore = "needs redis-server, openssl: cargo xtask test"]
async fn no_secret_of_a_store_is_in_a_log_at_the_level_that_says_the_most() {
    let certificates = Certificates::new();
    let (redis, port) = RedisServer::with_tls(&certificates, &["--tls-auth-clients", "yes"]);
    assert!(
        redis
            .command("ACL SETUSER Xq7KzUj on >Wv9JyBx ~* &* +@all")
            .unwrap()
            .starts_with("+OK")
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    let [ca, pem, key] = ["ca.pem", "client.pem", "client.key"].map(|name| certificates.path(name));
    let plain = redis.port();
    for (url, expected) in [
        (format!("rediss://Xq7KzUj:Wv9JyBx@127.0.0.1:{port}/1"), 200),
        (format!("rediss://Xq7KzUj:Zp4QwGk@127.0.0.1:{port}/1"), 503),
        (format!("rediss://Xq7KzUj:Wv9JyBx@127.0.0.1:{plain}/1"), 503),
        (
            format!("rediss+cluster://Xq7KzUj:Wv9JyBx@127.0.0.1:{port}"),
            503,
        ),
        (
            format!(
                "rediss+sentinel://Xq7KzUj:Wv9JyBx@127.0.0.1:{port}/m?sentinel-password=Zp4QwGk"
            ),
            503,
        ),
    ] {
        std::fs::write(file.path(), format!("{url}\n")).unwrap();
        let server = Logging::start(&[
            "--store-file",
            file.path().to_str().unwrap(),
            "--store-ca-file",
            &ca,
            "--store-cert-file",
            &pem,
            "--store-key-file",
            &key,
        ]);
        assert_eq!(ready(&server).await, expected, "{url}");
        let output = server
            .until(&[
                "connected to Redis",
                "Redis cannot be reached",
                "Redis refuses a command",
            ])
            .await;
        assert!(output.contains("[redacted]@127.0.0.1"), "{output}");
        for secret in ["Xq7", "KzUj", "Wv9", "JyBx", "Zp4", "QwGk", "PRIVATE"] {
            assert!(!output.contains(secret), "{secret} in {output}");
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_redis_that_removes_live_sessions_is_warned_of() {
    let redis = RedisServer::start(&["--maxmemory", "100mb"]);
    let warning = "Redis evicts live sessions";
    let (fine, unknown) = (
        "Redis evicts no live sessions",
        "Redis does not report its eviction policy",
    );
    let output = async |policy: &str| {
        assert!(
            redis
                .command(&format!("CONFIG SET maxmemory-policy {policy}"))
                .unwrap()
                .starts_with("+OK")
        );
        Logging::start(&["--store", &redis.url()])
            .until(&[warning, fine, unknown])
            .await
    };
    for policy in [
        "allkeys-lru",
        "allkeys-random",
        "volatile-lru",
        "volatile-ttl",
    ] {
        let output = output(policy).await;
        assert!(
            output.contains(warning) && output.contains(policy),
            "{output}"
        );
    }
    assert!(output("noeviction").await.contains(fine));
    assert!(
        redis
            .command("ACL SETUSER default -info")
            .unwrap()
            .starts_with("+OK")
    );
    let output = output("allkeys-lru").await;
    assert!(
        output.contains(unknown) && !output.contains("Redis refuses a command"),
        "{output}"
    );
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_sign_in_goes_on_when_an_instance_is_killed() {
    let redis = RedisServer::shared();
    let (mut first, second) = (Instance::start(&redis), Instance::start(&redis));
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/_matrix/client/v1/rendezvous", first.address);
    let created = client
        .post(url)
        .header("content-type", "text/plain")
        .body("0")
        .send()
        .await
        .unwrap();
    let mut seen = etag(&created);
    let body: serde_json::Value = created.json().await.unwrap();
    let path = body["url"]
        .as_str()
        .unwrap()
        .strip_prefix("https://a.example")
        .unwrap()
        .to_owned();
    for turn in 1..=10 {
        let instance = if turn % 2 == 0 || turn > 5 {
            &second
        } else {
            &first
        };
        let url = format!("{}{path}", instance.address);
        let write = client
            .put(&url)
            .header("content-type", "text/plain")
            .header("if-match", &seen);
        let written = write.body(turn.to_string()).send().await.unwrap();
        assert_eq!(written.status(), StatusCode::ACCEPTED);
        seen = etag(&written);
        if turn == 5 {
            first.kill();
        }
        let read = client
            .get(format!("{}{path}", second.address))
            .send()
            .await
            .unwrap();
        assert_eq!(etag(&read), seen);
        assert_eq!(read.text().await.unwrap(), turn.to_string());
    }
}
