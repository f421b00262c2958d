//! Servers that are wrong on purpose, and the words in which that is found.

use std::time::Duration;

use shuttle::future::block_on;

use super::{
    Run,
    properties::{assert_one_wins, come_and_go},
    sync::pass,
    world::{LIFETIME, Seen, World, Written, client, join, seen_of, start, tag, write},
};
use crate::{
    Permit,
    store::{
        Store,
        id::SessionId,
        session::{Errcodes, NewSession, ReadOutcome, StoreChange},
    },
    sync::{Arc, Notify, now},
};

/// What Shuttle says when all threads wait for ever.
const NOBODY_GOES_ON: &str = "deadlock";

pub(crate) const BROKEN: [(&str, Run, &str); 10] = [
    (
        "a_reader_that_looks_before_it_waits",
        looks_before_it_waits,
        NOBODY_GOES_ON,
    ),
    (
        "a_writer_that_wakes_before_it_writes",
        wakes_before_it_writes,
        NOBODY_GOES_ON,
    ),
    ("a_writer_that_wakes_nobody", wakes_nobody, NOBODY_GOES_ON),
    (
        "a_deletion_that_wakes_nobody",
        ends_and_wakes_nobody,
        NOBODY_GOES_ON,
    ),
    (
        "a_reader_that_does_not_expect_the_end",
        does_not_expect_the_end,
        NOBODY_GOES_ON,
    ),
    (
        "a_reader_that_does_not_compare",
        does_not_compare,
        "nothing new",
    ),
    (
        "a_reader_that_is_counted_for_ever",
        is_counted_for_ever,
        "readers are still counted",
    ),
    (
        "writers_that_compare_and_then_write",
        compare_and_then_write,
        "writers win",
    ),
    (
        "a_session_that_outlives_its_permit",
        outlives_its_permit,
        "too many sessions",
    ),
    (
        "a_permit_that_outlives_its_session",
        permit_outlives_it,
        "sessions are still counted",
    ),
];

/// What is written between the look and the wait is missed.
fn looks_before_it_waits() {
    let world = World::new();
    let reader = start(&world, |world| {
        let early = block_on(world.read_at(1, now()));
        let early = std::cell::Cell::new(Some(early));
        let read = async |now| match early.take() {
            Some(early) => early,
            None => world.read_at(1, now).await,
        };
        let deadline = now() + 10 * LIFETIME;
        seen_of(block_on(
            world.sessions.waiters.hold(world.id, deadline, read),
        ))
    });
    assert_eq!(world.write(1, 2), Written::Yes);
    reader.join().unwrap();
}

fn wakes_before_it_writes() {
    let world = World::new();
    let reader = start(&world, |world| world.wait(1));
    world.sessions.waiters.wake(StoreChange::One(world.id));
    block_on(world.sessions.store.write(world.id, Some(tag(1)), write(2))).unwrap();
    reader.join().unwrap();
}

fn wakes_nobody() {
    let world = World::new();
    let reader = start(&world, |world| world.wait(1));
    block_on(world.sessions.store.write(world.id, Some(tag(1)), write(2))).unwrap();
    reader.join().unwrap();
}

fn ends_and_wakes_nobody() {
    let world = World::new();
    let reader = start(&world, |world| world.wait(1));
    assert!(block_on(world.sessions.store.delete(world.id, now())).unwrap());
    reader.join().unwrap();
}

fn does_not_expect_the_end() {
    let world = World::new();
    let reader = start(&world, |world| {
        let read = async |now| {
            let mut read = world.read_at(1, now).await;
            if let Ok(ReadOutcome::Unchanged(session)) = &mut read {
                session.expires += Duration::from_secs(1_000_000);
            }
            read
        };
        let deadline = now() + 10 * LIFETIME;
        seen_of(block_on(
            world.sessions.waiters.hold(world.id, deadline, read),
        ))
    });
    pass(LIFETIME);
    world.sessions.store.sweep(now());
    reader.join().unwrap();
}

/// It takes every wake-up for a write to its own session.
fn does_not_compare() {
    let world = World::new();
    let reader = start(&world, |world| {
        let looks = std::cell::Cell::new(0);
        let read = async |now| {
            looks.set(looks.get() + 1);
            match world.read_at(1, now).await {
                Ok(ReadOutcome::Unchanged(session)) if looks.get() > 1 => {
                    Ok(ReadOutcome::Changed(session))
                }
                read => read,
            }
        };
        let deadline = now() + 10 * LIFETIME;
        let read = block_on(world.sessions.waiters.hold(world.id, deadline, read));
        let seen = seen_of(read);
        assert_eq!(seen, Seen::New(2), "nothing new");
    });
    world.sessions.waiters.wake(StoreChange::One(world.id));
    assert_eq!(world.write(1, 2), Written::Yes);
    reader.join().unwrap();
}

fn is_counted_for_ever() {
    let world = World::new();
    let gone = Arc::new(Notify::new());
    let client = gone.clone();
    let reader = start(&world, move |world| {
        let world = world.clone();
        let mut held = Box::pin(async move { world.hold(1).await });
        block_on(async {
            tokio::select! {
                biased;
                () = client.notified() => {}
                _ = &mut held => {}
            }
        });
        std::mem::forget(held);
    });
    gone.notify_one();
    assert_eq!(world.write(1, 2), Written::Yes);
    reader.join().unwrap();
    assert!(world.delete(world.id));
    world.assert_empty();
}

fn compare_and_then_write() {
    let world = World::new();
    let writers = [2, 3].map(|version| {
        start(&world, move |world| {
            let Ok(ReadOutcome::Unchanged(_)) = block_on(world.read_at(1, now())) else {
                return Written::Conflict(if version == 2 { 3 } else { 2 });
            };
            // Whatever is there now.
            let other = if version == 2 { 3 } else { 2 };
            match world.write(1, version) {
                Written::Conflict(_) => world.write(other, version),
                written => written,
            }
        })
    });
    assert_one_wins(&join(writers));
}

fn outlives_its_permit() {
    come_and_go(|world, id, network| create_apart(world, id, network, drop));
}

fn permit_outlives_it() {
    come_and_go(|world, id, network| create_apart(world, id, network, std::mem::forget));
}

/// The store gets no permit; this happens to the real one.
fn create_apart(world: &World, id: SessionId, network: u8, permit: fn(Permit)) -> bool {
    let Ok(reserved) = world.limiter.reserve(client(network)) else {
        return false;
    };
    permit(reserved);
    let new = NewSession {
        write: write(1),
        expires: now() + LIFETIME,
        errcodes: Errcodes::Stable,
        permit: Permit::default(),
    };
    block_on(world.sessions.store.create(id, new)).unwrap();
    true
}
