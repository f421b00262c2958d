//! What the person named in the command: a homeserver, a client ID. Nobody but they can mend it.

use axum::{Router, routing::get};
use matrix_qr_device::{RendezvousAt, SignInOptions, Start, http::Policy, oauth::Client};
use matrix_qr_protocol::{
    error::{Cause, Error},
    homeserver::HomeserverAddress,
    revision::{Dialect, Role},
};
use tokio::net::TcpListener;

use super::{BOTH, Row, assert_failed, assert_told};
use crate::{
    account::sign_in_with,
    meeting::{Meeting, Plan},
    test_env::{TestEnv, sign_in},
};

/// How a new device ends that would show a code for a session there.
async fn show_at(world: &TestEnv, policy: Policy, named: &str) -> Error {
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(Role::New));
    let robot = meeting.robot(Role::New, &plan, &world.sandbox);
    let setup = SignInOptions {
        policy,
        ..world.setup(Dialect::default())
    };
    let start = Start::Show(RendezvousAt::Homeserver(
        HomeserverAddress::parse(named).unwrap(),
    ));
    let error = sign_in(&setup, start, &robot).await.unwrap_err();
    assert!(meeting.code().is_none() && !world.new_dir().exists());
    error
}

fn assert_says(error: &Error, names: &[(&str, &str)], cell: &str) {
    for sentence in [error.to_string(), error.advice().to_owned()] {
        let sentence = names.iter().fold(sentence, |sentence, (this, name)| {
            sentence.replace(this, name)
        });
        assert!(
            cell.contains(&sentence),
            "{error:?} says {sentence:?}, not {cell:?}"
        );
    }
}

/// Without a wait: a name that was never good does not become so.
#[tokio::test]
async fn a_name_without_an_address() {
    let world = TestEnv::start().await;
    let nameless = format!("{}.example", "a".repeat(64));
    for named in [nameless.clone(), format!("https://{nameless}")] {
        let error = show_at(&world, Policy::HttpsOrLoopback, &named).await;
        assert_eq!(error.cause(), Cause::Network);
        assert_says(
            &error,
            &[(&nameless, "NAME")],
            &Row::of("a_name_without_an_address").new,
        );
    }
}

#[tokio::test]
async fn a_well_known_that_cannot_be_read() {
    let world = TestEnv::start().await;
    let cases = [
        ("<!DOCTYPE html><title>Welcome</title>", "is a web page"),
        ("", "is empty"),
        ("\u{feff}{}", "begins with a byte order mark"),
        ("{} // ours", "contains a comment"),
        ("{", "is not JSON"),
    ];
    for (body, what) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let named = listener.local_addr().unwrap().to_string();
        let app = Router::new().route(
            "/.well-known/matrix/client",
            get(move || async move { body }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        let error = show_at(&world, Policy::HttpsOrLoopback, &named).await;
        assert_eq!(error.cause(), Cause::Homeserver);
        let document = format!("http://{named}/.well-known/matrix/client");
        assert!(
            error.to_string().starts_with(&format!("{document} {what}")),
            "{error}"
        );
        let row = Row::of("a_well_known_that_cannot_be_read");
        assert_says(&error, &[(&document, "DOCUMENT")], &row.new);
    }
}

#[tokio::test]
async fn plain_http_without_its_flag() {
    let world = TestEnv::start().await;
    for named in [world.door().as_str(), "127.0.0.1:1"] {
        let error = show_at(&world, Policy::HttpsOnly, named).await;
        assert_eq!(error.cause(), Cause::Person, "{named}");
        assert_told(&world, &error, &Row::of("plain_http_without_its_flag").new);
    }
}

async fn a_client_id_that_is_not_known() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let client = Client::Registered("of-old".to_owned());
        let end = sign_in_with(
            &world,
            shown_by,
            &SignInOptions {
                client,
                ..world.setup(Dialect::default())
            },
        )
        .await;
        let Err(Error::NotAuthorized(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::AuthorizationServer);
        assert_failed(&world, &end, "a_client_id_that_is_not_known").await;
    }
}

each_revision![a_client_id_that_is_not_known];
