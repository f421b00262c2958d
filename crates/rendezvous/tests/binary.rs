//! The binary: its messages, and how it stops.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn help_teaches() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let taught = [
        "--listen",
        "--public-url",
        "--create-path",
        "--lifetime",
        "--max-sessions",
        "SIGTERM",
        "If-None-Match",
    ];
    for word in taught {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn a_wrong_command_line_says_what_is_wrong() {
    for (arguments, says) in [
        (&[][..], "--public-url"),
        (&["--public-url", "http://a.example"], "https"),
        (
            &["--public-url", "https://a.example", "--lifetime", "0"],
            "--lifetime",
        ),
        (
            &["--public-url", "https://a.example", "--create-path", "x"],
            "slash",
        ),
        (
            &["--public-url", "https://a.example", "--max-sessions", "0"],
            "--max-sessions",
        ),
        (
            &["--public-url", "https://a.example", "--deny", "10.0.0"],
            "a network such as",
        ),
        (
            &[
                "--public-url",
                "https://a.example",
                "--check-config",
                "--store",
                "redis://:geheim@localhost",
            ],
            "process list",
        ),
        (
            &[
                "--public-url",
                "https://a.example",
                "--creation",
                "authenticated",
            ],
            "--homeserver",
        ),
        (
            &[
                "--public-url",
                "https://a.example",
                "--homeserver",
                "http://a.example",
            ],
            "access tokens are sent there",
        ),
        (
            &[
                "--public-url",
                "https://a.example",
                "--config",
                "/nowhere/x.toml",
            ],
            "/nowhere/x.toml",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8(output.stderr).unwrap().contains(says),
            "{says}"
        );
    }
}

/// As Compose and Kubernetes create it.
#[test]
fn an_empty_variable_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings.toml");
    std::fs::write(
        &file,
        "public-url = \"https://a.example\"\nlifetime = 120\n",
    )
    .unwrap();
    let mut command = command(&["--config", file.to_str().unwrap(), "--print-config"]);
    let help = run(&["--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let variables: Vec<_> = help
        .split("[env: ")
        .skip(1)
        .map(|rest| rest.split(['=', ']']).next().unwrap())
        .collect();
    assert!(variables.len() > 25, "{variables:?}");
    let empty = variables
        .iter()
        .filter(|name| **name != "MATRIX_QR_RENDEZVOUS_CONFIG")
        .map(|name| (*name, ""));
    let output = command.envs(empty).output().unwrap();
    let (printed, error) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(
        printed.contains("https://a.example") && printed.contains("lifetime = 120"),
        "{printed}{error}"
    );
    assert_eq!(error, "", "none is warned of");
    let output = run(&["--public-url", "https://a.example", "--print-config"]);
    let defaults = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed.replace("lifetime = 120", "lifetime = 300"),
        defaults
    );
}

#[test]
fn a_list_may_have_spaces() {
    let mut command = command(&[
        "--public-url",
        "https://a.example",
        "--print-config",
        "--deny",
        " 192.0.2.1 ,\t2001:db8::/32",
    ]);
    let output = command
        .env(
            "MATRIX_QR_RENDEZVOUS_TRUSTED_PROXIES",
            "10.0.0.0/8, 192.0.2.7 ",
        )
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    for list in [
        "[\"10.0.0.0/8\", \"192.0.2.7/32\"]",
        "[\"192.0.2.1/32\", \"2001:db8::/32\"]",
    ] {
        assert!(printed.contains(list), "{printed}");
    }
}

/// A client is compared within its own address family, so this network would match none.
#[test]
fn an_ipv4_network_in_the_form_of_an_ipv6_one_is_that_ipv4_network() {
    let networks = "::ffff:192.0.2.0/120,::ffff:198.51.100.7,2001:db8::/32,::/0";
    let output = run(&[
        "--public-url",
        "https://a.example",
        "--print-config",
        "--deny",
        networks,
    ]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = r#"deny = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "::/0"]"#;
    assert!(printed.contains(expected), "{printed}");
}

#[test]
fn a_variable_that_is_no_setting_is_named() {
    let mut command = command(&["--public-url", "https://a.example", "--check-config"]);
    let output = command
        .env("MATRIX_QR_RENDEZVOUS_STORE_URL", "redis://:geheim@a")
        .env("MATRIX_QR_RENDEZVOUS_PORT", "tcp://10.0.0.1:8090")
        .env("MATRIX_QR_RENDEZVOUS_PORT_8090_TCP_ADDR", "10.0.0.1")
        .env("MATRIX_QR_RENDEZVOUS_SERVICE_HOST", "10.0.0.1")
        .env("MATRIX_QR_RENDEZVOUS_LIFETIME", "200")
        .env("MATRIX_QR_OTHER", "x");
    let output = output.output().unwrap();
    assert!(output.status.success(), "it is no reason not to start");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(
        printed.contains("MATRIX_QR_RENDEZVOUS_STORE_URL") && !printed.contains("geheim"),
        "{printed}"
    );
}

#[test]
fn a_taken_address_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--public-url", "https://a.example", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains(&address) && text.contains("--listen"),
        "{text}"
    );
}

