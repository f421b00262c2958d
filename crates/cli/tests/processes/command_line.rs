//! Mistakes that only the command line causes.

use super::support::{command::RunningCommand, sandbox::SandboxProcess};

/// A session at the sandbox, and a command that forgets its flag: neither the session nor a server
/// is at fault.
#[test]
fn a_forgotten_flag_is_not_the_servers_fault() {
    let sandbox = SandboxProcess::start();
    let directory = sandbox.path("existing");
    let directory = directory.to_str().unwrap();
    let link = ["link", "--confirm-own-device"];
    for command in [&["restore-keys"][..], &link, &["logout", "--yes"]] {
        let args = [command, &["--json", "--directory", directory]].concat();
        let mut process = RunningCommand::start(&args);
        let error = process.event("error");
        assert_eq!(
            (&error["exit_code"], &error["advice"]),
            (&2.into(), &"Add --allow-loopback-http.".into()),
            "{error}"
        );
        process.ends(2);
    }
    assert!(
        sandbox.path("existing").join("session.json").exists(),
        "it can be tried again"
    );
}
