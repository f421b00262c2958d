//! Servers that are wrong on purpose, and the words in which that is found.

use std::time::Duration;

use shuttle::future::block_on;

use super::{
    Run,
    properties::{assert_one_wins, come_and_go},
    server::{LIFETIME, MemoryServer, Seen, Written, client, join, seen_of, start, tag, write},
    sync::pass,
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
    let server = MemoryServer::new();
    let reader = start(&server, |server| {
        let early = block_on(server.read_at(1, now()));
        let early = std::cell::Cell::new(Some(early));
        let read = async |now| match early.take() {
            Some(early) => early,
            None => server.read_at(1, now).await,
        };
        let deadline = now() + 10 * LIFETIME;
        seen_of(block_on(
            server.sessions.waiters.hold(server.id, deadline, read),
        ))
    });
    assert_eq!(server.write(1, 2), Written::Yes);
    reader.join().unwrap();
}

fn wakes_before_it_writes() {
    let server = MemoryServer::new();
    let reader = start(&server, |server| server.wait(1));
    server.sessions.waiters.wake(StoreChange::One(server.id));
    block_on(
        server
            .sessions
            .store
            .write(server.id, Some(tag(1)), write(2)),
    )
    .unwrap();
    reader.join().unwrap();
}

fn wakes_nobody() {
    let server = MemoryServer::new();
    let reader = start(&server, |server| server.wait(1));
    block_on(
        server
            .sessions
            .store
            .write(server.id, Some(tag(1)), write(2)),
    )
    .unwrap();
    reader.join().unwrap();
}

fn ends_and_wakes_nobody() {
    let server = MemoryServer::new();
    let reader = start(&server, |server| server.wait(1));
    assert!(block_on(server.sessions.store.delete(server.id, now())).unwrap());
    reader.join().unwrap();
}

fn does_not_expect_the_end() {
    let server = MemoryServer::new();
    let reader = start(&server, |server| {
        let read = async |now| {
            let mut read = server.read_at(1, now).await;
            if let Ok(ReadOutcome::Unchanged(session)) = &mut read {
                session.expires += Duration::from_secs(1_000_000);
            }
            read
        };
        let deadline = now() + 10 * LIFETIME;
        seen_of(block_on(
            server.sessions.waiters.hold(server.id, deadline, read),
        ))
    });
    pass(LIFETIME);
    server.sessions.store.sweep(now());
    reader.join().unwrap();
}

/// It takes every wake-up for a write to its own session.
fn does_not_compare() {
    let server = MemoryServer::new();
    let reader = start(&server, |server| {
        let looks = std::cell::Cell::new(0);
        let read = async |now| {
            looks.set(looks.get() + 1);
            match server.read_at(1, now).await {
                Ok(ReadOutcome::Unchanged(session)) if looks.get() > 1 => {
                    Ok(ReadOutcome::Changed(session))
                }
                read => read,
            }
        };
        let deadline = now() + 10 * LIFETIME;
        let read = block_on(server.sessions.waiters.hold(server.id, deadline, read));
        let seen = seen_of(read);
        assert_eq!(seen, Seen::New(2), "nothing new");
    });
    server.sessions.waiters.wake(StoreChange::One(server.id));
    assert_eq!(server.write(1, 2), Written::Yes);
    reader.join().unwrap();
}

fn is_counted_for_ever() {
    let server = MemoryServer::new();
    let gone = Arc::new(Notify::new());
    let client = gone.clone();
    let reader = start(&server, move |server| {
        let server = server.clone();
        let mut held = Box::pin(async move { server.hold(1).await });
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
    assert_eq!(server.write(1, 2), Written::Yes);
    reader.join().unwrap();
    assert!(server.delete(server.id));
    server.assert_empty();
}

fn compare_and_then_write() {
    let server = MemoryServer::new();
    let writers = [2, 3].map(|version| {
        start(&server, move |server| {
            let Ok(ReadOutcome::Unchanged(_)) = block_on(server.read_at(1, now())) else {
                return Written::Conflict(if version == 2 { 3 } else { 2 });
            };
            // Whatever is there now.
            let other = if version == 2 { 3 } else { 2 };
            match server.write(1, version) {
                Written::Conflict(_) => server.write(other, version),
                written => written,
            }
        })
    });
    assert_one_wins(&join(writers));
}

fn outlives_its_permit() {
    come_and_go(|server, id, network| create_apart(server, id, network, drop));
}

fn permit_outlives_it() {
    come_and_go(|server, id, network| create_apart(server, id, network, std::mem::forget));
}

/// The store gets no permit; this happens to the real one.
fn create_apart(server: &MemoryServer, id: SessionId, network: u8, permit: fn(Permit)) -> bool {
    let Ok(reserved) = server.limiter.reserve(client(network)) else {
        return false;
    };
    permit(reserved);
    let new = NewSession {
        write: write(1),
        expires: now() + LIFETIME,
        errcodes: Errcodes::Stable,
        permit: Permit::default(),
    };
    block_on(server.sessions.store.create(id, new)).unwrap();
    true
}
