//! The digits, the link, the consent and the token.

use std::time::Duration;

use matrix_qr_device::{Granted, Opening};
use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::Reason,
    revision::Role,
};
use matrix_qr_sandbox::{Decision, Fault, Options};

use super::{BOTH, Row, assert_failed, assert_told, strange::wish, uploads, was_told};
use crate::{
    fault_proxy::Fate,
    meeting::{Digits, Meeting, Plan, When},
    paths::assert_complete,
    scripted_peer::{existing_device_against, existing_device_with},
    test_env::{SignInEnd, TestEnv},
};

/// Both ways in the same world: a sign-in that failed leaves nothing that the next one could meet.
async fn each_way(
    world: &TestEnv,
    change: impl Fn(Plan) -> Plan,
    check: impl Fn(&SignInEnd, Role),
    row: &str,
) {
    for shown_by in BOTH {
        let end = world.sign_in(&change(Plan::shown_by(shown_by))).await;
        check(&end, shown_by);
        assert_failed(world, &end, row).await;
    }
}

async fn with_fault(fault: Fault, check: impl Fn(&SignInEnd, Role), row: &str) {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(fault);
    each_way(&world, |plan| plan, check, row).await;
}

async fn wrong_digits() {
    let world = TestEnv::start().await;
    let check = |end: &SignInEnd, shown_by| {
        let (new, existing) = (
            end.new.as_ref().unwrap_err(),
            end.existing.as_ref().unwrap_err(),
        );
        let (shows, scans) = if shown_by == Role::New {
            (new, existing)
        } else {
            (existing, new)
        };
        assert_eq!(
            (shows, shows.cause()),
            (&Error::WrongCheckCode, Cause::Person)
        );
        assert_eq!(
            (scans, scans.cause()),
            (&Error::Peer(Reason::UserCancelled), Cause::OtherDevice)
        );
        assert!(!was_told(end, Role::Existing, "asked to open"));
    };
    each_way(
        &world,
        |plan| Plan {
            digits: Digits::Wrong,
            ..plan
        },
        check,
        "wrong_digits",
    )
    .await;
}

