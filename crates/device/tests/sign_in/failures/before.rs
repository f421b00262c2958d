//! What is refused before there is a rendezvous session.

use std::time::Duration;

use matrix_qr_device::keys::KeyHolder as _;
use matrix_qr_device::{Device, encryption::Encryption, http::Policy, keys::CrossSigningKey};
use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::SecretKey,
    revision::Role,
};
use matrix_qr_sandbox::{Fault, LateServer};
use matrix_sdk_crypto::{OlmMachine, store::types::CrossSigningKeyExport};
use matrix_sdk_sqlite::SqliteCryptoStore;
use ruma::{
    TransactionId,
    api::{IncomingResponse as _, client::keys::get_keys},
};
use serde_json::json;

use super::{BOTH, assert_failed, was_told};
use crate::{
    attacker::leaping,
    meeting::{Meeting, Plan, When, own},
    test_env::{SignInEnd, TestEnv, sign_in},
};

/// The one that shows the code waits until the person there gives up, too.
fn plan(shown_by: Role) -> Plan {
    let ended = When::Told(shown_by.other(), "ended");
    Plan::shown_by(shown_by).cancel(shown_by, ended)
}

/// The existing device has not made or touched a session.
fn assert_no_rendezvous(end: &SignInEnd, shown_by: Role) {
    assert!(!was_told(end, Role::Existing, "Session"));
    let requests = &end.record.rendezvous_requests;
    match shown_by {
        Role::Existing => assert!(requests.is_empty(), "{requests:?}"),
        Role::New => assert!(!requests.contains_key("PUT"), "{requests:?}"),
    }
}

async fn each_way(world: &TestEnv, row: &str) {
    for shown_by in [Role::Existing, Role::New] {
        let end = world.sign_in(&plan(shown_by)).await;
        let Err(Error::NoSecrets(trouble)) = &end.existing else {
            panic!("{:?}", end.existing)
        };
        assert_eq!(trouble.cause, Cause::Here);
        assert_no_rendezvous(&end, shown_by);
        assert_failed(world, &end, row).await;
    }
}

async fn without(missing: CrossSigningKey, row: &str) {
    let mut world = TestEnv::start().await;
    let lacking = lacking(&world, missing).await;
    world.existing = lacking;
    each_way(&world, row).await;
}

async fn missing_master_key() {
    without(CrossSigningKey::Master, "missing_master_key").await;
}

async fn missing_self_signing_key() {
    without(CrossSigningKey::SelfSigning, "missing_self_signing_key").await;
}

async fn missing_user_signing_key() {
    without(CrossSigningKey::UserSigning, "missing_user_signing_key").await;
}

async fn keys_that_are_not_the_published_ones() {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::WrongIdentity);
    each_way(&world, "keys_that_are_not_the_published_ones").await;
}

/// A device of the account that was verified, and got only two of the keys.
async fn lacking(world: &TestEnv, missing: CrossSigningKey) -> Device<Encryption> {
    let directory = world.signed_in_device("OTHERDEVICE").await;
    let bundle = world.existing.keys().secrets().await.unwrap();
    let unless_missing =
        |which, key: &SecretKey| (which != missing).then(|| key.to_base64().to_string());
    let export = CrossSigningKeyExport {
        master_key: unless_missing(CrossSigningKey::Master, &bundle.cross_signing.master_key),
        self_signing_key: unless_missing(
            CrossSigningKey::SelfSigning,
            &bundle.cross_signing.self_signing_key,
        ),
        user_signing_key: unless_missing(
            CrossSigningKey::UserSigning,
            &bundle.cross_signing.user_signing_key,
        ),
    };
    let store = SqliteCryptoStore::open(&directory, None).await.unwrap();
    let machine =
        OlmMachine::with_store(world.existing.user_id(), "OTHERDEVICE".into(), store, None)
            .await
            .unwrap();
    machine
        .mark_request_as_sent(&TransactionId::new(), &published(world).await)
        .await
        .unwrap();
    machine.import_cross_signing_keys(export).await.unwrap();
    drop(machine);
    Device::open(&directory, Policy::HttpsOrLoopback, None)
        .await
        .unwrap()
}

