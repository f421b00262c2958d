//! A child process that reports what happens as one JSON object per line.

use std::{
    fs::File,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long to wait for an event. It is longer than the lifetime of a rendezvous session on Synapse
/// (60 s).
const PATIENCE: Duration = Duration::from_secs(75);

/// The process is killed when this value is dropped.
pub(crate) struct DrivenProcess {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

/// How a program ended, and everything that it printed.
pub(crate) struct ProcessEnd {
    pub(crate) code: i32,
    pub(crate) seen: Vec<Value>,
    pub(crate) at: Instant,
}

impl DrivenProcess {
    /// Its standard error goes to the end of `NAME.log`.
    pub(crate) fn start(name: &str, command: &mut Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let lines = BufReader::new(stdout).lines();
        Ok(Self {
            name: name.to_owned(),
            child,
            stdin,
            lines,
            seen: Vec::new(),
        })
    }

    /// Waits for the next event of this name. It is an error if the program ends first.
    pub(crate) async fn event(&mut self, name: &str) -> Result<Value> {
        let next = timeout(PATIENCE, self.find(|event| is(event, "event", name)));
        next.await
            .with_context(|| format!("{} never reported {name:?}", self.name))?
    }

    pub(crate) async fn question(&mut self, name: &str) -> Result<Value> {
        let next = timeout(PATIENCE, self.find(|event| is(event, "question", name)));
        next.await
            .with_context(|| format!("{} never asked for {name:?}", self.name))?
    }

    /// Waits for the next line that contains this text, of a program without JSON.
    pub(crate) async fn line(&mut self, text: &str) -> Result<()> {
        let next = timeout(
            PATIENCE,
            self.find(|line| line.as_str().is_some_and(|line| line.contains(text))),
        );
        let found = next.await;
        found
            .with_context(|| format!("{} never said {text:?}, but {:?}", self.name, self.seen))?
            .map(drop)
    }

    /// Waits until each text was in a line, in any order, of a program without JSON. Returns the
    /// lines.
    pub(crate) async fn lines<const N: usize>(&mut self, texts: [&str; N]) -> Result<[String; N]> {
        let all = timeout(PATIENCE, async {
            loop {
                let found = texts.map(|text| self.said(text));
                if found.iter().all(Option::is_some) {
                    return Ok(found.map(Option::unwrap_or_default));
                }
                self.find(Value::is_string).await?;
            }
        });
        all.await
            .map_err(anyhow::Error::from)
            .flatten()
            .with_context(|| format!("waiting for {texts:?}"))
    }

    fn said(&self, text: &str) -> Option<String> {
        let mut lines = self.seen.iter().filter_map(Value::as_str);
        lines.find(|line| line.contains(text)).map(str::to_owned)
    }

    async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        while let Some(line) = self.lines.next_line().await? {
            let event: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.seen.push(event.clone());
            if wanted(&event) {
                return Ok(event);
            }
            if is(&event, "event", "error") {
                bail!("{} says {event}", self.name);
            }
        }
        bail!("{} has ended", self.name)
    }

    pub(crate) async fn say(&mut self, line: &str) -> Result<()> {
        Ok(self.stdin.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(mut self) -> Result<ProcessEnd> {
        let ended = timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await? {
                self.seen
                    .push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
            self.child.wait().await
        });
        let status = ended
            .await
            .with_context(|| format!("{} does not end", self.name))??;
        Ok(ProcessEnd {
            code: status.code().unwrap_or(-1),
            seen: self.seen,
            at: Instant::now(),
        })
    }

    /// Waits until it ends, which must be without an error.
    pub(crate) async fn succeed(self) -> Result<()> {
        let name = self.name.clone();
        match self.end().await? {
            ProcessEnd { code: 0, .. } => Ok(()),
            ProcessEnd { code, seen, .. } => bail!("{name} ended with {code}: {:?}", seen.last()),
        }
    }

    /// Kills the process, so that it sends nothing more.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

fn is(event: &Value, field: &str, name: &str) -> bool {
    event.get(field).and_then(Value::as_str) == Some(name)
}
