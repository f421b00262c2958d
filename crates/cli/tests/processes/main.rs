//! Two devices and a sandbox, each in a process of its own, as in three terminals.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod account;
mod account_choice;
#[path = "../../../rendezvous/tests/conformance/certificates.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod certificates;
mod command_line;
mod connections;
mod consent_link;
mod own_device;
mod page;
mod passphrase;
#[path = "../../../rendezvous/tests/proxies/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod proxy_program;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::{fs, io::ErrorKind, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use self::support::{
    command::RunningCommand,
    sandbox::{SandboxProcess, decide, private_file},
};

#[test]
fn the_new_device_shows_the_code_as_text_and_lives_on() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link, digits) = sandbox.connect();
    login.say("no digits");
    login.question("check_code");
    login.say(&digits);
    assert_eq!(link.event("device_bound")["bound"], true);
    let question = link.question("open_link");
    assert!(
        question["link"]
            .as_str()
            .unwrap()
            .contains(question["host"].as_str().unwrap())
    );
    link.say("y");
    decide(question["link"].as_str().unwrap(), "allow");
    let signed_in = login.event("signed_in");
    assert_eq!(signed_in["backup_connected"], true);
    let secrets = [sandbox.tokens("new"), sandbox.tokens("existing")].concat();
    let granted = link.event("granted");
    assert_eq!(
        (&granted["bound"], &granted["verified"]),
        (&true.into(), &true.into())
    );
    let said = [
        login.ends(0),
        link.ends(0),
        sandbox.command(&["session"]).ends(0),
    ]
    .concat();
    assert!(said.contains("TRACE matrix_qr") && secrets.len() == 4);
    assert!(
        !secrets.iter().any(|secret| said.contains(secret)),
        "a token was shown"
    );
    let mut inside = said
        .lines()
        .filter(|line| line.contains(" TRACE ") || line.contains(" DEBUG "));
    assert!(
        inside.all(|line| line.contains(" matrix_qr_")),
        "what others log is not ours to show: {said}"
    );

    let session: Value =
        serde_json::from_str(&sandbox.command(&["session", "--json"]).ends(0)).unwrap();
    assert_eq!(
        (&session["user_id"], &session["device_id"]),
        (&signed_in["user_id"], &signed_in["device_id"])
    );
    let restored = sandbox
        .command(&["restore-keys", "--json"])
        .event("restored");
    assert_eq!(
        (&restored["keys"], &restored["undecryptable"]),
        (&1.into(), &0.into())
    );
    let again = sandbox.command(&["restore-keys"]).ends(0);
    assert!(
        again.contains("0 keys of old messages restored, 1 was already here."),
        "{again}"
    );
    exports_the_keys(&sandbox);
    assert!(sandbox.command(&["logout"]).ends(2).contains("--yes"));
    let mut logout = sandbox.command(&["logout", "--json"]);
    logout.question("logout");
    logout.say("n");
    logout.ends(3);
    sandbox.command(&["logout", "--yes"]).ends(0);
    assert!(!sandbox.path("new").exists());
    sandbox.command(&["session"]).ends(10);
}