async fn published(world: &TestEnv) -> get_keys::v3::Response {
    let token = world
        .sandbox
        .first_session("ONLOOKERDEVICE")
        .await
        .unwrap()
        .access_token;
    let answer = reqwest::Client::new()
        .post(
            world
                .sandbox
                .homeserver()
                .join("/_matrix/client/v3/keys/query")
                .unwrap(),
        )
        .bearer_auth(token)
        .json(&json!({ "device_keys": { world.sandbox.user_id(): [] } }))
        .send()
        .await
        .unwrap();
    let body = answer.bytes().await.unwrap().to_vec();
    get_keys::v3::Response::try_from_http_response(http::Response::new(body)).unwrap()
}

/// Whoever would show the code learns it first; so does an existing device that scans.
async fn not_offered(fault: Fault, row: &str) {
    not_offered_at(&TestEnv::start().await, &fault, row).await;
    // The session is on its way to be made when the answer comes.
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::LateAnswers {
        server: LateServer::Rendezvous,
        delay: Duration::from_millis(500),
    });
    not_offered_at(&world, &fault, row).await;
}

async fn not_offered_at(world: &TestEnv, fault: &Fault, row: &str) {
    world.sandbox.faults().set(fault.clone());
    for shown_by in [Role::Existing, Role::New] {
        let end = world.sign_in(&plan(shown_by)).await;
        let error = match shown_by {
            Role::New => end.new.as_ref().unwrap_err(),
            Role::Existing => end.existing.as_ref().unwrap_err(),
        };
        assert!(matches!(error, Error::UnsupportedProtocol(_)), "{error:?}");
        assert!(
            matches!(
                error.cause(),
                Cause::Homeserver | Cause::AuthorizationServer
            ),
            "{:?}",
            error.cause()
        );
        // Nobody sees a code. A new device has its session made at the same time, and deletes it.
        let requests = &end.record.rendezvous_requests;
        let count = |method: &str| requests.get(method).copied().unwrap_or_default();
        assert!(end.code.is_none() && !was_told(&end, shown_by, "Session"));
        assert!(count("POST") == count("DELETE") && count("GET") + count("PUT") == 0);
        assert!(shown_by == Role::New || requests.is_empty(), "{requests:?}");
        assert_failed(world, &end, row).await;
    }
}

/// The session is made, and whether this device can sign in is not known yet.
#[test]
fn a_person_who_gives_up_meanwhile_leaves_no_session() {
    leaping(Box::pin(async {
        let world = TestEnv::start().await;
        world.sandbox.faults().set(Fault::LateAnswers {
            server: LateServer::Homeserver,
            delay: Duration::from_secs(8),
        });
        let told = When::Told(Role::New, "Problem");
        let plan = Plan::shown_by(Role::New).cancel(Role::New, told.clone());
        let end = world.sign_in(&plan.cancel(Role::Existing, told)).await;
        assert_eq!(end.new.unwrap_err(), Error::Cancelled);
        let requests = &end.record.rendezvous_requests;
        let count = |method: &str| requests.get(method).copied().unwrap_or_default();
        assert_eq!((count("POST"), count("DELETE")), (1, 1), "{:?}", end.told);
    }));
}

async fn no_oauth() {
    not_offered(Fault::NoOauth, "no_oauth").await;
}

async fn no_device_grant() {
    not_offered(Fault::NoDeviceGrant, "no_device_grant").await;
}

/// It was there when the code was shown, and is not when the new device looks for it.
async fn no_device_grant_any_more() {
    let world = TestEnv::start().await;
    for fault in [Fault::NoOauth, Fault::NoDeviceGrant] {
        let withdrawn = async |meeting: &Meeting| {
            meeting.until(&When::Told(Role::Existing, "show")).await;
            world.sandbox.faults().set(fault);
        };
        let end = world
            .sign_in_while(&Plan::shown_by(Role::Existing), withdrawn)
            .await;
        world.sandbox.faults().clear();
        assert!(
            matches!(end.new, Err(Error::UnsupportedProtocol(_))),
            "{:?}",
            end.new
        );
        assert_failed(&world, &end, "no_device_grant_any_more").await;
    }
}

