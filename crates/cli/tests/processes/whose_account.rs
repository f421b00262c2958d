//! Whose account it is, and what the device is called there.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::support::{Process, Sandbox, decide};

/// A sign-in as far as the consent: `(login, link)`.
fn agree(sandbox: &Sandbox, args: &[&str]) -> (Process, Process) {
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

fn account_of(sandbox: &Sandbox) -> String {
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
    let sandbox = Sandbox::start();
    let (mut login, mut link) = agree(&sandbox, &["--user", "@bot:example.org"]);
    assert_eq!(login.event("account")["user_id"], account_of(&sandbox));
    let error = login.event("error");
    assert_eq!(error["exit_code"], 7);
    assert!(
        error["what"]
            .as_str()
            .unwrap()
            .ends_with("@bot:example.org was asked for"),
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
    let sandbox = Sandbox::start();
    for (answer, code) in [("n", 3), ("y", 0)] {
        let picture = sandbox.path(&format!("{answer}.png"));
        let directory = sandbox.path("new");
        let mut login = Terminal::start(&format!(
            "login --allow-loopback-http --homeserver {} --directory {} --qr {}",
            sandbox.homeserver(),
            directory.display(),
            picture.display()
        ));
        login.until("Waiting for the other device");
        let mut link = sandbox.command(&["link", "--json", "--scan", picture.to_str().unwrap()]);
        let digits = link.event("check_code")["digits"]
            .as_str()
            .unwrap()
            .to_owned();
        login.until("Type the two digits");
        login.say(&digits);
        let question = link.question("open_link");
        link.say("y");
        decide(question["link"].as_str().unwrap(), "allow");
        let said = login.until("to be one of it? [y/N]");
        assert!(
            said.contains(&format!(
                "This device is to be one of {}.",
                account_of(&sandbox)
            )),
            "{said}"
        );
        assert!(
            !directory.join("session.json").exists(),
            "nothing is stored yet"
        );
        login.say(answer);
        login.ends(code);
        link.ends(if code == 0 { 0 } else { 4 });
        assert_eq!(directory.exists(), code == 0);
    }
}

/// The program at a terminal, made by util-linux's `script`.
struct Terminal {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn start(args: &str) -> Self {
        let command = format!("{} {args}", env!("CARGO_BIN_EXE_matrix-qr"));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs `script`: apt-get install bsdutils ({error})")
            });
        let mut output = child.stdout.take().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                heard.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }

    fn until(&self, text: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.said().contains(text) {
            assert!(Instant::now() < until, "it only said:\n{}", self.said());
            thread::sleep(Duration::from_millis(20));
        }
        self.said()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ends(&mut self, code: i32) {
        assert_eq!(
            self.child.wait().unwrap().code(),
            Some(code),
            "{}",
            self.said()
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
