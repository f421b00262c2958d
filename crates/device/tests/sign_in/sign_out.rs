//! The end of a session, and a session that has ended: what is said is what is true.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use matrix_qr_device::{
    Device, SignOut, Standing, access_token, http::Policy, session::SessionDir, sign_out_here,
    standing,
};
use matrix_qr_protocol::error::{Cause, UserError};
use matrix_qr_sandbox::{Fault, Options};

use crate::{
    failures::Row,
    fault_proxy::{Exchange, Fate},
    test_env::TestEnv,
};

const DEVICE: &str = "SECONDDEVICE";
const POLICY: Policy = Policy::HttpsOrLoopback;
const MINUTE: Duration = Duration::from_secs(60);

async fn sign_out(directory: &Path) -> Result<(), UserError> {
    SignOut::prepare(directory, POLICY)
        .await
        .unwrap()
        .everywhere()
        .await
}

/// The directory as a backup has it, or a second machine.
fn copy(directory: &Path) -> PathBuf {
    let to = directory.with_extension("copy");
    drop(SessionDir::new(&to).create().unwrap());
    SessionDir::new(&to)
        .save(&SessionDir::new(directory).load().unwrap())
        .unwrap();
    to
}

fn is_signed_in(world: &TestEnv) -> bool {
    world
        .sandbox
        .record()
        .devices
        .iter()
        .any(|device| device == DEVICE)
}

/// How often tokens were asked for.
pub(crate) const REFRESH: &str = "POST /oauth2/token";

pub(crate) fn refreshes(world: &TestEnv) -> usize {
    let seen = world.fault_proxy.as_ref().unwrap().seen();
    let asks = |seen: &Exchange| {
        String::from_utf8_lossy(&seen.request).contains("grant_type=refresh_token")
    };
    seen.iter()
        .filter(|seen| seen.name == REFRESH && asks(seen))
        .count()
}

#[tokio::test]
async fn a_session_ends_on_the_server_and_here() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    sign_out(&directory).await.unwrap();
    assert!(!is_signed_in(&world) && !directory.exists());
}

/// RFC 7009: 200 for a token that is worth nothing. The session lives on, and nothing is thrown
/// away.
#[tokio::test]
async fn stale_tokens_are_not_taken_for_a_sign_out() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    let copy = copy(&directory);
    access_token(&copy, POLICY, MINUTE).await.unwrap();
    let trouble = sign_out(&directory).await.unwrap_err();
    Row::of("stale_tokens_are_not_taken_for_a_sign_out").assert_told(&trouble, &world, DEVICE);
    assert_eq!(trouble.cause, Cause::AuthorizationServer);
    assert!(is_signed_in(&world) && directory.exists());
    sign_out(&copy).await.unwrap();
    assert!(!is_signed_in(&world));
}

/// The answer to a refresh was lost with the process that asked: what is on disk is old, and good
/// for one more refresh.
#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_repeated() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    let session = SessionDir::new(&directory).load().unwrap();
    let refresh_token = session.user.refresh_token.unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", session.client_id.as_str()),
        ("refresh_token", refresh_token.expose()),
    ];
    let endpoint = world.sandbox.issuer().join("oauth2/token").unwrap();
    let lost = reqwest::Client::new()
        .post(endpoint)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(lost.status(), 200);
    sign_out(&directory).await.unwrap();
    assert!(!is_signed_in(&world));
}

#[tokio::test]
async fn an_answer_that_is_lost_during_a_sign_out_does_no_harm() {
    let world = TestEnv::with_fault_proxy().await;
    for lost in [
        "POST /oauth2/token",
        "POST /oauth2/revoke",
        "GET /_matrix/client/v3/account/whoami",
    ] {
        for fate in [Fate::Lost, Fate::AnswerLost] {
            let directory = world.signed_in_device(DEVICE).await;
            let mut struck = false;
            world.fault_proxy.as_ref().unwrap().judge(move |request| {
                let first = request == lost && !std::mem::replace(&mut struck, true);
                if first { fate } else { Fate::Answered }
            });
            sign_out(&directory)
                .await
                .unwrap_or_else(|trouble| panic!("{lost} {fate:?} {trouble:?}"));
            assert!(!is_signed_in(&world), "{lost} {fate:?}");
        }
    }
}

