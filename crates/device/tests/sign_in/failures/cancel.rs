//! Ctrl-C at each step on each side.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_qr_protocol::{error::Error, login::message::Reason, revision::Role};
use matrix_qr_sandbox::Fault;
use tokio::time::sleep;

use super::{Row, assert_failed_late, assert_no_new_device, assert_told, was_told};
use crate::{
    fault_proxy::Fate,
    meeting::{Meeting, Plan, When},
    scripted_peer::{existing_device_with, has_a_token},
    test_env::{SignInEnd, TestEnv},
};

/// Gives up at each piece of news of that side, in a sign-in each, until one is complete before.
async fn at_each_step(shown_by: Role, who: Role) {
    let world = TestEnv::start().await;
    for step in 1.. {
        let end = world.sign_in(&plan((shown_by, who), step)).await;
        let (here, there) = sides(&end, who);
        if here.is_none() {
            assert!(step > 9, "{step} steps were tried");
            assert!(there.is_none());
            break;
        }
        assert!(
            matches!(here, Some(Error::Cancelled | Error::CancelledTooLate(_))),
            "{here:?}"
        );
        assert!(
            !is_before(who, step) || !was_told(&end, who, "Session"),
            "it stops before it has anything to clean up"
        );
        if there.is_none() {
            assert_too_late(&world, &end, who).await;
        } else {
            assert_heard(&end, there, is_before(who, step));
            assert_failed_late(&world, &end, "ctrl_c").await;
        }
    }
}

/// The existing device first asks whose the new one is; then either checks its homeserver.
fn is_before(who: Role, step: usize) -> bool {
    step <= if who == Role::New { 1 } else { 2 }
}

/// Before it has touched the session, the other cannot hear of it: the code can still be scanned.
/// The person there gives up.
fn plan((shown_by, who): (Role, Role), step: usize) -> Plan {
    let plan = Plan::shown_by(shown_by).cancel(who, When::Nth(who, step));
    if is_before(who, step) {
        plan.cancel(who.other(), When::Told(who, "ended"))
    } else {
        plan
    }
}

fn sides(end: &SignInEnd, who: Role) -> (Option<&Error>, Option<&Error>) {
    let (new, existing) = (end.new.as_ref().err(), end.existing.as_ref().err());
    if who == Role::New {
        (new, existing)
    } else {
        (existing, new)
    }
}

/// By message once there is a channel; before that by the end of the session.
fn assert_heard(end: &SignInEnd, there: Option<&Error>, untouched: bool) {
    let channel = end.told.iter().any(|(_, what)| what == "secure");
    match there {
        Some(Error::Cancelled) => assert!(untouched),
        // The secrets are called back with the session that they stand in.
        Some(Error::Gone) => assert!(
            !channel || was_told(end, Role::Existing, "TooLate"),
            "{:?}",
            end.told
        ),
        Some(Error::CancelledOrDeclined) => {
            assert!(was_told(
                end,
                Role::Existing,
                "sent m.login.protocol_accepted"
            ));
        }
        other => assert_eq!(
            other,
            Some(&Error::Peer(Reason::UserCancelled)),
            "{:?}",
            end.told
        ),
    }
}

/// The secrets were out, and the other device had done its part.
async fn assert_too_late(world: &TestEnv, end: &SignInEnd, who: Role) {
    assert!(
        was_told(end, Role::Existing, "sent m.login.secrets"),
        "{:?}",
        end.told
    );
    if who == Role::New {
        assert_no_new_device(world, end);
        return;
    }
    let new = world.reopen_new().await;
    assert!(new.verification().await.unwrap().verified);
    new.log_out().await.unwrap();
}

async fn ctrl_c() {
    tokio::join!(
        at_each_step(Role::New, Role::New),
        at_each_step(Role::New, Role::Existing),
        at_each_step(Role::Existing, Role::New),
        at_each_step(Role::Existing, Role::Existing),
    );
}

