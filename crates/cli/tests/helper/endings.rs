//! Programs that go away or answer rubbish, in the middle of a sign-in: nothing is half done.

use std::thread;

use matrix_qr_sandbox::Fault;
use serde_json::{Value, json};
use vodozemac::Ed25519SecretKey;

use crate::{
    account::FIRST,
    holder::{OwnKeys, signed},
    meet::{Change, Existing, HelperAccount, HelperEnd, Mischief, New, Side, texts},
};

/// Every question of a sign-in, when this side shows the code, and when the other does.
const QUESTIONS: [(Side, Side, &str); 15] = [
    (New, New, "show_code"),
    (New, New, "enter_check_code"),
    (New, Existing, "scan_code"),
    (New, Existing, "show_check_code"),
    (New, New, "confirm_user"),
    (New, New, "device_keys"),
    (New, New, "keep"),
    (Existing, Existing, "confirm_own_device"),
    (Existing, Existing, "show_code"),
    (Existing, Existing, "enter_check_code"),
    (Existing, New, "scan_code"),
    (Existing, New, "show_check_code"),
    (Existing, New, "open_link"),
    (Existing, New, "secrets"),
    (Existing, Existing, "secrets"),
];

/// Each on an account of its own, and five at a time: where one side is gone without a word, the
/// other waits for it.
fn at_each_question(work: impl Fn(&HelperAccount, (Side, Side, &'static str)) + Sync) {
    let work = &work;
    for questions in QUESTIONS.chunks(5) {
        thread::scope(|scope| {
            for question in questions {
                scope.spawn(move || work(&HelperAccount::start(), *question));
            }
        });
    }
}

/// The sign-in ends in this way at the side of the mischief, and nothing is left.
fn ends(
    account: &HelperAccount,
    (side, shown_by, method): (Side, Side, &'static str),
    mischief: Mischief,
) -> HelperEnd {
    let why = format!("{side:?} {method} {mischief:?}");
    let is_hanging = matches!(mischief, Mischief::Hang);
    let mut meeting = account
        .meeting("msc4108", shown_by)
        .with(side, method, mischief);
    let [new, existing] = meeting.run();
    let (this, other) = match side {
        New => (new, existing),
        Existing => (existing, new),
    };
    assert!(!matches!(this, HelperEnd::Result(_)), "{why}: {this:?}");
    if let HelperEnd::Result(granted) = &other {
        // The device is verified before its keys are kept. The other one may have seen that. Where
        // it is told nothing, it waits for 10 seconds, and says that it has not seen that.
        let was_verified = method == "keep";
        let is_unsure = is_hanging && granted["verified"] == false;
        assert!(was_verified || is_unsure, "{why}: {granted}");
    }
    account.assert_undone(FIRST, &why);
    no_secret_in_errors(&meeting.secrets, [&this, &other]);
    this
}

fn no_secret_in_errors(secrets: &Value, ends: [&HelperEnd; 2]) {
    let said = format!("{ends:?}");
    for secret in texts(&secrets["cross_signing"]) {
        assert!(!said.contains(&secret), "{said}");
    }
}

#[test]
fn a_program_that_closes_the_pipe_leaves_nothing() {
    at_each_question(|account, question| {
        let end = ends(account, question, Mischief::Close);
        // It still writes how it ended, though nobody asked for more.
        assert_eq!(end.error()["code"], 3, "{question:?}");
    });
}

#[test]
fn a_helper_that_is_terminated_leaves_nothing() {
    at_each_question(|account, question| {
        let end = ends(account, question, Mischief::Terminate);
        assert_eq!(end.error()["code"], 3, "{question:?}");
    });
}

#[test]
fn what_a_killed_helper_left_is_removed_by_the_next_sign_in() {
    at_each_question(|account, (side, shown_by, method)| {
        let why = format!("{side:?} {method}");
        let mut meeting = account.meeting("msc4108", shown_by);
        meeting = meeting.with(side, method, Mischief::Kill);
        let ended = meeting.run();
        assert!(
            matches!(ended[side as usize], HelperEnd::Closed),
            "{why}: {ended:?}"
        );
        meeting.caller(side).was_killed();
        let left = account.devices_beside(FIRST);
        let has_device = ["confirm_user", "device_keys", "keep"].contains(&method);
        assert_eq!(left.len(), usize::from(has_device), "{why}: {left:?}");

        let mut next = account.meeting("msc4108", shown_by);
        let [signed_in, granted] = next.run().map(|end| end.unwrap());
        assert_eq!(granted["verified"], true, "{why}");
        let cleared = next.new.events("cleared");
        let named: Vec<_> = cleared.iter().map(|event| &event["device_id"]).collect();
        assert_eq!(
            named,
            Vec::from_iter(&left),
            "{why}: it says what it removes"
        );
        let devices = account.devices_beside(FIRST);
        assert_eq!(devices, [signed_in["device_id"].as_str().unwrap()], "{why}");

        let logout = json!({ "directory": account.new_directory() });
        let id = next.new.request("logout", logout);
        next.new.result(id).unwrap();
        account.assert_undone(FIRST, &why);
    });
}

/// The bounds are real time, so the sign-ins run side by side.
#[test]
fn a_program_that_hangs_leaves_nothing() {
    let questions = [
        (New, New, "device_keys"),
        (New, New, "keep"),
        (Existing, New, "secrets"),
    ];
    let hangs = |question: (Side, Side, &'static str)| {
        let account = HelperAccount::start();
        let end = ends(&account, question, Mischief::Hang);
        let message = end.error()["message"].as_str().unwrap().to_owned();
        let late = format!("{} within 30 seconds", question.2);
        assert!(message.contains(&late), "{question:?} {message}");
        let revoked = account.account.sandbox.record().revocations;
        assert_eq!(revoked.len(), 1, "{question:?} {revoked:?}");
    };
    thread::scope(|scope| {
        for question in questions {
            scope.spawn(move || hangs(question));
        }
    });
}

#[test]
fn a_sign_in_can_be_cancelled_at_every_question() {
    at_each_question(|account, question| {
        let end = ends(account, question, Mischief::Cancel);
        assert_eq!(end.error()["code"], 3, "{question:?}");
    });
}

#[test]
fn an_answer_that_is_not_one_ends_the_sign_in() {
    let account = HelperAccount::start();
    let rubbish = [
        Mischief::AnswerError,
        Mischief::Answer(json!({ "rubbish": "a secret" })),
        Mischief::Answer(json!([["a secret"]])),
        Mischief::Answer(json!("a secret")),
        Mischief::Answer(json!(true)),
    ];
    for (question, mischief) in QUESTIONS.into_iter().zip(rubbish.iter().cycle()) {
        let (_, _, method) = question;
        let end = ends(&account, question, mischief.clone());
        let error = end.error();
        let of_this_side = [1, 10].contains(&error["code"].as_i64().unwrap());
        assert!(of_this_side, "{question:?} {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(method), "{question:?} {error}");
        assert!(!error.to_string().contains("a secret"), "{error}");
    }
}

#[test]
fn a_line_that_may_have_been_an_answer_ends_the_sign_in() {
    let account = HelperAccount::start();
    let lines = ["rubbish", "[]", r#"{"jsonrpc":"2.0","id":null,"error":{}}"#];
    let questions = [
        (New, New, "show_code"),
        (New, New, "keep"),
        (Existing, New, "open_link"),
    ];
    for (question, line) in questions.into_iter().zip(lines) {
        let end = ends(&account, question, Mischief::Say(line));
        let message = end.error()["message"].as_str().unwrap();
        let known = ["a line was lost", "cancelled"]
            .iter()
            .any(|part| message.contains(part));
        assert!(known, "{question:?} {message}");
    }
}

#[test]
fn digits_are_two_digits_and_final() {
    let account = HelperAccount::start();
    for (digits, code) in [("7", 1), ("", 1), ("123", 1)] {
        let question = (New, New, "enter_check_code");
        let answer = Mischief::Answer(json!({ "digits": digits }));
        assert_eq!(
            ends(&account, question, answer).error()["code"],
            code,
            "{digits}"
        );
    }
    let wrong = Mischief::Change(|_, answer| {
        let other = if answer["digits"] == "00" { "01" } else { "00" };
        answer["digits"] = json!(other);
    });
    let end = ends(&account, (New, New, "enter_check_code"), wrong);
    assert_eq!(end.error()["code"], 7);
}

#[test]
fn a_no_is_a_no() {
    let account = HelperAccount::start();
    let no = Mischief::Answer(json!({ "confirmed": false }));
    assert_eq!(
        ends(&account, (New, New, "confirm_user"), no).error()["code"],
        3
    );
    let no = Mischief::Answer(json!({ "confirmed": false }));
    let end = ends(&account, (Existing, Existing, "confirm_own_device"), no);
    assert_eq!(end.error()["code"], 3);
    let no = Mischief::Answer(json!({ "opened": false }));
    assert_eq!(
        ends(&account, (Existing, New, "open_link"), no).error()["code"],
        3
    );
}

#[test]
fn a_page_of_another_site_comes_with_a_warning() {
    let account = HelperAccount::start();
    let sandbox = &account.account.sandbox;
    sandbox.faults().set(Fault::VerificationUriElsewhere);
    let no = Mischief::Answer(json!({ "opened": false }));
    let mut meeting = account
        .meeting("msc4108", New)
        .with(Existing, "open_link", no);
    let [_, existing] = meeting.run();
    assert_eq!(existing.error()["code"], 3);
    let heard = meeting.existing.heard.iter();
    let asked = heard.filter(|line| line.contains(r#""method":"open_link""#));
    let asked: Vec<Value> = asked
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [asked] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(asked["params"]["host"], "id.elsewhere.example");
    let warning = asked["params"]["warning"].as_str().unwrap();
    let begins = "id.elsewhere.example belongs neither to your homeserver (127.0.0.1)";
    assert!(warning.starts_with(begins), "{warning}");
}

#[test]
fn keys_that_are_not_those_of_the_device_are_not_published() {
    let account = HelperAccount::start();
    let another_user = |keys: &OwnKeys, answer: &mut Value| {
        let device_id = answer["device_keys"]["device_id"]
            .as_str()
            .unwrap()
            .to_owned();
        *answer = keys.upload("@mallory:example.org", &device_id);
    };
    let another_device = |keys: &OwnKeys, answer: &mut Value| {
        let user_id = answer["device_keys"]["user_id"]
            .as_str()
            .unwrap()
            .to_owned();
        *answer = keys.upload(&user_id, "ANOTHERDEVICE");
    };
    let unsigned = |_: &OwnKeys, answer: &mut Value| {
        answer["device_keys"]["signatures"] = json!({});
    };
    let by_another = |_: &OwnKeys, answer: &mut Value| {
        let keys = answer["device_keys"].take();
        let another = Ed25519SecretKey::new();
        let sign = |text: &str| another.sign(text.as_bytes()).to_base64();
        let (user_id, device_id) = (keys["user_id"].clone(), keys["device_id"].clone());
        let (user_id, device_id) = (user_id.as_str().unwrap(), device_id.as_str().unwrap());
        answer["device_keys"] = signed(keys, user_id, device_id, sign);
    };
    let cases: [(Change, &str); 4] = [
        (another_user, "for another account"),
        (another_device, "for another device"),
        (unsigned, "the device did not sign them"),
        (by_another, "the device did not sign them"),
    ];
    for (change, why) in cases {
        let end = ends(
            &account,
            (New, New, "device_keys"),
            Mischief::Change(change),
        );
        let message = end.error()["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
        let uploads = account.account.sandbox.record().key_uploads;
        assert!(
            uploads.iter().all(|upload| upload.device_id == FIRST),
            "{why}"
        );
    }
}

#[test]
fn secrets_that_are_not_the_accounts_are_not_sent() {
    let account = HelperAccount::start();
    let other = Mischief::Change(|_, answer| {
        answer["cross_signing"]["user_signing_key"] = json!("A".repeat(43));
    });
    let end = ends(&account, (Existing, New, "secrets"), other);
    assert_eq!(end.error()["code"], 10);
}
