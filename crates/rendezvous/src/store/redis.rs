//! Sessions in Redis (or Valkey), which several instances share and which outlasts each of them.

mod backoff;
mod engine;
mod link;
mod news;
mod policy;
mod probe;
mod record;
mod script;
mod tickets;
mod tls;
mod trouble;
mod url;

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, Pipeline};

use self::{
    engine::Engine, link::Link, news::News, script::Script, tickets::Tickets, trouble::unavailable,
};
pub use self::{
    tls::{ClientCertificate, RedisCertificates, RedisTlsError},
    url::{RedisUrl, RedisUrlError},
};
use super::{Changed, Id, New, Read, Session, Store, Unavailable, Write, WriteTag, Written};

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
    link: Link,
    prefix: String,
    /// What instances tell each other here. No session has that key: an ID has 22 characters.
    channel: String,
    tickets: Tickets,
    write: Script,
    delete: Script,
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
        let engine = Engine::new(url, certificates).map_err(|_| RedisTlsError::Chain)?;
        let unnamed = Self {
            link: Link::new(engine),
            prefix: String::new(),
            channel: String::new(),
            tickets: Tickets::default(),
            write: Script::new(include_str!("redis/write.lua")),
            delete: Script::new(include_str!("redis/delete.lua")),
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

    fn key(&self, id: Id) -> String {
        format!("{}{id}", self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, Unavailable> {
        self.link
            .ask(question)
            .await
            .map_err(|error| unavailable(&error))
    }

    /// Runs a script by its name, and tells Redis what it is if Redis does not know.
    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        id: Id,
        arguments: &[&[u8]],
    ) -> Result<T, Unavailable> {
        let key = self.key(id);
        let answer = match self.link.ask(&script.by_name(&key, arguments)).await {
            Err(error) if link::is_unknown_script(&error) => {
                self.link.ask(&script.in_full(&key, arguments)).await
            }
            answer => answer,
        };
        answer
            .map(|(answer,)| answer)
            .map_err(|error| unavailable(&error))
    }

    /// Without looking whether there is one of that name: nothing is, but what this very question
    /// has left when it was asked before.
    async fn set(&self, id: Id, session: &Session) -> Result<(), Unavailable> {
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
        id: Id,
        expected: Option<WriteTag>,
        write: Write,
        said: &[u8],
    ) -> Result<Written, Unavailable> {
        let (seen, revision) = (expected.map(WriteTag::to_bytes), write.revision.to_bytes());
        let arguments = [
            seen.as_ref().map_or(&[][..], |revision| revision),
            &revision,
            &write.payload,
            self.channel.as_bytes(),
            said,
        ];
        match self
            .run::<Option<(bool, Vec<u8>, i64)>>(&self.write, id, &arguments)
            .await?
        {
            None => Ok(Written::Gone),
            Some((true, errcodes, left)) => {
                replaced(write, expected, &errcodes, left).map(Written::Replaced)
            }
            Some((false, record, left)) => session(&record, left, write.now).map(Written::Conflict),
        }
    }

    /// As [`Store::delete`], with what is said to others.
    async fn end(&self, id: Id, said: &[u8]) -> Result<bool, Unavailable> {
        let ended: u64 = self
            .run(&self.delete, id, &[self.channel.as_bytes(), said])
            .await?;
        Ok(ended > 0)
    }
}

impl Store for Redis {
    async fn create(&self, id: Id, new: New) -> Result<Session, Unavailable> {
        let (session, ticket) = new.into_session();
        self.set(id, &session).await?;
        self.tickets.keep(id, session.expires, ticket);
        Ok(session)
    }

    /// Two plain questions at once. They need not be one step: the end of a session is fixed, and
    /// one that ends between them has no time left.
    async fn read(
        &self,
        id: Id,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<Read, Unavailable> {
        let key = self.key(id);
        let mut look = Pipeline::with_capacity(2);
        look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        match self.ask::<(Option<Vec<u8>>, i64)>(&look).await? {
            (Some(record), left @ 0..) => Ok(Read::compared(session(&record, left, now)?, seen)),
            _ => Ok(Read::Gone),
        }
    }

    async fn write(
        &self,
        id: Id,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<Written, Unavailable> {
        self.replace(id, expected, write, &News::written(id)).await
    }

    async fn delete(&self, id: Id, _: Instant) -> Result<bool, Unavailable> {
        let ended = self.end(id, &News::deleted(id)).await?;
        self.tickets.give_back(id);
        Ok(ended)
    }

    fn sweep(&self, now: Instant) {
        self.tickets.sweep(now);
    }

    fn expired(&self) -> u64 {
        self.tickets.expired()
    }

    async fn check(&self) -> Result<(), Unavailable> {
        probe::probe(self).await
    }

    async fn watch(&self, changed: impl Fn(Changed) + Send + Sync) -> Infallible {
        let heard = |news| match news {
            News::Written(id) => changed(Changed::One(id)),
            News::Deleted(id) => {
                self.tickets.give_back(id);
                changed(Changed::One(id));
            }
            News::Missed => changed(Changed::Any),
        };
        let listening = news::listen(self.link.engine(), &self.channel, heard);
        let ((), never) = tokio::join!(policy::look(&self.link), listening);
        never
    }
}

/// What stands where only sessions should is not used.
fn session(record: &[u8], left: i64, now: Instant) -> Result<Session, Unavailable> {
    record::decode(record, left, now).ok_or(Unavailable::new("record"))
}

fn replaced(
    write: Write,
    replaced: Option<WriteTag>,
    errcodes: &[u8],
    left: i64,
) -> Result<Session, Unavailable> {
    let Write {
        revision,
        payload,
        now,
    } = write;
    let left = Duration::from_millis(left.try_into().map_err(|_| Unavailable::new("record"))?);
    let errcodes = errcodes
        .first()
        .copied()
        .and_then(record::errcodes)
        .ok_or(Unavailable::new("record"))?;
    Ok(Session {
        revision,
        replaced,
        payload,
        modified: now,
        expires: now + left,
        errcodes,
    })
}
