//! The account to which the new device is added, and its name there.

use super::support::{
    command::RunningCommand,
    sandbox::{SandboxProcess, decide},
    terminal::TestTerminal,
};

/// A sign-in up to the consent: `(login, link)`.
fn agree(sandbox: &SandboxProcess, args: &[&str]) -> (RunningCommand, RunningCommand) {
    let all = [
        &["login", "--json", "--homeserver", sandbox.homeserver()],
        args,
    ]
    .concat();
    let mut login = sandbox.command(&all);
    let mut link = sandbox.command(&["link", "--json", "--scan", "-"]);
    link.question("code");
    link.say(login.event("show")["code"].as_str().unwrap());
    login.question("check_code");
    login.say(link.event("check_code")["digits"].as_str().unwrap());
    let question = link.question("open_link");
    link.say("y");
    decide(question["link"].as_str().unwrap(), "allow");
    (login, link)
}

fn account_of(sandbox: &SandboxProcess) -> String {
    format!(
        "@alice:{}",
        sandbox
            .homeserver()
            .trim_start_matches("http://")
            .trim_end_matches('/')
    )
}

#[test]
fn a_script_names_the_only_account_that_it_takes() {
    let sandbox = SandboxProcess::start();
    let (mut login, mut link) = agree(&sandbox, &["--user", "@bot:example.org"]);
    assert_eq!(login.event("account")["user_id"], account_of(&sandbox));
    let error = login.event("error");
    assert_eq!(error["exit_code"], 7);
    assert!(
        error["what"]
            .as_str()
            .unwrap()
            .ends_with("@bot:example.org was requested"),
        "{error}"
    );
    login.ends(7);
    link.ends(4);
    assert!(!sandbox.path("new").exists(), "nothing was stored");

    let user = account_of(&sandbox);
    let (mut login, mut link) = agree(&sandbox, &["--user", &user, "--device-name", "The attic"]);
    assert_eq!(login.event("signed_in")["device_name"], "The attic");
    login.ends(0);
    link.ends(0);
}

#[test]
fn a_person_is_asked_whose_account_it_is() {
    let sandbox = SandboxProcess::start();
    for (answer, code) in [("n", 3), ("y", 0)] {
        let picture = sandbox.path(&format!("{answer}.png"));
        let directory = sandbox.path("new");
        let args = [
            "login",
            "--allow-loopback-http",
            "--homeserver",
            sandbox.homeserver(),
            "--directory",
            directory.to_str().unwrap(),
            "--qr",
            picture.to_str().unwrap(),
        ];
        let mut login = TestTerminal::open(env!("CARGO_BIN_EXE_matrix-qr"), &args, (200, 60), &[]);
        login.until_text("Waiting for the other device");
        let mut link = sandbox.command(&["link", "--json", "--scan", picture.to_str().unwrap()]);
        let digits = link.event("check_code")["digits"]
            .as_str()
            .unwrap()
            .to_owned();
        login.until_text("Type the two digits");
        login.type_in(&format!("{digits}\n"));
        let question = link.question("open_link");
        link.say("y");
        decide(question["link"].as_str().unwrap(), "allow");
        let said = login.until_text("add this device to it? [y/N]");
        assert!(
            said.contains(&format!(
                "This device will be added to {}.",
                account_of(&sandbox)
            )),
            "{said}"
        );
        assert!(
            !directory.join("session.json").exists(),
            "nothing is stored yet"
        );
        login.type_in(&format!("{answer}\n"));
        login.ends(code);
        link.ends(if code == 0 { 0 } else { 4 });
        assert_eq!(directory.exists(), code == 0);
    }
}
