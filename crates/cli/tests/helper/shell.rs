//! A shell script is enough to sign a device in.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use crate::support::sandbox::{SandboxProcess, decide};

#[test]
fn a_script_with_jq_signs_a_device_in() {
    let jq = Command::new("jq").arg("--version").output();
    assert!(jq.is_ok(), "jq is missing: apt-get install jq");
    let sandbox = SandboxProcess::start();
    let program = Path::new(env!("CARGO_BIN_EXE_matrix-qr")).parent().unwrap();
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap());
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/helper.sh"))
        .arg(sandbox.path("new"))
        .arg(sandbox.homeserver())
        .env("PATH", path)
        .env("HELPER_OPTIONS", "--allow-loopback-http")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = script.stdin.take().unwrap();
    let mut stdout = BufReader::new(script.stdout.take().unwrap());
    let mut lines = stdout.by_ref().lines().map(Result::unwrap);
    let code = lines.find(|line| line.starts_with("TUFU")).unwrap();

    let mut link = sandbox.command(&["link", "--json", "--scan", "-"]);
    link.say(&code);
    let digits = link.event("check_code")["digits"]
        .as_str()
        .unwrap()
        .to_owned();
    writeln!(stdin, "{digits}").unwrap();
    let question = link.question("open_link");
    link.say("y");
    decide(question["link"].as_str().unwrap(), "allow");
    writeln!(stdin, "true").unwrap();
    link.ends(0);

    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert!(said.contains("Code for the consent page: "), "{said}");
    assert!(said.contains("Signed in as @alice:"), "{said}");
    assert!(script.wait().unwrap().success());
    assert!(sandbox.command(&["session"]).ends(0).contains("@alice:"));
}
