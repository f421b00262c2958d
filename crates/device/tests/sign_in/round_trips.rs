//! How many answers of the servers a sign-in waits for, one after the other. Over a long way this
//! is the time that it takes.

use std::time::Duration;

use matrix_qr_protocol::revision::Role;
use matrix_qr_sandbox::{Fault, LateServer, Record};

use crate::{meeting::Plan, paths::assert_complete, test_env::TestEnv};

/// Long enough that what is sent at the same time is under way at the same time, on a busy machine,
/// too.
const LATE: Duration = Duration::from_millis(400);

async fn sign_in(shown_by: Role) -> Record {
    let world = TestEnv::start().await;
    let late = Fault::LateAnswers {
        server: LateServer::All,
        delay: LATE,
    };
    world.sandbox.faults().set(late);
    let end = world.sign_in(&Plan::shown_by(shown_by)).await;
    world.sandbox.faults().clear();
    assert_complete(&world, &end).await;
    end.record
}

fn check(record: &Record) {
    let began = record
        .late_answers
        .iter()
        .map(|late| late.ready)
        .min()
        .unwrap();
    for late in &record.late_answers {
        eprintln!(
            "{:>5} {:>5} {:<14} {}",
            (late.ready - began).as_millis(),
            (late.sent - began).as_millis(),
            late.server,
            late.request
        );
    }
    let row = record.answers_in_a_row();
    let requests: Vec<_> = row
        .iter()
        .map(|late| (late.server, late.request.as_str()))
        .collect();
    eprintln!("{}: {requests:#?}", row.len());
    panic!("measured");
}

async fn the_new_device_shows_the_code() {
    check(&sign_in(Role::New).await);
}

async fn the_existing_device_shows_the_code() {
    check(&sign_in(Role::Existing).await);
}

each_revision![
    the_new_device_shows_the_code,
    the_existing_device_shows_the_code,
];
