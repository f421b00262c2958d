//! No secret in anything that is printed: whole sign-ins, good and failed, at the most talkative
//! level, with everything that is logged (by us, and by all that we and the sandbox build on),
//! told, returned and refused.
//!
//! A binary of its own: there is one log to a process.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "sign_in/fault_proxy.rs"]
mod fault_proxy;
mod log_capture;
#[path = "sign_in/meeting.rs"]
mod meeting;
#[path = "sign_in/revision.rs"]
mod revision;
#[path = "sign_in/test_env.rs"]
mod test_env;

use std::{collections::BTreeSet, path::Path};

use matrix_qr_device::{
    Device,
    encryption::Passphrase,
    http::Policy,
    keys::KeyHolder as _,
    secret::Secret,
    session::{Revocable, SessionDir},
};
use matrix_qr_protocol::revision::{Revision, Role};
use matrix_qr_sandbox::Fault;
use matrix_sdk_crypto::vodozemac::base64_decode;
use serde_json::Value;

use crate::{
    fault_proxy::Exchange,
    log_capture::CapturedLog,
    meeting::{Digits, Meeting, Plan, When},
    test_env::{OLD_MESSAGE, SignInEnd, TestEnv},
};

/// Of the stores of both devices.
const PASSPHRASE: &str = "what opens the keys";

#[tokio::test]
async fn no_secret_is_printed() {
    let log = CapturedLog::start();
    for revision in [Revision::Msc4108, Revision::Msc4388] {
        let both = async {
            tokio::join!(
                Box::pin(each_way(Role::New, &log)),
                Box::pin(each_way(Role::Existing, &log))
            );
        };
        revision::with(revision, both).await;
    }
    tracing::trace!(planted = "a secret", "the search would find it");
    let heard = [
        "a secret",
        "hyper_util",
        "reqwest",
        "matrix_sdk_crypto",
        "matrix_sdk_sqlite",
    ];
    for talkative in heard.iter().chain(&[
        "matrix_qr_device",
        "matrix_qr_sandbox",
        "cross-signing keys",
    ]) {
        assert!(
            log.text().contains(talkative),
            "{talkative} was listened to"
        );
    }
}

async fn each_way(shown_by: Role, log: &CapturedLog) {
    let world = TestEnv::with_passphrase_and_fault_proxy(PASSPHRASE).await;
    let mut printed = String::new();
    for (fault, plan) in sign_ins(shown_by) {
        let misbehave = async |meeting: &Meeting| {
            meeting.until(&When::Told(Role::Existing, "Session")).await;
            let faults = world.sandbox.faults();
            fault.into_iter().for_each(|fault| faults.set(fault));
        };
        let end = world.sign_in_while(&plan, misbehave).await;
        world.sandbox.faults().clear();
        printed.push_str(&all_of(&end));
    }
    let new = world.reopen_new().await;
    assert_eq!(new.restore_keys().await.unwrap().keys, 1);
    let setup = world.setup(plan(shown_by).dialect);
    printed.push_str(&format!(
        "{:?} {:?} {setup:?} {:?}",
        new.keys(),
        new.homeserver(),
        world.new_keys()
    ));
    drop(new);
    printed.push_str(&refused(&world.new_dir()).await);
    search(&world, &log.text(), &printed).await;
}

/// What is said of a passphrase that is wrong, or that the store does not have.
async fn refused(directory: &Path) -> String {
    let wrong = Passphrase::new(Secret::new(format!("not {PASSPHRASE}")));
    let opened = Device::open(directory, Policy::HttpsOrLoopback, wrong.as_ref()).await;
    let error = opened.err().unwrap();
    format!("{wrong:?}\n{error}\n{error:#?}\n")
}

fn plan(shown_by: Role) -> Plan {
    Plan::shown_by(shown_by)
}

/// The failures that have a secret in their hands; the good end comes last, and stays.
fn sign_ins(shown_by: Role) -> Vec<(Option<Fault>, Plan)> {
    let faults = [
        Fault::WrongDevice,
        Fault::KeysUploadRefused,
        Fault::KeysUploadFails,
        Fault::VerificationUriScript,
        Fault::ConsentDenied,
        Fault::AuthorizationExpired,
        Fault::DevicesError,
    ];
    let failing = faults
        .into_iter()
        .map(|fault| (Some(fault), plan(shown_by)));
    let wrong_digits = (
        None,
        Plan {
            digits: Digits::Wrong,
            ..plan(shown_by)
        },
    );
    let patient = (Some(Fault::TokenPoll502 { times: 1 }), plan(shown_by));
    failing.chain([wrong_digits, patient]).collect()
}

/// What a front end was told and got, as `Debug` and `Display` have it.
fn all_of(end: &SignInEnd) -> String {
    let mut text = format!(
        "{}\n{:?}\n{:?}\n{:?}\n",
        end.printed, end.new, end.existing, end.code
    );
    let errors = [end.new.as_ref().err(), end.existing.as_ref().err()];
    for error in errors.into_iter().flatten() {
        text.push_str(&format!("{error}\n{error:#?}\n{}\n", error.advice()));
    }
    text
}

