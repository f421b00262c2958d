//! Child processes: their start, memory, processor time and end.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use crate::error::BenchError;

/// How long a server may take to start listening.
const START: Duration = Duration::from_secs(20);

/// A process that is killed when this value is dropped.
pub(crate) struct ChildProcess(pub(crate) Child);

impl ChildProcess {
    pub(crate) fn start(command: &mut Command) -> Result<Self, BenchError> {
        let what = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| BenchError::NoStart {
            what,
            why: error.to_string(),
        })?;
        Ok(Self(child))
    }

    /// The processor time that its threads have used, in user and in system mode. Not from the
    /// `stat` of the process, which counts in units of 10 ms.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut all = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let times = match fs::read_to_string(thread?.path().join("schedstat")) {
                // The thread has ended.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                times => times?,
            };
            let running = times.split(' ').next().and_then(|time| time.parse().ok());
            let none = || io::Error::other("/proc does not report the processor time of threads");
            all += Duration::from_nanos(running.ok_or_else(none)?);
        }
        Ok(all)
    }

    /// The memory that it uses, in KiB.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        number.ok_or_else(|| {
            io::Error::other("/proc does not report how much memory the server uses")
        })
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that listens.
pub(crate) struct ServerProcess {
    pub(crate) process: ChildProcess,
    pub(crate) address: SocketAddr,
    /// Whether its responses are the same whatever was written.
    pub(crate) constant: bool,
}

impl ServerProcess {
    /// Starts it and waits for the line on standard error with its address. `input` goes to its
    /// standard input, which stays open.
    pub(crate) fn start(command: &mut Command, input: &[u8]) -> Result<Self, BenchError> {
        let what = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = ChildProcess::start(command)?;
        if let Some(stdin) = &mut process.0.stdin {
            io::Write::write_all(stdin, input)?;
        }
        let (sender, receiver) = mpsc::channel();
        let stderr = process.0.stderr.take();
        // Keeps reading until the server ends: it must not block on its log.
        std::thread::spawn(move || stderr.map(|stderr| listen(stderr, &sender)));
        let address = receiver
            .recv_timeout(START)
            .unwrap_or_else(|_| Err("it logs nothing".to_owned()));
        let address = address.map_err(|why| BenchError::NoStart { what, why })?;
        Ok(Self {
            process,
            address,
            constant: false,
        })
    }
}

/// Sends the address once it is logged, or everything that was logged if there is none.
fn listen(stderr: ChildStderr, sender: &mpsc::Sender<Result<SocketAddr, String>>) {
    let mut all = String::new();
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        all = format!("{all}{line}\n");
        address_in(&line)
    });
    let _ = sender.send(address.ok_or(all));
    lines.for_each(drop);
}

/// The address in `listening address=127.0.0.1:80`. The line about the operator's listener differs.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("listening address=")?;
    after.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_service() {
        let line = "2026-01-01T00:00:00Z  INFO matrix_qr_rendezvous: listening address=127.0.0.1:81 public_url=http://a/";
        assert_eq!(address_in(line), Some(([127, 0, 0, 1], 81).into()));
        for other in [
            "listening",
            "listening for the operator address=127.0.0.1:9",
            "listening address=x",
            "",
        ] {
            assert_eq!(address_in(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_is_looked_at_and_ended() {
        let running = ChildProcess::start(Command::new("sleep").arg("60")).unwrap();
        let place = format!("/proc/{}", running.0.id());
        assert!(running.memory().unwrap() > 0 && running.cpu().unwrap() < Duration::from_secs(1));
        drop(running);
        assert!(!std::path::Path::new(&place).exists());
    }
}
