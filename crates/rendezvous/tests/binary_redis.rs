//! Two binaries over one Redis: one is killed in the middle of a sign-in, which goes on through the other.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

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

use crate::redis_server::RedisServer;

/// Killed with the test, whatever comes of it, or before.
struct Instance {
    process: Child,
    address: String,
}

impl Instance {
    fn start(redis: &RedisServer) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"))
            .args(["--public-url", "https://a.example", "--listen", "127.0.0.1:0", "--store", &redis.url()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("listening") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "{said}");
        }
        // Somebody must read on, or it would stand still once the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let (_, rest) = said.split_once("127.0.0.1:").unwrap();
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Self { process, address: format!("http://127.0.0.1:{port}") }
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
    let created = client.post(url).header("content-type", "text/plain").body("0").send().await.unwrap();
    let mut seen = etag(&created);
    let body: serde_json::Value = created.json().await.unwrap();
    let path = body["url"].as_str().unwrap().strip_prefix("https://a.example").unwrap().to_owned();
    for turn in 1..=10 {
        let instance = if turn % 2 == 0 || turn > 5 { &second } else { &first };
        let url = format!("{}{path}", instance.address);
        let write = client.put(&url).header("content-type", "text/plain").header("if-match", &seen);
        let written = write.body(turn.to_string()).send().await.unwrap();
        assert_eq!(written.status(), StatusCode::ACCEPTED);
        seen = etag(&written);
        if turn == 5 {
            first.kill();
        }
        let read = client.get(format!("{}{path}", second.address)).send().await.unwrap();
        assert_eq!(etag(&read), seen);
        assert_eq!(read.text().await.unwrap(), turn.to_string());
    }
}
