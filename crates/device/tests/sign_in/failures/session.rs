//! The rendezvous session ends, or somebody else writes to it.

use std::{cell::Cell, time::Duration};

use getrandom::SysRng;
use matrix_qr_device::{
    GrantOptions, Start,
    http::{Http, Policy},
    rendezvous_client::RendezvousClient,
};
use matrix_qr_protocol::{
    channel::Generator,
    error::{Cause, Error},
    qr::{QrCode, ShownBy},
    revision::{Dialect, Role},
};
use matrix_qr_sandbox::{Fault, Options};
use rand_core::UnwrapErr;

use super::{
    BOTH, Row, assert_failed, assert_no_new_device, assert_no_session, assert_told, was_told,
};
use crate::{
    fault_proxy::Fate,
    meeting::{Digits, Meeting, Plan, When, own},
    revision::showing,
    stranger,
    test_env::{SignInEnd, TestEnv, sign_in},
};

async fn short_lived(seconds: u64) -> TestEnv {
    let session_lifetime = Duration::from_secs(seconds);
    TestEnv::with(Options {
        session_lifetime,
        ..Options::default()
    })
    .await
}

async fn no_room_for_a_session() {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::RendezvousFull);
    for shown_by in BOTH {
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        let error = match shown_by {
            Role::New => end.new.as_ref().unwrap_err(),
            Role::Existing => end.existing.as_ref().unwrap_err(),
        };
        assert!(
            matches!(error, Error::Rendezvous(_)) && error.cause() == Cause::RendezvousServer,
            "{error:?}"
        );
        assert!(end.code.is_none());
        assert_failed(&world, &end, "no_room_for_a_session").await;
    }
}

async fn an_old_code() {
    let world = short_lived(1).await;
    for shown_by in BOTH {
        let late = Some(When::Told(shown_by, "ended"));
        let end = world
            .sign_in(&Plan {
                scan_at: late,
                ..Plan::shown_by(shown_by)
            })
            .await;
        let (new, existing) = (
            end.new.as_ref().unwrap_err(),
            end.existing.as_ref().unwrap_err(),
        );
        let (shows, scans) = if shown_by == Role::New {
            (new, existing)
        } else {
            (existing, new)
        };
        assert_eq!((shows, scans), (&Error::Expired, &Error::Gone));
        assert_failed(&world, &end, "an_old_code").await;
    }
}

/// Nobody types the digits, or nobody decides on the consent page.
async fn the_time_runs_out() {
    let one_way = async |shown_by| {
        let world = short_lived(3).await;
        let plan = Plan::shown_by(shown_by);
        for slow in [
            Plan {
                digits: Digits::Never,
                ..plan.clone()
            },
            Plan {
                decision: None,
                ..plan
            },
        ] {
            let end = world.sign_in(&slow).await;
            assert_eq!(
                end.new.as_ref().unwrap_err(),
                &Error::Expired,
                "{:?}",
                end.told
            );
            assert_eq!(
                end.existing.as_ref().unwrap_err(),
                &Error::Expired,
                "{:?}",
                end.told
            );
            assert_failed(&world, &end, "the_time_runs_out").await;
        }
    };
    tokio::join!(
        Box::pin(one_way(Role::New)),
        Box::pin(one_way(Role::Existing))
    );
}

/// The session cannot be read: what was seen of that last is part of the sentence.
async fn the_time_runs_out_in_trouble() {
    let session_lifetime = Duration::from_secs(3);
    let world = TestEnv::with_fault_proxy_and(Options {
        session_lifetime,
        ..Options::default()
    })
    .await;
    world.fault_proxy.as_ref().unwrap().judge(|request| {
        let read = request.starts_with("GET ")
            && (request.contains(" /rz/") || request.contains("/rendezvous/"));
        if read { Fate::Lost } else { Fate::Answered }
    });
    for role in BOTH {
        let (meeting, plan) = (Meeting::new(), Plan::shown_by(role));
        let robot = meeting.robot(role, &plan, &world.sandbox);
        let manner = GrantOptions {
            showing: showing(),
            ..GrantOptions::default()
        };
        let error = match role {
            Role::New => sign_in(&world.setup(plan.dialect), world.show(), &robot)
                .await
                .unwrap_err(),
            Role::Existing => world
                .existing
                .grant(own(&robot).await, world.show(), manner, &robot)
                .await
                .unwrap_err(),
        };
        assert!(matches!(error, Error::ExpiredWithProblem(_)), "{error:?}");
        let row = Row::of("the_time_runs_out_in_trouble");
        assert_told(
            &world,
            &error,
            if role == Role::New {
                &row.new
            } else {
                &row.existing
            },
        );
    }
}

