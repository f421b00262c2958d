//! Commands as processes of their own: what they say, what they are told, and how they end.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufReader, Read as _, Write},
    net::TcpStream,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use serde_json::Value;
use tempfile::TempDir;

#[path = "schema.rs"]
pub(crate) mod schema;

/// How a question ends that is answered with yes or no.
const QUESTION: &str = "[y/N] ";

const PATIENCE: Duration = Duration::from_secs(60);

/// A running command. It is ended with the test.
pub(crate) struct Process {
    child: Child,
    stdin: Option<Box<dyn Write>>,
    at_terminal: bool,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, |_| {})
    }

    pub(crate) fn start_with(args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        Self::spawn(args, Stdio::piped(), None, change)
    }

    /// With a terminal to be asked at. What it says is read from pipes all the same.
    pub(crate) fn at_terminal(args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let (ours, theirs) = terminal();
        Self::spawn(args, theirs.into(), Some(ours), change)
    }

    fn spawn(
        args: &[&str],
        stdin: Stdio,
        terminal: Option<File>,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr"));
        command
            .args(args)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        let at_terminal = terminal.is_some();
        let pipe = child
            .stdin
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Write>);
        let stdin = pipe.or(terminal.map(|terminal| Box::new(terminal) as Box<dyn Write>));
        Self {
            child,
            stdin,
            at_terminal,
            lines,
            seen: Vec::new(),
        }
    }

    /// The next line that `wanted` finds something in.
    pub(crate) fn find<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it only said:\n{}", self.seen.join("\n"))
            };
            schema::check(&line);
            let found = wanted(&line);
            self.seen.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// The next event of this name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.find(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == name).then_some(event)
        })
    }

    pub(crate) fn question(&mut self, name: &str) -> Value {
        let question = self.event("question");
        assert_eq!(question["question"], name);
        question
    }

    /// Answers the question that comes next. What is typed before a question is not taken for its
    /// answer.
    pub(crate) fn answer(&mut self, line: &str) {
        self.find(|line| line.ends_with(QUESTION).then_some(()));
        self.say(line);
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        if self.at_terminal {
            // Ctrl-D.
            self.stdin.as_mut().unwrap().write_all(b"\x04").unwrap();
        } else {
            self.stdin = None;
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// The exit code, once it has ended by itself, and all that it said.
    pub(crate) fn end(&mut self) -> (i32, String) {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                Instant::now() < until,
                "it does not end; it said:\n{}",
                self.seen.join("\n")
            );
            thread::sleep(Duration::from_millis(20));
        }
        self.seen
            .extend(self.lines.iter().inspect(|line| schema::check(line)));
        (
            self.child.wait().unwrap().code().unwrap_or(-1),
            self.seen.join("\n"),
        )
    }

    /// Ends with this exit code.
    pub(crate) fn ends(&mut self, code: i32) -> String {
        let (ended, said) = self.end();
        assert_eq!(ended, code, "{said}");
        said
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both ends of a pseudo-terminal: the person's, and the program's.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed());
    (
        ours.into(),
        options.open(OsStr::from_bytes(name.as_bytes())).unwrap(),
    )
}

/// A line at a time. The cursor stays behind a question: it is a line without an end.
fn forward(stream: impl std::io::Read + Send + 'static, sender: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut line = Vec::new();
        for byte in BufReader::new(stream).bytes().map_while(Result::ok) {
            line.push(byte);
            if byte == b'\n' || line.ends_with(QUESTION.as_bytes()) {
                let _ = sender.send(
                    String::from_utf8_lossy(&line)
                        .trim_end_matches('\n')
                        .to_owned(),
                );
                line.clear();
            }
        }
        if !line.is_empty() {
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

/// A standing sandbox with its two devices' directories.
pub(crate) struct Sandbox {
    pub(crate) process: Process,
    pub(crate) directory: TempDir,
    homeserver: String,
}

impl Sandbox {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox");
        let args = [
            &["sandbox", "--json", "--directory", path.to_str().unwrap()],
            args,
        ]
        .concat();
        let mut process = Process::start(&args);
        let ready = process.event("ready");
        Self {
            process,
            homeserver: ready["homeserver"].as_str().unwrap().to_owned(),
            directory,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("sandbox").join(name)
    }

    /// A command of the new device or of the existing one; scripts' manner unless it is to be a
    /// person's.
    pub(crate) fn command(&self, args: &[&str]) -> Process {
        self.command_with(args, |_| {})
    }

    pub(crate) fn command_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Process {
        let whose = if args[0] == "link" { "existing" } else { "new" };
        let directory = self.path(whose);
        let mut all = args.to_vec();
        all.extend(["--directory", directory.to_str().unwrap()]);
        all.push("--allow-loopback-http");
        let asks = matches!(args[0], "login" | "link") && !args.contains(&"--json");
        if asks {
            Process::at_terminal(&all, change)
        } else {
            Process::start_with(&all, change)
        }
    }

    /// The new device shows a code, the existing one scans it: `(login, link)`, connected, and the
    /// digits to be typed.
    pub(crate) fn connect(&self) -> (Process, Process, String) {
        let mut login =
            self.command(&["login", "--json", "-vvv", "--homeserver", &self.homeserver]);
        let mut link = self.command(&["link", "--json", "-vvv", "--scan", "-"]);
        link.say(login.event("show")["code"].as_str().unwrap());
        let digits = link.event("check_code")["digits"]
            .as_str()
            .unwrap()
            .to_owned();
        login.question("check_code");
        assert_eq!(login.event("received")["message"], "m.login.protocols");
        (login, link, digits)
    }

    /// The tokens of a device, which nobody must ever see.
    pub(crate) fn tokens(&self, whose: &str) -> Vec<String> {
        let session = std::fs::read(self.path(whose).join("session.json")).unwrap();
        let session: Value = serde_json::from_slice(&session).unwrap();
        ["access_token", "refresh_token"]
            .map(|name| session["user"][name].as_str().unwrap().to_owned())
            .into()
    }

    pub(crate) fn homeserver(&self) -> &str {
        &self.homeserver
    }
}

/// The person at the consent page, with forms alone.
pub(crate) fn decide(link: &str, action: &str) {
    let (host, path) = link
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let page = http(
        host,
        &format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    );
    let hidden = |name: &str| {
        let (_, rest) = page
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let form = format!(
        "code={}&csrf={}&action={action}",
        hidden("code"),
        hidden("csrf")
    );
    let answer = http(
        host,
        &format!(
            "POST /link HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
            form.len()
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn http(host: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
