//! A program that uses the helper. Both ends of the pipe are held to the schema.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::schema::check;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running helper. It is killed when the test ends.
pub(crate) struct TestCaller {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    /// The methods of our requests without an answer.
    requests: BTreeMap<u64, String>,
    /// Answers that came while another one was waited for.
    answers: BTreeMap<u64, Result<Value, Value>>,
    /// The methods of its requests without an answer.
    pub(crate) questions: BTreeMap<u64, String>,
    last_id: u64,
    /// Every line of the helper.
    pub(crate) heard: Vec<String>,
    /// Every line of ours.
    pub(crate) said: Vec<String>,
}

/// What the helper wrote.
#[derive(Debug)]
pub(crate) enum HelperLine {
    Question {
        id: u64,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// With `Err`, the error.
    Answer {
        id: Value,
        result: Result<Value, Value>,
    },
}

impl TestCaller {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr"));
        command.args(["helper", "--allow-loopback-http", "-vvv"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            errors: Some(errors),
            requests: BTreeMap::new(),
            answers: BTreeMap::new(),
            questions: BTreeMap::new(),
            last_id: 0,
            heard: Vec::new(),
            said: Vec::new(),
        }
    }

    pub(crate) fn initialized() -> Self {
        let mut caller = Self::start();
        let params = json!({ "protocol": 1, "client": { "name": "a test", "version": "1" } });
        let id = caller.request("initialize", params);
        caller.result(id).unwrap();
        caller
    }

    /// Sends a request. Returns its ID.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        check(&line, "to_helper");
        self.requests.insert(id, method.to_owned());
        self.say(&line.to_string());
        id
    }

    pub(crate) fn answer(&mut self, id: u64, result: &Value) {
        let method = self.questions.remove(&id).expect("it was asked");
        check(result, &format!("result_of_{method}"));
        let line = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        check(&line, "to_helper");
        self.say(&line.to_string());
    }

    /// Whatever it is. A helper that has ended does not read it.
    pub(crate) fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
        if let Some(stdin) = &mut self.stdin {
            let _ = writeln!(stdin, "{line}");
        }
    }

    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    /// The next line, if there is one within this time. `Err` if there will be none.
    pub(crate) fn hear(&mut self, within: Duration) -> Result<Option<HelperLine>, ()> {
        let line = match self.lines.recv_timeout(within) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err(()),
        };
        let value: Value = serde_json::from_str(&line).unwrap();
        self.heard.push(line);
        check(&value, "from_helper");
        Ok(Some(self.understand(value)))
    }

    fn understand(&mut self, mut value: Value) -> HelperLine {
        let (id, params) = (value["id"].take(), value["params"].take());
        let Some(method) = value["method"].as_str().map(str::to_owned) else {
            let ours = id.as_u64().and_then(|id| self.requests.remove(&id));
            let result = match value.get("error") {
                Some(error) => Err(error.clone()),
                None => {
                    let method = ours.expect("it was asked for");
                    check(&value["result"], &format!("result_of_{method}"));
                    Ok(value["result"].take())
                }
            };
            return HelperLine::Answer { id, result };
        };
        match id.as_u64() {
            Some(id) => {
                self.questions.insert(id, method.clone());
                HelperLine::Question { id, method, params }
            }
            None => HelperLine::Notification { method, params },
        }
    }

    fn next(&mut self) -> HelperLine {
        let heard = self.hear(PATIENCE);
        let heard = heard.expect("it has ended");
        heard.unwrap_or_else(|| panic!("it only wrote:\n{}", self.heard.join("\n")))
    }

    /// The answer to this request.
    pub(crate) fn result(&mut self, wanted: u64) -> Result<Value, Value> {
        loop {
            if let Some(result) = self.answers.remove(&wanted) {
                return result;
            }
            if let HelperLine::Answer { id, result } = self.next() {
                id.as_u64().map(|id| self.answers.insert(id, result));
            }
        }
    }

    /// The error with which a line without an ID is answered.
    pub(crate) fn complaint(&mut self) -> Value {
        loop {
            if let HelperLine::Answer { id, result } = self.next()
                && id.is_null()
            {
                return result.unwrap_err();
            }
        }
    }

    /// The next question, which must be this one.
    pub(crate) fn question(&mut self, wanted: &str) -> (u64, Value) {
        loop {
            if let HelperLine::Question { id, method, params } = self.next() {
                assert_eq!(method, wanted);
                return (id, params);
            }
        }
    }

    /// What it has reported under this name.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let lines = self.heard.iter();
        let messages = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        messages
            .filter(|message| message["method"] == "progress")
            .map(|message| message["params"].clone())
            .filter(|event| event["event"] == name)
            .collect()
    }

    /// Waits until the helper ends, with this exit code. Returns what it wrote to standard error.
    pub(crate) fn ends(&mut self, code: i32) -> String {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                Instant::now() < until,
                "it wrote:\n{}",
                self.heard.join("\n")
            );
            thread::sleep(Duration::from_millis(20));
        }
        while let Ok(Some(_)) = self.hear(Duration::from_secs(1)) {}
        let errors = self.errors.take().unwrap().join().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(
            status.code(),
            Some(code),
            "{errors}\n{}",
            self.heard.join("\n")
        );
        errors
    }
}

impl TestCaller {
    /// It was killed, and has let go of its files.
    pub(crate) fn was_killed(&mut self) {
        assert_eq!(self.child.wait().unwrap().code(), None);
    }
}

impl Drop for TestCaller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