/// It is the scanner who writes first: what was written before is somebody else's.
async fn a_code_that_was_used() {
    let world = TestEnv::start().await;
    let http = || Http::new(Policy::HttpsOrLoopback).unwrap();
    let line = RendezvousClient::create(http(), &world.door())
        .await
        .unwrap();
    line.send("somebody was here".into()).await.unwrap();
    let location = line.location().clone();
    let key = Generator::new(&location, Dialect::default(), &mut UnwrapErr(SysRng)).public_key();
    for role in BOTH {
        let shown_by = match role {
            Role::New => ShownBy::Existing(world.homeserver()),
            Role::Existing => ShownBy::New,
        };
        let start = Start::Scan(QrCode {
            shown_by,
            key,
            location: location.clone(),
        });
        let (meeting, plan) = (Meeting::new(), Plan::shown_by(role.other()));
        let robot = meeting.robot(role, &plan, &world.sandbox);
        let error = match role {
            Role::New => sign_in(&world.setup(Dialect::default()), start, &robot)
                .await
                .unwrap_err(),
            Role::Existing => world
                .existing
                .grant(own(&robot).await, start, GrantOptions::default(), &robot)
                .await
                .unwrap_err(),
        };
        assert_eq!(error, Error::AlreadyUsed);
        let row = Row::of("a_code_that_was_used");
        assert_told(
            &world,
            &error,
            if role == Role::New {
                &row.new
            } else {
                &row.existing
            },
        );
    }
}

/// A deployed device without its keys falls silent here, too: the new device waits, and takes its
/// token back.
async fn the_time_runs_out_after_the_token() {
    let one_way = async |shown_by| {
        let world = short_lived(5).await;
        let hang = async |meeting: &Meeting| {
            meeting.until(&When::Told(Role::New, "UserCode")).await;
            world.sandbox.faults().set(Fault::DevicesHang);
        };
        let end = world.sign_in_while(&Plan::shown_by(shown_by), hang).await;
        assert!(was_told(&end, Role::New, "Token"));
        assert_eq!(end.new.as_ref().unwrap_err(), &Error::Expired);
        assert_failed(&world, &end, "the_time_runs_out_after_the_token").await;
        assert_eq!(world.sandbox.record().revocations.len(), 1);
    };
    tokio::join!(
        Box::pin(one_way(Role::New)),
        Box::pin(one_way(Role::Existing))
    );
}

/// Does something to the session at each piece of news of one side, in a sign-in each, until one is
/// complete before.
async fn at_each_step(
    (shown_by, side): (Role, Role),
    disturb: impl AsyncFn(&TestEnv, &QrCode),
    row: &str,
) {
    let world = TestEnv::start().await;
    for step in 1.. {
        let reached = Cell::new(false);
        let meanwhile = async |meeting: &Meeting| {
            meeting.until(&When::Nth(side, step)).await;
            reached.set(true);
            disturb(&world, &meeting.shown().await).await;
        };
        let end = world
            .sign_in_while(&Plan::shown_by(shown_by), meanwhile)
            .await;
        world.sandbox.faults().clear();
        if !reached.get() {
            assert!(step > 9, "{step} steps were tried");
            assert!(end.new.is_ok() && end.existing.is_ok());
            break;
        }
        assert_all_or_nothing(&world, &end, row).await;
    }
}

/// Whoever disturbs can end it, and can never bring it to a wrong end.
async fn assert_all_or_nothing(world: &TestEnv, end: &SignInEnd, row: &str) {
    if end.new.is_ok() {
        assert!(
            end.existing.as_ref().is_ok_and(|granted| granted.verified),
            "{:?}",
            end.existing
        );
        let new = world.reopen_new().await;
        assert!(new.verification().await.unwrap().verified);
        new.log_out().await.unwrap();
        return;
    }
    assert_no_new_device(world, end);
    let row = Row::of(row);
    assert_told(world, end.new.as_ref().unwrap_err(), &row.new);
    assert_told(world, end.existing.as_ref().unwrap_err(), &row.existing);
    assert_no_session(end).await;
}

async fn write(_: &TestEnv, code: &QrCode) {
    stranger::write(code).await;
}

/// The server forgets it; one more request shows it that it shall.
async fn forget(world: &TestEnv, code: &QrCode) {
    world.sandbox.faults().set(Fault::RendezvousGone);
    stranger::stands(code).await;
    world.sandbox.faults().clear();
}

/// Both ways, by the steps of both.
async fn each_way(disturb: impl AsyncFn(&TestEnv, &QrCode), row: &str) {
    tokio::join!(
        Box::pin(at_each_step((Role::New, Role::New), &disturb, row)),
        Box::pin(at_each_step((Role::New, Role::Existing), &disturb, row)),
        Box::pin(at_each_step((Role::Existing, Role::New), &disturb, row)),
        Box::pin(at_each_step(
            (Role::Existing, Role::Existing),
            &disturb,
            row
        )),
    );
}

async fn a_third_party_writes() {
    each_way(write, "a_third_party_writes").await;
}

async fn the_session_is_deleted() {
    each_way(forget, "the_session_is_deleted").await;
}

each_revision![
    no_room_for_a_session,
    an_old_code,
    the_time_runs_out,
    the_time_runs_out_in_trouble,
    a_code_that_was_used,
    the_time_runs_out_after_the_token,
    a_third_party_writes,
    the_session_is_deleted,
];
