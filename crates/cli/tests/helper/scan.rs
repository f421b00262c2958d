//! The code that the other device shows is asked for, and when.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    caller::{PATIENCE, TestCaller},
    meet::{Existing, HelperAccount, Mischief, New},
};

/// A homeserver that answers nothing, and the session of a device there.
struct SilentHomeserver {
    listener: TcpListener,
    account: HelperAccount,
}

impl SilentHomeserver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let account = HelperAccount::start();
        let file = account.existing_directory().join("session.json");
        let mut session: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        session["homeserver"] = json!(url);
        session["issuer"] = json!(url);
        fs::write(&file, session.to_string()).unwrap();
        Self { listener, account }
    }

    fn visitor(&self) -> Option<TcpStream> {
        self.listener.accept().map(|(stream, _)| stream).ok()
    }

    fn next_visitor(&self) -> TcpStream {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(visitor) = self.visitor() {
                return visitor;
            }
            assert!(Instant::now() < until, "nobody came");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts a `link`, up to the question whose device it is. Returns the IDs of both.
    fn link(&self, caller: &mut TestCaller) -> (u64, u64) {
        let directory = self.account.existing_directory();
        let params = json!({ "directory": directory, "keys": "caller", "scan": true });
        let link = caller.request("link", params);
        let (question, _) = caller.question("confirm_own_device");
        (link, question)
    }
}

fn asked(caller: &TestCaller, method: &str) -> usize {
    let method = format!(r#""method":"{method}""#);
    let lines = caller.heard.iter();
    lines.filter(|line| line.contains(&method)).count()
}

#[test]
fn no_code_is_asked_for_and_nobody_is_contacted_before_a_yes() {
    let homeserver = SilentHomeserver::start();
    let mut caller = TestCaller::initialized();
    let (link, own) = homeserver.link(&mut caller);
    assert!(homeserver.visitor().is_none());
    caller.answer(own, &json!({ "confirmed": false }));
    let error = caller.result(link).unwrap_err();
    assert_eq!(error["code"], 3, "{error}");
    assert!(homeserver.visitor().is_none());
    // Nor was anything else asked, or told.
    assert_eq!(asked(&caller, "confirm_own_device"), 1);
    let lines = caller.heard.iter().filter(|line| line.contains("method"));
    assert_eq!(lines.count(), 1, "{:?}", caller.heard);

    let (link, own) = homeserver.link(&mut caller);
    assert!(homeserver.visitor().is_none());
    caller.answer(own, &json!({ "confirmed": true }));
    homeserver.next_visitor();
    assert_eq!(asked(&caller, "scan_code"), 0);
    let cancel = caller.request("cancel", json!({}));
    caller.result(cancel).unwrap();
    assert_eq!(caller.result(link).unwrap_err()["code"], 3);
    caller.close();
    caller.ends(0);
}

/// A device that cannot sign another one in says so before its person gives it a code.
#[test]
fn a_device_without_the_accounts_keys_asks_for_no_code() {
    let account = HelperAccount::start();
    let other = Mischief::Change(|_, answer| {
        answer["cross_signing"]["master_key"] = json!("A".repeat(43));
    });
    let mut meeting = account.meeting("msc4108", New);
    meeting = meeting.with_first(Existing, "secrets", other);
    let [_, existing] = meeting.run();
    assert_eq!(existing.error()["code"], 10);
    assert_eq!(asked(&meeting.existing, "scan_code"), 0);
}

#[test]
fn a_text_without_a_code_is_asked_about_once_more() {
    let account = HelperAccount::start();
    for (shows, scans) in [(New, Existing), (Existing, New)] {
        let rubbish = Mischief::Answer(json!({ "code": "hello, world" }));
        let mut meeting = account
            .meeting("msc4108", shows)
            .with(scans, "scan_code", rubbish);
        let [signed_in, granted] = meeting.run().map(|end| end.unwrap());
        assert_eq!(signed_in["device_id"], granted["device_id"]);
        let caller = meeting.caller(scans);
        assert_eq!(asked(caller, "scan_code"), 2);
        let problem = "the text is neither base64 nor hexadecimal";
        let again = caller.heard.iter().find(|line| line.contains(problem));
        assert!(again.is_some_and(|line| line.contains(r#""problem":"#)));
        let directory = json!({ "directory": account.new_directory() });
        let logout = meeting.new.request("logout", directory);
        meeting.new.result(logout).unwrap();
    }
}

#[test]
fn the_second_text_without_a_code_ends_it() {
    let account = HelperAccount::start();
    let mut caller = TestCaller::initialized();
    let texts = [
        ("a secret!", "the text is neither base64 nor hexadecimal"),
        (
            "4d41545249580403d886686ab2197b780e300a9d4a2147480700d7929f39ab31b9e514370248ed6b",
            "this is a Matrix QR code of version 4",
        ),
        (&"a secret ".repeat(1000), "the code is too long"),
    ];
    for (text, wanted) in texts {
        let params = json!({ "directory": account.new_directory(), "scan": true });
        let login = caller.request("login", params);
        for problem in [false, true] {
            let (question, params) = caller.question("scan_code");
            assert_eq!(params["problem"].is_string(), problem, "{params}");
            caller.answer(question, &json!({ "code": text }));
        }
        let error = caller.result(login).unwrap_err();
        assert_eq!(error["code"], 6, "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(wanted),
            "{error}"
        );
    }
    assert!(!caller.heard.join("\n").contains("a secret"));
    account.assert_undone("FIRSTDEVICE", "no code");
    caller.close();
    caller.ends(0);
}
