//! Before `link` reads or shows a code, the person says that the new device is theirs.

use std::fs;

use serde_json::Value;

use super::support::{
    command::RunningCommand,
    sandbox::{SandboxProcess, decide},
    terminal::TestTerminal,
};

const QUESTION: &str = "did you start this yourself? [y/N]";

fn asking(sandbox: &SandboxProcess, args: &[&str]) -> RunningCommand {
    sandbox.command_exactly(&[&["link", "--json"], args].concat(), |_| {})
}

/// The first line that it printed.
fn first(said: &str) -> Value {
    serde_json::from_str(said.lines().next().unwrap()).unwrap()
}

/// Neither a file with a code nor a server is looked at.
#[test]
fn a_no_comes_before_everything() {
    let sandbox = SandboxProcess::start();
    let picture = sandbox.path("code.png");
    let ways = [
        &["--scan", "-"][..],
        &["--scan", "no-such-picture.png"],
        &["--qr", picture.to_str().unwrap()],
        &["--rendezvous", "http://127.0.0.1:1/"],
        &[],
    ];
    for way in ways {
        let mut link = asking(&sandbox, way);
        let question = link.question("own_device");
        let warning = question["warning"].as_str().unwrap();
        assert!(warning.contains("Support staff never ask"), "{warning}");
        link.say("n");
        let said = link.ends(3);
        assert_eq!(first(&said)["question"], "own_device", "{said}");
        assert!(
            said.contains("you did not confirm that the new device is yours"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(!picture.exists());
    }
    let mut link = asking(&sandbox, &[]);
    link.question("own_device");
    link.close_stdin();
    assert!(link.ends(3).contains("standard input ended"));
}

#[test]
fn a_script_answers_the_question_and_those_after_it_line_by_line() {
    let sandbox = SandboxProcess::start();
    let mut login = sandbox.command(&["login", "--json", "--homeserver", sandbox.homeserver()]);
    let code = login.event("show")["code"].as_str().unwrap().to_owned();
    let mut link = asking(&sandbox, &["--scan", "-"]);
    // All at once: no question takes more than its own line.
    link.say(&format!("y\n{code}\ny"));
    link.question("own_device");
    link.question("code");
    login.question("check_code");
    login.say(link.event("check_code")["digits"].as_str().unwrap());
    let question = link.question("open_link");
    decide(question["link"].as_str().unwrap(), "allow");
    login.ends(0);
    link.ends(0);
}

#[test]
fn who_says_so_beforehand_is_warned_and_not_asked() {
    let sandbox = SandboxProcess::start();
    let mut link = asking(&sandbox, &["--confirm-own-device"]);
    link.event("show");
    link.signal("INT");
    let said = link.ends(3);
    let warning = first(&said);
    assert_eq!(warning["event"], "warning", "{said}");
    assert!(warning["what"].as_str().unwrap().contains("Support staff"));
    assert!(!said.contains("own_device"), "{said}");
}

/// Somebody who tells a person what to paste does not answer the question for them.
#[test]
fn what_was_typed_before_the_question_does_not_answer_it() {
    let sandbox = SandboxProcess::start();
    let existing = sandbox.path("existing");
    let picture = sandbox.path("code.png");
    let args = [
        "link",
        "--allow-loopback-http",
        "--directory",
        existing.to_str().unwrap(),
        "--qr",
        picture.to_str().unwrap(),
    ];
    let program = env!("CARGO_BIN_EXE_matrix-qr");
    let mut link = TestTerminal::open_after("y\ny\n", program, &args, (100, 40), &[]);
    let said = link.until_text(QUESTION);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("Whoever has that device can read all your messages"),
        "{said}"
    );
    link.type_in("n\n");
    link.ends(3);
    assert!(!picture.exists());

    let mut link = TestTerminal::open(program, &args, (100, 40), &[]);
    link.until_text(QUESTION);
    assert!(!picture.exists());
    link.type_in("y\n");
    link.until_text("Waiting for the other device");
    assert!(fs::exists(&picture).unwrap());
    link.type_in("\x03");
    link.ends(3);

    let args = [&["logout"], &args[1..4]].concat();
    let mut logout = TestTerminal::open_after("y\ny\n", program, &args, (100, 40), &[]);
    logout.until_text("[y/N]");
    logout.type_in("n\n");
    logout.ends(3);
    assert!(existing.exists());
}
