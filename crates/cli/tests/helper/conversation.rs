//! Mistakes in the conversation, and the requests that need no sign-in.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    caller::{PATIENCE, TestCaller},
    support::terminal::TestTerminal,
};

fn code(error: Result<Value, Value>) -> i64 {
    error.unwrap_err()["code"].as_i64().unwrap()
}

#[test]
fn the_first_request_is_initialize_and_it_comes_once() {
    let mut caller = TestCaller::start();
    for method in ["login", "token", "cancel"] {
        let params = match method {
            "cancel" => json!({}),
            _ => json!({ "directory": "nowhere", "user": "@a:example.org" }),
        };
        caller.say(
            &json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string(),
        );
        assert_eq!(code(caller.result(7)), -32001, "{method}");
    }
    let id = caller.request("initialize", json!({ "protocol": 2 }));
    assert_eq!(code(caller.result(id)), -32602);
    let id = caller.request("initialize", json!({ "protocol": 1 }));
    let result = caller.result(id).unwrap();
    assert_eq!(result["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(result["capabilities"]["keys"], json!(["store", "caller"]));
    let id = caller.request("initialize", json!({ "protocol": 1 }));
    assert_eq!(code(caller.result(id)), -32600);
    caller.close();
    caller.ends(0);
}

#[test]
fn each_mistake_has_its_code() {
    let mut caller = TestCaller::initialized();
    let long = format!("{:?}", "x".repeat(1 << 20));
    for (line, code) in [
        ("{", -32700),
        ("\u{1}", -32700),
        ("[]", -32600),
        (
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cancel\"}]",
            -32600,
        ),
        (
            "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"cancel\"}",
            -32600,
        ),
        ("{\"id\":1,\"method\":\"cancel\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"method\":\"cancel\"}", -32600),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"cancel\"}",
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cancel\",\"more\":1}",
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cancel\",\"result\":1}",
            -32600,
        ),
        ("{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":1}", -32600),
        (&long, -32600),
    ] {
        caller.say(line);
        let error = caller.complaint();
        assert_eq!(error["code"], code, "{}", &line[..line.len().min(80)]);
    }
    caller.say("");
    caller.say("{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":null}");
    let id = caller.request("cancel", json!({}));
    assert_eq!(caller.result(id).unwrap(), json!({ "cancelled": false }));
    caller.close();
    caller.ends(0);
}

#[test]
fn parameters_are_read_as_the_command_line_is() {
    let mut caller = TestCaller::initialized();
    let d = "no-such-directory";
    let wrong = [
        ("no_such_method", json!({}), -32601),
        ("cancel", json!([]), -32602),
        ("cancel", json!({ "more": 1 }), -32602),
        ("login", json!({}), -32602),
        ("login", json!([d]), -32602),
        ("login", json!({ "directory": d }), -32602),
        (
            "login",
            json!({ "directory": d, "homeserver": "a.example", "user": null }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "user": "example.org" }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "homeserver": "two words" }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "homeserver": "a.example", "keys": "mine" }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "homeserver": "a.example", "revision": "1" }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "homeserver": "a.example", "device_name": "" }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "homeserver": "a.example", "scan": true }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "revision": "newest", "scan": true }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "rendezvous": "ftp://a.example" }),
            -32602,
        ),
        (
            "login",
            json!({ "directory": d, "rendezvous": "https://a.example", "homeserver": "a.example" }),
            -32602,
        ),
        (
            "link",
            json!({ "directory": d, "rendezvous": "https://a.example", "scan": true }),
            -32602,
        ),
        (
            "link",
            json!({ "directory": d, "announce": "loudly" }),
            -32602,
        ),
        ("link", json!({ "directory": d, "passphrase": "" }), -32602),
        (
            "link",
            json!({ "directory": d, "keys": "caller", "passphrase": "a" }),
            -32602,
        ),
        (
            "restore_keys",
            json!({ "directory": d, "keys": "caller", "passphrase": "a" }),
            -32602,
        ),
        ("token", json!({ "directory": d, "good_for": 0 }), -32602),
        (
            "token",
            json!({ "directory": d, "good_for": 86_401 }),
            -32602,
        ),
        (
            "restore_keys",
            json!({ "directory": d, "keys": null }),
            -32602,
        ),
        ("logout", json!({ "directory": 1 }), -32602),
        ("logout", json!({ "directory": d, "local": 1 }), -32602),
        ("login", json!({ "directory": d, "scan": false }), -32602),
        ("login", json!({ "directory": d, "scan": "TUFU" }), -32602),
        ("link", json!({ "directory": d, "scan": "TUFU" }), -32602),
        (
            "login",
            json!({ "directory": d, "homeserver": "http://a.example" }),
            2,
        ),
        (
            "login",
            json!({ "directory": d, "rendezvous": "http://a.example" }),
            2,
        ),
        (
            "login",
            json!({ "directory": "/proc/nowhere", "user": "@a:a.example" }),
            1,
        ),
        ("link", json!({ "directory": d }), 10),
        ("token", json!({ "directory": d }), 10),
        ("restore_keys", json!({ "directory": d }), 10),
        (
            "restore_keys",
            json!({ "directory": d, "keys": "caller" }),
            10,
        ),
        ("logout", json!({ "directory": d }), 10),
        ("logout", json!({ "directory": d, "local": true }), 10),
    ];
    for (id, (method, params, expected)) in (1000..).zip(wrong) {
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        caller.say(&line.to_string());
        let error = caller.result(id).unwrap_err();
        assert_eq!(error["code"], expected, "{line}: {error}");
        assert_eq!(error["data"].is_object(), expected > 0, "{error}");
    }
    let unquoted = json!({ "directory": d, "homeserver": "a.example", "passphrase": 271_828 });
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "login", "params": unquoted });
    caller.say(&line.to_string());
    let error = caller.result(1).unwrap_err().to_string();
    assert!(error.contains("a passphrase is a text"), "{error}");
    assert!(!error.contains("271828"), "{error}");
    assert!(!std::path::Path::new(d).exists());
    caller.close();
    caller.ends(0);
}