fn exports_the_keys(sandbox: &SandboxProcess) {
    let directory = sandbox.directory.path();
    let (passphrase, export) = (directory.join("passphrase"), directory.join("keys.txt"));
    let names = (passphrase.to_str().unwrap(), export.to_str().unwrap());
    let args = [
        "restore-keys",
        "--export",
        names.1,
        "--export-passphrase-file",
        names.0,
    ];
    assert!(
        sandbox
            .command(&args[..3])
            .ends(2)
            .contains("--export-passphrase-file FILE")
    );
    private_file(&passphrase, "\n");
    assert!(
        sandbox
            .command(&args)
            .ends(2)
            .contains("the passphrase is empty")
    );
    assert!(!export.exists());
    private_file(&passphrase, "a passphrase\n");
    assert!(
        sandbox
            .command(&args)
            .ends(0)
            .contains("1 room key exported to ")
    );
    let text = fs::read_to_string(&export).unwrap();
    assert!(
        text.starts_with("-----BEGIN MEGOLM SESSION DATA-----\n"),
        "{text}"
    );
    assert_eq!(
        fs::metadata(&export).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(sandbox.command(&args).ends(2).contains("already exists"));
    assert_eq!(fs::read_to_string(&export).unwrap(), text);
}

#[test]
fn the_existing_device_shows_the_code_in_a_file() {
    in_a_file("msc4108");
    in_a_file("msc4388");
}

fn in_a_file(revision: &str) {
    let sandbox = SandboxProcess::start();
    let picture = sandbox.path("code.png");
    let file = picture.to_str().unwrap();
    let link = [
        "link",
        "--json",
        "--require-bound-device",
        "--qr",
        file,
        "--revision",
        revision,
    ];
    let mut link = sandbox.command(&link);
    let code = link.event("show")["code"].as_str().unwrap().to_owned();
    let said: Value =
        serde_json::from_str(&RunningCommand::start(&["inspect", "--json", &code]).ends(0))
            .unwrap();
    assert_eq!(
        (&said["revision"], &said["usable"]),
        (&revision.into(), &true.into())
    );
    assert_eq!(
        fs::metadata(&picture).unwrap().permissions().mode() & 0o077,
        0
    );
    let mut login = sandbox.command(&["login", "--json", "--scan", picture.to_str().unwrap()]);
    let digits = login.event("check_code")["digits"]
        .as_str()
        .unwrap()
        .to_owned();
    link.question("check_code");
    link.say(&digits);
    let question = link.question("open_link");
    link.say("y");
    decide(question["link"].as_str().unwrap(), "allow");
    login.ends(0);
    link.ends(0);
    assert!(!picture.exists(), "a code that was used is removed");
}

#[test]
fn a_person_at_two_terminals_signs_in_a_device() {
    let sandbox = SandboxProcess::start();
    let browser = Browser::new();
    let mut login = sandbox.command(&["login", "--homeserver", sandbox.homeserver()]);
    let code = login.find(code);
    let mut link = sandbox.command_with(&["link", "--scan", "-"], |command| {
        command.env("PATH", browser.path());
    });
    link.say(&code);
    let digits = link.find(boxed);
    login.answer_digits(&digits);
    login.find(|line| line.contains("Now agree on the other device").then_some(()));
    link.find(|line| (line.trim() == "127.0.0.1").then_some(()));
    link.answer("y");
    let code = login.find(boxed);
    let opened = browser.opened();
    assert!(opened.ends_with(&code), "{opened} {code}");
    decide(&opened, "allow");
    login.answer("y");
    assert!(login.ends(0).contains("Signed in as @alice:"));
    assert!(link.ends(0).contains("It is verified"));
}

#[test]
fn without_a_browser_the_link_is_printed_and_it_goes_on() {
    let sandbox = SandboxProcess::start();
    let (mut login, code) = showing(&sandbox);
    let mut link = sandbox.command_with(&["link", "--scan", "-"], |command| {
        command.env("PATH", sandbox.directory.path());
    });
    link.say(&code);
    let digits = link.find(boxed);
    login.answer_digits(&digits);
    link.answer("y");
    link.find(|line| line.contains("No browser could be opened").then_some(()));
    let url = link.find(|line| {
        line.trim()
            .starts_with("http://")
            .then(|| line.trim().to_owned())
    });
    decide(&url, "allow");
    login.answer("y");
    login.ends(0);
    link.ends(0);
}

#[test]
fn a_new_device_that_may_not_show_an_msc4388_code_is_advised_to_scan() {
    let sandbox = SandboxProcess::start_with(&["--misbehave", "rendezvous-wants-token"]);
    let login = |revision| {
        sandbox.command(&[
            "login",
            "--homeserver",
            sandbox.homeserver(),
            "--revision",
            revision,
            "--json",
        ])
    };
    let said = login("msc4388").ends(9);
    assert!(
        said.contains("Let the other device show the QR code and scan it here"),
        "{said}"
    );
    assert!(!sandbox.path("new").exists());
    let mut newest = login("newest");
    newest.event("show");
    newest.signal("INT");
    newest.ends(3);
}

#[test]
fn ctrl_c_at_the_new_device_is_heard_at_the_other() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link, _) = sandbox.connect();
    login.signal("INT");
    assert!(login.ends(3).contains(r#""what":"cancelled""#));
    assert!(link.ends(4).contains("it was cancelled there"));
    assert!(
        !sandbox.path("new").exists(),
        "nothing is left of the new device"
    );
}

#[test]
fn ctrl_c_at_the_existing_device_is_heard_at_the_other() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link, digits) = sandbox.connect();
    login.say(&digits);
    link.question("open_link");
    link.signal("INT");
    assert!(link.ends(3).contains(r#""what":"cancelled""#));
    assert!(login.ends(4).contains("it was cancelled there"));
}

#[test]
fn ctrl_c_before_the_other_device_is_there_takes_the_session_and_the_picture_away() {
    let sandbox = SandboxProcess::start();
    let picture = sandbox.path("code.svg");
    let mut link = sandbox.command(&["link", "--json", "--qr", picture.to_str().unwrap()]);
    let code = link.event("show")["code"].as_str().unwrap().to_owned();
    assert!(picture.exists());
    link.signal("TERM");
    link.ends(3);
    assert!(!picture.exists());
    let mut login = sandbox.command(&["login", "--json", "--scan", "-"]);
    login.say(&code);
    assert_eq!(login.event("error")["exit_code"], 4);
    login.ends(4);
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let sandbox = SandboxProcess::start();
    let (mut login, _) = showing(&sandbox);
    // The server is stopped: a clean end would have to wait for it.
    sandbox.process.signal("STOP");
    login.signal("INT");
    login.find(|line| {
        line.contains("Press Ctrl-C again to stop at once")
            .then_some(())
    });
    login.signal("INT");
    login.ends(130);
    sandbox.process.signal("CONT");
}

#[test]
fn wrong_digits_end_it_on_both_sides() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link, digits) = sandbox.connect();
    let wrong = if digits == "00" { "01" } else { "00" };
    login.say(wrong);
    login.ends(7);
    link.ends(4);
}

