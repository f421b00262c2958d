//! A running command: what it prints, what it reads, and how it ends.

use std::{
    io::{BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use pty_process::blocking as pty;
use serde_json::Value;

use super::schema;

/// The end of a question that is answered with yes or no.
const QUESTION: &str = "[y/N] ";

/// The end of the question for the digits.
const DIGITS: &str = "the other device shows: ";

const PATIENCE: Duration = Duration::from_secs(60);

/// A running command. It is killed when the test ends.
pub(crate) struct RunningCommand {
    child: Child,
    stdin: Option<Box<dyn Write>>,
    at_terminal: bool,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl RunningCommand {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, |_| {})
    }

    pub(crate) fn start_with(args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        Self::observe(child, Box::new(stdin), false)
    }

    /// With a terminal as standard input only: its output is read line by line from pipes.
    pub(crate) fn at_terminal(args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let (terminal, inside) = pty::open().unwrap();
        let mut command = command(args);
        change(&mut command);
        let command = pty::Command::from(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self::observe(command.spawn(inside).unwrap(), Box::new(terminal), true)
    }

    fn observe(mut child: Child, stdin: Box<dyn Write>, at_terminal: bool) -> Self {
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        Self {
            child,
            stdin: Some(stdin),
            at_terminal,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for a line in which `wanted` finds something.
    pub(crate) fn find<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it only printed:\n{}", self.seen.join("\n"))
            };
            schema::check(&line);
            let found = wanted(&line);
            self.seen.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Waits for an event with this name.
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

    /// Waits for the next question and answers it. Text typed before a question is discarded.
    pub(crate) fn answer(&mut self, line: &str) {
        self.find(|line| line.ends_with(QUESTION).then_some(()));
        self.say(line);
    }

    /// Waits until the digits are asked for, and types them.
    pub(crate) fn answer_digits(&mut self, digits: &str) {
        self.asks_for_digits();
        self.say(digits);
    }

    pub(crate) fn asks_for_digits(&mut self) {
        self.find(|line| line.ends_with(DIGITS).then_some(()));
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        if self.at_terminal {
            // Ctrl-D: as other text, it is discarded if it was typed before the question.
            self.stdin.as_mut().unwrap().write_all(b"\x04").unwrap();
        } else {
            self.stdin = None;
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for the end. Returns the exit code and the whole output.
    pub(crate) fn end(&mut self) -> (i32, String) {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                Instant::now() < until,
                "it does not end; it printed:\n{}",
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

    /// Waits for the end with this exit code. Returns the whole output.
    pub(crate) fn ends(&mut self, code: i32) -> String {
        let (ended, said) = self.end();
        assert_eq!(ended, code, "{said}");
        said
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr"));
    command.args(args);
    command
}

/// Sends the output line by line. A question is a line without a line break.
fn forward(stream: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut line = Vec::new();
        for byte in BufReader::new(stream).bytes().map_while(Result::ok) {
            line.push(byte);
            let asks = [QUESTION, DIGITS].map(|end| line.ends_with(end.as_bytes()));
            if byte == b'\n' || asks.contains(&true) {
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
