//! How many answers of the servers a sign-in waits for, one after the other. Over a long way this
//! is the time that it takes. The clock is not real here: what the machine does takes no time.

use std::time::Duration;

use matrix_qr_protocol::revision::{Revision, Role};
use matrix_qr_sandbox::{Fault, LateServer};

use crate::{
    attacker::leaping, meeting::Plan, paths::assert_complete, revision, test_env::TestEnv,
};

/// Shorter than the time limits of a device.
const LATE: Duration = Duration::from_millis(1500);

/// From the first command to the end of both, without the person's time. docs/bench.md lists them.
const IN_A_ROW: usize = 16;

fn waits(revision: Revision, shown_by: Role) {
    leaping(revision::with(revision, sign_in(shown_by)));
}

async fn sign_in(shown_by: Role) {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::LateAnswers {
        server: LateServer::All,
        delay: LATE,
    });
    let end = world.sign_in(&Plan::shown_by(shown_by)).await;
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

#[test]
fn msc4108_the_new_device_shows_the_code() {
    waits(Revision::Msc4108, Role::New);
}

#[test]
fn msc4108_the_existing_device_shows_the_code() {
    waits(Revision::Msc4108, Role::Existing);
}

#[test]
fn msc4388_the_new_device_shows_the_code() {
    waits(Revision::Msc4388, Role::New);
}

#[test]
fn msc4388_the_existing_device_shows_the_code() {
    waits(Revision::Msc4388, Role::Existing);
}