/// It does not leave the new device.
async fn unusable_link(fault: Fault, row: &str) {
    let check = |end: &SignInEnd, _| {
        let Err(Error::NotAuthorized(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::AuthorizationServer);
        for (role, never) in [
            (Role::New, "UserCode"),
            (Role::New, "sent m.login.protocol"),
            (Role::Existing, "asked to open"),
        ] {
            assert!(!was_told(end, role, never), "{:?}", end.told);
        }
        assert_eq!(end.record.token_polls, 0);
    };
    with_fault(fault, check, row).await;
}

async fn a_link_that_is_not_https() {
    unusable_link(Fault::VerificationUriNotHttps, "a_link_that_is_not_https").await;
}

async fn a_link_that_is_a_script() {
    unusable_link(Fault::VerificationUriScript, "a_link_that_is_a_script").await;
}

/// A new device that is not ours decides what the existing device opens.
async fn asked_to_open(
    link: &str,
    opening: Opening,
) -> (TestEnv, Result<Granted, Error>, Vec<String>) {
    let world = TestEnv::start().await;
    let plan = Plan {
        decision: None,
        opening,
        require_bound_device: false,
        ..Plan::shown_by(Role::Existing)
    };
    let (result, told, _) = existing_device_with(&world, &plan, async |peer, _| {
        peer.say(wish("PUPPETDEVICE", link)).await;
        peer.hear().await
    })
    .await;
    let of_existing = told.into_iter().filter(|(role, _)| *role == Role::Existing);
    (world, result, of_existing.map(|(_, told)| told).collect())
}

/// What looks like a host is a user name.
async fn a_link_with_a_user_name() {
    let link = "https://127.0.0.1@id.example.org/link";
    let (world, result, told) = asked_to_open(link, Opening::Opened).await;
    let error = result.unwrap_err();
    let row = Row::of("a_link_with_a_user_name");
    assert_told(&world, &error, &row.existing);
    assert!(!told.contains(&"asked to open".to_owned()), "{told:?}");
}

/// The person is told, and decides.
#[tokio::test]
async fn a_page_of_another_site_comes_with_a_warning() {
    let (_, result, told) = asked_to_open("https://id.example.org/", Opening::Refused).await;
    assert_eq!(result.unwrap_err(), Error::LinkRefused);
    let warning = told
        .iter()
        .skip_while(|what| *what != "asked to open")
        .nth(1);
    let warning = warning.unwrap();
    assert!(
        warning.starts_with("id.example.org belongs neither to your homeserver (127.0.0.1) nor"),
        "{told:?}"
    );

    let world = TestEnv::start().await;
    let end = world.sign_in(&Plan::shown_by(Role::New)).await;
    assert!(end.new.is_ok());
    let warned = |(_, what): &(_, String)| what.contains("belongs neither");
    assert!(was_told(&end, Role::Existing, "asked to open"));
    assert!(!end.told.iter().any(warned) && !end.printed.contains("belongs neither"));
}

/// The existing device relies on no other device for this.
async fn a_link_that_a_dishonest_device_sends() {
    let world = TestEnv::start().await;
    let row = Row::of("a_link_that_a_dishonest_device_sends");
    for link in ["http://a.example/link", "javascript:alert(1)//"] {
        let (result, told, heard) = existing_device_against(&world, async |peer| {
            peer.say(wish("PUPPETDEVICE", link)).await;
            peer.hear().await
        })
        .await;
        let error = result.unwrap_err();
        let Error::LinkUnusable(trouble) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(trouble.cause, Cause::OtherDevice);
        assert_told(&world, &error, &row.existing);
        let reason = heard["reason"].as_str().unwrap();
        assert!(row.heard.contains(&format!("`{reason}`")), "{heard}");
        for never in ["asked to open", "SharingSecrets"] {
            assert!(!told.contains(&(Role::Existing, never.to_owned())));
        }
    }
}

async fn the_link_is_refused() {
    let world = TestEnv::start().await;
    let check = |end: &SignInEnd, _| {
        let error = end.existing.as_ref().unwrap_err();
        assert_eq!((error, error.cause()), (&Error::LinkRefused, Cause::Person));
        assert_eq!(end.record.token_polls, 0);
    };
    each_way(
        &world,
        |plan| Plan {
            opening: Opening::Refused,
            ..plan
        },
        check,
        "the_link_is_refused",
    )
    .await;
}

async fn the_browser_fails() {
    let world = TestEnv::start().await;
    let check = |end: &SignInEnd, _| {
        let Err(Error::LinkUnusable(trouble)) = &end.existing else {
            panic!("{:?}", end.existing)
        };
        assert_eq!(trouble.cause, Cause::Here);
        assert_eq!(end.record.token_polls, 0);
    };
    let failed = Opening::Failed("no browser was found".to_owned());
    each_way(
        &world,
        |plan| Plan {
            opening: failed.clone(),
            ..plan
        },
        check,
        "the_browser_fails",
    )
    .await;
}

async fn the_consent_is_denied() {
    let world = TestEnv::start().await;
    let check = |end: &SignInEnd, _| {
        assert_eq!(end.new.as_ref().unwrap_err(), &Error::Declined);
        assert_eq!(end.existing.as_ref().unwrap_err(), &Error::Declined);
        assert!(was_told(end, Role::Existing, "received m.login.declined"));
        assert!(!was_told(end, Role::New, "Token"));
    };
    let deny = |plan| Plan {
        decision: Some(Decision::Deny),
        ..plan
    };
    each_way(&world, deny, check, "the_consent_is_denied").await;
}

fn assert_authorization_expired(end: &SignInEnd, _: Role) {
    let (new, existing) = (
        end.new.as_ref().unwrap_err(),
        end.existing.as_ref().unwrap_err(),
    );
    assert_eq!(
        (new, new.cause()),
        (&Error::AuthorizationExpired, Cause::Clock)
    );
    assert_eq!(existing, &Error::Peer(Reason::AuthorizationExpired));
}

async fn the_authorization_expires() {
    with_fault(
        Fault::AuthorizationExpired,
        assert_authorization_expired,
        "the_authorization_expires",
    )
    .await;
    let grant_lifetime = Duration::from_secs(2);
    let world = TestEnv::with(Options {
        grant_lifetime,
        ..Options::default()
    })
    .await;
    let nobody = |plan| Plan {
        decision: None,
        ..plan
    };
    each_way(
        &world,
        nobody,
        assert_authorization_expired,
        "the_authorization_expires",
    )
    .await;
}

async fn no_registration() {
    let check = |end: &SignInEnd, _| {
        let Err(Error::NotAuthorized(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::AuthorizationServer);
        assert_eq!(
            end.existing.as_ref().unwrap_err(),
            &Error::Peer(Reason::UserCancelled)
        );
    };
    with_fault(Fault::NoRegistration, check, "no_registration").await;
}

/// Not a failure: the older names of the scopes are tried.
async fn the_scopes_have_their_older_names() {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::InvalidScopeOnce);
    let end = world.sign_in(&Plan::shown_by(Role::New)).await;
    assert_complete(&world, &end).await;
}

async fn the_token_is_for_another_device() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let lie = async |meeting: &Meeting| {
            meeting.until(&When::Told(Role::New, "UserCode")).await;
            world.sandbox.faults().set(Fault::WrongDevice);
        };
        let end = world.sign_in_while(&Plan::shown_by(shown_by), lie).await;
        world.sandbox.faults().clear();
        let Err(Error::NotAuthorized(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::Homeserver);
        assert!(!was_told(&end, Role::New, "sent m.login.success"));
        assert_failed(&world, &end, "the_token_is_for_another_device").await;
    }
    assert_eq!(
        world.sandbox.record().revocations.len(),
        2,
        "what was given is taken back"
    );
}