async fn two_new_devices() {
    let world = TestEnv::start().await;
    let (meeting, plan) = (Meeting::new(), plan(Role::New));
    let (shows, scans) = (
        meeting.robot(Role::New, &plan, &world.sandbox),
        meeting.robot(Role::Existing, &plan, &world.sandbox),
    );
    let setup = world.setup(plan.dialect);
    let mut other = world.setup(plan.dialect);
    other.directory = world.dirs.path().join("other");
    let (shown, scanned) = tokio::join!(
        crate::test_env::ended(Role::New, &meeting, sign_in(&setup, world.show(), &shows)),
        crate::test_env::ended(Role::Existing, &meeting, async {
            sign_in(&other, meeting.scan(None).await?, &scans).await
        }),
    );
    assert_eq!(shown.unwrap_err(), Error::Cancelled);
    assert_same_role(&world, &meeting, &scanned.unwrap_err(), "two_new_devices");
    assert!(!other.directory.exists());
}

/// Whoever scans or shows the other code: this device does neither, and nobody hears of it.
async fn the_new_device_is_somebody_elses() {
    for shown_by in BOTH {
        let world = TestEnv::start().await;
        let end = world
            .sign_in(&Plan {
                is_own_device: false,
                ..plan(shown_by)
            })
            .await;
        let error = end.existing.as_ref().unwrap_err();
        assert_eq!(
            (error, error.cause()),
            (&Error::NotOwnDevice, Cause::Person)
        );
        let row = "the_new_device_is_somebody_elses";
        super::assert_told(&world, error, &super::Row::of(row).existing);
        let of_existing = end.told.iter().filter(|(role, _)| *role == Role::Existing);
        let of_existing: Vec<_> = of_existing.map(|(_, told)| told.as_str()).collect();
        assert_eq!(of_existing, ["asked whether it is theirs", "ended"]);
        assert_no_rendezvous(&end, shown_by);
        assert_failed(&world, &end, row).await;
    }
}

async fn two_existing_devices() {
    let world = TestEnv::start().await;
    let (meeting, plan) = (Meeting::new(), plan(Role::New));
    let (shows, scans) = (
        meeting.robot(Role::New, &plan, &world.sandbox),
        meeting.robot(Role::Existing, &plan, &world.sandbox),
    );
    let manner = matrix_qr_device::GrantOptions {
        showing: crate::revision::showing(),
        ..Default::default()
    };
    let (shown, scanned) = tokio::join!(
        crate::test_env::ended(
            Role::New,
            &meeting,
            world
                .existing
                .grant(own(&shows).await, world.show(), manner, &shows)
        ),
        crate::test_env::ended(Role::Existing, &meeting, async {
            world
                .existing
                .grant(own(&scans).await, meeting.scan(None).await?, manner, &scans)
                .await
        }),
    );
    assert_eq!(shown.unwrap_err(), Error::Cancelled);
    assert_same_role(
        &world,
        &meeting,
        &scanned.unwrap_err(),
        "two_existing_devices",
    );
}

/// Refused without a request: the code can still be scanned by the right device.
fn assert_same_role(world: &TestEnv, meeting: &Meeting, error: &Error, row: &str) {
    assert_eq!(error.cause(), Cause::Person);
    let row = super::Row::of(row);
    super::assert_told(world, error, &format!("{}{}", row.new, row.existing));
    assert!(
        !meeting
            .told()
            .contains(&(Role::Existing, "Session".to_owned()))
    );
    let requests = world.sandbox.record().rendezvous_requests;
    assert!(
        requests["POST"] == 1 && requests["DELETE"] == 1 && !requests.contains_key("PUT"),
        "{requests:?}"
    );
}

each_revision![
    the_new_device_is_somebody_elses,
    missing_master_key,
    missing_self_signing_key,
    missing_user_signing_key,
    keys_that_are_not_the_published_ones,
    no_oauth,
    no_device_grant,
    no_device_grant_any_more,
    two_new_devices,
    two_existing_devices,
];