#[test]
fn ctrl_c_tells_another_device_only_where_there_is_one() {
    let sandbox = SandboxProcess::start();
    let said = |line: &str| line.starts_with("Cancelling").then(|| line.to_owned());
    let (mut login, _) = showing(&sandbox);
    login.signal("INT");
    assert_eq!(
        login.find(said),
        "Cancelling. Press Ctrl-C again to stop at once."
    );
    login.ends(3);

    let (mut login, code) = showing(&sandbox);
    let mut link = sandbox.command(&["link", "--scan", "-"]);
    link.say(&code);
    link.find(boxed);
    link.signal("INT");
    assert_eq!(
        link.find(said),
        "Cancelling, and informing the other device. Press Ctrl-C again to stop at once."
    );
    link.ends(3);
    login.ends(4);
}

#[test]
fn what_will_be_asked_is_refused_before_there_is_a_session() {
    let sandbox = SandboxProcess::start();
    for (command, whose) in [("login", "new"), ("link", "existing")] {
        let directory = sandbox.path(whose);
        let mut args = vec![
            command,
            "--allow-loopback-http",
            "--directory",
            directory.to_str().unwrap(),
        ];
        if command == "login" {
            args.extend(["--homeserver", sandbox.homeserver()]);
        }
        let said = RunningCommand::start(&args).ends(2);
        assert!(
            said.contains("there is nobody to ask") && !said.contains("as text"),
            "{said}"
        );
    }
    assert!(!sandbox.path("new").exists());
}

#[test]
fn standard_input_that_ends_is_told_as_that() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link, _) = sandbox.connect();
    login.close_stdin();
    assert!(login.ends(3).contains("standard input ended"));
    link.ends(4);

    let (mut login, code) = showing(&sandbox);
    let mut link = sandbox.command(&["link", "--scan", "-"]);
    link.say(&code);
    login.asks_for_digits();
    login.close_stdin();
    assert!(login.ends(3).contains("standard input ended"));
    link.ends(4);
}

#[test]
fn no_answer_is_no_consent() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link, digits) = sandbox.connect();
    login.say(&digits);
    link.question("open_link");
    link.close_stdin();
    assert!(link.ends(3).contains("standard input ended"));
    login.ends(4);
}

