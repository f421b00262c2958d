//! The same modules against servers that another hand wrote.

use std::time::Duration;

use matrix_qr_device::discovery::{DiscoveryError, resolve, server_metadata};
use matrix_qr_device::oauth::{Client, OAuth, OAuthError, TokenOutcome, Tokens, new_device_id};
use matrix_qr_device::rendezvous_client::{RendezvousClient, RendezvousError};
use matrix_qr_protocol::driver::Delivery;
use matrix_qr_protocol::homeserver::HomeserverAddress;
use matrix_qr_protocol::rendezvous::{Location, RendezvousApiError, SessionUrl};
use matrix_qr_sandbox::{Decision, Fault, Method, Options, Sandbox};
use url::Url;

use crate::server::http;

async fn sandbox() -> Sandbox {
    Sandbox::start(Options::default()).await.unwrap()
}

async fn connect(sandbox: &Sandbox) -> Result<OAuth, OAuthError> {
    let metadata = server_metadata(&http(), sandbox.homeserver())
        .await
        .unwrap();
    OAuth::connect(http(), metadata, &Client::default()).await
}

/// A whole grant, with this decision of the person.
async fn sign_in(sandbox: &Sandbox, decision: Decision) -> (OAuth, String, TokenOutcome) {
    let (oauth, device_id) = (connect(sandbox).await.unwrap(), new_device_id().unwrap());
    let authorization = oauth.authorize_device(&device_id).await.unwrap();
    assert!(sandbox.decide(authorization.user_code(), decision));
    let outcome = oauth.await_token(&authorization).await;
    (oauth, device_id, outcome)
}

