//! What the homeserver says of the new device before and after its success.

use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::Reason,
    revision::Role,
};
use matrix_qr_sandbox::Fault;

use super::{BOTH, assert_failed, uploads, was_told};
use crate::{
    meeting::{Meeting, Plan, When},
    test_env::{SignInEnd, TestEnv},
};

/// The fault is there from the moment on, in a sign-in that way round.
async fn with_fault(world: &TestEnv, shown_by: Role, (fault, at): (Fault, When)) -> SignInEnd {
    let misbehave = async |meeting: &Meeting| {
        meeting.until(&at).await;
        world.sandbox.faults().set(fault);
    };
    let end = world
        .sign_in_while(&Plan::shown_by(shown_by), misbehave)
        .await;
    world.sandbox.faults().clear();
    assert_eq!(uploads(&end), 0);
    end
}

const BEFORE: When = When::Told(Role::New, "Checking");
const AFTER: When = When::Told(Role::Existing, "sent m.login.protocol_accepted");

async fn the_device_id_is_taken() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let end = with_fault(&world, shown_by, (Fault::DeviceIdTaken, BEFORE)).await;
        let existing = end.existing.as_ref().unwrap_err();
        assert!(
            matches!(existing, Error::DeviceAlreadyExists(_)),
            "{existing:?}"
        );
        assert_eq!(existing.cause(), Cause::Homeserver);
        assert_eq!(
            end.new.as_ref().unwrap_err(),
            &Error::Peer(Reason::DeviceAlreadyExists)
        );
        assert!(!was_told(&end, Role::Existing, "asked to open"));
        assert_failed(&world, &end, "the_device_id_is_taken").await;
    }
}

/// Neither "absent" nor "present".
async fn unknown((fault, at): (Fault, When), reason: Reason, row: &str) {
    let world = TestEnv::start().await;
    // Slow where nothing answers: one way is enough.
    let ways = if fault == Fault::DevicesHang {
        &BOTH[..1]
    } else {
        &BOTH
    };
    for shown_by in ways {
        let end = with_fault(&world, *shown_by, (fault.clone(), at.clone())).await;
        let Err(Error::DeviceUnknown(trouble)) = &end.existing else {
            panic!("{:?}", end.existing)
        };
        assert_eq!(trouble.cause, Cause::Homeserver);
        assert_eq!(end.new.as_ref().unwrap_err(), &Error::Peer(reason.clone()));
        assert_failed(&world, &end, row).await;
        let tokens = end.told.iter().filter(|(_, what)| what == "Token").count();
        assert_eq!(tokens, usize::from(reason == Reason::DeviceNotFound));
    }
    let revoked = if reason == Reason::DeviceNotFound {
        ways.len()
    } else {
        0
    };
    assert_eq!(world.sandbox.record().revocations.len(), revoked);
}

async fn devices_answers_500() {
    unknown(
        (Fault::DevicesError, BEFORE),
        Reason::UserCancelled,
        "devices_answers_500",
    )
    .await;
}

async fn devices_answers_500_after_success() {
    let row = "devices_answers_500_after_success";
    unknown((Fault::DevicesError, AFTER), Reason::DeviceNotFound, row).await;
}

async fn devices_never_answers() {
    unknown(
        (Fault::DevicesHang, BEFORE),
        Reason::UserCancelled,
        "devices_never_answers",
    )
    .await;
}

async fn devices_never_answers_after_success() {
    let row = "devices_never_answers_after_success";
    unknown((Fault::DevicesHang, AFTER), Reason::DeviceNotFound, row).await;
}

/// Slow: it may take 10 seconds until a device shows.
async fn the_device_is_not_there_after_success() {
    let world = TestEnv::start().await;
    let end = with_fault(
        &world,
        Role::New,
        (Fault::DeviceMissingAfterSuccess, BEFORE),
    )
    .await;
    let existing = end.existing.as_ref().unwrap_err();
    assert!(matches!(existing, Error::DeviceNotFound(_)), "{existing:?}");
    assert_eq!(
        end.new.as_ref().unwrap_err(),
        &Error::Peer(Reason::DeviceNotFound)
    );
    assert_failed(&world, &end, "the_device_is_not_there_after_success").await;
    assert_eq!(end.record.revocations.len(), 1);
}

each_revision![
    the_device_id_is_taken,
    devices_answers_500,
    devices_answers_500_after_success,
    devices_never_answers,
    devices_never_answers_after_success,
    the_device_is_not_there_after_success,
];
