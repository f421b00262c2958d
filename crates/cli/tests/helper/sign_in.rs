//! Whole sign-ins, and what the devices do afterwards.

use std::fs;

use matrix_qr_sandbox::Fault;
use serde_json::{Value, json};

use crate::{
    caller::TestCaller,
    holder::ONE_TIME_KEYS,
    meet::{Existing, HelperAccount, HelperMeeting, New, Side, texts, tokens},
    support::sandbox::SandboxProcess,
};

const EACH_WAY: [(&str, Side); 4] = [
    ("msc4108", New),
    ("msc4108", Existing),
    ("msc4388", New),
    ("msc4388", Existing),
];

fn asked(caller: &mut TestCaller, method: &str, params: Value) -> Value {
    let id = caller.request(method, params);
    caller.result(id).unwrap()
}

#[test]
fn with_the_stores_keys_a_device_is_signed_in_and_out() {
    let sandbox = SandboxProcess::start();
    for (revision, shown_by) in EACH_WAY {
        let directory = sandbox.path("new");
        let new = json!({
            "directory": directory, "homeserver": sandbox.homeserver(), "revision": revision,
        });
        let existing = json!({ "directory": sandbox.path("existing"), "revision": revision });
        let mut meeting = HelperMeeting::new(new, existing, shown_by);
        let [signed_in, granted] = meeting.run().map(|end| end.unwrap());
        assert_eq!(granted["verified"], true);
        assert_eq!(granted["device_id"], signed_in["device_id"]);
        assert_eq!(
            signed_in["backup"],
            json!({ "connected": true, "version": "1" })
        );
        assert_eq!(signed_in["directory"], json!(directory));

        let params = json!({ "directory": directory });
        let restored = asked(&mut meeting.new, "restore_keys", params.clone());
        assert_eq!(
            restored,
            json!({ "keys": 1, "undecryptable": 0, "outdated": null })
        );
        let token = asked(&mut meeting.new, "token", params.clone());
        assert_eq!(token["access_token"], tokens(&directory)[0]);
        assert_eq!(token["device_id"], signed_in["device_id"]);
        let out = asked(&mut meeting.new, "logout", params);
        assert_eq!(out["device_id"], signed_in["device_id"]);
        assert!(!directory.exists());
        meeting.end();
    }
}

#[test]
fn a_store_with_a_passphrase_is_used_with_it_only() {
    const PASSPHRASE: &str = "in the request, and nowhere else";
    let sandbox = SandboxProcess::start();
    let new = json!({
        "directory": sandbox.path("new"), "homeserver": sandbox.homeserver(),
        "passphrase": PASSPHRASE,
    });
    let existing = json!({ "directory": sandbox.path("existing") });
    let mut meeting = HelperMeeting::new(new, existing, New);
    let [_, _] = meeting.run().map(|end| end.unwrap());

    let caller = &mut meeting.new;
    for (given, code, wanted) in [
        (None, 2, "their passphrase was not given"),
        (Some("another one"), 10, "the passphrase is wrong"),
    ] {
        for method in ["link", "restore_keys"] {
            let mut params = json!({ "directory": sandbox.path("new") });
            if let Some(given) = given {
                params["passphrase"] = json!(given);
            }
            let id = caller.request(method, params);
            let error = caller.result(id).unwrap_err();
            assert_eq!(error["code"], code, "{method}: {error}");
            assert!(
                error["message"].as_str().unwrap().contains(wanted),
                "{error}"
            );
        }
    }
    let params = json!({ "directory": sandbox.path("new"), "passphrase": PASSPHRASE });
    assert_eq!(asked(caller, "restore_keys", params.clone())["keys"], 1);
    let of_plain = json!({ "directory": sandbox.path("existing"), "passphrase": PASSPHRASE });
    let id = caller.request("link", of_plain);
    assert_eq!(caller.result(id).unwrap_err()["code"], 2);
    let heard = caller.heard.join("\n");
    assert!(!heard.contains(PASSPHRASE), "{heard}");

    // From the device that was just signed in, another one.
    let third = json!({ "directory": sandbox.path("third"), "homeserver": sandbox.homeserver() });
    let mut next = HelperMeeting::new(third, params, Existing);
    let [_, granted] = next.run().map(|end| end.unwrap());
    assert_eq!(granted["verified"], true);
    meeting.end();
    next.end();
}

