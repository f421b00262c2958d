//! The running binary: where it listens, how it stops, what it reports about itself.
#![cfg(unix)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_matrix-qr-rendezvous");
const PUBLIC_URL: [&str; 2] = ["--public-url", "https://a.example"];
const CREATE: &str = "POST /_matrix/client/v1/rendezvous HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                      Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx";

/// Ends with the test.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    printed: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(Stdio::null());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .args(PUBLIC_URL)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            log,
            printed: String::new(),
        }
    }

    /// Reads the log up to a line with these words, and returns that line.
    fn until(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.log.read_line(&mut line).unwrap(),
                0,
                "no “{words}” in {}",
                self.printed
            );
            self.printed += &line;
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Its address, as soon as it listens.
    fn address(&mut self) -> String {
        address(&self.until("listening address="))
    }

    fn operator(&mut self) -> String {
        address(&self.until("listening for the operator address="))
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args([name, &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Its exit code.
    fn ends(mut self) -> Option<i32> {
        self.log.read_to_string(&mut self.printed).unwrap();
        self.child.wait().unwrap().code()
    }
}

fn address(line: &str) -> String {
    line.split("address=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned()
}

fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn created(stream: impl Read + Write) -> bool {
    exchange(stream, CREATE).starts_with("HTTP/1.1 201 ")
}

fn get(address: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    exchange(TcpStream::connect(address).unwrap(), &request)
}

#[test]
fn it_listens_where_it_is_told() {
    let mut named = Running::start(&["--listen", "localhost:0"]);
    let address = named.address();
    assert!(
        address.starts_with("127.0.0.1:"),
        "{address}: proxies have that in their files"
    );
    assert!(created(TcpStream::connect(address).unwrap()));

    let mut everywhere = Running::start(&["--listen", ":0"]);
    let address = everywhere.address();
    let (host, port) = address.rsplit_once(':').unwrap();
    assert!(created(
        TcpStream::connect(format!("127.0.0.1:{port}")).unwrap()
    ));
    // A machine without IPv6 has no more addresses.
    assert!(
        host == "0.0.0.0" || created(TcpStream::connect(format!("[::1]:{port}")).unwrap()),
        "{address}"
    );
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_listens_on_unix_sockets_and_takes_them_away() {
    let directory = tempfile::tempdir().unwrap();
    let [public, operator] = ["public", "operator"].map(|name| directory.path().join(name));
    let [listen, metrics] = [&public, &operator].map(|path| format!("unix:{}", path.display()));
    let arguments = [
        "--listen",
        &listen,
        "--metrics-listen",
        &metrics,
        "--drain",
        "0",
    ];
    let mut first = Running::start(&[&arguments[..], &["--listen-mode", "0606"]].concat());
    assert_eq!(first.address(), listen);
    assert_eq!(first.operator(), metrics);
    assert_eq!((mode(&public), mode(&operator)), (0o606, 0o606));
    assert!(created(UnixStream::connect(&public).unwrap()));

    // Another one reports that the path is in use, and leaves it alone.
    let second = Command::new(PROGRAM)
        .args(PUBLIC_URL)
        .args(arguments)
        .output()
        .unwrap();
    let says = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        says.contains(&format!("cannot listen on {listen}")) && says.lines().count() == 1,
        "{says}"
    );

    // The socket that a crash left is replaced.
    first.child.kill().unwrap();
    assert_eq!(first.ends(), None);
    assert!(public.exists());
    let mut third = Running::start(&arguments);
    third.operator();
    assert_eq!(mode(&public), 0o660);
    assert!(created(UnixStream::connect(&public).unwrap()));
    third.signal("-TERM");
    assert_eq!(third.ends(), Some(0));
    assert!(!public.exists() && !operator.exists());
}

/// As systemd starts a service: its sockets are the file descriptors from 3 upwards.
fn activated(socket: impl Into<OwnedFd>, sockets: &str) -> Command {
    let mut command = Command::new("sh");
    let script = "export LISTEN_PID=$$; exec \"$0\" \"$@\" 3<&0 0</dev/null";
    command.args([
        "-c",
        script,
        PROGRAM,
        "--drain",
        "0",
        "--listen",
        "192.0.2.1:1",
    ]);
    command.env("LISTEN_FDS", sockets).stdin(socket.into());
    command
}

#[test]
fn a_restart_on_a_socket_of_systemd_loses_no_connection() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let mut first = Running::spawn(activated(socket.try_clone().unwrap(), "1"));
    assert_eq!(first.address(), address);
    assert!(created(TcpStream::connect(&address).unwrap()));
    first.signal("-TERM");
    assert_eq!(first.ends(), Some(0));

    // No program listens, and yet the path is in use.
    let between = TcpStream::connect(&address).unwrap();
    let mut second = Running::spawn(activated(socket, "1"));
    assert_eq!(second.address(), address);
    assert!(created(between));
}

#[test]
fn a_unix_socket_of_systemd_stays_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut running = Running::spawn(activated(socket, "1"));
    assert_eq!(running.address(), format!("unix:{}", path.display()));
    assert!(created(UnixStream::connect(&path).unwrap()));
    running.signal("-TERM");
    assert_eq!(running.ends(), Some(0));
    assert!(path.exists(), "it is systemd's");
}

#[test]
fn what_systemd_passes_must_be_one_listening_socket() {
    let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for (command, says) in [
        (activated(socket(), "2"), "systemd passes 2 sockets"),
        (activated(datagrams, "1"), "must be a stream socket"),
    ] {
        let mut running = Running::spawn(command);
        running.until(says);
        assert_eq!(running.ends(), Some(1));
    }
}

#[test]
fn while_it_drains_it_is_not_ready_and_answers_and_a_second_signal_ends_it() {
    let mut running = Running::start(&[
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
        "--drain",
        "3600",
    ]);
    let (address, operator) = (running.address(), running.operator());
    assert!(get(&operator, "/ready").starts_with("HTTP/1.1 200 "));
    running.signal("-TERM");
    running.until("stopping");
    let not_ready = (0..1000).any(|_| get(&operator, "/ready").starts_with("HTTP/1.1 503 "));
    assert!(not_ready);
    assert!(created(TcpStream::connect(&address).unwrap()));
    let checked = healthcheck(&["--metrics-listen", &operator, "--ready"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(one_line(&checked.stderr).contains("the server is stopping"));
    running.signal("-INT");
    running.until("stopped by a second signal");
    assert_eq!(running.ends(), Some(0));
}

fn healthcheck(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("healthcheck")
        .args(arguments)
        .output()
        .unwrap()
}

fn one_line(output: &[u8]) -> String {
    let text = String::from_utf8(output.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn it_is_asked_how_it_is_with_the_settings_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", directory.path().join("operator").display());
    let running =
        |operator: &str| Running::start(&["--listen", "127.0.0.1:0", "--metrics-listen", operator]);
    let (mut by_address, mut by_path, mut everywhere) =
        (running("127.0.0.1:0"), running(&socket), running(":0"));
    let address = by_address.operator();
    by_path.operator();
    let (_, port) = everywhere
        .operator()
        .rsplit_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let config = directory.path().join("settings.toml");
    // No other option is needed, and none interferes.
    fs::write(
        &config,
        format!("lifetime = 300\nmetrics-listen = \"{socket}\"\n"),
    )
    .unwrap();
    for arguments in [
        &["--metrics-listen", &address][..],
        &["--metrics-listen", &address, "--ready"],
        &["--metrics-listen", &socket],
        &["--metrics-listen", &format!("0.0.0.0:{port}")],
        &["--metrics-listen", &format!(":{port}")],
        &["--config", config.to_str().unwrap()],
        &["--config", "/nowhere", "--metrics-listen", &address][2..],
    ] {
        let output = healthcheck(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
        assert!(
            one_line(&output.stdout).starts_with("healthy: "),
            "{output:?}"
        );
    }
    // As in a container: by the environment alone, or in front of the command.
    let environment = [("MATRIX_QR_RENDEZVOUS_METRICS_LISTEN", &address)];
    let output = Command::new(PROGRAM)
        .arg("healthcheck")
        .envs(environment)
        .output()
        .unwrap();
    assert!(output.status.success());
    let output = Command::new(PROGRAM)
        .args(["--metrics-listen", &address, "healthcheck"])
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn who_does_not_answer_is_not_healthy() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let output = healthcheck(&["--metrics-listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(one_line(&output.stderr).contains(&format!("unhealthy: cannot connect to {address}")));
    let output = healthcheck(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output.stderr).contains("--metrics-listen"));
    // The public listener does not have this path.
    let mut running = Running::start(&["--listen", "127.0.0.1:0"]);
    let output = healthcheck(&["--metrics-listen", &running.address()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(one_line(&output.stderr).contains("404"));
    // A server that never responds is not waited for longer than the time limit.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = healthcheck(&[
        "--metrics-listen",
        &silent.local_addr().unwrap().to_string(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(one_line(&output.stderr).contains("no answer"));
}

#[test]
fn one_line_says_that_connections_are_refused() {
    let mut running = Running::start(&["--listen", "127.0.0.1:0", "--max-connections", "1"]);
    let address = running.address();
    let kept = TcpStream::connect(&address).unwrap();
    for _ in 0..50 {
        let mut refused = TcpStream::connect(&address).unwrap();
        assert_eq!(refused.read(&mut [0]).unwrap_or_default(), 0);
    }
    assert!(
        running
            .until("refused connections")
            .contains("max-connections")
    );
    drop(kept);
    running.signal("-KILL");
    let mut rest = String::new();
    running.log.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches("refused connections").count(), 0, "{rest}");
}
