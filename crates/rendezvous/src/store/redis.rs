//! Sessions in Redis (or Valkey), which several instances share and which outlasts each of them.

mod backoff;
mod changes;
mod connector;
mod error;
mod eviction;
mod permits;
mod probe;
mod record;
mod script;
mod shared_connection;
mod tls;
mod url;

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, Pipeline};

use self::{
    changes::ChangeMessage, connector::Connector, error::unavailable, permits::Permits,
    script::LuaScript, shared_connection::SharedConnection,
};
pub use self::{
    tls::{ClientCertificate, RedisCertificates, RedisTlsError},
    url::{RedisUrl, RedisUrlError},
};
use super::{
    NewSession, ReadOutcome, SessionId, SessionSnapshot, Store, StoreChange, Unavailable, Write,
    WriteOutcome, WriteTag,
};

/// Before the names of our keys, and the name of the channel. The number is that of the form of a
/// record: who keeps another form neither reads ours nor gives us theirs to read.
const PREFIX: &str = "matrix-qr:2:";

/// Sessions in Redis 6 or later, or Valkey. They outlive this process, and other instances see
/// them.
///
/// Each session is one key, which Redis itself forgets when the session ends. A write is one atomic
/// script. Every question is one round trip on one connection that all requests share; a second
/// connection hears what other instances do. Both are made when they are needed and made anew when
/// they are lost, so Redis need not run when this is made. While it cannot be reached, everything
/// is [`Unavailable`], after a second (after six at most, where more than a thousand ask at once).
///
/// Only sessions that were made through this value count against its server's
/// [`Limits`](crate::Limits).
pub struct Redis {
    connection: SharedConnection,
    prefix: String,
    /// What instances tell each other here. No session has that key: an ID has 22 characters.
    channel: String,
    permits: Permits,
    write: LuaScript,
    delete: LuaScript,
}

impl Redis {
    /// The Redis at a URL: `redis://[[user]:password@]host[:port][/database]`, or
    /// `unix:///path/to/socket[?db=database]`; or the cluster that some nodes are of,
    /// `redis+cluster://[[user]:password@]host[:port][,host[:port]]`; or the main server of a
    /// service, as Sentinels know it,
    /// `redis+sentinel://[[user]:password@]host[:port][,host[:port]]/service[/database]`. With TLS
    /// it is `rediss`. Does not connect yet.
    ///
    /// # Errors
    ///
    /// If the URL is of another form. The error does not quote it.
    pub fn new(url: &str) -> Result<Self, RedisUrlError> {
        let (url, certificates) = (url.parse()?, RedisCertificates::default());
        // Without certificates there is nothing that could be wrong with them.
        Self::with_certificates(&url, &certificates).map_err(|_| RedisUrlError::unusable())
    }

    /// As [`new`](Self::new), with other certificates than the system's.
    ///
    /// # Errors
    ///
    /// If they have no use, because the URL is none with TLS, or cannot be used.
    pub fn with_certificates(
        url: &RedisUrl,
        certificates: &RedisCertificates,
    ) -> Result<Self, RedisTlsError> {
        if !url.has_tls() && !certificates.is_empty() {
            return Err(RedisTlsError::NoTls);
        }
        let connector = Connector::new(url, certificates).map_err(|_| RedisTlsError::Chain)?;
        let unnamed = Self {
            connection: SharedConnection::new(connector),
            prefix: String::new(),
            channel: String::new(),
            permits: Permits::default(),
            write: LuaScript::new(include_str!("redis/write.lua")),
            delete: LuaScript::new(include_str!("redis/delete.lua")),
        };
        Ok(unnamed.with_prefix(PREFIX))
    }