#[test]
fn a_device_whose_keys_are_elsewhere_says_so_before_it_looks_at_a_code() {
    let sandbox = SandboxProcess::start();
    for file in fs::read_dir(sandbox.path("existing"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if file.to_str().unwrap().contains("sqlite3") {
            // SQLite removes its extra files when the sandbox closes the database, which may happen
            // now.
            let removed = fs::remove_file(file);
            assert!(
                removed.is_ok() || removed.is_err_and(|error| error.kind() == ErrorKind::NotFound)
            );
        }
    }
    for args in [
        &["link", "--scan", "-"][..],
        &["link"],
        &["link", "--scan", "no-such-picture.png"],
    ] {
        let said = sandbox.command(args).ends(10);
        assert!(
            said.contains("the program that signed it in holds them"),
            "{said}"
        );
    }
}

#[test]
fn the_demonstration_asks_a_person_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let demo = |answer: &str, code: i32| {
        let mut demo = RunningCommand::start_with(&["demo"], |command| {
            command.env("TMPDIR", place.path());
        });
        demo.answer("y");
        let digits = demo.find(|line| {
            line.split_once("shows the digits ")
                .map(|(_, digits)| digits.to_owned())
        });
        demo.say(&digits);
        demo.say(answer);
        demo.ends(code)
    };
    assert!(demo("y", 0).contains("3 old messages can be read"));
    assert!(demo("n", 4).contains("declined on the consent page"));
    let mut refused = RunningCommand::start_with(&["demo"], |command| {
        command.env("TMPDIR", place.path());
    });
    refused.answer("n");
    let said = refused.ends(3);
    assert!(
        said.contains("you did not confirm that the new device is yours"),
        "{said}"
    );
    let mut cancelled = RunningCommand::start_with(&["demo"], |command| {
        command.env("TMPDIR", place.path());
    });
    cancelled.answer("y");
    cancelled.find(|line| line.contains("shows the digits").then_some(()));
    cancelled.signal("INT");
    cancelled.ends(3);
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        0,
        "temporary directories are removed"
    );
}

#[test]
fn a_link_that_is_not_opened_and_a_consent_that_is_denied_end_it() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link, digits) = sandbox.connect();
    login.say(&digits);
    link.question("open_link");
    link.say("n");
    link.ends(3);
    login.ends(4);

    let (mut login, mut link, digits) = sandbox.connect();
    login.say(&digits);
    let question = link.question("open_link");
    link.say("yes");
    decide(question["link"].as_str().unwrap(), "deny");
    assert!(login.ends(4).contains("declined on the consent page"));
    assert!(link.ends(4).contains("declined on the consent page"));
}

#[test]
fn two_devices_of_the_same_role_are_told_apart_before_anything_happens() {
    let sandbox = SandboxProcess::start();
    let (_login, code) = showing(&sandbox);
    let elsewhere = sandbox.directory.path().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    let mut other = RunningCommand::start(&[
        "login",
        "--scan",
        "-",
        "--allow-loopback-http",
        "--directory",
        elsewhere,
    ]);
    other.say(&code);
    assert!(other.ends(6).contains("both devices are new"));
}

#[test]
fn the_sandbox_says_what_to_paste_and_cleans_up() {
    let mut sandbox = RunningCommand::start(&["sandbox", "--misbehave", "slow-down=2"]);
    sandbox.find(|line| line.contains("slow-down=2").then_some(()));
    let login = sandbox.find(|line| line.contains(" login ").then(|| line.to_owned()));
    let link = sandbox.find(|line| line.contains(" link ").then(|| line.to_owned()));
    let existing = link
        .split_whitespace()
        .skip_while(|word| *word != "--directory")
        .nth(1)
        .unwrap()
        .to_owned();
    assert!(fs::exists(&existing).unwrap() && login.contains("--qr ") && link.contains("--scan "));
    sandbox.signal("INT");
    sandbox.ends(0);
    assert!(!fs::exists(&existing).unwrap());
}

/// A new device that shows its code, and the code as text.
fn showing(sandbox: &SandboxProcess) -> (RunningCommand, String) {
    let mut login = sandbox.command(&["login", "--homeserver", sandbox.homeserver()]);
    let code = login.find(code);
    (login, code)
}

/// A code as text, which is a line of its own.
fn code(line: &str) -> Option<String> {
    line.starts_with("TUFU").then(|| line.to_owned())
}

/// What stands in a box, large.
fn boxed(line: &str) -> Option<String> {
    let inner = line.trim().strip_prefix('│')?.strip_suffix('│')?;
    Some(inner.split_whitespace().collect())
}

/// A browser that only notes what it was asked to open.
struct Browser(tempfile::TempDir);

impl Browser {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("xdg-open");
        fs::write(
            &script,
            "#!/bin/sh\necho \"$1\" > \"$0.tmp\" && /bin/mv \"$0.tmp\" \"$0.opened\"\n",
        )
        .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        Self(directory)
    }

    fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    fn has_opened(&self) -> bool {
        let left = fs::read_dir(self.path()).unwrap();
        left.count() > 1
    }

    fn opened(&self) -> String {
        let note = self.0.path().join("xdg-open.opened");
        for _ in 0..500 {
            if let Ok(url) = fs::read_to_string(&note) {
                return url.trim().to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("nothing was opened")
    }
}
