//! `--web`, without a browser.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use matrix_qr_page::words;
use serde_json::{Value, json};

use super::{
    Browser,
    support::{
        command::RunningCommand,
        sandbox::{SandboxProcess, decide, http},
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
        command.env("HOME", sandbox.directory.path());
    });
    let url = login.find(|line| {
        line.trim()
            .starts_with("http")
            .then(|| line.trim().to_owned())
    });
    login.answer("y");
    let opened = browser.opened();
    assert!(get(&url).contains("<title>Sign in with a QR code</title>"));

    // Other users of this machine see the arguments of the browser.
    let secret = url.trim_end_matches('/').rsplit('/').next().unwrap();
    assert!(!opened.contains(secret), "{opened}");
    let file = Path::new(&opened);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    let at_home = file.strip_prefix(sandbox.directory.path()).unwrap();
    assert!(
        !at_home.to_str().unwrap().starts_with('.'),
        "a browser in a sandbox sees nothing hidden: {opened}"
    );
    let leads = fs::read_to_string(file).unwrap();
    let refresh = format!("<meta http-equiv=\"refresh\" content=\"0; url={url}\">");
    assert!(leads.contains(&refresh), "{leads}");
    assert!(leads.contains("<meta name=\"referrer\" content=\"no-referrer\">"));
    login.signal("INT");
    login.ends(3);
    assert!(!file.parent().unwrap().exists(), "the sign-in is over");
}

/// The address is printed, and it goes on.
#[test]
fn no_browser_is_opened_without_a_yes() {
    let sandbox = SandboxProcess::start();
    let browser = Browser::new();
    let path = |command: &mut Command| {
        command.env("PATH", browser.path());
    };
    let homeserver = sandbox.homeserver();
    let login = ["login", "--homeserver", homeserver, "--web"];
    let address = |line: &str| line.trim().starts_with("http").then_some(());

    let mut asked = sandbox.command_with(&login, path);
    asked.answer("n");
    asked.find(|line| line.contains(words::WAITING).then_some(()));
    asked.signal("INT");
    asked.ends(3);

    let mut script = sandbox.command_with(&[&login[..], &["--json"]].concat(), path);
    script.event("page");
    script.event("show");
    script.signal("INT");
    script.ends(3);

    let directory = sandbox.path("new");
    let directory = ["--directory", directory.to_str().unwrap()];
    let here = [&login[..], &directory, &["--allow-loopback-http"]].concat();
    let mut without_a_terminal = RunningCommand::start_with(&here, path);
    without_a_terminal.find(address);
    without_a_terminal.find(|line| line.contains(words::WAITING).then_some(()));
    without_a_terminal.signal("INT");
    let said = without_a_terminal.ends(3);
    assert!(!said.contains("[y/N]"), "{said}");

    let mut told = sandbox.command_with(&["link", "--web", "--no-browser"], path);
    told.find(|line| line.contains(words::WAITING).then_some(()));
    told.signal("INT");
    let said = told.ends(3);
    assert!(!said.contains("[y/N]"), "{said}");
    assert!(!browser.has_opened());
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
    /// All that it was told, and answered.
    heard: String,
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
            heard: String::new(),
        };
        page.until("event: page");
        page.token = page.until("data: ");
        page.stay();
        page
    }

    /// Keeps its place while nobody reads what it is told.
    fn stay(&self) {
        let (url, token) = (self.url.clone(), self.token.clone());
        thread::spawn(move || {
            let here = || posted(&url, &token, "here", b"");
            while here().is_ok_and(|answer| answer.starts_with("HTTP/1.1 204")) {
                thread::sleep(Duration::from_secs(1));
            }
        });
    }

    /// What follows this in the next line that begins with it.
    fn until(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.events.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "no {start} in:\n{}", self.heard);
            self.heard.push_str(&line);
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// The device, as soon as this part of it is shown.
    fn shows(&mut self, part: &str) -> Value {
        loop {
            self.until("event: view");
            let view: Value = serde_json::from_str(&self.until("data: ")).unwrap();
            let device = &view["devices"][0];
            if !device[part].is_null() {
                return device.clone();
            }
        }
    }

    /// The next question of this kind.
    fn question(&mut self, kind: &str) -> Value {
        loop {
            let question = &self.shows("question")["question"];
            if question["kind"] == kind {
                return question.clone();
            }
        }
    }

    fn answer(&mut self, question: &Value, answer: &str) {
        let body = json!({ "question": question["id"], "answer": answer }).to_string();
        let said = self.post("answer", body.as_bytes());
        assert!(said.starts_with("HTTP/1.1 204"), "{said}");
    }

    /// Returns the whole answer.
    fn post(&mut self, path: &str, body: &[u8]) -> String {
        let answer = posted(&self.url, &self.token, path, body).unwrap();
        self.heard.push_str(&answer);
        answer
    }

    fn get(&mut self, path: &str) {
        let answer = get(&format!("{}{path}", self.url));
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        self.heard.push_str(&answer);
    }
}

