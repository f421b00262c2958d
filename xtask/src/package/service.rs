//! The installed program with the installed configuration, as the unit starts it, on ports of its
//! own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use super::shared::{has, same};
use crate::{
    files::{read, write},
    run::{TaskResult, run},
};

const CREATE: &str = "POST /_matrix/client/v1/rendezvous HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                      Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/// Runs the service from its first start to its stop.
pub(super) fn runs(root: &Path) -> TaskResult {
    let config = root.join("etc/matrix-qr-rendezvous.toml");
    it_does_not_start_as_it_is(root)?;
    put(&config, "# public-url =", "public-url =")?;
    run(
        command(root).arg("--check-config"),
        "--check-config with a public URL",
    )?;
    let mut server = Server::start(root)?;
    let created = server.asked(&server.public, CREATE)?;
    has("the response to a creation", &created, "HTTP/1.1 201 ")?;
    let path = path(&created)?;
    let read = server.get(&server.public, &path)?;
    has("the session", &read, "\r\n\r\nhello")?;
    for (path, part) in [
        ("/health", "200 OK"),
        ("/ready", "200 OK"),
        ("/metrics", "rendezvous_sessions 1\n"),
    ] {
        has(path, &server.get(&server.operator, path)?, part)?;
    }
    put(&config, "# max-sessions = 10000", "max-sessions = 1")?;
    server.signal("-HUP")?;
    server.until("applied the limits")?;
    has(
        "a creation over the new limit",
        &server.asked(&server.public, CREATE)?,
        "HTTP/1.1 429 ",
    )?;
    server.signal("-TERM")?;
    server.ends()
}

/// A new package has no public URL. The program reports that, with the exit code for which systemd
/// does not restart it.
fn it_does_not_start_as_it_is(root: &Path) -> TaskResult {
    let output = command(root)
        .arg("--check-config")
        .output()
        .map_err(|error| error.to_string())?;
    let code = output
        .status
        .code()
        .map_or_else(|| "none".to_owned(), |code| code.to_string());
    same("exit code without a public URL", &code, "2")?;
    has(
        "the error without a public URL",
        &String::from_utf8_lossy(&output.stderr),
        "`public-url` in the file",
    )
}

fn command(root: &Path) -> Command {
    let mut command = Command::new(root.join("usr/bin/matrix-qr-rendezvous"));
    command
        .arg("--config")
        .arg(root.join("etc/matrix-qr-rendezvous.toml"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Replaces a text that must occur once.
fn put(file: &PathBuf, old: &str, new: &str) -> TaskResult {
    let text = read(file)?;
    same(
        &format!("number of occurrences of “{old}” in the configuration"),
        &text.matches(old).count().to_string(),
        "1",
    )?;
    write(file, &text.replace(old, new))
}

/// The path of the session's URL, from the body of the response.
fn path(created: &str) -> Result<String, String> {
    let (_, rest) = created
        .split_once("https://rendezvous.example.org")
        .ok_or_else(|| {
            format!("the creation has no session URL below the public URL:\n{created}")
        })?;
    Ok(rest.chars().take_while(|letter| *letter != '"').collect())
}

/// Ends when this value is dropped.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    said: String,
    public: String,
    operator: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(root: &Path) -> Result<Self, String> {
        let mut command = command(root);
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--drain",
            "0",
        ]);
        command.stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("the installed program: {error}"))?;
        let log = child.stderr.take().ok_or("no log")?;
        let (public, operator) = (String::new(), String::new());
        let mut server = Self {
            child,
            log: BufReader::new(log),
            said: String::new(),
            public,
            operator,
        };
        server.public = address(&server.until("listening address=")?)?;
        server.operator = address(&server.until("listening for the operator address=")?)?;
        Ok(server)
    }

    /// Reads the log up to a line with these words, and returns that line.
    fn until(&mut self, words: &str) -> Result<String, String> {
        loop {
            let mut line = String::new();
            if self
                .log
                .read_line(&mut line)
                .map_err(|error| error.to_string())?
                == 0
            {
                return Err(format!(
                    "it ended without logging “{words}”:\n{}",
                    self.said
                ));
            }
            self.said += &line;
            if line.contains(words) {
                return Ok(line);
            }
        }
    }

    fn get(&self, address: &str, path: &str) -> Result<String, String> {
        self.asked(
            address,
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        )
    }

    fn asked(&self, address: &str, request: &str) -> Result<String, String> {
        let exchange = || {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.write_all(request.as_bytes())?;
            let mut response = String::new();
            stream.read_to_string(&mut response)?;
            Ok(response)
        };
        exchange().map_err(|error: std::io::Error| format!("{address}: {error}\n{}", self.said))
    }

    fn signal(&self, name: &str) -> TaskResult {
        run(
            Command::new("kill").args([name, &self.child.id().to_string()]),
            &format!("kill {name}"),
        )
    }

    fn ends(mut self) -> TaskResult {
        self.until("stopped")?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        same(
            "exit status after SIGTERM",
            &status.to_string(),
            "exit status: 0",
        )
    }
}

/// The word after `address=`.
fn address(line: &str) -> Result<String, String> {
    let (_, rest) = line.split_once("address=").ok_or_else(|| line.to_owned())?;
    Ok(rest
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}
