//! What the homeserver says about tokens and devices.

use std::time::Duration;

use matrix_qr_device::{client_server_api::HomeserverError, secret::Secret};
use matrix_qr_protocol::login::DeviceLookup;
use matrix_qr_sandbox::Fault;
use ruma::{DeviceId, device_id};
use serde_json::json;

use crate::{proxy::Answer, test_env::TestEnv};

const WHOAMI: &str = "GET /_matrix/client/v3/account/whoami";

#[tokio::test]
async fn whoami_names_the_account_and_the_device() {
    let world = TestEnv::start().await;
    let me = world.homeserver("SOMEDEVICE").await.whoami().await.unwrap();
    assert_eq!(me.user_id, world.user_id());
    assert_eq!(me.device_id, device_id!("SOMEDEVICE"));
    world
        .proxy
        .meddle(|_, answer| drop(answer.body.as_object_mut().unwrap().remove("device_id")));
    let anonymous = world.homeserver("SOMEDEVICE").await.whoami().await;
    assert!(matches!(anonymous, Err(HomeserverError::Malformed { .. })));
}

#[tokio::test]
async fn a_dead_token_is_its_own_error_and_can_be_replaced() {
    let world = TestEnv::start().await;
    let homeserver = world.homeserver_with(Secret::new("no_such_token"));
    assert_eq!(homeserver.whoami().await, Err(HomeserverError::Expired));
    let session = world.sandbox.first_session("SOMEDEVICE").await.unwrap();
    homeserver
        .replace_token(Secret::new(session.access_token))
        .await;
    homeserver.whoami().await.unwrap();
}

#[tokio::test]
async fn devices_are_present_or_absent() {
    let world = TestEnv::start().await;
    let homeserver = world.homeserver("SOME/DEVICE+ID=").await;
    assert_eq!(
        homeserver.device(device_id!("SOME/DEVICE+ID=")).await,
        Ok(DeviceLookup::Present)
    );
    assert_eq!(
        homeserver.device(device_id!("ANOTHERDEVICE")).await,
        Ok(DeviceLookup::Absent)
    );
    world.sandbox.faults().set(Fault::DeviceIdTaken);
    assert_eq!(
        homeserver.device(device_id!("ANOTHERDEVICE")).await,
        Ok(DeviceLookup::Present)
    );
}

#[tokio::test]
async fn any_other_answer_is_neither_present_nor_absent() {
    let world = TestEnv::start().await;
    let homeserver = world.homeserver("SOMEDEVICE").await;
    let answers = [
        (
            404,
            json!({ "errcode": "M_UNRECOGNIZED", "error": "no such path" }),
        ),
        (404, json!("a page of a proxy")),
        (403, json!({ "errcode": "M_NOT_FOUND", "error": "odd" })),
        (200, json!({ "device_id": "ANOTHERDEVICE" })),
        (200, json!({ "devices": [] })),
        (204, json!({ "device_id": "SOMEDEVICE" })),
        (301, json!({ "device_id": "SOMEDEVICE" })),
    ];
    for (status, body) in answers {
        let answer = (status, body.clone());
        world.proxy.meddle(move |_, seen| {
            *seen = Answer {
                status: answer.0,
                body: answer.1.clone(),
            }
        });
        let outcome = homeserver.device(device_id!("SOMEDEVICE")).await;
        assert!(outcome.is_err(), "{status} {body}: {outcome:?}");
    }
    world.proxy.behave();
    world.sandbox.faults().set(Fault::DevicesError);
    let outcome = homeserver.device(device_id!("SOMEDEVICE")).await;
    assert!(
        matches!(outcome, Err(HomeserverError::Matrix { status: 500, .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_device_id_cannot_lead_elsewhere() {
    let world = TestEnv::start().await;
    let homeserver = world.homeserver("SOMEDEVICE").await;
    world.proxy.forget();
    for id in ["", ".", ".."] {
        assert!(homeserver.device(<&DeviceId>::from(id)).await.is_err());
    }
    assert!(world.proxy.seen().is_empty());
    assert_eq!(
        homeserver.device(device_id!("../account/whoami")).await,
        Ok(DeviceLookup::Absent)
    );
    assert_eq!(
        homeserver.device(device_id!("SOMEDEVICE?x=")).await,
        Ok(DeviceLookup::Absent)
    );
}

#[tokio::test]
async fn passing_trouble_is_survived() {
    let world = TestEnv::start().await;
    let homeserver = world.homeserver("SOMEDEVICE").await;
    let mut troubles = [
        Answer {
            status: 502,
            body: json!("<html>"),
        },
        Answer {
            status: 429,
            body: json!({ "errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 10 }),
        },
        Answer {
            status: 503,
            body: json!({ "errcode": "M_UNKNOWN" }),
        },
    ]
    .into_iter();
    world.proxy.meddle(move |_, answer| {
        if let Some(trouble) = troubles.next() {
            *answer = trouble;
        }
    });
    homeserver.whoami().await.unwrap();
    assert_eq!(world.count(WHOAMI), 4);
}

#[tokio::test]
async fn a_long_wait_is_not_waited_for() {
    let world = TestEnv::start().await;
    let homeserver = world.homeserver("SOMEDEVICE").await;
    world.proxy.meddle(|_, answer| {
        *answer = Answer {
            status: 429,
            body: json!({ "errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 3_600_000 }),
        };
    });
    let answer = tokio::time::timeout(Duration::from_secs(30), homeserver.whoami()).await;
    assert!(matches!(
        answer.expect("an answer"),
        Err(HomeserverError::RateLimited { .. })
    ));
    assert_eq!(world.count(WHOAMI), 1);
}
