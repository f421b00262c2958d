//! The one connection to Redis that all requests share: no request waits for the response to
//! another. It is opened when it is first needed, and reopened when it is lost.
//!
//! Not the library's `ConnectionManager`: after an outage that one fails the first request with the
//! error of the outage, and creating it requires a running runtime.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::{
    ErrorKind, FromRedisValue, Pipeline, PushInfo, PushKind, RedisError, RedisResult,
    ServerErrorKind, aio::SendError,
};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    backoff::ReconnectBackoff,
    connector::{Connection, Connector},
    error::unavailable,
};
use crate::log_throttle::LogThrottle;

/// The time limit of a command once it is its turn, including opening the connection.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);

/// How many commands are in progress at the same time. When many waiting readers are woken at once,
/// the others wait for their turn.
const CONCURRENT: usize = 1024;

/// How long a command waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The minimum time between two log lines about errors.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct SharedConnection {
    connector: Connector,
    live: Mutex<Option<LiveConnection>>,
    turns: Semaphore,
    /// Locked while connecting, so that only one task connects.
    connecting: tokio::sync::Mutex<ReconnectBackoff>,
    errors: LogThrottle,
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
            turns: Semaphore::new(CONCURRENT),
            connecting: tokio::sync::Mutex::default(),
            errors: LogThrottle::every(LOG_INTERVAL),
        }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends commands once. If it fails, it is unknown whether Redis executed them.
    pub(super) async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        self.ask_quietly(commands)
            .await
            .inspect_err(|error| self.log(error))
    }

    /// As [`Self::ask`], but logs no errors.
    pub(super) async fn ask_quietly<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> RedisResult<T> {
        let Ok(_turn) = timeout(MAX_WAIT, self.turns.acquire()).await else {
            return Err(too_slow());
        };
        let mut used = None;
        let result = timeout(TIMEOUT, async {
            let mut connection = used.insert(self.live().await?).connection.clone();
            connection.ask(commands).await
        });
        let result = result.await.unwrap_or_else(|_| Err(too_slow()));
        result.inspect_err(|error| {
            if let Some(live) = used.filter(|_| needs_new_connection(error)) {
                live.lost.store(true, Relaxed);
            }
        })
    }

    async fn live(&self) -> RedisResult<LiveConnection> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let mut backoff = self.connecting.lock().await;
        // Another task may have connected while this one waited for the lock.
        if let Some(live) = self.current() {
            return Ok(live);
        }
        backoff.wait().await;
        let connected = self.connect().await;
        match &connected {
            Ok(live) => {
                *backoff = ReconnectBackoff::default();
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
        // Called at once, even if there is no command: the first command after an outage must not
        // be sent on a dead connection.
        let on_push = {
            let lost = lost.clone();
            move |push: PushInfo| {
                lost.fetch_or(push.kind == PushKind::Disconnection, Relaxed);
                Ok::<_, SendError>(())
            }
        };
        let connection = self.connector.connect(TIMEOUT, on_push).await?;
        tracing::info!("connected to Redis");
        Ok(LiveConnection { connection, lost })
    }

    /// Logs an error, at most once in a while. Without the server's message: it may quote a key,
    /// which contains a session ID.
    fn log(&self, error: &RedisError) {
        if is_unknown_script(error) {
            return;
        }
        if self.errors.due(Instant::now()).is_none() {
            return;
        }
        let code = unavailable(error).code();
        if error.is_io_error() {
            tracing::warn!(%error, code, "Redis cannot be reached");
        } else {
            tracing::warn!(kind = error.category(), code, "Redis refuses a command");
        }
    }
}

fn too_slow() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// Redis knows the hashes of the scripts that it has run since it started.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether a new connection could help: this one is lost, does not respond, or leads to a Redis
/// that is no longer the main one.
fn needs_new_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_helps_if_this_one_is_lost_or_silent_or_leads_to_a_replica() {
        let io = |kind| RedisError::from(io::Error::from(kind));
        let server = |kind| RedisError::from((ErrorKind::Server(kind), "said by Redis"));
        for (error, helps) in [
            (io(io::ErrorKind::BrokenPipe), true),
            (io(io::ErrorKind::PermissionDenied), false),
            (too_slow(), true),
            (server(ServerErrorKind::ReadOnly), true),
            (server(ServerErrorKind::NoScript), false),
        ] {
            assert_eq!(needs_new_connection(&error), helps, "{error:?}");
        }
    }
}