/// The one failure that leaves a device: nobody can take back what nobody got. It has no keys, and
/// the person is told of it.
async fn the_answer_with_the_token_is_lost() {
    let world = TestEnv::with_fault_proxy().await;
    world
        .fault_proxy
        .as_ref()
        .unwrap()
        .judge(|request| match request {
            "POST /oauth2/token" => Fate::AnswerLost,
            _ => Fate::Answered,
        });
    let ask_again = async |meeting: &Meeting| {
        meeting
            .until(&When::Told(
                Role::Existing,
                "sent m.login.protocol_accepted",
            ))
            .await;
        while world.sandbox.record().token_polls == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        world
            .fault_proxy
            .as_ref()
            .unwrap()
            .judge(|_| Fate::Answered);
    };
    let end = world
        .sign_in_while(&Plan::shown_by(Role::New), ask_again)
        .await;
    let row = Row::of("the_answer_with_the_token_is_lost");
    let left = end
        .record
        .devices
        .iter()
        .find(|device| !end.record.bootstrap.contains(device))
        .unwrap();
    let Err(Error::NotAuthorized(trouble)) = &end.new else {
        panic!("{:?}", end.new)
    };
    row.assert_told(trouble, &world, left);
    assert!(
        trouble.what.contains(left) && was_told(&end, Role::New, "DeviceLeft"),
        "it is named"
    );
    assert_eq!(trouble.cause, Cause::AuthorizationServer);
    assert_told(&world, end.existing.as_ref().unwrap_err(), &row.existing);
    assert_eq!(
        (end.record.devices.len(), end.record.bootstrap.len()),
        (2, 1),
        "it is left behind"
    );
    assert_eq!((uploads(&end), world.new_dir().exists()), (0, false));
    assert!(!was_told(&end, Role::Existing, "SharingSecrets"));
}

each_revision![
    wrong_digits,
    a_link_that_is_not_https,
    a_link_that_is_a_script,
    a_link_with_a_user_name,
    a_link_that_a_dishonest_device_sends,
    the_link_is_refused,
    the_browser_fails,
    the_consent_is_denied,
    the_authorization_expires,
    no_registration,
    the_scopes_have_their_older_names,
    the_token_is_for_another_device,
    the_answer_with_the_token_is_lost,
];