async fn search(world: &TestEnv, log: &str, printed: &str) {
    let exchanges = world.fault_proxy.as_ref().unwrap().seen();
    let keys = private_keys(world).await;
    let secrets: BTreeSet<String> = keys
        .iter()
        .cloned()
        .chain(tokens(&exchanges))
        .chain(stored(world))
        .chain(sessions(&exchanges))
        .chain([PASSPHRASE.to_owned()])
        .collect();
    assert!(secrets.len() > 40, "{} secrets", secrets.len());
    for secret in &secrets {
        assert!(
            !log.contains(secret.as_str()),
            "logged: {}",
            line_of(log, secret)
        );
        assert!(
            !printed.contains(secret.as_str()),
            "printed: {}",
            line_of(printed, secret)
        );
    }
    // The person sees these, and nobody else should.
    for secret in user_codes(&exchanges)
        .iter()
        .map(String::as_str)
        .chain([OLD_MESSAGE, r#"{"type":"m.login."#])
    {
        assert!(!log.contains(secret), "logged: {}", line_of(log, secret));
    }
    for line in log
        .lines()
        .chain(printed.lines())
        .filter(|line| line.contains("CheckCode("))
    {
        assert!(line.contains("CheckCode([redacted])"), "{line}");
    }
    assert_not_on_the_wire(&exchanges, &keys);
}

fn line_of<'a>(text: &'a str, secret: &str) -> &'a str {
    text.lines()
        .find(|line| line.contains(secret))
        .unwrap_or_default()
}

/// The account's private keys, in every form in which they might be printed.
async fn private_keys(world: &TestEnv) -> Vec<String> {
    let existing = &world.existing;
    let bundle = existing.keys().secrets().await.unwrap();
    let keys = [
        &bundle.cross_signing.master_key,
        &bundle.cross_signing.self_signing_key,
        &bundle.cross_signing.user_signing_key,
    ]
    .map(|key| key.to_base64().to_string());
    let backup = bundle.backup.unwrap().key.as_str().to_owned();
    keys.into_iter()
        .chain([backup])
        .flat_map(|key| forms(&key))
        .collect()
}

fn forms(base64: &str) -> [String; 5] {
    let base64 = base64.trim_end_matches('=');
    let bytes = base64_decode(base64).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{:?}", &bytes[..8])
        .trim_matches(['[', ']'])
        .to_owned();
    let url_safe = base64.replace('+', "-").replace('/', "_");
    [base64.to_owned(), url_safe, hex.to_uppercase(), hex, list]
}

/// Access and refresh tokens and device codes, of every sign-in, as they went over the wire.
fn tokens(exchanges: &[Exchange]) -> Vec<String> {
    let names = ["access_token", "refresh_token", "device_code"];
    let found = values(exchanges, &names);
    for name in names {
        assert!(!values(exchanges, &[name]).is_empty(), "{name}");
    }
    found
}

fn user_codes(exchanges: &[Exchange]) -> Vec<String> {
    values(exchanges, &["user_code"])
}

fn values(exchanges: &[Exchange], names: &[&str]) -> Vec<String> {
    let answers = exchanges
        .iter()
        .filter_map(|seen| serde_json::from_slice::<Value>(&seen.answer).ok());
    let value =
        |answer: &Value, name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    answers
        .flat_map(|answer| {
            names
                .iter()
                .filter_map(|name| value(&answer, name))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What is on disk, of both devices.
fn stored(world: &TestEnv) -> Vec<String> {
    let directories = [world.new_dir(), world.existing_dir()];
    let tokens = directories
        .map(|directory| Revocable::from(&SessionDir::new(directory).load().unwrap()).tokens());
    let both = |tokens: matrix_qr_device::oauth::Tokens| {
        [tokens.access_token, tokens.refresh_token.unwrap()]
    };
    tokens
        .into_iter()
        .flat_map(both)
        .map(|token| token.expose().to_owned())
        .collect()
}

/// The last part of each rendezvous session's URL, or its ID: who has it can write there.
fn sessions(exchanges: &[Exchange]) -> Vec<String> {
    let created =
        |seen: &&Exchange| seen.name.starts_with("POST") && seen.name.ends_with("/rendezvous");
    let id = |seen: &Exchange| {
        let answer: Value = serde_json::from_slice(&seen.answer).unwrap();
        let place = answer["url"].as_str().or(answer["id"].as_str()).unwrap();
        place.rsplit('/').next().unwrap().to_owned()
    };
    let ids: Vec<_> = exchanges.iter().filter(created).map(id).collect();
    assert!(
        ids.len() == 9 && ids.iter().all(|id| id.len() > 20),
        "{ids:?}"
    );
    ids
}

/// What the servers see, beside TLS.
fn assert_not_on_the_wire(exchanges: &[Exchange], keys: &[String]) {
    for seen in exchanges {
        for body in [&seen.request, &seen.answer] {
            let body = String::from_utf8_lossy(body);
            assert!(
                !keys.iter().any(|key| body.contains(key.as_str())),
                "a private key in {}",
                seen.name
            );
            assert!(!body.contains("m.login."), "a message in {}", seen.name);
        }
    }
}
