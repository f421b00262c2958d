//! A sandbox as a process, and the person at its consent page.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::command::RunningCommand;

/// A running `matrix-qr sandbox`, with the directories of its two devices.
pub(crate) struct SandboxProcess {
    pub(crate) process: RunningCommand,
    pub(crate) directory: TempDir,
    homeserver: String,
}

impl SandboxProcess {
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
        let mut process = RunningCommand::start(&args);
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

    /// A command of the new device or of the existing one: at a terminal if it will ask questions.
    /// The person at the existing one has said beforehand that the new one is theirs.
    pub(crate) fn command(&self, args: &[&str]) -> RunningCommand {
        self.command_with(args, |_| {})
    }

    pub(crate) fn command_with(
        &self,
        args: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> RunningCommand {
        let beforehand: &[_] = match args[0] {
            "link" => &["--confirm-own-device"],
            _ => &[],
        };
        self.command_exactly(&[args, beforehand].concat(), change)
    }

    /// With these options, and those that say where the sandbox is.
    pub(crate) fn command_exactly(
        &self,
        args: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> RunningCommand {
        let whose = if args[0] == "link" { "existing" } else { "new" };
        let directory = self.path(whose);
        let mut all = args.to_vec();
        all.extend(["--directory", directory.to_str().unwrap()]);
        all.push("--allow-loopback-http");
        let asks = matches!(args[0], "login" | "link") && !args.contains(&"--json");
        if asks {
            RunningCommand::at_terminal(&all, change)
        } else {
            RunningCommand::start_with(&all, change)
        }
    }

    /// The new device shows a code, and the existing one scans it: `(login, link, digits)`,
    /// connected, with the digits to type.
    pub(crate) fn connect(&self) -> (RunningCommand, RunningCommand, String) {
        self.connect_with(&[])
    }

    /// The same, with these options of the new device.
    pub(crate) fn connect_with(
        &self,
        options: &[&str],
    ) -> (RunningCommand, RunningCommand, String) {
        let login = ["login", "--json", "-vvv", "--homeserver", &self.homeserver];
        let mut login = self.command(&[&login, options].concat());
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

    /// The tokens of a device, which must never be printed.
    pub(crate) fn tokens(&self, whose: &str) -> Vec<String> {
        let session = fs::read(self.path(whose).join("session.json")).unwrap();
        let session: Value = serde_json::from_slice(&session).unwrap();
        ["access_token", "refresh_token"]
            .map(|name| session["user"][name].as_str().unwrap().to_owned())
            .into()
    }

    pub(crate) fn homeserver(&self) -> &str {
        &self.homeserver
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn private_file(path: &Path, contents: &str) {
    fs::write(path, contents).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The person at the consent page, who only sends forms.
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

pub(crate) fn http(host: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
