//! A server's sessions, their readers and their counts, and what the threads do with them.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use shuttle::{
    future::block_on,
    thread::{JoinHandle, spawn},
};

use crate::{
    limits::{Limiter, Limits},
    proxies::ClientAddress,
    store::{
        Store,
        id::{SessionId, WriteTag},
        memory::Memory,
        session::{Errcodes, NewSession, ReadOutcome, Write, WriteOutcome},
    },
    sync::{Arc, Notify, now},
    wait::{ReadResult, WaitableStore},
};

/// How long a session lives.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);
/// The wait of a reader that only an event ends.
const ENDLESS: Duration = Duration::from_secs(3000);

/// The name of a write.
pub(super) type Version = u8;

/// What a reader or a writer has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A version that the reader had not seen.
    New(Version),
    /// Nothing else than before.
    Same,
    Gone,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Yes,
    /// This version was there first.
    Conflict(Version),
    Gone,
}

/// The state of a server. All clones are one.
#[derive(Clone)]
pub(super) struct MemoryServer {
    pub(super) sessions: Arc<WaitableStore<Memory>>,
    pub(super) limiter: Arc<Limiter>,
    /// The session that most threads meet at.
    pub(super) id: SessionId,
}

impl MemoryServer {
    /// With one session, which has version 1.
    pub(super) fn new() -> Self {
        let server = Self {
            sessions: Arc::new(WaitableStore::new(Memory::default())),
            limiter: Arc::new(Limiter::new(limits())),
            id: SessionId::from_bytes([0; 16]),
        };
        assert!(server.create(server.id, 0));
        server
    }

    /// Whether the limits allow it.
    pub(super) fn create(&self, id: SessionId, network: u8) -> bool {
        let Ok(permit) = self.limiter.reserve(client(network)) else {
            return false;
        };
        let new = NewSession {
            write: write(1),
            expires: now() + LIFETIME,
            errcodes: Errcodes::Stable,
            permit,
        };
        block_on(self.sessions.store.create(id, new)).unwrap();
        true
    }

    /// A reader of this version waits, and time alone does not end it.
    pub(super) fn wait(&self, seen: Version) -> Seen {
        block_on(self.hold(seen))
    }

    pub(super) async fn hold(&self, seen: Version) -> Seen {
        let read = |now| self.read_at(seen, now);
        seen_of(
            self.sessions
                .waiters
                .hold(self.id, now() + ENDLESS, read)
                .await,
        )
    }

    /// As [`hold`](Self::hold), by a reader whose client goes away: then `None`.
    pub(super) async fn hold_unless(&self, seen: Version, gone: &Notify) -> Option<Seen> {
        tokio::select! {
            biased;
            () = gone.notified() => None,
            seen = self.hold(seen) => Some(seen),
        }
    }

    pub(super) async fn read_at(&self, seen: Version, now: Instant) -> ReadResult {
        self.sessions
            .store
            .read(self.id, Some(tag(seen)), now)
            .await
    }

    pub(super) fn write(&self, seen: Version, version: Version) -> Written {
        let written = self
            .sessions
            .write(self.id, Some(tag(seen)), write(version));
        match block_on(written).unwrap() {
            WriteOutcome::Replaced(session) => {
                assert_eq!(session.tag, tag(version));
                Written::Yes
            }
            WriteOutcome::Conflict(session) => Written::Conflict(version_of(session.tag)),
            WriteOutcome::Gone => Written::Gone,
        }
    }

    pub(super) fn delete(&self, id: SessionId) -> bool {
        block_on(self.sessions.delete(id, now())).unwrap()
    }

    /// Nobody waits, and no session is counted. A session is counted as long as it is kept.
    pub(super) fn assert_empty(&self) {
        assert_eq!(
            self.sessions.waiters.count(),
            0,
            "readers are still counted"
        );
        assert_eq!(
            self.limiter.session_count(),
            0,
            "sessions are still counted"
        );
    }
}

/// Two sessions in all, and one in each network. How fast they come is not limited: time stands still.
fn limits() -> Limits {
    Limits {
        max_sessions: 2,
        sessions_per_network: Some(1),
        creates: None,
        requests: None,
        ..Limits::default()
    }
}

pub(super) fn client(network: u8) -> ClientAddress {
    ClientAddress::Known([192, 0, 2, network].into())
}

/// Starts a thread on the server.
pub(super) fn start<T: Send + 'static>(
    server: &MemoryServer,
    work: impl FnOnce(&MemoryServer) -> T + Send + 'static,
) -> JoinHandle<T> {
    let server = server.clone();
    spawn(move || work(&server))
}

/// Waits for the end of all of them.
pub(super) fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}

pub(super) fn tag(version: Version) -> WriteTag {
    WriteTag::from_bytes([version; 16])
}

pub(super) fn version_of(tag: WriteTag) -> Version {
    let [version, ..] = tag.to_bytes();
    version
}

pub(super) fn write(version: Version) -> Write {
    Write {
        tag: tag(version),
        payload: Bytes::copy_from_slice(&[version]),
        now: now(),
    }
}

pub(super) fn seen_of(read: ReadResult) -> Seen {
    match read.unwrap() {
        ReadOutcome::Changed(session) => {
            assert_eq!(session.payload[..], [version_of(session.tag)]);
            Seen::New(version_of(session.tag))
        }
        ReadOutcome::Unchanged(_) => Seen::Same,
        ReadOutcome::Gone => Seen::Gone,
    }
}