async fn granted(sandbox: &Sandbox) -> (OAuth, String, Tokens) {
    match sign_in(sandbox, Decision::Allow).await {
        (oauth, device_id, TokenOutcome::Granted(tokens)) => (oauth, device_id, tokens),
        (_, _, outcome) => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_server_name_leads_to_the_homeserver_and_its_oauth_server() {
    let sandbox = sandbox().await;
    let base = resolve(
        &http(),
        &HomeserverAddress::parse(&sandbox.server_name()).unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(base.origin(), sandbox.homeserver().origin());
    let metadata = server_metadata(&http(), &base).await.unwrap();
    assert_eq!(&metadata.issuer, sandbox.issuer());
    assert!(metadata.device_grant().is_ok());
}

#[tokio::test]
async fn what_a_server_lacks_is_named() {
    let sandbox = sandbox().await;
    sandbox.faults().set(Fault::NoOauth);
    let error = server_metadata(&http(), sandbox.homeserver())
        .await
        .unwrap_err();
    assert!(matches!(error, DiscoveryError::NoOauth { .. }), "{error:?}");
    sandbox.faults().clear();
    sandbox.faults().set(Fault::NoDeviceGrant);
    let metadata = server_metadata(&http(), sandbox.homeserver())
        .await
        .unwrap();
    assert!(matches!(
        metadata.device_grant(),
        Err(DiscoveryError::NoDeviceGrant { .. })
    ));
    sandbox.faults().clear();
    sandbox.faults().set(Fault::NoRegistration);
    let error = connect(&sandbox).await.unwrap_err();
    assert!(
        matches!(error, OAuthError::NoRegistration { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_session_lives_is_refreshed_by_another_process_and_ends() {
    let sandbox = sandbox().await;
    let (oauth, device_id, tokens) = granted(&sandbox).await;
    assert!(sandbox.record().devices.contains(&device_id));
    let later = OAuth::resume(
        http(),
        oauth.metadata().clone(),
        oauth.client_id().to_owned(),
    );
    let fresh = later
        .refresh(tokens.refresh_token.as_ref().unwrap())
        .await
        .unwrap();
    assert_ne!(fresh.access_token, tokens.access_token);
    let newest = later
        .refresh(fresh.refresh_token.as_ref().unwrap())
        .await
        .unwrap();
    let error = later
        .refresh(tokens.refresh_token.as_ref().unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(error, OAuthError::Refused { ref error, .. } if error == "invalid_grant"),
        "{error:?}"
    );
    later.revoke(&fresh).await.unwrap();
    assert!(
        sandbox.record().devices.contains(&device_id),
        "200 for tokens that were replaced ends nothing"
    );
    later.revoke(&newest).await.unwrap();
    assert!(!sandbox.record().devices.contains(&device_id));
}

#[tokio::test]
async fn every_end_of_a_grant_is_told_apart() {
    let sandbox = sandbox().await;
    let (_, device_id, outcome) = sign_in(&sandbox, Decision::Deny).await;
    assert!(matches!(outcome, TokenOutcome::Denied), "{outcome:?}");
    assert!(!sandbox.record().devices.contains(&device_id));
    sandbox.faults().set(Fault::AuthorizationExpired);
    let (_, _, outcome) = sign_in(&sandbox, Decision::Allow).await;
    assert!(matches!(outcome, TokenOutcome::Expired), "{outcome:?}");
}

#[tokio::test]
async fn a_server_with_the_old_scopes_and_a_broken_proxy_still_lets_us_in() {
    let sandbox = sandbox().await;
    sandbox.faults().set(Fault::InvalidScopeOnce);
    sandbox.faults().set(Fault::TokenPoll502 { times: 2 });
    let (_, device_id, _) = granted(&sandbox).await;
    assert!(sandbox.record().devices.contains(&device_id));
    assert!(sandbox.record().token_polls >= 1);
}

/// Two devices that talk for two rounds, whatever happens to one request on the way.
async fn talk(sandbox: &Sandbox) {
    let g = RendezvousClient::create(http(), sandbox.homeserver())
        .await
        .unwrap();
    let s = RendezvousClient::join(http(), g.location().clone())
        .await
        .unwrap();
    assert!(g.time_left() > Duration::ZERO && s.time_left() > Duration::ZERO);
    for round in 0..2_u8 {
        assert_eq!(s.send(vec![b's', round].into()).await, Ok(Delivery::Done));
        assert_eq!(g.receive().await.unwrap().bytes, [b's', round]);
        assert_eq!(g.send(vec![b'g', round].into()).await, Ok(Delivery::Done));
        assert_eq!(s.receive().await.unwrap().bytes, [b'g', round]);
    }
    g.delete().await;
    assert_eq!(s.receive().await, Err(RendezvousError::Gone));
}

#[tokio::test]
async fn two_devices_talk_through_a_real_rendezvous_server() {
    let sandbox = sandbox().await;
    talk(&sandbox).await;
}

#[tokio::test]
async fn any_one_lost_request_or_answer_is_survived() {
    let sandbox = sandbox().await;
    for method in [Method::POST, Method::PUT, Method::GET] {
        for nth in [1, 2] {
            for fault in [
                Fault::LoseAnswer {
                    method: method.clone(),
                    nth,
                },
                Fault::DropRequest {
                    method: method.clone(),
                    nth,
                },
            ] {
                sandbox.faults().clear();
                sandbox.faults().set(fault.clone());
                talk(&sandbox).await;
            }
        }
    }
}

#[tokio::test]
async fn a_wait_is_answered_as_soon_as_the_other_device_writes() {
    let sandbox = sandbox().await;
    let g = RendezvousClient::create(http(), sandbox.homeserver())
        .await
        .unwrap();
    let s = RendezvousClient::join(http(), g.location().clone())
        .await
        .unwrap();
    let gets = || sandbox.record().rendezvous_requests["GET"];
    let before = gets();
    let later = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        s.send("s1".into()).await
    };
    let (received, sent) = tokio::join!(g.receive(), later);
    assert_eq!((received, sent), (Ok("s1".into()), Ok(Delivery::Done)));
    // One request, held by the server, and no polling.
    assert_eq!(gets(), before + 1);
}

#[tokio::test]
async fn a_homeserver_that_delegates_and_servers_that_refuse() {
    let delegate = sandbox().await;
    let options = Options {
        rendezvous_redirect: Some(delegate.rendezvous()),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let client = RendezvousClient::create(http(), sandbox.homeserver())
        .await
        .unwrap();
    let Location::Url(url) = client.location() else {
        panic!("{client:?}")
    };
    assert_eq!(url.url().origin(), delegate.homeserver().origin());

    delegate.faults().set(Fault::RendezvousGone);
    assert_eq!(client.receive().await, Err(RendezvousError::Gone));
    delegate.faults().clear();
    delegate.faults().set(Fault::RendezvousFull);
    let error = RendezvousClient::create(http(), delegate.homeserver())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RendezvousError::Server(RendezvousApiError::RateLimited { .. })
        ),
        "{error:?}"
    );

    let gone: Url = url.url().join("not-a-session").unwrap();
    let gone = Location::Url(SessionUrl::parse(gone.as_str()).unwrap());
    assert_eq!(
        RendezvousClient::join(http(), gone).await.unwrap_err(),
        RendezvousError::Gone
    );
}
