//! A new device that chooses its ID itself, as the text has it.

use matrix_qr_protocol::{error::Error, revision::Role};
use serde_json::json;

use super::{Row, assert_told, strange::wish};
use crate::{
    meeting::Plan,
    scripted_peer::{existing_device_with, has_a_token},
    test_env::TestEnv,
};

fn plan(require_bound_device: bool) -> Plan {
    Plan {
        decision: None,
        require_bound_device,
        ..Plan::shown_by(Role::Existing)
    }
}

/// It is refused before anybody is asked for anything, and is told so in words that it knows.
async fn a_device_id_that_is_not_bound() {
    let world = TestEnv::start().await;
    let (result, told, heard) = existing_device_with(&world, &plan(true), async |peer, _| {
        peer.say(wish("PUPPETDEVICE", "https://id.example.org/link"))
            .await;
        peer.hear().await
    })
    .await;
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::DeviceUnbound(id) if id.as_str() == "PUPPETDEVICE"));
    let row = Row::of("a_device_id_that_is_not_bound");
    assert_told(&world, &error, &row.existing);
    assert_eq!(
        heard,
        json!({ "type": "m.login.failure", "reason": "user_cancelled" })
    );
    for never in ["LookingForDevice", "asked to open", "SharingSecrets"] {
        assert!(
            !told.contains(&(Role::Existing, never.to_owned())),
            "{told:?}"
        );
    }
}

/// It is signed in as before, and reported as what it is.
async fn a_device_id_that_is_not_bound_is_reported() {
    let world = TestEnv::start().await;
    let (result, _, heard) = existing_device_with(&world, &plan(false), async |peer, _| {
        has_a_token(&world, peer).await;
        peer.hear().await
    })
    .await;
    assert_eq!(heard["type"], "m.login.secrets");
    let granted = result.unwrap();
    assert_eq!(granted.device_id.as_str(), "PUPPETDEVICE");
    assert!(!granted.bound && !granted.verified);
}

/// Whoever derives it from the channel is bound, whatever program it is.
async fn a_device_id_that_another_program_derives() {
    let world = TestEnv::start().await;
    let (result, _, (id, heard)) = existing_device_with(&world, &plan(true), async |peer, _| {
        let id = peer.device_id();
        peer.say(wish(&id, "https://id.example.org/link")).await;
        assert_eq!(peer.hear().await["type"], "m.login.protocol_accepted");
        world.sandbox.first_session(&id).await.unwrap();
        peer.say(json!({ "type": "m.login.success" })).await;
        (id, peer.hear().await)
    })
    .await;
    assert_eq!(heard["type"], "m.login.secrets");
    let granted = result.unwrap();
    assert_eq!(granted.device_id.as_str(), id);
    assert!(granted.bound);
}

each_revision![
    a_device_id_that_is_not_bound,
    a_device_id_that_is_not_bound_is_reported,
    a_device_id_that_another_program_derives,
];