#[tokio::test]
async fn a_revocation_that_fails_or_does_nothing_is_said() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    let row = Row::of("a_revocation_that_fails_or_does_nothing_is_said");
    for fault in [Fault::RevocationFails, Fault::RevocationIgnored] {
        world.sandbox.faults().set(fault);
        row.assert_told(&sign_out(&directory).await.unwrap_err(), &world, DEVICE);
        assert!(is_signed_in(&world) && directory.exists());
        world.sandbox.faults().clear();
    }
    sign_out(&directory).await.unwrap();
    assert!(!is_signed_in(&world));
}

/// The homeserver names another issuer, or does not answer at all: the one that gave the tokens is
/// asked directly.
#[tokio::test]
async fn a_changed_issuer_and_a_homeserver_that_is_down_do_not_prevent_it() {
    let world = TestEnv::with_fault_proxy().await;
    world.sandbox.faults().set(Fault::OtherIssuer);
    let directory = world.signed_in_device(DEVICE).await;
    sign_out(&directory).await.unwrap();
    assert!(!is_signed_in(&world));
    // RFC 8414's place for the same.
    world
        .fault_proxy
        .as_ref()
        .unwrap()
        .refuse("/.well-known/openid-configuration");
    let directory = world.signed_in_device(DEVICE).await;
    sign_out(&directory).await.unwrap();
    assert!(!is_signed_in(&world));
    world.sandbox.faults().clear();

    let directory = world.signed_in_device(DEVICE).await;
    let down = |request: &str| {
        if request.contains("/_matrix/") {
            Fate::Lost
        } else {
            Fate::Answered
        }
    };
    world.fault_proxy.as_ref().unwrap().judge(down);
    sign_out(&directory).await.unwrap();
    assert!(!is_signed_in(&world) && !directory.exists());

    let directory = world.signed_in_device(DEVICE).await;
    world.sandbox.faults().set(Fault::RevocationIgnored);
    let trouble = sign_out(&directory).await.unwrap_err();
    Row::of("a_changed_issuer_and_a_homeserver_that_is_down_do_not_prevent_it")
        .assert_told(&trouble, &world, DEVICE);
    assert!(is_signed_in(&world));
}

#[tokio::test]
async fn without_any_server_it_is_only_removed_here_when_that_is_asked_for() {
    let world = TestEnv::with_fault_proxy().await;
    let directory = world.signed_in_device(DEVICE).await;
    world.fault_proxy.as_ref().unwrap().judge(|_| Fate::Lost);
    let trouble = sign_out(&directory).await.unwrap_err();
    Row::of("without_any_server_it_is_only_removed_here_when_that_is_asked_for")
        .assert_told(&trouble, &world, DEVICE);
    assert!(directory.exists());
    world.fault_proxy.as_ref().unwrap().forget();
    let subject = sign_out_here(&directory).unwrap();
    assert_eq!(
        (subject.device_id.as_deref(), subject.interrupted),
        (Some(DEVICE), false)
    );
    assert!(
        world.fault_proxy.as_ref().unwrap().seen().is_empty()
            && !directory.exists()
            && is_signed_in(&world)
    );
    assert!(
        sign_out_here(&directory).is_err(),
        "there is nothing any more"
    );
}

#[tokio::test]
async fn a_session_that_cannot_be_read_can_be_removed_here() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    fs::write(directory.join("session.json"), "{").unwrap();
    let error = SignOut::prepare(&directory, POLICY).await.err().unwrap();
    assert!(error.advice.contains("logout --local"), "{error:?}");
    assert_eq!(sign_out_here(&directory).unwrap().device_id, None);
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_device_is_signed_out_whatever_has_become_of_its_keys() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    fs::write(
        directory.join("matrix-sdk-crypto.sqlite3"),
        "not a database".repeat(1000),
    )
    .unwrap();
    assert!(Device::open(&directory, POLICY, None).await.is_err());
    sign_out(&directory).await.unwrap();
    assert!(!is_signed_in(&world) && !directory.exists());
}

#[tokio::test]
async fn a_store_that_another_program_has_open_is_no_reason_to_remove_anything() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    drop(
        Device::with_new_keys(&directory, POLICY, None)
            .await
            .unwrap(),
    );
    let other = rusqlite::Connection::open(directory.join("matrix-sdk-crypto.sqlite3")).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;")
        .unwrap();
    let trouble = Device::open(&directory, POLICY, None).await.err().unwrap();
    Row::of("a_store_that_another_program_has_open_is_no_reason_to_remove_anything")
        .assert_told(&trouble, &world, DEVICE);
    let said = format!("{} {}", trouble.what, trouble.advice);
    assert!(
        !["remove", "sign out", "logout"]
            .iter()
            .any(|word| said.contains(word)),
        "{said}"
    );
}

