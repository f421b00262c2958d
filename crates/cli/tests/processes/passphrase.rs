//! A device whose keys are encrypted with a passphrase: what needs it, and how it is given.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{
    code,
    support::{
        command::RunningCommand,
        sandbox::{SandboxProcess, decide, private_file},
    },
};

const PASSPHRASE: &str = "nobody links from an unattended device";

/// The options of every command at the new device, or at the existing one.
fn options<'a>(command: &[&'a str], directory: &'a Path) -> Vec<&'a str> {
    let more = ["--allow-loopback-http", "-vvv", "--directory"];
    [command, &more, &[directory.to_str().unwrap()]].concat()
}

/// Signs in the new device with a passphrase in a file, and returns that file's name.
fn signed_in(sandbox: &SandboxProcess) -> String {
    let file = sandbox.directory.path().join("passphrase");
    private_file(&file, &format!("{PASSPHRASE}\nnot the passphrase\n"));
    let file = file.to_str().unwrap().to_owned();
    let (mut login, mut link, digits) = sandbox.connect_with(&["--passphrase-file", &file]);
    login.say(&digits);
    let question = link.question("open_link");
    link.say("y");
    decide(question["link"].as_str().unwrap(), "allow");
    assert_eq!(login.event("signed_in")["backup_connected"], true);
    assert!(!login.ends(0).contains(PASSPHRASE));
    link.ends(0);
    file
}

#[test]
fn nobody_links_from_an_unattended_device_without_its_passphrase() {
    let sandbox = SandboxProcess::start();
    let file = signed_in(&sandbox);
    let new = sandbox.path("new");
    let run = |command: &[&str]| RunningCommand::start(&options(command, &new));

    for command in [
        &["link"][..],
        &["link", "--json"],
        &["link", "--json", "--scan", "-"],
        &["restore-keys"],
        &["restore-keys", "--json"],
    ] {
        let said = run(command).ends(2);
        let wanted = "the keys of this device are encrypted, and their passphrase was not given";
        assert!(
            said.contains(wanted) && said.contains("--passphrase-file FILE"),
            "{said}"
        );
    }
    let other = sandbox.directory.path().join("other");
    private_file(&other, "another one\n");
    let with_other = [
        "link",
        "--json",
        "--passphrase-file",
        other.to_str().unwrap(),
    ];
    assert!(
        run(&with_other)
            .ends(10)
            .contains("the passphrase is wrong")
    );
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        run(&with_other)
            .ends(2)
            .contains("other users can read it (mode 644)")
    );

    let restored = run(&["restore-keys", "--passphrase-file", &file]).ends(0);
    assert!(restored.contains("1 key of old messages restored") && !restored.contains(PASSPHRASE));
    let mine = "--confirm-own-device";
    let mut link = run(&["link", mine, "--json", "--passphrase-file", &file]);
    link.event("show");
    link.signal("INT");
    assert!(!link.ends(3).contains(PASSPHRASE));

    // Nothing of this opens the keys.
    run(&["session"]).ends(0);
    run(&["token"]).ends(0);
    run(&["logout", "--yes"]).ends(0);
    assert!(!new.exists());
}

#[test]
fn a_passphrase_for_keys_that_are_not_encrypted_is_refused() {
    let sandbox = SandboxProcess::start();
    let file = sandbox.directory.path().join("passphrase");
    private_file(&file, PASSPHRASE);
    let directory = sandbox.path("existing");
    let command = [
        "link",
        "--json",
        "--passphrase-file",
        file.to_str().unwrap(),
    ];
    let said = RunningCommand::start(&options(&command, &directory)).ends(2);
    assert!(
        said.contains("the keys of this device are not encrypted"),
        "{said}"
    );
    private_file(&file, "\n");
    let said = RunningCommand::start(&options(&command, &directory)).ends(2);
    assert!(said.contains("the passphrase is empty"), "{said}");
}

#[test]
fn a_person_is_asked_for_the_passphrase_at_a_terminal() {
    let sandbox = SandboxProcess::start();
    let homeserver = sandbox.homeserver();
    let (new, existing) = (sandbox.path("new"), sandbox.path("existing"));
    let at_terminal =
        |command: &[&str], of: &Path| RunningCommand::at_terminal(&options(command, of), |_| {});
    let login = ["login", "--homeserver", homeserver, "--passphrase"];

    let mut differs = at_terminal(&login, &new);
    differs.say(PASSPHRASE);
    differs.say("another one");
    assert!(differs.ends(2).contains("the two passphrases differ"));
    let said = RunningCommand::start(&options(&[&login[..], &["--json"]].concat(), &new)).ends(2);
    assert!(said.contains("nobody can enter a passphrase"), "{said}");
    assert!(!new.exists());

    let mut login = at_terminal(&login, &new);
    login.say(PASSPHRASE);
    login.say(PASSPHRASE);
    let code = login.find(code);
    let mut link = RunningCommand::start(&options(
        &["link", "--confirm-own-device", "--json", "--scan", "-"],
        &existing,
    ));
    link.say(&code);
    login.answer_digits(link.event("check_code")["digits"].as_str().unwrap());
    let question = link.question("open_link");
    link.say("y");
    decide(question["link"].as_str().unwrap(), "allow");
    login.answer("y");
    assert!(!login.ends(0).contains(PASSPHRASE));
    link.ends(0);

    let mut wrong = at_terminal(&["link"], &new);
    wrong.say("another one");
    assert!(wrong.ends(10).contains("the passphrase is wrong"));
    let mut link = at_terminal(&["link", "--confirm-own-device"], &new);
    link.say(PASSPHRASE);
    link.find(super::code);
    link.signal("INT");
    assert!(!link.ends(3).contains(PASSPHRASE));
}
