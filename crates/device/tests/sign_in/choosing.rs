//! Which proposal the device follows that shows the code, and what it says where that cannot be.

use matrix_qr_device::{GrantOptions, RendezvousAt, Showing, Start};
use matrix_qr_protocol::{
    error::{Cause, Error},
    revision::{Revision, Role},
};
use matrix_qr_sandbox::{Fault, Options};

use crate::{
    failures::{BOTH, Row, assert_told},
    meeting::{Meeting, Plan, own},
    paths::assert_complete,
    revision::SHOWING,
    test_env::{SignInEnd, TestEnv, sign_in},
};

async fn sign_in_with(world: &TestEnv, showing: Showing, shown_by: Role) -> SignInEnd {
    SHOWING
        .scope(showing, world.sign_in(&Plan::shown_by(shown_by)))
        .await
}

fn revision(end: &SignInEnd) -> Option<Revision> {
    end.code.as_ref().map(|code| (&code.location).into())
}

#[test]
fn deployed_clients_read_what_is_shown_unless_it_is_decided_otherwise() {
    assert_eq!(Showing::default(), Showing::Only(Revision::Msc4108));
}

#[tokio::test]
async fn the_newest_is_what_the_server_lets_this_device_have() {
    let world = TestEnv::start().await;
    for (wants_token, shown_by, expected) in [
        (false, Role::New, Revision::Msc4388),
        (false, Role::Existing, Revision::Msc4388),
        (true, Role::New, Revision::Msc4108),
        (true, Role::Existing, Revision::Msc4388),
    ] {
        if wants_token {
            world.sandbox.faults().set(Fault::RendezvousWantsToken);
        }
        let end = sign_in_with(&world, Showing::Newest, shown_by).await;
        assert_eq!(revision(&end), Some(expected), "{wants_token} {shown_by:?}");
        assert_complete(&world, &end).await;
        world.reopen_new().await.log_out().await.unwrap();
    }
}

/// It says so before it shows a code, and what to do: scan, or use another server.
#[tokio::test]
async fn a_new_device_cannot_show_where_only_those_who_are_signed_in_may() {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::RendezvousWantsToken);
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(Role::New));
    let robot = meeting.robot(Role::New, &plan, &world.sandbox);
    let setup = matrix_qr_device::SignInOptions {
        showing: Showing::Only(Revision::Msc4388),
        ..world.setup(plan.dialect)
    };
    let error = sign_in(&setup, world.show(), &robot).await.unwrap_err();
    assert_eq!(error.cause(), Cause::RendezvousServer);
    let row = Row::of("a_new_device_cannot_show_where_only_those_who_are_signed_in_may");
    assert_told(&world, &error, &row.new);
    assert!(meeting.code().is_none() && !world.new_dir().exists());
}

/// And what is said where it is asked for all the same; `newest` shows what there is.
#[tokio::test]
async fn there_are_no_sessions_of_the_coming_kind() {
    let world = TestEnv::with_fault_proxy().await;
    world
        .fault_proxy
        .as_ref()
        .unwrap()
        .refuse("/_matrix/client/unstable/io.element.msc4388/rendezvous");
    world
        .fault_proxy
        .as_ref()
        .unwrap()
        .refuse("/_matrix/client/v1/rendezvous");
    let row = Row::of("there_are_no_sessions_of_the_coming_kind");
    for shown_by in BOTH {
        let end = sign_in_with(&world, Showing::Only(Revision::Msc4388), shown_by).await;
        match shown_by {
            Role::New => assert_told(&world, end.new.as_ref().unwrap_err(), &row.new),
            Role::Existing => {
                assert_told(&world, end.existing.as_ref().unwrap_err(), &row.existing)
            }
        }
        let end = sign_in_with(&world, Showing::Newest, shown_by).await;
        assert_eq!(revision(&end), Some(Revision::Msc4108));
        assert_complete(&world, &end).await;
        world.reopen_new().await.log_out().await.unwrap();
    }
}

/// Its code has room for one server, and its token is for that one alone.
#[tokio::test]
async fn an_existing_device_meets_nobody_elsewhere() {
    let world = TestEnv::start().await;
    let elsewhere = TestEnv::with(Options::default()).await;
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(Role::Existing));
    let robot = meeting.robot(Role::Existing, &plan, &world.sandbox);
    let manner = GrantOptions {
        showing: Showing::Only(Revision::Msc4388),
        ..GrantOptions::default()
    };
    for at in [
        RendezvousAt::Endpoint(elsewhere.door()),
        RendezvousAt::Homeserver(elsewhere.homeserver()),
    ] {
        let error = world
            .existing
            .grant(own(&robot).await, Start::Show(at), manner, &robot)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Rendezvous(why) if why.cause == Cause::Here),
            "{error:?}"
        );
        assert_told(
            &world,
            &error,
            &Row::of("an_existing_device_meets_nobody_elsewhere").existing,
        );
    }
    assert!(
        elsewhere.sandbox.record().rendezvous_requests.is_empty(),
        "nobody there saw the token"
    );
}

/// A new device may meet the other one anywhere: it is told where the account is.
#[tokio::test]
async fn a_new_device_may_meet_the_other_elsewhere() {
    let world = TestEnv::start().await;
    let elsewhere = TestEnv::start().await;
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(Role::New));
    let setup = matrix_qr_device::SignInOptions {
        showing: Showing::Only(Revision::Msc4388),
        ..world.setup(plan.dialect)
    };
    let (new, existing) = (
        meeting.robot(Role::New, &plan, &world.sandbox),
        meeting.robot(Role::Existing, &plan, &world.sandbox),
    );
    let (signed_in, granted) = tokio::join!(
        sign_in(
            &setup,
            Start::Show(RendezvousAt::Endpoint(elsewhere.door())),
            &new
        ),
        async {
            world
                .existing
                .grant(
                    own(&existing).await,
                    meeting.scan(None).await?,
                    GrantOptions::default(),
                    &existing,
                )
                .await
        }
    );
    assert!(granted.unwrap().verified);
    assert_eq!(signed_in.unwrap().homeserver, world.door());
    assert!(world.sandbox.record().rendezvous_requests.is_empty());
}