    /// Puts this before the names of all keys, and of the channel, in place of `matrix-qr:2:`.
    /// Instances see each other's sessions if theirs is the same.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            channel: format!("{prefix}changes"),
            ..self
        }
    }

    fn key(&self, id: SessionId) -> String {
        format!("{}{id}", self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, Unavailable> {
        self.connection
            .ask(question)
            .await
            .map_err(|error| unavailable(&error))
    }

    /// Runs a script by its name, and tells Redis what it is if Redis does not know.
    async fn run<T: FromRedisValue>(
        &self,
        script: &LuaScript,
        id: SessionId,
        arguments: &[&[u8]],
    ) -> Result<T, Unavailable> {
        let key = self.key(id);
        let answer = match self.connection.ask(&script.by_name(&key, arguments)).await {
            Err(error) if shared_connection::is_unknown_script(&error) => {
                self.connection.ask(&script.in_full(&key, arguments)).await
            }
            answer => answer,
        };
        answer
            .map(|(answer,)| answer)
            .map_err(|error| unavailable(&error))
    }

    /// Without looking whether there is one of that name: nothing is, but what this very question
    /// has left when it was asked before.
    async fn set(&self, id: SessionId, session: &SessionSnapshot) -> Result<(), Unavailable> {
        let lifetime = session.expires.saturating_duration_since(session.modified);
        let mut set = Pipeline::with_capacity(1);
        set.cmd("SET")
            .arg(self.key(id))
            .arg(record::encode(session));
        set.arg("PX").arg(record::milliseconds(lifetime)).ignore();
        self.ask(&set).await
    }

    /// As [`Store::write`], with what is said to others.
    async fn replace(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
        said: &[u8],
    ) -> Result<WriteOutcome, Unavailable> {
        let (seen, tag) = (expected.map(WriteTag::to_bytes), write.tag.to_bytes());
        let arguments = [
            seen.as_ref().map_or(&[][..], |tag| tag),
            &tag,
            &write.payload,
            self.channel.as_bytes(),
            said,
        ];
        match self
            .run::<Option<(bool, Vec<u8>, i64)>>(&self.write, id, &arguments)
            .await?
        {
            None => Ok(WriteOutcome::Gone),
            Some((true, errcodes, left)) => {
                replaced(write, expected, &errcodes, left).map(WriteOutcome::Replaced)
            }
            Some((false, record, left)) => {
                session(&record, left, write.now).map(WriteOutcome::Conflict)
            }
        }
    }

    /// As [`Store::delete`], with what is said to others.
    async fn end(&self, id: SessionId, said: &[u8]) -> Result<bool, Unavailable> {
        let ended: u64 = self
            .run(&self.delete, id, &[self.channel.as_bytes(), said])
            .await?;
        Ok(ended > 0)
    }
}

impl Store for Redis {
    async fn create(&self, id: SessionId, new: NewSession) -> Result<SessionSnapshot, Unavailable> {
        let (session, permit) = new.into_session();
        self.set(id, &session).await?;
        self.permits.keep(id, session.expires, permit);
        Ok(session)
    }

    /// Two plain questions at once. They need not be one step: the end of a session is fixed, and
    /// one that ends between them has no time left.
    async fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        let key = self.key(id);
        let mut look = Pipeline::with_capacity(2);
        look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        match self.ask::<(Option<Vec<u8>>, i64)>(&look).await? {
            (Some(record), left @ 0..) => {
                Ok(ReadOutcome::compared(session(&record, left, now)?, seen))
            }
            _ => Ok(ReadOutcome::Gone),
        }
    }

    async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        self.replace(id, expected, write, &ChangeMessage::written(id))
            .await
    }

    async fn delete(&self, id: SessionId, _: Instant) -> Result<bool, Unavailable> {
        let ended = self.end(id, &ChangeMessage::deleted(id)).await?;
        self.permits.give_back(id);
        Ok(ended)
    }

    fn sweep(&self, now: Instant) {
        self.permits.sweep(now);
    }

    fn expired(&self) -> u64 {
        self.permits.expired()
    }

    async fn check(&self) -> Result<(), Unavailable> {
        probe::probe(self).await
    }

    async fn watch(&self, changed: impl Fn(StoreChange) + Send + Sync) -> Infallible {
        let heard = |news| match news {
            ChangeMessage::Written(id) => changed(StoreChange::One(id)),
            ChangeMessage::Deleted(id) => {
                self.permits.give_back(id);
                changed(StoreChange::One(id));
            }
            ChangeMessage::Missed => changed(StoreChange::Any),
        };
        let listening = changes::listen(self.connection.connector(), &self.channel, heard);
        let ((), never) = tokio::join!(eviction::warn_once(&self.connection), listening);
        never
    }
}

/// What stands where only sessions should is not used.
fn session(record: &[u8], left: i64, now: Instant) -> Result<SessionSnapshot, Unavailable> {
    record::decode(record, left, now).ok_or(Unavailable::new("record"))
}

fn replaced(
    write: Write,
    replaced: Option<WriteTag>,
    errcodes: &[u8],
    left: i64,
) -> Result<SessionSnapshot, Unavailable> {
    let Write { tag, payload, now } = write;
    let left = Duration::from_millis(left.try_into().map_err(|_| Unavailable::new("record"))?);
    let errcodes = errcodes
        .first()
        .copied()
        .and_then(record::errcodes)
        .ok_or(Unavailable::new("record"))?;
    Ok(SessionSnapshot {
        tag,
        replaced,
        payload,
        modified: now,
        expires: now + left,
        errcodes,
    })
}
