//! A peer that says what it should not, at each step of either side.

use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::{Reason, Unreadable},
    revision::Role,
};
use matrix_qr_sandbox::Decision;
use serde_json::{Value, json};

use super::{Row, assert_told};
use crate::{
    scripted_peer::{ScriptedPeer, existing_device_against, new_device_against, offer},
    test_env::TestEnv,
};

/// What is said, and what the device under test makes of it.
fn strange(unexpected: &Value) -> [(Vec<u8>, &'static str); 4] {
    [
        (unexpected.to_string().into(), "an_unexpected_message"),
        (
            br#"{"type":"m.login.telepathy"}"#.to_vec(),
            "an_unknown_message",
        ),
        (b"not json".to_vec(), "an_unparsable_message"),
        (
            br#"{"type":"m.login.failure"}"#.to_vec(),
            "an_unparsable_message",
        ),
    ]
}

fn assert_kind(error: &Error, row: &str) {
    let right = match row {
        "an_unexpected_message" => matches!(error, Error::UnexpectedMessage(_)),
        "an_unknown_message" => matches!(error, Error::Unreadable(Unreadable::UnknownType(_))),
        _ => matches!(
            error,
            Error::Unreadable(Unreadable::NotAMessage | Unreadable::Malformed(_))
        ),
    };
    assert!(right, "{row}: {error:?}");
    assert_eq!(error.cause(), Cause::OtherDevice);
}

fn assert_nothing(world: &TestEnv) {
    let record = world.sandbox.record();
    assert_eq!(record.devices, record.bootstrap);
    assert!(
        record
            .key_uploads
            .iter()
            .all(|upload| record.bootstrap.contains(&upload.device_id))
    );
    assert!(!world.new_dir().exists());
}

/// It is told once, and nothing after that.
async fn assert_answered(peer: &mut ScriptedPeer) {
    let answer = json!({ "type": "m.login.failure", "reason": "unexpected_message_received" });
    assert_eq!(peer.hear().await, answer);
    assert!(peer.hears_no_more().await);
}

fn protocols(world: &TestEnv) -> Value {
    offer(world, json!(["device_authorization_grant"]))
}

/// Goes so many steps as an existing device, then says that.
async fn to_new_device(world: &TestEnv, peer: &mut ScriptedPeer, (steps, said): (usize, &[u8])) {
    if steps > 0 {
        peer.say(protocols(world)).await;
        assert_eq!(peer.hear().await["type"], "m.login.protocol");
        let code = world.sandbox.next_pending().await;
        let decision = if steps > 1 {
            Decision::Allow
        } else {
            Decision::Deny
        };
        assert!(world.sandbox.decide(&code, decision));
    }
    if steps > 1 {
        peer.say(json!({ "type": "m.login.protocol_accepted" }))
            .await;
        assert_eq!(peer.hear().await["type"], "m.login.success");
    }
    peer.say_bytes(said).await;
}

async fn new_device_hears(said: &[u8], row: &str, steps: usize, world: &TestEnv) {
    let (result, ()) = new_device_against(world, async |peer| {
        to_new_device(world, peer, (steps, said)).await;
        assert_answered(peer).await;
    })
    .await;
    let error = result.unwrap_err();
    assert_kind(&error, row);
    assert_told(world, &error, &Row::of(row).new);
    assert_nothing(world);
}

async fn new_device_is_told(row: &str) {
    let world = TestEnv::start().await;
    for steps in 0..3 {
        for (said, this) in strange(&json!({ "type": "m.login.success" })) {
            if this == row {
                new_device_hears(&said, row, steps, &world).await;
            }
        }
    }
}

/// Goes so many steps as a new device, then says that.
async fn to_existing_device(
    world: &TestEnv,
    peer: &mut ScriptedPeer,
    (steps, said): (usize, &[u8]),
) {
    if steps > 0 {
        peer.say(wish("PUPPETDEVICE", "https://id.example.org/link"))
            .await;
        assert_eq!(
            peer.hear().await,
            json!({ "type": "m.login.protocol_accepted" })
        );
    }
    if steps > 1 {
        world.sandbox.first_session("PUPPETDEVICE").await.unwrap();
        peer.say(json!({ "type": "m.login.success" })).await;
        assert_eq!(peer.hear().await["type"], "m.login.secrets");
    }
    peer.say_bytes(said).await;
}

pub(super) fn wish(device_id: &str, link: &str) -> Value {
    json!({
        "type": "m.login.protocol",
        "protocol": "device_authorization_grant",
        "device_authorization_grant": { "verification_uri": link },
        "device_id": device_id,
    })
}

async fn existing_device_is_told(row: &str) {
    for steps in 0..3 {
        let world = TestEnv::start().await;
        for (said, this) in strange(&json!({ "type": "m.login.secrets", "cross_signing": {
            "master_key": "A".repeat(43), "self_signing_key": "A".repeat(43), "user_signing_key": "A".repeat(43),
        } })) {
            // One device to a world once it has the secrets.
            if this == row && (steps < 2 || world.sandbox.record().devices.len() == 1) {
                existing_device_hears(&said, row, steps, &world).await;
            }
        }
    }
}

async fn existing_device_hears(said: &[u8], row: &str, steps: usize, world: &TestEnv) {
    let (result, told, ()) = existing_device_against(world, async |peer| {
        to_existing_device(world, peer, (steps, said)).await;
        assert_answered(peer).await;
    })
    .await;
    let error = result.unwrap_err();
    assert_kind(&error, row);
    assert_told(world, &error, &Row::of(row).existing);
    assert_eq!(
        told.contains(&(Role::Existing, "SharingSecrets".to_owned())),
        steps == 2
    );
}

async fn an_unexpected_message() {
    tokio::join!(
        new_device_is_told("an_unexpected_message"),
        existing_device_is_told("an_unexpected_message")
    );
}

async fn an_unknown_message() {
    tokio::join!(
        new_device_is_told("an_unknown_message"),
        existing_device_is_told("an_unknown_message")
    );
}

async fn an_unparsable_message() {
    tokio::join!(
        new_device_is_told("an_unparsable_message"),
        existing_device_is_told("an_unparsable_message")
    );
}

async fn no_common_protocol() {
    let world = TestEnv::start().await;
    let row = Row::of("no_common_protocol");
    let answer = json!({ "type": "m.login.failure", "reason": "unsupported_protocol" });
    for protocols in [json!([]), json!(["m.telepathy"])] {
        let offer = offer(&world, protocols);
        let (result, heard) = new_device_against(&world, async |peer| {
            peer.say(offer).await;
            peer.hear().await
        })
        .await;
        assert_eq!(heard, answer);
        assert_told(&world, &result.unwrap_err(), &row.new);
        assert_nothing(&world);
    }
    let (result, _, heard) = existing_device_against(&world, async |peer| {
        peer.say(json!({ "type": "m.login.protocol", "protocol": "m.telepathy" }))
            .await;
        peer.hear().await
    })
    .await;
    assert_eq!(heard, answer);
    assert_told(&world, &result.unwrap_err(), &row.existing);
}

/// A reason that is newer than we are is passed on; it is not answered, and the session is taken
/// away.
async fn an_unknown_reason() {
    let world = TestEnv::start().await;
    let failure = json!({ "type": "m.login.failure", "reason": "org.example.moon_phase" });
    let (result, ()) =
        new_device_against(&world, async |peer| peer.say(failure.clone()).await).await;
    let error = result.unwrap_err();
    assert_eq!(
        error,
        Error::Peer(Reason::Other("org.example.moon_phase".to_owned()))
    );
    assert_told(&world, &error, &Row::of("an_unknown_reason").new);
    let (result, _, ()) =
        existing_device_against(&world, async |peer| peer.say(failure).await).await;
    assert_told(
        &world,
        &result.unwrap_err(),
        &Row::of("an_unknown_reason").existing,
    );
    assert_nothing(&world);
}

/// It says that it is signed in, and is not: it gets nothing.
async fn a_success_that_is_none() {
    let world = TestEnv::start().await;
    let (result, told, heard) = existing_device_against(&world, async |peer| {
        peer.say(wish("PUPPETDEVICE", "https://id.example.org/link"))
            .await;
        assert_eq!(peer.hear().await["type"], "m.login.protocol_accepted");
        peer.say(json!({ "type": "m.login.success" })).await;
        peer.hear().await
    })
    .await;
    assert_eq!(
        heard,
        json!({ "type": "m.login.failure", "reason": "device_not_found" })
    );
    assert!(!told.contains(&(Role::Existing, "SharingSecrets".to_owned())));
    assert_told(
        &world,
        &result.unwrap_err(),
        &Row::of("a_success_that_is_none").existing,
    );
}

each_revision![
    an_unexpected_message,
    an_unknown_message,
    an_unparsable_message,
    no_common_protocol,
    an_unknown_reason,
    a_success_that_is_none,
];
