//! Whole sign-ins with what others do, each named after where it was met. Absent fields that arrive
//! as `null` (matrix-sdk 0.19.1) are in `protocol`'s tests/messages.rs, and who speaks before the
//! digits are typed (matrix-js-sdk) is in its tests/pair.rs.

use axum::http::header;
use matrix_qr_device::{GrantOptions, Start};
use matrix_qr_protocol::{
    error::{Cause, Error},
    homeserver::HomeserverAddress,
    qr::{QrCode, ShownBy},
    revision::Role,
};
use matrix_qr_sandbox::Options;
use serde_json::json;

use crate::{
    meddling_proxy::{MeddlingProxy, ProxyFault},
    meeting::{Meeting, Plan, own},
    scripted_peer::existing_device_against,
    test_env::{SignInEnd, TestEnv, sign_in},
};

const BOTH: [Role; 2] = [Role::New, Role::Existing];

/// A homeserver that delegates to a rendezvous server behind this.
async fn behind(fault: ProxyFault) -> (TestEnv, MeddlingProxy) {
    let proxy = MeddlingProxy::start(fault).await;
    let options = Options {
        rendezvous_redirect: Some(proxy.url.clone()),
        ..Options::default()
    };
    (TestEnv::with(options).await, proxy)
}

/// It makes no difference to either direction.
async fn assert_harmless(fault: ProxyFault) {
    let (world, proxy) = behind(fault.clone()).await;
    for shown_by in BOTH {
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        let granted = end
            .existing
            .unwrap_or_else(|error| panic!("{fault:?}: {error:?} {:?}", end.told));
        assert!(granted.verified, "{fault:?}");
        end.new.unwrap();
        assert_eq!(proxy.rendezvous.sessions(), 0);
        world.reopen_new().await.log_out().await.unwrap();
    }
}

/// Whoever would show the code says whose fault it is, and what its administrator has to change;
/// nothing is left.
async fn assert_named(fault: ProxyFault, (what, advice): (&str, &str)) {
    let (world, _proxy) = behind(fault.clone()).await;
    for shown_by in BOTH {
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        let error = match shown_by {
            Role::New => end.new.as_ref().unwrap_err(),
            Role::Existing => end.existing.as_ref().unwrap_err(),
        };
        assert!(
            matches!(error, Error::Rendezvous(_)),
            "{fault:?}: {error:?}"
        );
        assert_eq!(error.cause(), Cause::RendezvousServer);
        assert!(error.to_string().contains(what), "{fault:?}: {error}");
        assert!(
            error.advice().contains(advice),
            "{fault:?}: {}",
            error.advice()
        );
        assert_nothing(&world, &end);
    }
}

/// No device, no keys and no directory came of it.
fn assert_nothing(world: &TestEnv, end: &SignInEnd) {
    assert_eq!(end.record.devices, end.record.bootstrap);
    assert!(
        end.record
            .key_uploads
            .iter()
            .all(|upload| end.record.bootstrap.contains(&upload.device_id))
    );
    assert!(!world.new_dir().exists());
}

const A_PROXY: &str = "a proxy in front of the rendezvous server";

#[tokio::test]
async fn nginx_with_gzip_makes_etags_weak() {
    assert_named(
        ProxyFault::EtagWeak,
        (A_PROXY, "turn off compression there"),
    )
    .await;
}

#[tokio::test]
async fn nginx_with_proxy_hide_header_strips_etags() {
    assert_named(
        ProxyFault::EtagMissing,
        (A_PROXY, "pass on the ETag header unchanged"),
    )
    .await;
}

/// The server knows its own ETag under what Apache adds to it.
#[tokio::test]
async fn apache_with_mod_deflate_adds_gzip_to_etags() {
    assert_harmless(ProxyFault::EtagSuffixed("-gzip")).await;
}

/// The code can be shown: it is the first write that fails. So do servers that do not know their
/// ETags under any suffix.
#[tokio::test]
async fn a_proxy_adds_to_etags_what_the_server_does_not_know() {
    let (world, proxy) = behind(ProxyFault::EtagSuffixed("-elsewhere")).await;
    for shown_by in BOTH {
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        let (new, existing) = (
            end.new.as_ref().unwrap_err(),
            end.existing.as_ref().unwrap_err(),
        );
        let scans = if shown_by == Role::New { existing } else { new };
        assert!(scans.to_string().contains(A_PROXY), "{scans}");
        assert!(
            scans.advice().contains("SetEnv no-gzip 1"),
            "{}",
            scans.advice()
        );
        assert_eq!(
            proxy.rendezvous.sessions(),
            0,
            "the one that shows hears of it: {:?} {:?}",
            end.new,
            end.existing
        );
        assert_nothing(&world, &end);
    }
}

#[tokio::test]
async fn a_proxy_without_expires() {
    assert_harmless(ProxyFault::RemoveHeaders(&[header::EXPIRES])).await;
}

/// The server's clock, or ours: only the difference is seen.
#[tokio::test]
async fn a_clock_that_is_ten_minutes_off() {
    for seconds in [600, -600] {
        assert_harmless(ProxyFault::Skewed {
            date: seconds,
            expires: seconds,
        })
        .await;
    }
}