/// Even the most verbose log names no session, payload or peer.
#[test]
fn it_serves_keeps_quiet_and_stops_at_sigterm() {
    let mut command = command(&[
        "--public-url",
        "https://a.example",
        "--listen",
        "127.0.0.1:0",
        "--drain",
        "0",
    ]);
    let mut running = Running(command.env("RUST_LOG", "trace").spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap());
    let mut printed = String::new();
    while !printed.contains("listening") {
        assert_ne!(log.read_line(&mut printed).unwrap(), 0, "{printed}");
    }
    let (_, rest) = printed.split_once("127.0.0.1:").unwrap();
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let address = format!("127.0.0.1:{port}");
    let head = "Host: a\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nthe payload";
    let (created, peer) = exchange(
        &address,
        &format!("POST /_matrix/client/v1/rendezvous HTTP/1.1\r\n{head}"),
    );
    assert!(created.starts_with("HTTP/1.1 201 "), "{created}");
    let id = created
        .split("https://a.example/rendezvous/")
        .nth(1)
        .unwrap()[..22]
        .to_owned();
    let (read, _) = exchange(
        &address,
        &format!("GET /rendezvous/{id} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    );
    assert!(read.ends_with("the payload"), "{read}");

    let pid = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(running.0.wait().unwrap().success());
    log.read_to_string(&mut printed).unwrap();
    assert!(
        printed.contains("answered") && printed.contains("stopped"),
        "{printed}"
    );
    for secret in [&id, "the payload", &peer] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

/// The same for the API that may receive an access token and sends it to the homeserver.
#[cfg(feature = "whoami")]
#[test]
fn an_access_token_is_in_no_line_of_the_log() {
    let homeserver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", homeserver.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        // A known user, and one that the homeserver does not confirm.
        let answers = ["200 OK", "500 Oh"].map(|status| {
            let (mut stream, _) = homeserver.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let body = "{\"user_id\":\"@alice:example.org\"}";
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}",
                body.len()
            );
            write!(stream, "{head}\r\n\r\n{body}").unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        answers.concat()
    });
    let arguments = [
        "--public-url",
        "https://a.example",
        "--listen",
        "127.0.0.1:0",
        "--drain",
        "0",
    ];
    let arguments = [&arguments[..], &["--homeserver", &url]].concat();
    let mut running = Running(
        command(&arguments)
            .env("RUST_LOG", "trace")
            .spawn()
            .unwrap(),
    );
    let mut log = BufReader::new(running.0.stderr.take().unwrap());
    let mut printed = String::new();
    while !printed.contains("listening") {
        assert_ne!(log.read_line(&mut printed).unwrap(), 0, "{printed}");
    }
    let (_, rest) = printed.rsplit_once("address=127.0.0.1:").unwrap();
    let address = format!("127.0.0.1:{}", rest.split(' ').next().unwrap());
    let post = |token: &str| {
        let head =
            "Host: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 22";
        let start =
            format!("POST /_matrix/client/v1/rendezvous HTTP/1.1\r\nAuthorization: Bearer {token}");
        exchange(
            &address,
            &format!("{start}\r\n{head}\r\n\r\n{{\"data\":\"the payload\"}}"),
        )
        .0
    };
    let created = post("geheim-und-gut");
    assert!(created.starts_with("HTTP/1.1 200 "), "{created}");
    assert!(post("geheim-und-fraglich").starts_with("HTTP/1.1 503 "));
    let asked = asked.join().unwrap();
    assert!(
        asked.contains("Bearer geheim-und-gut") || asked.contains("bearer geheim-und-gut"),
        "{asked}"
    );
    let id = created.split("\"id\":\"").nth(1).unwrap()[..22].to_owned();

    let pid = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(running.0.wait().unwrap().success());
    log.read_to_string(&mut printed).unwrap();
    assert!(
        printed.contains("the homeserver does not say who owns an access token"),
        "{printed}"
    );
    for secret in ["geheim", "alice", "the payload", &id] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

/// The response, and the port of the client.
fn exchange(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer, format!(":{}", stream.local_addr().unwrap().port()))
}
