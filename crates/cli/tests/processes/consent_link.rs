//! What a person sees of the page that the new device asks to open.

use super::support::{sandbox::SandboxProcess, terminal::TestTerminal};

const HOST: &str = "id.elsewhere.example";
const WARNING: &str = "id.elsewhere.example belongs neither to your homeserver (127.0.0.1) nor to its \
    authorization server (127.0.0.1). Agree there only if you know that it is the right page.";

#[test]
fn a_script_reads_the_host_and_whether_it_is_the_right_site() {
    let sandbox = SandboxProcess::start_with(&["--misbehave", "uri-elsewhere"]);
    let (mut login, mut link, digits) = sandbox.connect();
    login.say(&digits);
    let question = link.question("open_link");
    assert_eq!(
        (&question["host"], &question["warning"]),
        (&HOST.into(), &WARNING.into())
    );
    link.say("y");
    assert_eq!(login.event("user_code")["warning"], WARNING);
    link.signal("INT");
    link.ends(3);
    login.ends(4);

    let sandbox = SandboxProcess::start();
    let (mut login, mut link, digits) = sandbox.connect();
    login.say(&digits);
    assert!(link.question("open_link")["warning"].is_null());
    link.say("y");
    assert!(login.event("user_code")["warning"].is_null());
}

#[test]
fn a_person_sees_the_host_alone_and_in_bold_and_what_is_wrong_with_it() {
    let sandbox = SandboxProcess::start_with(&["--misbehave", "uri-elsewhere"]);
    let (existing, picture) = (sandbox.path("existing"), sandbox.path("code.png"));
    let [existing, picture] = [&existing, &picture].map(|path| path.to_str().unwrap());
    let args = [
        "link",
        "--allow-loopback-http",
        "--confirm-own-device",
        "--directory",
        existing,
        "--qr",
        picture,
    ];
    let mut link = TestTerminal::open(env!("CARGO_BIN_EXE_matrix-qr"), &args, (100, 50), &[]);
    link.until_text("Waiting for the other device");
    let mut login = sandbox.command(&["login", "--json", "--scan", picture]);
    let digits = login.event("check_code")["digits"].clone();
    link.until_text("Type the two digits");
    link.type_in(&format!("{}\n", digits.as_str().unwrap()));
    let said = link.until_text("Open it in your browser? [y/N]");
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("warning: {WARNING}")), "{said}");
    let is_bold = link.until(|screen| {
        let row = screen.rows(0, 100).position(|row| row.trim() == HOST)?;
        Some(screen.cell(row as u16, 4)?.bold())
    });
    assert!(is_bold, "{said}");
    link.type_in("n\n");
    link.ends(3);
    login.ends(4);
}