#[test]
fn an_id_may_be_a_text_and_parameters_may_be_missing() {
    let mut caller = TestCaller::initialized();
    caller.say(r#"{"jsonrpc":"2.0","id":"a","method":"login"}"#);
    caller.say(r#"{"jsonrpc":"2.0","id":"b","method":"token","params":{"directory":"nowhere"}}"#);
    caller.close();
    caller.ends(0);
    let ids = |id: &str| {
        caller
            .heard
            .iter()
            .any(|line| line.contains(&format!("\"id\":\"{id}\"")))
    };
    assert!(ids("a") && ids("b"), "{:?}", caller.heard);
}

#[test]
fn secrets_are_never_written_to_a_terminal() {
    let program = env!("CARGO_BIN_EXE_matrix-qr");
    let mut both = TestTerminal::open(program, &["helper"], (100, 20), &[]);
    both.until_text("standard input or standard output is a terminal");
    both.ends(2);
    for stream in ["input", "output"] {
        let redirect = match stream {
            "input" => "exec \"$0\" helper > /dev/null",
            _ => "exec \"$0\" helper < /dev/null",
        };
        let mut one = TestTerminal::open("sh", &["-c", redirect, program], (100, 20), &[]);
        one.until_text("is a terminal");
        one.ends(2);
    }
}

#[test]
fn a_caller_that_reads_no_more_ends_it() {
    let program = env!("CARGO_BIN_EXE_matrix-qr");
    let mut child = Command::new(program)
        .arg("helper")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // A process that another test starts at the same time has the output's other end for a moment:
    // then an answer can still be written, and the next one cannot.
    let until = Instant::now() + PATIENCE;
    let ended = loop {
        let _ = writeln!(stdin, "rubbish");
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(ended.code(), Some(0));
}