/// The other device counts our messages: the last word must not take the place of one that it has
/// not read yet. Here its reads fail for a second.
async fn a_message_is_read_before_the_last_word() {
    let world = TestEnv::with_fault_proxy().await;
    let deaf = Arc::new(AtomicBool::new(false));
    let is_deaf = deaf.clone();
    world.fault_proxy.as_ref().unwrap().judge(move |request| {
        let lost = is_deaf.load(Ordering::SeqCst) && request.starts_with("GET /rz/");
        if lost {
            Fate::AnswerLost
        } else {
            Fate::Answered
        }
    });
    let sent = When::Told(Role::Existing, "sent m.login.protocols");
    let plan = Plan::shown_by(Role::New).cancel(Role::Existing, sent.clone());
    let deafen = async |meeting: &Meeting| {
        meeting
            .until(&When::Told(Role::New, "asked for digits"))
            .await;
        deaf.store(true, Ordering::SeqCst);
        meeting.until(&sent).await;
        sleep(Duration::from_secs(1)).await;
        deaf.store(false, Ordering::SeqCst);
    };
    let end = world.sign_in_while(&plan, deafen).await;
    assert!(
        was_told(&end, Role::New, "received m.login.protocols"),
        "{:?}",
        end.told
    );
    assert_eq!(
        end.new.as_ref().unwrap_err(),
        &Error::Peer(Reason::UserCancelled)
    );
    assert_failed_late(&world, &end, "ctrl_c").await;
}

/// Secrets that are read cannot be called back: the new device is complete, and that is what is
/// said.
async fn ctrl_c_after_the_secrets_is_too_late() {
    let world = TestEnv::start().await;
    for shown_by in [Role::New, Role::Existing] {
        let read = When::Told(Role::New, "ImportingSecrets");
        let end = world
            .sign_in(&Plan::shown_by(shown_by).cancel(Role::Existing, read))
            .await;
        assert!(was_told(&end, Role::Existing, "TooLate"), "{:?}", end.told);
        assert!(end.existing.as_ref().unwrap().verified);
        let id = end.new.unwrap().device_id;
        assert_eq!(end.existing.unwrap().device_id.as_str(), id);
        let new = world.reopen_new().await;
        assert!(new.verification().await.unwrap().verified);
        new.log_out().await.unwrap();
    }
}

/// What became of them is looked up, and said as it is: not there, or not known.
async fn ctrl_c_after_the_secrets_to_a_device_that_never_signs_itself() {
    for revoked in [true, false] {
        let world = TestEnv::start().await;
        let sent = When::Told(Role::Existing, "sent m.login.secrets");
        let plan = Plan {
            decision: None,
            require_bound_device: false,
            ..Plan::shown_by(Role::Existing)
        };
        let plan = plan.cancel(Role::Existing, sent.clone());
        let (result, told, heard) = existing_device_with(&world, &plan, async |peer, meeting| {
            has_a_token(&world, peer).await;
            meeting.until(&sent).await;
            if revoked {
                world.sandbox.faults().set(Fault::DeviceMissingAfterSuccess);
            }
            meeting.until(&When::Told(Role::Existing, "TooLate")).await;
            peer.finds_nothing().await
        })
        .await;
        assert!(heard, "what was not read yet is called back: {told:?}");
        let error = result.unwrap_err();
        assert_eq!(error == Error::Cancelled, revoked, "{error:?}");
        let row = if revoked {
            "ctrl_c"
        } else {
            "ctrl_c_after_the_secrets_to_a_device_that_never_signs_itself"
        };
        assert_told(&world, &error, &Row::of(row).existing);
    }
}

/// The token is given, and the person gives up before it is here: it is revoked all the same.
async fn ctrl_c_while_the_token_is_on_its_way() {
    let world = TestEnv::with_fault_proxy().await;
    world
        .fault_proxy
        .as_ref()
        .unwrap()
        .judge(|request| match request {
            "POST /oauth2/token" => Fate::AnsweredLate,
            _ => Fate::Answered,
        });
    let given = async |meeting: &Meeting| {
        while world.sandbox.record().devices.len() == 1 {
            sleep(Duration::from_millis(20)).await;
        }
        meeting.note(Role::New, "given");
    };
    let plan = Plan::shown_by(Role::New).cancel(Role::New, When::Told(Role::New, "given"));
    let end = world.sign_in_while(&plan, given).await;
    assert_eq!(end.new.as_ref().unwrap_err(), &Error::Cancelled);
    assert!(!was_told(&end, Role::New, "Token"), "{:?}", end.told);
    assert_eq!(end.record.revocations.len(), 1);
    assert_failed_late(&world, &end, "ctrl_c").await;
}

each_revision![
    ctrl_c,
    ctrl_c_while_the_token_is_on_its_way,
    a_message_is_read_before_the_last_word,
    ctrl_c_after_the_secrets_is_too_late,
    ctrl_c_after_the_secrets_to_a_device_that_never_signs_itself,
];
