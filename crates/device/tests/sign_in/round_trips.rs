//! How many answers of the servers a sign-in waits for, one after the other. Over a long way this
//! is the time that it takes.

use std::time::Duration;

use matrix_qr_protocol::revision::Role;
use matrix_qr_sandbox::{Fault, LateServer};

use crate::{meeting::Plan, paths::assert_complete, test_env::TestEnv};

/// Longer than what a device does between two requests, on a busy machine, too: what is counted is
/// answers, not time.
const LATE: Duration = Duration::from_millis(800);

/// From the first command to the end of both, without the person's time. docs/bench.md lists them.
const IN_A_ROW: usize = 16;

async fn shown_by(role: Role) {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::LateAnswers {
        server: LateServer::All,
        delay: LATE,
    });
    let end = world.sign_in(&Plan::shown_by(role)).await;
    world.sandbox.faults().clear();
    assert_complete(&world, &end).await;
    let row: Vec<_> = end
        .record
        .answers_in_a_row()
        .iter()
        .map(|late| format!("{} {}", late.server, late.request))
        .collect();
    assert_eq!(
        row.len(),
        IN_A_ROW,
        "{row:#?}\nof {:#?}",
        end.record.late_answers
    );
}

async fn the_new_device_shows_the_code() {
    shown_by(Role::New).await;
}

async fn the_existing_device_shows_the_code() {
    shown_by(Role::Existing).await;
}

each_revision![
    the_new_device_shows_the_code,
    the_existing_device_shows_the_code,
];