#[test]
fn with_the_callers_keys_on_both_sides_there_is_one_upload_with_both_signatures() {
    for (revision, shown_by) in EACH_WAY {
        let account = HelperAccount::start();
        let mut meeting = account.meeting(revision, shown_by);
        let [signed_in, granted] = meeting.run().map(|end| end.unwrap());
        assert_eq!(granted["verified"], true);
        let record = account.account.sandbox.record();
        let uploads = record.key_uploads.iter();
        let uploads: Vec<_> = uploads
            .filter(|one| signed_in["device_id"] == one.device_id)
            .collect();
        let [upload] = uploads.as_slice() else {
            panic!("one upload: {uploads:?}")
        };
        assert!(upload.accepted && upload.has_device_keys);
        assert!(upload.has_device_signature && upload.has_self_signing_signature);
        assert_eq!(record.unsigned_moments, 0);

        let kept = meeting.kept.take().unwrap();
        assert_eq!(kept["user_id"], signed_in["user_id"]);
        assert_eq!(kept["device_id"], signed_in["device_id"]);
        assert_eq!(kept["homeserver"], signed_in["homeserver"]);
        assert_eq!(kept["access_token"], tokens(&account.new_directory())[0]);
        assert_eq!(kept["secrets"], meeting.secrets);
        let counts = json!({ "signed_curve25519": ONE_TIME_KEYS });
        assert_eq!(kept["uploaded"]["one_time_key_counts"], counts);
        let signatures = &kept["device_keys"]["signatures"];
        let of_user = signatures[signed_in["user_id"].as_str().unwrap()].as_object();
        assert_eq!(of_user.unwrap().len(), 2);
        let master = texts(&kept["identity"]["master_key"]["keys"]);
        assert_eq!(master, [signed_in["master_key"].as_str().unwrap()]);
        no_secret_is_printed(&account, &mut meeting);
    }
}

/// After all of it was on the pipe.
fn no_secret_is_printed(account: &HelperAccount, meeting: &mut HelperMeeting) {
    let directories = [account.new_directory(), account.existing_directory()];
    let mut secrets: Vec<_> = directories
        .iter()
        .flat_map(|directory| tokens(directory))
        .collect();
    secrets.extend(texts(&meeting.secrets["cross_signing"]));
    secrets.push(
        meeting.secrets["backup"]["key"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    assert_eq!(secrets.len(), 8);
    let errors = meeting.end();
    assert!(errors.contains("TRACE matrix_qr"), "{errors}");
    let heard = [&meeting.new, &meeting.existing]
        .map(|caller| caller.heard.clone())
        .concat();
    let is_for_the_keys = |line: &&String| line.contains("\"method\":\"keep\"");
    assert_eq!(heard.iter().filter(is_for_the_keys).count(), 1);
    let others = heard.iter().filter(|line| !is_for_the_keys(line));
    let others: String = others.map(String::as_str).collect();
    for secret in &secrets {
        assert!(
            !errors.contains(secret) && !others.contains(secret),
            "{secret}"
        );
    }
}

#[test]
fn a_device_whose_keys_the_caller_holds_lives_on() {
    let account = HelperAccount::start();
    let mut meeting = account.meeting("msc4108", New);
    let [_, _] = meeting.run().map(|end| end.unwrap());
    let directory = json!({ "directory": account.new_directory() });
    let mut caller = TestCaller::initialized();
    let token = asked(&mut caller, "token", directory.clone());
    assert_eq!(
        token["access_token"],
        meeting.kept.as_ref().unwrap()["access_token"]
    );

    let params = json!({ "directory": account.new_directory(), "keys": "caller" });
    let id = caller.request("restore_keys", params);
    let (question, _) = caller.question("secrets");
    let backup = &meeting.kept.as_ref().unwrap()["secrets"]["backup"];
    caller.answer(question, &json!({ "backup": backup }));
    let (question, keys) = caller.question("room_keys");
    let [key] = keys["room_keys"].as_array().unwrap().as_slice() else {
        panic!("one room key: {keys}")
    };
    for (name, value) in account.account.room_key.as_object().unwrap() {
        assert_eq!(&key[name], value, "{name}");
    }
    caller.answer(question, &Value::Null);
    let restored = caller.result(id).unwrap();
    assert_eq!(
        restored,
        json!({ "keys": 1, "undecryptable": 1, "outdated": null })
    );

    // What is gone cannot be had at the next start of the program either: no error, but a word.
    let sandbox = &account.account.sandbox;
    sandbox.faults().set(Fault::BackupDeleted);
    let params = json!({ "directory": account.new_directory(), "keys": "caller" });
    let id = caller.request("restore_keys", params);
    let (question, _) = caller.question("secrets");
    caller.answer(question, &json!({ "backup": backup }));
    let restored = caller.result(id).unwrap();
    assert_eq!(restored["keys"], 0);
    let why = restored["outdated"].as_str().unwrap();
    assert_eq!(why, "the homeserver has no backup for this account");
    sandbox.faults().clear();

    // Each answer to it must be one, too.
    for rubbish in ["secrets", "room_keys"] {
        let params = json!({ "directory": account.new_directory(), "keys": "caller" });
        let id = caller.request("restore_keys", params);
        let (mut question, _) = caller.question("secrets");
        if rubbish == "room_keys" {
            caller.answer(question, &json!({ "backup": backup }));
            question = caller.question("room_keys").0;
        }
        let line = json!({ "jsonrpc": "2.0", "id": question, "result": ["rubbish"] });
        caller.say(&line.to_string());
        let error = caller.result(id).unwrap_err();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(rubbish) && !message.contains("\"rubbish\""),
            "{error}"
        );
    }

    // The store is not here, and the error says where the keys are.
    let id = caller.request("restore_keys", directory.clone());
    let error = caller.result(id).unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("the program that signed it in")
    );

    let out = asked(&mut caller, "logout", directory);
    assert_eq!(out["remove_it"], Value::Null);
    assert!(fs::metadata(account.new_directory()).is_err());
    assert_eq!(account.account.sandbox.record().devices, ["FIRSTDEVICE"]);
    caller.close();
    caller.ends(0);
}