/// The whole answer to what the page with this token posts.
fn posted(url: &str, token: &str, path: &str, body: &[u8]) -> io::Result<String> {
    let (host, secret) = parts(url);
    let mut stream = TcpStream::connect(host)?;
    let head = format!(
        "POST /{secret}{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nX-Page: {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// All that both pages of a whole sign-in are told and answered: no token; and nothing that could be
/// a key of 32 bytes, but the code, which is public.
#[test]
fn nothing_secret_is_ever_on_the_page() {
    let sandbox = SandboxProcess::start();
    let login = ["login", "--json", "--web", "--homeserver"];
    let mut login = sandbox.command(&[&login[..], &[sandbox.homeserver()]].concat());
    let mut new = OpenedPage::open(login.event("page")["url"].as_str().unwrap());
    let code = new.shows("code")["code"]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    new.get("code/0.svg");
    let mut link = sandbox.command(&["link", "--json", "--scan", "-", "--web"]);
    let mut existing = OpenedPage::open(link.event("page")["url"].as_str().unwrap());
    let question = existing.question("code");
    existing.answer(&question, &code);
    let digits = existing.shows("digits")["digits"].clone();
    let question = new.question("check_code");
    new.answer(&question, digits.as_str().unwrap());
    let question = existing.question("open_link");
    existing.answer(&question, "yes");
    new.shows("user_code");
    decide(question["link"].as_str().unwrap(), "allow");
    let question = new.question("confirm_account");
    for page in [&mut new, &mut existing] {
        for file in ["", "page.css", "page.js"] {
            page.get(file);
        }
    }
    new.answer(&question, "yes");
    for page in [&mut new, &mut existing] {
        assert_eq!(page.shows("outcome")["outcome"]["success"], true);
    }
    login.ends(0);
    link.ends(0);

    let heard = [new.heard, existing.heard].concat();
    let tokens = [sandbox.tokens("new"), sandbox.tokens("existing")].concat();
    assert_eq!(tokens.len(), 4);
    for token in tokens {
        assert!(!heard.contains(&token), "a token is on the page");
    }
    let heard = heard.replace(&code, "");
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/-_".contains(letter);
    let mut words = heard.split(|letter| !is_base64(letter));
    assert_eq!(words.find(|word| word.len() >= 43), None);
}

/// Wherever it might be: the system counts all bytes that the program writes.
#[test]
fn a_picture_is_written_nowhere() {
    let sandbox = SandboxProcess::start();
    let mut login = sandbox.command_exactly(&["login", "--json", "--scan", "-", "--web"], |_| {});
    let url = login.event("page")["url"].as_str().unwrap().to_owned();
    let mut page = OpenedPage::open(&url);
    let path = format!("picture?question={}", page.question("code")["id"]);
    // Noise, which is as large as a file as it is in memory.
    let mut seed = 1_u32;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    });
    let noise = noise.take(512 * 512).collect();
    let noise = image::GrayImage::from_raw(512, 512, noise).unwrap();
    let mut picture = io::Cursor::new(Vec::new());
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