/// What each way to use a session says of one that has ended.
async fn all_say(world: &TestEnv, directory: &Path, row: &str) {
    let row = Row::of(row);
    let device = Device::with_new_keys(directory, POLICY, None)
        .await
        .unwrap();
    row.assert_told(&device.stay_signed_in().await.unwrap_err(), world, DEVICE);
    row.assert_told(&device.restore_keys().await.unwrap_err(), world, DEVICE);
    drop(device);
    row.assert_told(
        &standing(directory, POLICY).await.unwrap_err(),
        world,
        DEVICE,
    );
    let token = access_token(directory, POLICY, MINUTE).await.unwrap_err();
    row.assert_told(&token, world, DEVICE);
    assert_eq!(token.cause, Cause::Here);
}

#[tokio::test]
async fn a_session_that_was_ended_on_the_server() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    world.sandbox.remove_device(DEVICE).await.unwrap();
    all_say(&world, &directory, "a_session_that_was_ended_on_the_server").await;
    assert!(
        sign_out(&directory)
            .await
            .unwrap_err()
            .what
            .contains("may still be signed in")
    );
}

#[tokio::test]
async fn a_copy_of_a_directory_that_is_in_use_elsewhere() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    let copy = copy(&directory);
    access_token(&directory, POLICY, MINUTE).await.unwrap();
    all_say(&world, &copy, "a_session_that_was_ended_on_the_server").await;
    assert_eq!(
        standing(&directory, POLICY).await,
        Ok(Standing::SignedIn),
        "the other one lives"
    );
}

#[tokio::test]
async fn an_account_that_is_locked() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    world.sandbox.faults().set(Fault::AccountLocked);
    all_say(&world, &directory, "an_account_that_is_locked").await;
    world.sandbox.faults().clear();
    assert_eq!(
        standing(&directory, POLICY).await,
        Ok(Standing::SignedIn),
        "it was unlocked"
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_does_not_end_a_session() {
    let world = TestEnv::with_fault_proxy().await;
    let directory = world.signed_in_device(DEVICE).await;
    world.fault_proxy.as_ref().unwrap().judge(|_| Fate::Lost);
    assert!(matches!(
        standing(&directory, POLICY).await,
        Ok(Standing::Unknown(_))
    ));
}

#[tokio::test]
async fn a_token_is_good_for_as_long_as_was_asked() {
    let world = TestEnv::with_fault_proxy().await;
    let directory = world.signed_in_device(DEVICE).await;
    // Nothing is known of the first one.
    let token = access_token(&directory, POLICY, MINUTE).await.unwrap();
    assert!(token.expires_in.unwrap() >= MINUTE && refreshes(&world) == 1);
    let again = access_token(&directory, POLICY, MINUTE).await.unwrap();
    assert_eq!((again.token, refreshes(&world)), (token.token.clone(), 1));
    assert_eq!(
        (token.facts.device_id.as_str(), token.facts.homeserver),
        (DEVICE, world.door())
    );
    let longer = access_token(&directory, POLICY, Duration::from_secs(4000))
        .await
        .unwrap_err();
    assert!(longer.what.contains("4000 s were requested"), "{longer:?}");
    assert_eq!(
        (longer.cause, refreshes(&world)),
        (Cause::AuthorizationServer, 2)
    );
    assert_eq!(
        standing(&directory, POLICY).await,
        Ok(Standing::SignedIn),
        "the tokens of that refresh are kept"
    );
}

#[tokio::test]
async fn a_token_that_was_replaced_elsewhere_on_disk_is_refreshed() {
    let world = TestEnv::with(Options {
        access_token_lifetime: Duration::from_secs(90),
        ..Options::default()
    })
    .await;
    let directory = world.signed_in_device(DEVICE).await;
    let first = access_token(&directory, POLICY, MINUTE).await.unwrap();
    let mut session = SessionDir::new(&directory).load().unwrap();
    session.expires_at = session.expires_at.map(|at| at - 80);
    SessionDir::new(&directory).save(&session).unwrap();
    assert_ne!(
        access_token(&directory, POLICY, MINUTE)
            .await
            .unwrap()
            .token,
        first.token
    );
}

#[tokio::test]
async fn two_that_want_a_token_at_once_refresh_once() {
    let world = TestEnv::with_fault_proxy().await;
    let directory = world.signed_in_device(DEVICE).await;
    let ask = || access_token(&directory, POLICY, MINUTE);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert_eq!(one.as_ref().unwrap().token, two.unwrap().token);
    assert_eq!(one.unwrap().token, three.unwrap().token);
    assert_eq!(refreshes(&world), 1);
}