/// For a session that the server has ended already; here it would still be alive.
#[test]
fn a_logout_that_is_local_contacts_nobody() {
    let account = HelperAccount::start();
    let mut meeting = account.meeting("msc4108", New);
    let [signed_in, _] = meeting.run().map(|end| end.unwrap());
    let params = json!({ "directory": account.new_directory(), "local": true });
    let out = asked(&mut meeting.new, "logout", params);
    assert_eq!(out["device_id"], signed_in["device_id"]);
    let place = out["remove_it"].as_str().unwrap();
    assert!(place.starts_with("in your account"), "{place}");
    assert!(!account.new_directory().exists());
    let devices = json!(account.account.sandbox.record().devices);
    assert!(devices.as_array().unwrap().contains(&out["device_id"]));
    meeting.end();
}

#[test]
fn the_keys_may_be_held_in_different_places() {
    let sandbox = SandboxProcess::start();
    let new = json!({
        "directory": sandbox.path("new"), "homeserver": sandbox.homeserver(), "keys": "caller",
    });
    let existing = json!({ "directory": sandbox.path("existing"), "keys": "store" });
    let mut meeting = HelperMeeting::new(new, existing, New);
    let [_, granted] = meeting.run().map(|end| end.unwrap());
    assert_eq!(granted["verified"], true);

    // And the other way round, from the device that was just signed in.
    let new = json!({ "directory": sandbox.path("third"), "homeserver": sandbox.homeserver() });
    let existing = json!({ "directory": sandbox.path("new"), "keys": "caller" });
    let mut next = HelperMeeting::new(new, existing, Existing);
    next.secrets = meeting.kept.take().unwrap()["secrets"].clone();
    let [signed_in, granted] = next.run().map(|end| end.unwrap());
    assert_eq!(granted["verified"], true);
    assert_eq!(signed_in["backup"]["connected"], true);
    meeting.end();
    next.end();
}

#[test]
fn one_sign_in_runs_at_a_time_and_can_be_cancelled() {
    let account = HelperAccount::start();
    let mut caller = TestCaller::initialized();
    let homeserver = account.account.sandbox.homeserver();
    let params = json!({ "directory": account.new_directory(), "homeserver": homeserver });
    let login = caller.request("login", params.clone());
    caller.question("show_code");
    let second = caller.request("login", params.clone());
    assert_eq!(caller.result(second).unwrap_err()["code"], -32002);
    let cancel = caller.request("cancel", json!({}));
    assert_eq!(caller.result(cancel).unwrap(), json!({ "cancelled": true }));
    let error = caller.result(login).unwrap_err();
    assert_eq!(
        (&error["code"], &error["message"]),
        (&3.into(), &"cancelled".into())
    );
    let taken_back = r#"{"jsonrpc":"2.0","method":"cancel_request","params":{"id":1}}"#;
    assert!(
        caller.heard.iter().any(|line| line == taken_back),
        "{:?}",
        caller.heard
    );

    let third = caller.request("login", params);
    caller.question("show_code");
    caller.close();
    caller.ends(3);
    let answered = format!("\"id\":{third},\"error\"");
    assert!(
        caller.heard.last().unwrap().contains(&answered),
        "{:?}",
        caller.heard
    );
    account.assert_undone("FIRSTDEVICE", "cancelled twice");
}

#[test]
fn only_the_user_who_was_named_is_not_asked_about() {
    let account = HelperAccount::start();
    let user_id = account.account.sandbox.user_id();
    let mut meeting = account.meeting("msc4108", New);
    meeting.new_params["user"] = json!(user_id);
    let [_, _] = meeting.run().map(|end| end.unwrap());
    assert!(
        !meeting
            .new
            .heard
            .iter()
            .any(|line| line.contains("confirm_user"))
    );

    let account = HelperAccount::start();
    let mut meeting = account.meeting("msc4108", New);
    meeting.new_params["user"] = json!("@mallory:example.org");
    let [refused, _] = meeting.run();
    assert_eq!(refused.error()["code"], 7);
    account.assert_undone("FIRSTDEVICE", "another user");
}
