//! `doctor` and `link --announce`, run by a person or a script.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::{io::Read as _, net::TcpListener, process::Command};

use matrix_qr_sandbox::{Fault, Options, Sandbox};
use serde_json::Value;
use support::command::RunningCommand;

/// The exit code, standard output and standard error.
async fn doctor(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr"));
    command.arg("doctor").args(args).env("NO_COLOR", "1");
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

async fn sandbox(fault: Option<Fault>) -> Sandbox {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    fault
        .into_iter()
        .for_each(|fault| sandbox.faults().set(fault));
    sandbox
}

#[tokio::test]
async fn a_good_one_is_a_list_of_ticks() {
    let sandbox = sandbox(None).await;
    let (code, out, err) = doctor(&["--allow-loopback-http", &sandbox.server_name()]).await;
    assert_eq!(code, 0, "{out}");
    assert_eq!(
        err.trim_end(),
        format!("Examining {}.", sandbox.server_name())
    );
    assert_eq!(
        out.lines().filter(|line| line.starts_with("  ✓ ")).count(),
        27,
        "{out}"
    );
    assert!(
        out.ends_with("\n\n27 good, 0 warnings, 0 bad, 3 not checked.\n"),
        "{out}"
    );
    assert!(
        out.contains(
            "  - the consent page and the new device in the account: not checked, only a sign-in can"
        ),
        "{out}"
    );
    assert!(
        out.contains("  - plain HTTP is redirected or refused: not checked, "),
        "{out}"
    );
}

#[tokio::test]
async fn what_is_bad_says_what_breaks_and_what_to_do() {
    let sandbox = sandbox(Some(Fault::NoRegistration)).await;
    let (code, out, err) = doctor(&["--allow-loopback-http", sandbox.homeserver().as_str()]).await;
    assert_eq!(code, 8, "{out}");
    assert!(
        !err.contains("error"),
        "what was found is the result: {err}"
    );
    let after = out
        .split("  ✗ clients can register? the metadata has no registration_endpoint\n")
        .nth(1)
        .unwrap();
    let mut lines = after.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("      what breaks: Clients cannot"),
        "{out}"
    );
    assert!(
        after.contains("\n      what to do: matrix-authentication-service: "),
        "{out}"
    );
    assert!(out.lines().all(|line| line.chars().count() <= 120), "{out}");
    assert!(out.contains(" 1 bad,"), "{out}");
}

#[tokio::test]
async fn a_script_gets_an_object_for_each_and_a_summary() {
    for (fault, code, ok) in [(None, 0, true), (Some(Fault::NoDeviceGrant), 8, false)] {
        let sandbox = sandbox(fault).await;
        let args = [
            "--json",
            "--allow-loopback-http",
            sandbox.homeserver().as_str(),
        ];
        let (exit, out, err) = doctor(&args).await;
        assert_eq!((exit, err.as_str()), (code, ""), "{out}");
        out.lines().for_each(support::schema::check);
        let mut lines: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.remove(0)["event"], "examining");
        let summary = lines.pop().unwrap();
        assert_eq!(
            (&summary["event"], &summary["ok"]),
            (&"summary".into(), &ok.into())
        );
        assert_eq!(summary["homeserver"], sandbox.homeserver().as_str());
        let count = |verdict: &str| {
            lines
                .iter()
                .filter(|line| line["verdict"] == verdict)
                .count()
        };
        for (verdict, counted) in [
            ("good", "good"),
            ("warning", "warnings"),
            ("bad", "bad"),
            ("not_checked", "not_checked"),
        ] {
            assert_eq!(summary[counted], count(verdict));
        }
        assert!(
            lines
                .iter()
                .all(|line| line["event"] == "finding" && line["check"].is_string())
        );
        let grant = lines
            .iter()
            .find(|line| line["check"] == "device-grant")
            .unwrap();
        assert_eq!(
            (grant["verdict"] == "good", grant["remedy"].is_null()),
            (ok, ok)
        );
    }
}

#[tokio::test]
async fn http_is_refused_unless_it_is_asked_for() {
    let sandbox = sandbox(None).await;
    let (code, out, _) = doctor(&[sandbox.homeserver().as_str()]).await;
    assert_eq!(code, 8);
    assert!(
        out.contains("only https is allowed") && out.contains("--allow-loopback-http"),
        "{out}"
    );
    assert!(sandbox.record().rendezvous_requests.is_empty());
}

#[test]
fn ctrl_c_ends_it() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", mute.local_addr().unwrap());
    for (json, said) in [
        (true, "\"interrupted\":true"),
        (false, "Interrupted: the remaining checks were skipped."),
    ] {
        let args = ["doctor", "--allow-loopback-http", &url, "--json"];
        let mut process = RunningCommand::start(if json { &args } else { &args[..3] });
        let (mut stream, _) = mute.accept().unwrap();
        assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
        process.signal("INT");
        let said_in_all = process.ends(3);
        assert!(said_in_all.contains(said), "{said_in_all}");
    }
}

/// The QR code shows how the existing device names its homeserver.
#[test]
fn link_announces_the_server_name_where_it_is_told_to() {
    let sandbox = support::sandbox::SandboxProcess::start();
    let directory = sandbox.path("existing");
    let directory = directory.to_str().unwrap();
    for (announce, is_name) in [("server-name", true), ("base-url", false)] {
        let args = [
            "link",
            "--confirm-own-device",
            "--json",
            "--allow-loopback-http",
            "--directory",
            directory,
            "--announce",
            announce,
        ];
        let mut link = RunningCommand::start(&args);
        let code = link.event("show")["code"].as_str().unwrap().to_owned();
        let homeserver = RunningCommand::start(&["inspect", "--json", &code]).find(|line| {
            let said: Value = serde_json::from_str(line).ok()?;
            said["homeserver"].as_str().map(str::to_owned)
        });
        assert_eq!(
            homeserver.starts_with("127.0.0.1:"),
            is_name,
            "{homeserver}"
        );
        assert_eq!(homeserver.starts_with("http://"), !is_name, "{homeserver}");
        link.signal("INT");
        link.ends(3);
    }
}
