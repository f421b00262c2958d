//! `--web`, without a browser.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use super::{
    Browser,
    support::{
        command::RunningCommand,
        sandbox::{SandboxProcess, http},
    },
};

const GUIDE: &str = include_str!("../../../../docs/bots.md");

/// `http://HOST/PATH`, as its two parts.
fn parts(url: &str) -> (&str, &str) {
    url.strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap()
}

fn get(url: &str) -> String {
    let (host, path) = parts(url);
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    http(host, &request)
}

#[test]
fn the_page_is_opened_in_a_browser_if_the_person_agrees() {
    let sandbox = SandboxProcess::start();
    let browser = Browser::new();
    let args = ["login", "--homeserver", sandbox.homeserver(), "--web"];
    let mut login = sandbox.command_with(&args, |command| {
        command.env("PATH", browser.path());
    });
    let url = login.find(|line| {
        line.trim()
            .starts_with("http")
            .then(|| line.trim().to_owned())
    });
    login.answer("y");
    assert_eq!(browser.opened(), url);
    assert!(get(&url).contains("<title>Sign in with a QR code</title>"));
}

/// The command of the container, and the address that the host's browser has for its page.
#[test]
fn the_compose_file_of_the_guide_starts_a_page() {
    let (_, command) = GUIDE
        .split_once("command: [\"matrix-qr\", \"login\"")
        .unwrap();
    let (command, rest) = command.split_once("]\n").unwrap();
    let arguments = format!("[\"login\"{command}]");
    let mut arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    assert!(rest.contains("ports: [\"127.0.0.1:8787:8787\"]"), "{rest}");
    let sandbox = SandboxProcess::start();
    let directory = sandbox.path("new").to_str().unwrap().to_owned();
    for (documented, here) in [
        ("@bot:example.org", "@alice:127.0.0.1"),
        ("/data/matrix", &directory),
        ("0.0.0.0:8787", "0.0.0.0:0"),
    ] {
        let places = arguments
            .iter_mut()
            .filter(|argument| *argument == documented);
        let [place] = &mut places.collect::<Vec<_>>()[..] else {
            panic!("{documented} is there once");
        };
        **place = here.to_owned();
    }
    let homeserver = [
        "--homeserver",
        sandbox.homeserver(),
        "--allow-loopback-http",
        "--json",
    ];
    let arguments = arguments.iter().map(String::as_str).chain(homeserver);
    let mut login = RunningCommand::start(&arguments.collect::<Vec<_>>());
    let url = login.event("page")["url"].as_str().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost"] {
        let there = url.replace("0.0.0.0", host);
        assert!(get(&there).starts_with("HTTP/1.1 200"), "{there}");
    }
}

/// The page that takes part in the sign-in.
struct OpenedPage {
    events: BufReader<TcpStream>,
    url: String,
    token: String,
}

impl OpenedPage {
    fn open(url: &str) -> Self {
        let (host, path) = parts(url);
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /{path}events HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut page = Self {
            events: BufReader::new(stream),
            url: url.to_owned(),
            token: String::new(),
        };
        page.until("event: page");
        page.token = page.until("data: ");
        page
    }

    /// What follows this in the next line that begins with it.
    fn until(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.events.read_line(&mut line).unwrap(), 0, "no {start}");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// The number of the next question of this kind.
    fn question(&mut self, kind: &str) -> u64 {
        loop {
            let view: serde_json::Value = serde_json::from_str(&self.until("data: ")).unwrap();
            let question = &view["devices"][0]["question"];
            if question["kind"] == kind {
                return question["id"].as_u64().unwrap();
            }
        }
    }

    /// Returns the whole answer.
    fn post(&self, path: &str, body: &[u8]) -> String {
        let (host, secret) = parts(&self.url);
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!(
            "POST /{secret}{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
             X-Page: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// Wherever it might be: the system counts all bytes that the program writes.
#[test]
fn a_picture_is_written_nowhere() {
    let sandbox = SandboxProcess::start();
    let mut login = sandbox.command_exactly(&["login", "--json", "--scan", "-", "--web"], |_| {});
    let url = login.event("page")["url"].as_str().unwrap().to_owned();
    let mut page = OpenedPage::open(&url);
    let path = format!("picture?question={}", page.question("code"));
    // Noise, which is as large as a file as it is in memory.
    let mut seed = 1_u32;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    });
    let noise = noise.take(512 * 512).collect();
    let noise = image::GrayImage::from_raw(512, 512, noise).unwrap();
    let mut picture = std::io::Cursor::new(Vec::new());
    noise
        .write_to(&mut picture, image::ImageFormat::Png)
        .unwrap();
    let picture = picture.into_inner();
    let written = || {
        let counts = fs::read_to_string(format!("/proc/{}/io", login.id())).unwrap();
        let written = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
        written.unwrap().parse::<usize>().unwrap()
    };
    let before = written();
    assert!(before > 0, "what it has printed is counted");
    for _ in 0..4 {
        let answer = page.post(&path, &picture);
        assert!(answer.contains("No readable QR code"), "{answer}");
    }
    let since = written() - before;
    assert!(since < picture.len() / 2, "{since} bytes are written");
}
