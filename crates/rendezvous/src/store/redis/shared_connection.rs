//! The connection to Redis: one, which all requests share, and on which none waits for another's
//! answer. It is made when it is first needed, and anew once it is lost.
//!
//! Not the library's own `ConnectionManager`: that one answers the first request after an outage
//! with the outage's error, and needs a running runtime to be made at all.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    ErrorKind, FromRedisValue, Pipeline, PushInfo, PushKind, RedisError, RedisResult,
    ServerErrorKind, aio::SendError,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    backoff::Backoff,
    connector::{Connection, Connector},
    error::unavailable,
};

/// How long a question may take once it is its turn, with a connection that has to be made first.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// How many questions are asked at once. When a crowd that waited for news is woken, the others
/// wait for their turn.
const TURNS: usize = 1024;

/// How long one waits for its turn.
const QUEUE: Duration = Duration::from_secs(5);

/// How often trouble is logged, at most.
const COMPLAIN: Duration = Duration::from_secs(10);

pub(super) struct SharedConnection {
    connector: Connector,
    live: Mutex<Option<LiveConnection>>,
    turns: Semaphore,
    /// Held by whoever connects, so that only one does.
    connecting: tokio::sync::Mutex<Backoff>,
    complained: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct LiveConnection {
    connection: Connection,
    lost: Arc<AtomicBool>,
}

impl SharedConnection {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            live: Mutex::default(),
            turns: Semaphore::new(TURNS),
            connecting: tokio::sync::Mutex::default(),
            complained: Mutex::default(),
        }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Asks once. Whether a question without an answer was heard is not known.
    pub(super) async fn ask<T: FromRedisValue>(&self, question: &Pipeline) -> RedisResult<T> {
        self.ask_quietly(question)
            .await
            .inspect_err(|error| self.complain(error))
    }

    /// As [`Self::ask`], and logs no trouble.
    pub(super) async fn ask_quietly<T: FromRedisValue>(
        &self,
        question: &Pipeline,
    ) -> RedisResult<T> {
        let Ok(_turn) = timeout(QUEUE, self.turns.acquire()).await else {
            return Err(too_slow());
        };
        let mut asked = None;
        let answer = timeout(PATIENCE, async {
            let mut connection = asked.insert(self.live().await?).connection.clone();
            connection.ask(question).await
        });
        let answer = answer.await.unwrap_or_else(|_| Err(too_slow()));
        answer.inspect_err(|error| {
            if let Some(live) = asked.filter(|_| is_the_connections(error)) {
                live.lost.store(true, Relaxed);
            }
        })
    }

    async fn live(&self) -> RedisResult<LiveConnection> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let mut backoff = self.connecting.lock().await;
        // Another may have connected while this one waited for its turn.
        if let Some(live) = self.current() {
            return Ok(live);
        }
        backoff.wait().await;
        let connected = self.connect().await;
        match &connected {
            Ok(live) => {
                *backoff = Backoff::default();
                *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
            }
            Err(_) => backoff.failed(),
        }
        connected
    }

    fn current(&self) -> Option<LiveConnection> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref()
            .filter(|live| !live.lost.load(Relaxed))
            .cloned()
    }

    async fn connect(&self) -> RedisResult<LiveConnection> {
        let lost = Arc::new(AtomicBool::new(false));
        // Heard at once, though nobody asks: the first question after an outage must not go to a
        // dead connection.
        let hear = {
            let lost = lost.clone();
            move |push: PushInfo| {
                lost.fetch_or(push.kind == PushKind::Disconnection, Relaxed);
                Ok::<_, SendError>(())
            }
        };
        let connection = self.connector.connect(PATIENCE, hear).await?;
        tracing::info!("connected to Redis");
        Ok(LiveConnection { connection, lost })
    }

    /// Logs it, now and then. Without the server's own words: they may quote a key, which names a
    /// session.
    fn complain(&self, error: &RedisError) {
        if is_unknown_script(error) {
            return;
        }
        let mut complained = self
            .complained
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complained.is_some_and(|last| last.elapsed() < COMPLAIN) {
            return;
        }
        *complained = Some(Instant::now());
        let code = unavailable(error).code();
        if error.is_io_error() {
            tracing::warn!(%error, code, "Redis cannot be reached");
        } else {
            tracing::warn!(
                kind = error.category(),
                code,
                "Redis does not do what it is asked"
            );
        }
    }
}

fn too_slow() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// Redis knows the names of scripts that it has seen, until it restarts.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether another connection might do better: this one is lost, does not answer, or leads to a
/// Redis that was the main one until a moment ago.
fn is_the_connections(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}