/// nginx on another machine puts its own `Date` beside our `Expires`.
#[tokio::test]
async fn nginx_with_a_clock_that_is_ten_minutes_off() {
    for date in [600, -600] {
        assert_harmless(ProxyFault::Skewed { date, expires: 0 }).await;
    }
}

#[tokio::test]
async fn synapse_1_163_hashes_payloads_for_etags() {
    assert_harmless(ProxyFault::EtagHash).await;
}

/// Its 101st session ends the oldest, at whatever step that is: both sides say so, and nothing
/// hangs or is left.
#[tokio::test]
async fn synapse_1_163_evicts_a_live_session() {
    for requests in [2, 4, 7, 10] {
        let (world, proxy) = behind(ProxyFault::EvictAfter(requests)).await;
        for shown_by in BOTH {
            let end = world.sign_in(&Plan::shown_by(shown_by)).await;
            let (new, existing) = (
                end.new.as_ref().unwrap_err(),
                end.existing.as_ref().unwrap_err(),
            );
            assert_eq!(
                (new, existing),
                (&Error::Gone, &Error::Gone),
                "{requests} {:?}",
                end.told
            );
            assert_eq!(proxy.rendezvous.sessions(), 0);
            assert_nothing(&world, &end);
        }
    }
}

#[tokio::test]
async fn a_delegation_with_one_hop_more() {
    assert_harmless(ProxyFault::RedirectOnce).await;
}

#[tokio::test]
async fn a_delegation_to_http() {
    let elsewhere = ProxyFault::Redirect(307, "http://rendezvous.example/".to_owned());
    assert_named(
        elsewhere,
        (
            "http://rendezvous.example was refused: only https is allowed",
            "administrator",
        ),
    )
    .await;
}

#[tokio::test]
async fn a_delegation_to_a_third_host_that_is_no_rendezvous_server() {
    let third = MeddlingProxy::with(ProxyFault::None, |config| {
        config.create_path = "/elsewhere".to_owned()
    })
    .await;
    let fault = ProxyFault::Redirect(307, third.url.to_string());
    let no_such_thing = "does not offer rendezvous sessions";
    assert_named(fault, (no_such_thing, "Name another rendezvous server")).await;
}

#[tokio::test]
async fn a_delegation_in_a_circle() {
    assert_named(
        ProxyFault::RedirectLoop,
        ("redirect in a loop", "Tell its administrator"),
    )
    .await;
}

/// The homeserver in its QR code ends in a slash.
#[tokio::test]
async fn matrix_sdk_0_19_1_ends_its_homeserver_in_a_slash() {
    let world = TestEnv::start().await;
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(Role::Existing));
    let (new, existing) = (
        meeting.robot(Role::New, &plan, &world.sandbox),
        meeting.robot(Role::Existing, &plan, &world.sandbox),
    );
    let setup = world.setup(plan.dialect);
    let scan = async {
        let code = meeting.shown().await;
        let text = code.homeserver().unwrap().as_str().to_owned();
        assert!(!text.ends_with('/'));
        let slashed = HomeserverAddress::parse(&format!("{text}/")).unwrap();
        let code = QrCode {
            shown_by: ShownBy::Existing(slashed),
            ..code
        };
        sign_in(&setup, Start::Scan(code), &new).await
    };
    let options = GrantOptions::default();
    let own = own(&existing).await;
    let grant = world.existing.grant(own, world.show(), options, &existing);
    let (new, existing) = tokio::join!(Box::pin(scan), Box::pin(grant));
    assert!(existing.unwrap().verified);
    new.unwrap();
    assert!(
        world
            .reopen_new()
            .await
            .verification()
            .await
            .unwrap()
            .verified,
        "it still finds its homeserver"
    );
}

/// It is one segment of a path, whatever is in it: absent at first, there after the success.
#[tokio::test]
async fn matrix_sdk_0_19_1_device_ids_have_slashes_and_plus_signs() {
    const ID: &str = "aB+cD/eF/gH+iJkLmNoPqRsTuVwXyZ0123456789+/Q";
    let world = TestEnv::start().await;
    let wish = json!({
        "type": "m.login.protocol",
        "protocol": "device_authorization_grant",
        "device_authorization_grant": { "verification_uri": "https://id.example.org/link" },
        "device_id": ID,
    });
    let (_, _, heard) = existing_device_against(&world, async |peer| {
        peer.say(wish.clone()).await;
        assert_eq!(peer.hear().await["type"], "m.login.protocol_accepted");
        world.sandbox.first_session(ID).await.unwrap();
        peer.say(json!({ "type": "m.login.success" })).await;
        let heard = peer.hear().await;
        peer.say(json!({ "type": "m.login.failure", "reason": "user_cancelled" }))
            .await;
        heard
    })
    .await;
    assert_eq!(heard["type"], "m.login.secrets");
    // And now that it is taken, it is seen to be.
    let (result, _, heard) = existing_device_against(&world, async |peer| {
        peer.say(wish).await;
        peer.hear().await
    })
    .await;
    assert_eq!(heard["reason"], "device_already_exists");
    assert!(matches!(result.unwrap_err(), Error::DeviceAlreadyExists(id) if id.as_str() == ID));
}
