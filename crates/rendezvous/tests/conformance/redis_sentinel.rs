//! A Redis whose main server changes by a decision of Sentinels.

use std::{
    fmt::Write,
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use matrix_qr_rendezvous::{Redis, RedisCertificates};
use reqwest::StatusCode;
use tempfile::TempDir;

use crate::{
    certificates::Certificates,
    redis_reached::{assert_shared, over},
    redis_server::{RedisServer, free_port},
    support::*,
};

const SENTINEL: &str = "/usr/bin/redis-sentinel";

/// A Sentinel.
pub(crate) struct Sentinel {
    pub(crate) port: u16,
    process: Child,
    _directory: TempDir,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sentinel {
    pub(crate) fn start(main: u16, more: &str) -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let file = directory.path().join("sentinel.conf");
        let mut text = more.replace("PORT", &port.to_string());
        if !more.contains("tls-port") {
            writeln!(text, "port {port}").unwrap();
        }
        writeln!(
            text,
            "bind 127.0.0.1\nsentinel monitor main-one 127.0.0.1 {main} 1"
        )
        .unwrap();
        text += "sentinel down-after-milliseconds main-one 300\nsentinel failover-timeout main-one 2000\n";
        fs::write(&file, text).unwrap();
        let sentinel = Self {
            port,
            process: Self::process(&file),
            _directory: directory,
        };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return sentinel;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{SENTINEL} does not start");
    }

    fn process(file: &Path) -> Child {
        let mut command = Command::new(SENTINEL);
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null());
        command
            .spawn()
            .unwrap_or_else(|error| panic!("{SENTINEL}: {error}; apt-get install redis-sentinel"))
    }
}

/// Waits until a server reports this about its replication.
async fn until(server: &RedisServer, what: &str) {
    for _ in 0..1000 {
        if server
            .command("INFO replication")
            .is_some_and(|info| info.contains(what))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} does not come about");
}

/// The payload of a session, as soon as a server is available.
async fn text_of(server: &TestServer<Redis>, session: &TextSession) -> String {
    for _ in 0..1000 {
        let read = server.get(session).await;
        if read.status() != StatusCode::SERVICE_UNAVAILABLE {
            return read.text().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the new main server is not found");
}

pub(crate) fn replica_of(main: &RedisServer) -> RedisServer {
    let replica = RedisServer::start(&["--replicaof", &format!("127.0.0.1 {}", main.port())]);
    for _ in 0..1000 {
        if replica
            .command("INFO replication")
            .unwrap()
            .contains("master_link_status:up")
        {
            return replica;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the replica does not follow");
}

/// The main server is killed. Later its successor is told to hand over, and stays alive.
#[tokio::test]
#[ignore = "needs redis-server, redis-sentinel: cargo xtask test"]
async fn sessions_outlive_two_failovers() {
    let first = Arc::new(RedisServer::start(&[]));
    let second = replica_of(&first);
    let sentinel = Sentinel::start(first.port(), "");
    // The first of these is down. All are tried.
    let url = format!(
        "redis+sentinel://127.0.0.1:1,127.0.0.1:{}/main-one/4",
        sentinel.port
    );
    let certificates = RedisCertificates::default();
    let (a, b) = (
        over(&first, &url, &certificates).await,
        over(&first, &url, &certificates).await,
    );
    assert_shared(&a, &b).await;
    let session = a.create("kept").await;
    until_replicated(&first).await;
    until_known(&sentinel, 1).await;
    first.kill();
    until(&second, "role:master").await;
    assert_eq!(text_of(&a, &session).await, "kept");
    assert_eq!(text_of(&b, &session).await, "kept");
    assert_shared(&a, &b).await;

    first.run();
    until(&first, "master_link_status:up").await;
    until_replicated(&second).await;
    until_known(&sentinel, 1).await;
    let waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
    for _ in 0..500 {
        if sentinel_says(&sentinel, "SENTINEL FAILOVER main-one").starts_with("+OK") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(&first, "role:master").await;
    until(&second, "role:slave").await;
    assert_eq!(text_of(&a, &session).await, "kept");
    for _ in 0..500 {
        if a.put(&session, "after").send().await.unwrap().status() == StatusCode::ACCEPTED {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(answer(waiting).await.text().await.unwrap(), "after");
    assert_shared(&a, &b).await;
}

/// The Sentinels have another password, and use TLS like the servers.
#[tokio::test]
#[ignore = "needs redis-server, redis-sentinel: cargo xtask test"]
async fn sentinels_may_have_tls_and_a_password() {
    let certificates = Certificates::new();
    let (redis, port) = RedisServer::with_tls(
        &certificates,
        &["--tls-auth-clients", "no", "--tls-replication", "yes"],
    );
    let redis = Arc::new(redis);
    assert!(
        redis
            .command("ACL SETUSER u on >secret ~* &* +@all")
            .unwrap()
            .starts_with("+OK")
    );
    let [ca, pem, key] = ["ca.pem", "server.pem", "server.key"].map(|name| certificates.path(name));
    let sentinel = Sentinel::start(
        port,
        &format!(
            "port 0\ntls-port PORT\ntls-replication yes\ntls-auth-clients no\ntls-ca-cert-file {ca}\ntls-cert-file {pem}\n\
             tls-key-file {key}\nrequirepass other\n"
        ),
    );
    let trusted = RedisCertificates::new(Some(certificates.pem("ca.pem")), None).unwrap();
    let url = |password| {
        let sentinel = sentinel.port;
        format!(
            "rediss+sentinel://u:secret@127.0.0.1:{sentinel}/main-one?sentinel-password={password}"
        )
    };
    let right = url("other");
    assert_shared(
        &over(&redis, &right, &trusted).await,
        &over(&redis, &right, &trusted).await,
    )
    .await;
    let wrong = over(&redis, &url("wrong"), &trusted).await;
    assert_eq!(
        wrong.post(STABLE, "x").send().await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

/// Waits until the replica has the data of the main server.
async fn until_replicated(main: &RedisServer) {
    for _ in 0..500 {
        if main
            .command("WAIT 1 1000")
            .is_some_and(|answer| answer.starts_with(":1"))
        {
            return;
        }
    }
    panic!("the replica does not follow");
}

async fn until_known(sentinel: &Sentinel, replicas: usize) {
    for _ in 0..1000 {
        let said = sentinel_says(sentinel, "SENTINEL MASTER main-one");
        if said.contains(&format!("num-slaves\r\n$1\r\n{replicas}\r\n")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the Sentinel does not find the replica");
}

fn sentinel_says(sentinel: &Sentinel, line: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(("127.0.0.1", sentinel.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    let mut answer = [0; 8192];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}
