//! Sessions in Redis (or Valkey): several instances share them, and they outlive each instance.

mod backoff;
mod changes;
mod connector;
mod error;
mod eviction;
mod permits;
mod probe;
mod record;
mod script;
mod sessions;
mod shared_connection;
mod tls;
mod url;

use std::{convert::Infallible, time::Instant};

use self::{
    changes::ChangeMessage, connector::Connector, permits::Permits, sessions::RedisSessions,
    shared_connection::SharedConnection,
};
pub use self::{
    tls::{ClientCertificate, RedisCertificates, RedisTlsError},
    url::{RedisUrl, RedisUrlError},
};
use super::{
    Store,
    id::{SessionId, WriteTag},
    session::{NewSession, ReadOutcome, SessionSnapshot, StoreChange, Write, WriteOutcome},
    unavailable::Unavailable,
};

/// Starts the names of our keys, and of the channel. The number is the version of the record
/// format: instances with different versions never read each other's records.
const PREFIX: &str = "matrix-qr:2:";

/// Sessions in Redis 6 or later, or Valkey. They outlive this process, and other instances see
/// them.
///
/// Each session is one key, which Redis itself removes when the session ends. A write is one atomic
/// script. Every operation is one round trip on one connection that all requests share; a second
/// connection receives the changes of other instances. Both are opened when they are first needed
/// and reopened when they are lost, so Redis need not be running when this value is created. While
/// Redis cannot be reached, every operation fails with [`Unavailable`] after one second (after at
/// most six, when more than a thousand operations are waiting).
///
/// Only sessions that were created through this value count against its server's
/// [`Limits`](crate::Limits).
pub struct Redis {
    sessions: RedisSessions,
    permits: Permits,
}

impl Redis {
    /// A Redis by URL. With TLS the scheme starts with `rediss`. Does not connect yet.
    ///
    /// | deployment | URL |
    /// |---|---|
    /// | one server | `redis://[[user]:password@]host[:port][/database]` |
    /// | one server, on a Unix socket | `unix:///path/to/socket[?db=database]` |
    /// | a cluster, by some of its nodes | `redis+cluster://[[user]:password@]host[:port][,host[:port]]` |
    /// | the main server of a service, by its Sentinels | `redis+sentinel://[[user]:password@]host[:port][,host[:port]]/service[/database]` |
    ///
    /// # Errors
    ///
    /// If the URL has another form. The error does not quote it.
    pub fn new(url: &str) -> Result<Self, RedisUrlError> {
        let (url, certificates) = (url.parse()?, RedisCertificates::default());
        // Without certificates no error can be about them.
        Self::with_certificates(&url, &certificates).map_err(|_| RedisUrlError::UNUSABLE)
    }

    /// As [`new`](Self::new), with other certificates than the system's.
    ///
    /// # Errors
    ///
    /// If there are certificates and the URL is not one with TLS, or if they cannot be used.
    pub fn with_certificates(
        url: &RedisUrl,
        certificates: &RedisCertificates,
    ) -> Result<Self, RedisTlsError> {
        if !url.has_tls() && !certificates.is_empty() {
            return Err(RedisTlsError::NoTls);
        }
        let connector = Connector::new(url, certificates).map_err(|_| RedisTlsError::Chain)?;
        Ok(Self {
            sessions: RedisSessions::new(SharedConnection::new(connector), PREFIX),
            permits: Permits::default(),
        })
    }

    /// Uses this prefix for the names of all keys and of the channel, in place of `matrix-qr:2:`.
    /// Instances with the same prefix see each other's sessions.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self {
            sessions: self.sessions.with_prefix(prefix),
            ..self
        }
    }
}

impl Store for Redis {
    async fn create(&self, id: SessionId, new: NewSession) -> Result<SessionSnapshot, Unavailable> {
        let (session, permit) = new.into_snapshot();
        self.sessions.set(id, &session).await?;
        self.permits.keep(id, session.expires, permit);
        Ok(session)
    }

    async fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        self.sessions.get(id, seen, now).await
    }

    async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        let message = ChangeMessage::written(id);
        self.sessions.replace(id, expected, write, &message).await
    }

    async fn delete(&self, id: SessionId, _: Instant) -> Result<bool, Unavailable> {
        let deleted = self
            .sessions
            .delete(id, &ChangeMessage::deleted(id))
            .await?;
        self.permits.release(id);
        Ok(deleted)
    }

    fn sweep(&self, now: Instant) {
        self.permits.sweep(now);
    }

    fn expired(&self) -> u64 {
        self.permits.expired()
    }

    async fn check(&self) -> Result<(), Unavailable> {
        probe::probe(&self.sessions).await
    }

    async fn watch(&self, changed: impl Fn(StoreChange) + Send + Sync) -> Infallible {
        let receive = |message| match message {
            ChangeMessage::Written(id) => changed(StoreChange::One(id)),
            ChangeMessage::Deleted(id) => {
                self.permits.release(id);
                changed(StoreChange::One(id));
            }
            ChangeMessage::Missed => changed(StoreChange::Any),
        };
        let connection = self.sessions.connection();
        let listening = changes::listen(connection.connector(), self.sessions.channel(), receive);
        let ((), never) = tokio::join!(eviction::warn_once(connection), listening);
        never
    }
}
