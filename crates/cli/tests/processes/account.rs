//! How a session is used, and how it ends: `session`, `token`, `restore-keys`, `link` and `logout`
//! as processes, with servers in the process of the test.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use matrix_qr_device::{
    Device, first_device,
    http::Policy,
    secret::Secret,
    session::{SessionDir, StoredSession, UserSession},
};
use matrix_qr_sandbox::{Decision, Fault, Options, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::support::command::RunningCommand;

/// What is tested here comes after the question whose device it is.
const CONFIRMED: &str = "--confirm-own-device";
const DEVICE: &str = "SECONDDEVICE";

struct InProcessSandbox {
    runtime: Runtime,
    sandbox: Sandbox,
    directory: TempDir,
}

impl InProcessSandbox {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let sandbox = runtime
            .block_on(Sandbox::start(Options::default()))
            .unwrap();
        Self {
            runtime,
            sandbox,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A session in a directory with this name, whose store has no keys of the account.
    fn signed_in(&self, name: &str, device: &str) -> PathBuf {
        let session = self
            .runtime
            .block_on(self.sandbox.first_session(device))
            .unwrap();
        let user = UserSession {
            user_id: session.user_id.parse().unwrap(),
            device_id: session.device_id.as_str().into(),
            access_token: Secret::new(session.access_token),
            refresh_token: Some(Secret::new(session.refresh_token)),
        };
        let directory = SessionDir::new(self.path(name));
        drop(directory.create().unwrap());
        let session = StoredSession {
            homeserver: self.sandbox.homeserver().clone(),
            issuer: self.sandbox.issuer().clone(),
            account_management_uri: None,
            client_id: session.client_id,
            expires_at: None,
            user,
        };
        directory.save(&session).unwrap();
        self.runtime.block_on(async {
            let path = directory.path();
            let device = Device::with_new_keys(path, Policy::HttpsOrLoopback, None);
            drop(device.await.unwrap());
        });
        directory.path().to_owned()
    }

    /// The account's first device, with its keys.
    fn set_up(&self) {
        let directory = self.signed_in("existing", "FIRSTDEVICE");
        self.runtime.block_on(async {
            let first = Device::open(&directory, Policy::HttpsOrLoopback, None)
                .await
                .unwrap();
            Box::pin(first_device::set_up(first.homeserver(), first.keys()))
                .await
                .unwrap();
        });
    }

    fn command(&self, name: &str, args: &[&str]) -> RunningCommand {
        RunningCommand::start(
            &[
                args,
                &[
                    "--allow-loopback-http",
                    "--directory",
                    self.path(name).to_str().unwrap(),
                ],
            ]
            .concat(),
        )
    }

    /// The output, with separate streams.
    fn output(&self, name: &str, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr"));
        command
            .args(args)
            .arg("--allow-loopback-http")
            .arg("--directory")
            .arg(self.path(name))
            .output()
            .unwrap()
    }

    fn devices(&self) -> Vec<String> {
        self.sandbox.record().devices
    }

    /// A sign-in that hangs in the one upload of the keys: `(login, link)`.
    fn hang_in_the_import(&self) -> (RunningCommand, RunningCommand) {
        self.sandbox.faults().set(Fault::KeysUploadHangs);
        let (mut login, link) = self.connect();
        login.event("importing_secrets");
        // What a revocation needs is stored before the import begins.
        assert!(self.path("new").join("session.pending.json").exists());
        (login, link)
    }

    /// Starts both devices, and signs in up to the consent.
    fn connect(&self) -> (RunningCommand, RunningCommand) {
        let mut login = self.command(
            "new",
            &[
                "login",
                "--json",
                "--homeserver",
                self.sandbox.homeserver().as_str(),
            ],
        );
        let mut link = self.command("existing", &["link", CONFIRMED, "--json", "--scan", "-"]);
        link.say(login.event("show")["code"].as_str().unwrap());
        let digits = link.event("check_code")["digits"]
            .as_str()
            .unwrap()
            .to_owned();
        login.question("check_code");
        login.say(&digits);
        link.question("open_link");
        link.say("y");
        let code = self.runtime.block_on(self.sandbox.next_pending());
        assert!(self.sandbox.decide(&code, Decision::Allow));
        (login, link)
    }
}

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_token_is_alone_on_standard_output() {
    let servers = InProcessSandbox::start();
    servers.signed_in("new", DEVICE);
    let output = servers.output("new", &["token"]);
    let token = stdout(&output);
    assert_eq!((token.lines().count(), output.stderr.len()), (1, 0));
    let json: Value =
        serde_json::from_str(&stdout(&servers.output("new", &["token", "--json"]))).unwrap();
    assert_eq!(json["access_token"], token.trim_end(), "it is still good");
    assert!(
        json["expires_in"].as_u64().unwrap() >= 60
            && json["expires_at"].as_u64().unwrap() > 1_700_000_000
    );
    assert_eq!(
        (json["device_id"].as_str(), json["user_id"].as_str()),
        (Some(DEVICE), Some(servers.sandbox.user_id().as_str()))
    );
    let said = servers.command("new", &["token", "--for", "4000"]).ends(8);
    assert!(
        said.contains("but 4000 s were requested") && !said.contains(token.trim_end()),
        "{said}"
    );
    servers.command("new", &["token", "--for", "0"]).ends(2);
    servers.command("elsewhere", &["token"]).ends(10);
}

#[test]
fn two_tokens_at_once_are_one() {
    let servers = InProcessSandbox::start();
    servers.signed_in("new", DEVICE);
    let mut both = [
        servers.command("new", &["token"]),
        servers.command("new", &["token"]),
    ];
    let tokens = both.each_mut().map(|process| process.ends(0));
    assert_eq!(tokens[0], tokens[1]);
    servers.command("new", &["session"]).ends(0);
}

#[test]
fn a_device_without_the_accounts_keys_says_so_before_a_person_gives_it_a_code() {
    let servers = InProcessSandbox::start();
    servers.signed_in("new", DEVICE);
    for args in [
        &["link", CONFIRMED, "--json", "--scan", "-"][..],
        &["link", CONFIRMED, "--json"],
    ] {
        let said = servers.command("new", args).ends(10);
        let wanted = "does not hold the account's private master";
        assert!(said.contains(wanted), "{said}");
    }
}

/// The line of docs/bots/tokens.md.
#[test]
#[ignore = "needs curl: cargo xtask test"]
fn a_token_is_for_curl() {
    const BOTS: &str = include_str!("../../../../docs/bots/tokens.md");
    let servers = InProcessSandbox::start();
    let directory = servers.signed_in("new", DEVICE);
    let (_, line) = BOTS.split_once("$ printf ").unwrap();
    let line = line.split_once("\n```").unwrap().0;
    let line = line
        .replace(
            "matrix-qr token",
            &format!(
                "{} token --allow-loopback-http",
                env!("CARGO_BIN_EXE_matrix-qr")
            ),
        )
        .replace("/var/lib/pingbot", directory.to_str().unwrap())
        .replace(
            "https://matrix.example.org/",
            servers.sandbox.homeserver().as_str(),
        );
    let output = Command::new("sh")
        .args(["-c", &format!("printf {line}")])
        .output()
        .unwrap();
    let missing = String::from_utf8_lossy(&output.stderr).contains("curl: not found");
    assert!(!missing, "curl is missing: apt-get install curl");
    let who: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(who["device_id"], DEVICE);
}

/// The script of docs/bots/tokens.md.
#[test]
#[ignore = "needs curl and jq: cargo xtask test"]
fn a_script_is_a_bot() {
    const BOTS: &str = include_str!("../../../../docs/bots/tokens.md");
    for program in ["curl", "jq"] {
        let found = Command::new(program).arg("--version").output();
        assert!(
            found.is_ok(),
            "{program} is missing: apt-get install {program}"
        );
    }
    let servers = InProcessSandbox::start();
    let directory = servers.signed_in("new", DEVICE);
    let (_, script) = BOTS.split_once("```sh\n").unwrap();
    let mut script = script.split_once("```").unwrap().0.to_owned();
    for command in ["session", "token"] {
        let here = format!(
            "{} {command} --allow-loopback-http",
            env!("CARGO_BIN_EXE_matrix-qr")
        );
        script = script.replace(&format!("matrix-qr {command}"), &here);
    }
    let file = servers.path("ping.sh");
    fs::write(&file, script).unwrap();
    let mut bot = RunningScript(
        Command::new("sh")
            .arg(&file)
            .arg(&directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let phone = servers
        .runtime
        .block_on(servers.sandbox.first_session("PERSONSDEVICE"));
    let phone = phone.unwrap().access_token;
    let ask = |method: Method, path: &str, body: Value| {
        let url = servers
            .sandbox
            .homeserver()
            .join("_matrix/client/v3/")
            .unwrap();
        let request = reqwest::Client::new().request(method, url.join(path).unwrap());
        let request = request.bearer_auth(&phone).json(&body).send();
        let answer = async { request.await.unwrap().json::<Value>().await.unwrap() };
        servers.runtime.block_on(answer)
    };
    let room = ask(Method::POST, "createRoom", json!({}))["room_id"].clone();
    let room = format!("rooms/{}", room.as_str().unwrap());
    let mut said = BufReader::new(bot.0.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "ready");
    let ping = json!({ "msgtype": "m.text", "body": "!ping" });
    ask(Method::PUT, &format!("{room}/send/m.room.message/1"), ping);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let messages = ask(Method::GET, &format!("{room}/messages?dir=b"), Value::Null);
        let chunk = messages["chunk"].as_array().unwrap();
        if chunk.iter().any(|event| event["content"]["body"] == "pong") {
            break;
        }
        assert!(Instant::now() < deadline, "{messages}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Ended with the test.
struct RunningScript(Child);

impl Drop for RunningScript {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_session_says_whether_it_is_still_good() {
    let servers = InProcessSandbox::start();
    servers.signed_in("new", DEVICE);
    assert!(
        servers
            .command("new", &["session"])
            .ends(0)
            .contains("yes, according to the homeserver")
    );
    let json: Value =
        serde_json::from_str(&stdout(&servers.output("new", &["session", "--json"]))).unwrap();
    assert_eq!(json["signed_in"], true);
    let json = stdout(&servers.output("new", &["session", "--json", "--offline"]));
    assert!(
        serde_json::from_str::<Value>(&json)
            .unwrap()
            .get("signed_in")
            .is_none()
    );
    let InProcessSandbox {
        runtime,
        sandbox,
        directory,
    } = servers;
    runtime.block_on(sandbox.stop());
    let path = directory.path().join("new");
    let mut gone = RunningCommand::start(&[
        "session",
        "--allow-loopback-http",
        "--directory",
        path.to_str().unwrap(),
    ]);
    assert!(
        gone.ends(0)
            .contains("unknown: 127.0.0.1 could not be reached")
    );
}

/// Every command says the same and has the same exit code.
fn assert_all_say_that_it_has_ended(servers: &InProcessSandbox) {
    let scan = ["link", CONFIRMED, "--json", "--scan", "-"];
    for args in [
        &["session"][..],
        &["token"],
        &["restore-keys"],
        &["link", CONFIRMED, "--json"],
        &scan,
    ] {
        let said = servers.command("new", args).ends(10);
        assert!(
            said.contains("this session has ended: "),
            "{args:?}: {said}"
        );
        assert!(
            said.contains("`matrix-qr logout --local`") && said.contains("`matrix-qr login`"),
            "{said}"
        );
    }
}

#[test]
fn a_session_that_was_removed_in_the_account_has_ended_for_every_command() {
    let servers = InProcessSandbox::start();
    let directory = servers.signed_in("new", DEVICE);
    servers
        .runtime
        .block_on(servers.sandbox.remove_device(DEVICE))
        .unwrap();
    assert_all_say_that_it_has_ended(&servers);
    let said = servers.command("new", &["logout", "--yes"]).ends(8);
    assert!(said.contains(DEVICE) && directory.exists(), "{said}");
    let said = servers
        .command("new", &["logout", "--local", "--yes"])
        .ends(0);
    assert!(
        said.contains(DEVICE) && said.contains("remove it in your account"),
        "{said}"
    );
    assert!(!directory.exists());
}

#[test]
fn a_session_of_a_locked_account_has_ended_for_every_command() {
    let servers = InProcessSandbox::start();
    servers.signed_in("new", DEVICE);
    servers.sandbox.faults().set(Fault::AccountLocked);
    assert_all_say_that_it_has_ended(&servers);
}

#[test]
fn a_sign_out_with_stale_tokens_is_none() {
    let servers = InProcessSandbox::start();
    let directory = servers.signed_in("new", DEVICE);
    let before = fs::read(directory.join("session.json")).unwrap();
    servers.command("new", &["token"]).ends(0);
    let now = fs::read(directory.join("session.json")).unwrap();
    let bring_back = |session: &[u8]| fs::write(directory.join("session.json"), session).unwrap();
    bring_back(&before);
    let said = servers
        .command("new", &["logout", "--yes", "--json"])
        .event("error");
    assert_eq!(said["exit_code"], 8);
    assert!(said["what"].as_str().unwrap().contains(DEVICE), "{said}");
    assert_eq!(servers.devices(), [DEVICE]);
    bring_back(&now);
    servers.command("new", &["logout", "--yes"]).ends(0);
    assert!(servers.devices().is_empty() && !directory.exists());
}

#[test]
fn a_server_that_is_gone_does_not_keep_a_session_here() {
    let servers = InProcessSandbox::start();
    let directory = servers.signed_in("new", DEVICE);
    let InProcessSandbox {
        runtime,
        sandbox,
        directory: place,
    } = servers;
    runtime.block_on(sandbox.stop());
    let command = |args: &[&str]| {
        RunningCommand::start(
            &[
                args,
                &[
                    "--allow-loopback-http",
                    "--directory",
                    directory.to_str().unwrap(),
                ],
            ]
            .concat(),
        )
    };
    assert!(
        command(&["logout", "--yes"])
            .ends(8)
            .contains("logout --local")
    );
    assert!(directory.exists());
    let mut local = command(&["logout", "--local", "--json"]);
    assert_eq!(local.question("logout")["device_id"], DEVICE);
    local.say("y");
    let removed = local.event("removed_here");
    assert_eq!(removed["device_id"], DEVICE);
    assert!(
        removed["remove_it"]
            .as_str()
            .unwrap()
            .contains("your account")
    );
    local.ends(0);
    assert!(!directory.exists());
    drop(place);
}

#[test]
fn a_question_that_is_interrupted_says_what_is_true() {
    let servers = InProcessSandbox::start();
    let directory = servers.signed_in("new", DEVICE);
    let unchanged = |said: String| {
        assert!(
            said.contains("nothing was changed, and this device is still signed in"),
            "{said}"
        );
        assert!(directory.exists() && servers.devices() == [DEVICE]);
    };
    let asked = || {
        let mut logout = servers.command("new", &["logout", "--json"]);
        logout.question("logout");
        logout
    };
    let mut logout = asked();
    logout.signal("INT");
    unchanged(logout.ends(3));
    let mut logout = asked();
    logout.close_stdin();
    unchanged(logout.ends(3));
    let mut logout = asked();
    logout.say("no");
    unchanged(logout.ends(3));
}

#[test]
fn a_login_that_was_killed_in_the_import_is_taken_back_by_the_next() {
    let servers = InProcessSandbox::start();
    servers.set_up();
    let (mut login, mut link) = servers.hang_in_the_import();
    login.signal("KILL");
    login.end();
    assert_eq!(servers.devices().len(), 2, "the account has it");
    let said = servers.command("new", &["session"]).ends(10);
    assert!(
        said.contains("a sign-in was interrupted") && said.contains("`matrix-qr logout`"),
        "{said}"
    );
    link.signal("INT");
    link.end();

    servers.sandbox.faults().clear();
    let (mut login, mut link) = servers.connect();
    let signed_in = login.event("signed_in");
    let said = login.ends(0);
    link.ends(0);
    assert!(said.contains(r#""event":"cleared""#), "{said}");
    let mut devices = vec![
        "FIRSTDEVICE".to_owned(),
        signed_in["device_id"].as_str().unwrap().to_owned(),
    ];
    devices.sort();
    assert_eq!(servers.devices(), devices);
    assert!(!servers.path("new").join("session.pending.json").exists());
}

#[test]
fn a_login_that_was_killed_in_the_import_is_taken_back_by_a_logout() {
    let servers = InProcessSandbox::start();
    servers.set_up();
    let (mut login, mut link) = servers.hang_in_the_import();
    login.signal("KILL");
    login.end();
    link.signal("INT");
    link.end();
    fs::write(servers.path("new").join("holiday.jpg"), "x").unwrap();
    // Nothing is lost, so there is no question.
    let said = servers.command("new", &["logout"]).ends(0);
    assert!(
        said.contains("A sign-in was interrupted here.") && said.contains("was signed out again"),
        "{said}"
    );
    assert_eq!(servers.devices(), ["FIRSTDEVICE"]);
    assert_eq!(
        names(&servers.path("new")),
        ["holiday.jpg"],
        "only ours is removed"
    );
}

/// Ctrl-C twice: the server prevents the first one from cleaning up; the second one stops at once.
#[test]
fn a_second_ctrl_c_in_the_import_leaves_what_it_takes_to_revoke() {
    let servers = InProcessSandbox::start();
    servers.set_up();
    let (mut login, mut link) = servers.hang_in_the_import();
    servers.sandbox.faults().set(Fault::RevocationFails);
    login.signal("INT");
    thread::sleep(Duration::from_millis(100));
    login.signal("INT");
    login.ends(130);
    link.end();
    assert_eq!(servers.devices().len(), 2);
    let said = servers.command("new", &["logout"]).ends(8);
    assert!(
        said.contains("may still be signed in")
            && said.contains("Remove it") | said.contains("remove it"),
        "{said}"
    );
    servers.sandbox.faults().clear();
    servers.command("new", &["logout"]).ends(0);
    assert_eq!(servers.devices(), ["FIRSTDEVICE"]);
    assert!(!servers.path("new").exists());
}

/// Whatever the reason was (4 would be the code for what the other device did), somebody has to
/// remove a device.
#[test]
fn a_failed_login_whose_device_may_be_left_says_which() {
    let servers = InProcessSandbox::start();
    servers.set_up();
    servers.sandbox.faults().set(Fault::RevocationIgnored);
    let (mut login, mut link) = servers.connect();
    // The other device does not share its secrets then.
    servers.sandbox.faults().set(Fault::WrongIdentity);
    let left = login.event("left_behind");
    let said = login.ends(8);
    link.ends(10);
    assert!(
        said.contains("the other device ended the sign-in"),
        "{said}"
    );
    assert!(
        servers
            .devices()
            .contains(&left["device_id"].as_str().unwrap().to_owned()),
        "{said}"
    );
    assert!(
        left["advice"]
            .as_str()
            .unwrap()
            .contains("matrix-qr logout"),
        "{left}"
    );
    assert_eq!(
        names(&servers.path("new")),
        ["session.lock", "session.pending.json"]
    );
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
