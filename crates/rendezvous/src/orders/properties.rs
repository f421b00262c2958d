//! What must be true in every order. In each, Shuttle also finds a thread that is never let go.

use shuttle::future::block_on;

use super::{
    Run,
    server::{LIFETIME, MemoryServer, Seen, Written, join, start},
    sync::pass,
};
use crate::{
    store::{Store, id::SessionId},
    sync::{
        Arc, Notify,
        atomic::{AtomicUsize, Ordering::SeqCst},
        now,
    },
};

pub(crate) const PROPERTIES: [(&str, Run); 8] = [
    ("a_write_reaches_every_reader", a_write_reaches_every_reader),
    (
        "a_reader_is_let_go_once_for_each_write",
        a_reader_is_let_go_once_for_each_write,
    ),
    (
        "the_end_of_a_session_reaches_every_reader",
        the_end_of_a_session_reaches_every_reader,
    ),
    (
        "a_session_ends_while_it_is_written",
        a_session_ends_while_it_is_written,
    ),
    (
        "a_reader_goes_away_while_it_is_let_go",
        a_reader_goes_away_while_it_is_let_go,
    ),
    (
        "a_stopping_server_lets_every_reader_go",
        a_stopping_server_lets_every_reader_go,
    ),
    (
        "of_writers_that_saw_the_same_one_wins",
        of_writers_that_saw_the_same_one_wins,
    ),
    ("the_counts_return_to_zero", the_counts_return_to_zero),
];

/// Whether it waits already, arrives at the same time, or later.
fn a_write_reaches_every_reader() {
    let server = MemoryServer::new();
    let readers = [(); 3].map(|()| start(&server, |server| server.wait(1)));
    assert_eq!(server.write(1, 2), Written::Yes);
    assert_eq!(join(readers), [Seen::New(2); 3]);
    assert!(server.delete(server.id));
    server.assert_empty();
}

/// It returns with the version that it has not seen, never with the one that it has seen, however
/// often it is woken.
fn a_reader_is_let_go_once_for_each_write() {
    let server = MemoryServer::new();
    let follow = |server: &MemoryServer| {
        let mut seen = 1;
        while seen < 3 {
            let Seen::New(version) = server.wait(seen) else {
                panic!("let go without a new version");
            };
            assert!(version > seen, "{version} after {seen}");
            seen = version;
        }
    };
    let readers = [(); 2].map(|()| start(&server, follow));
    assert_eq!(server.write(1, 2), Written::Yes);
    assert!(
        server.sessions.waiters.count() <= 2,
        "more readers than there are"
    );
    assert_eq!(server.write(2, 3), Written::Yes);
    join(readers);
    assert!(server.delete(server.id));
    server.assert_empty();
}

fn the_end_of_a_session_reaches_every_reader() {
    let server = MemoryServer::new();
    let readers = [(); 3].map(|()| start(&server, |server| server.wait(1)));
    assert!(server.delete(server.id));
    assert_eq!(join(readers), [Seen::Gone; 3]);
    server.assert_empty();
}

/// It is deleted and expires, while it is written and while others wait for it.
fn a_session_ends_while_it_is_written() {
    let server = MemoryServer::new();
    let writer = start(&server, |server| server.write(1, 2));
    let deleter = start(&server, |server| server.delete(server.id));
    let readers = [(); 2].map(|()| start(&server, |server| server.wait(1)));
    pass(LIFETIME);
    server.sessions.store.sweep(now());
    let (written, deleted) = (writer.join().unwrap(), deleter.join().unwrap());
    let expired = server.sessions.store.expired();
    assert_eq!(u64::from(deleted) + expired, 1, "a session ends once");
    assert_ne!(written, Written::Conflict(2));
    for seen in join(readers) {
        assert!(
            seen == Seen::Gone || seen == Seen::New(2) && written == Written::Yes,
            "{seen:?} although {written:?}"
        );
    }
    server.assert_empty();
    // Its network may have another one.
    assert!(server.create(server.id, 0));
}

/// The other reader is let go nevertheless, and neither is counted any more.
fn a_reader_goes_away_while_it_is_let_go() {
    let server = MemoryServer::new();
    let gone = Arc::new(Notify::new());
    let leaving = gone.clone();
    let leaver = start(&server, move |server| {
        block_on(server.hold_unless(1, &leaving))
    });
    let reader = start(&server, |server| server.wait(1));
    let client = start(&server, move |_| gone.notify_one());
    assert_eq!(server.write(1, 2), Written::Yes);
    assert_eq!(reader.join().unwrap(), Seen::New(2));
    let seen = leaver.join().unwrap();
    assert!(seen.is_none() || seen == Some(Seen::New(2)), "{seen:?}");
    client.join().unwrap();
    assert!(server.delete(server.id));
    server.assert_empty();
}

/// Also one that arrives then. Nothing else lets them go.
fn a_stopping_server_lets_every_reader_go() {
    let server = MemoryServer::new();
    let readers = [(); 3].map(|()| start(&server, |server| server.wait(1)));
    server.sessions.waiters.release();
    assert_eq!(join(readers), [Seen::Same; 3]);
    assert_eq!(server.wait(1), Seen::Same);
    assert!(server.delete(server.id));
    server.assert_empty();
}

/// The others learn what it wrote.
fn of_writers_that_saw_the_same_one_wins() {
    let server = MemoryServer::new();
    let writers = [2, 3, 4].map(|version| start(&server, move |server| server.write(1, version)));
    assert_one_wins(&join(writers));
}

pub(super) fn assert_one_wins(outcomes: &[Written]) {
    let winners: Vec<_> = (2..)
        .zip(outcomes)
        .filter(|(_, written)| **written == Written::Yes)
        .collect();
    let [(winner, _)] = winners[..] else {
        panic!("{} writers win", winners.len());
    };
    let lost = outcomes
        .iter()
        .filter(|written| **written == Written::Conflict(winner));
    assert_eq!(lost.count() + 1, outcomes.len(), "{outcomes:?}");
}

/// Sessions of some networks come and go while networks are forgotten; never are there more than the
/// limits allow.
fn the_counts_return_to_zero() {
    come_and_go(MemoryServer::create);
}

pub(super) fn come_and_go(create: fn(&MemoryServer, SessionId, u8) -> bool) {
    let server = MemoryServer::new();
    assert!(server.delete(server.id));
    let live: Arc<[AtomicUsize; 3]> = Arc::default();
    let clients = [(1, 0), (2, 0), (3, 1), (4, 2)].map(|(name, network)| {
        let live = live.clone();
        start(&server, move |server| {
            let id = SessionId::from_bytes([name; 16]);
            let may = create(server, id, network);
            if may {
                let in_network = live[usize::from(network)].fetch_add(1, SeqCst) + 1;
                assert_eq!(in_network, 1, "too many sessions of one network");
                let all: usize = live.iter().map(|live| live.load(SeqCst)).sum();
                assert!(all <= 2, "too many sessions");
                live[usize::from(network)].fetch_sub(1, SeqCst);
                assert!(server.delete(id));
            }
            may
        })
    });
    server.limiter.sweep();
    assert!(join(clients).contains(&true), "nobody may have a session");
    server.assert_empty();
    for (network, may) in [(0, true), (1, true), (2, false)] {
        let id = SessionId::from_bytes([network; 16]);
        assert_eq!(create(&server, id, network), may, "the limits have changed");
    }
}
