//! Starts a Redis on this machine, which ends with the test.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Weak},
    thread,
    time::Duration,
};

use matrix_qr_rendezvous::Redis;
use tempfile::TempDir;

pub(crate) use self::free_port::free_port;
use crate::certificates::Certificates;

#[path = "free_port.rs"]
mod free_port;

/// The path in Debian. `REDIS_SERVER` names another, a Valkey for example.
fn server() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "/usr/bin/redis-server".to_owned())
}

pub(crate) struct RedisServer {
    port: u16,
    options: Vec<String>,
    process: Mutex<Option<Child>>,
    directory: TempDir,
}

impl RedisServer {
    /// One that concurrent tests share. They must not reconfigure it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start(&[]));
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// One that keeps every acknowledged write, even if it is killed.
    pub(crate) fn durable() -> Arc<Self> {
        Arc::new(Self::start(&[
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]))
    }

    pub(crate) fn start(options: &[&str]) -> Self {
        let server = Self::not_yet(options);
        server.run();
        server
    }

    /// Chooses a port and a directory, without a start.
    pub(crate) fn not_yet(options: &[&str]) -> Self {
        Self {
            port: free_port(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            process: Mutex::new(None),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A port for TLS, with these certificates, beside the other. `more` as in [`Self::start`].
    pub(crate) fn with_tls(certificates: &Certificates, more: &[&str]) -> (Self, u16) {
        let tls = free_port();
        let [ca, pem, key] =
            ["ca.pem", "server.pem", "server.key"].map(|name| certificates.path(name));
        let port = tls.to_string();
        let options = [
            "--tls-port",
            &port,
            "--tls-ca-cert-file",
            &ca,
            "--tls-cert-file",
            &pem,
            "--tls-key-file",
            &key,
        ];
        (Self::start(&[&options, more].concat()), tls)
    }

    /// Its directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn store(&self) -> Redis {
        Redis::new(&self.url()).unwrap()
    }

    pub(crate) fn run(&self) {
        let process = Command::new(server())
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
                "--save",
                "",
            ])
            .args(&self.options)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; apt-get install redis-server", server()));
        *self.process.lock().unwrap() = Some(process);
        for _ in 0..1000 {
            if self
                .command("PING")
                .is_some_and(|answer| answer.starts_with("+PONG"))
            {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{} does not start", server());
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Suspends it, with its connections, until it is resumed.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self
            .process
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .id()
            .to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The start of its response to a command of one line.
    pub(crate) fn command(&self, line: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{line}\r\n").as_bytes()).ok()?;
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
