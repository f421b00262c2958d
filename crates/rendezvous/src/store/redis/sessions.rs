//! The operations on sessions, as Redis commands and scripts.

use std::time::{Duration, Instant};

use redis::{FromRedisValue, Pipeline};

use super::{
    error::unavailable,
    record,
    script::LuaScript,
    shared_connection::{SharedConnection, is_unknown_script},
};
use crate::store::{
    id::{SessionId, WriteTag},
    session::{ReadOutcome, SessionSnapshot, Write, WriteOutcome},
    unavailable::Unavailable,
};

pub(super) struct RedisSessions {
    connection: SharedConnection,
    prefix: String,
    /// Where instances publish their changes. No session has this key: an ID has 22 characters.
    channel: String,
    write: LuaScript,
    delete: LuaScript,
}

impl RedisSessions {
    pub(super) fn new(connection: SharedConnection, prefix: &str) -> Self {
        let unnamed = Self {
            connection,
            prefix: String::new(),
            channel: String::new(),
            write: LuaScript::new(include_str!("write.lua")),
            delete: LuaScript::new(include_str!("delete.lua")),
        };
        unnamed.with_prefix(prefix)
    }

    pub(super) fn with_prefix(self, prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            channel: format!("{prefix}changes"),
            ..self
        }
    }

    pub(super) fn connection(&self) -> &SharedConnection {
        &self.connection
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Does not check whether the key exists: IDs are random, so the key can only be left from an
    /// earlier attempt of this same command.
    pub(super) async fn set(
        &self,
        id: SessionId,
        session: &SessionSnapshot,
    ) -> Result<(), Unavailable> {
        let lifetime = session.expires.saturating_duration_since(session.modified);
        let mut set = Pipeline::with_capacity(1);
        set.cmd("SET")
            .arg(self.key(id))
            .arg(record::encode(session));
        set.arg("PX").arg(record::milliseconds(lifetime)).ignore();
        self.ask(&set).await
    }

    /// Two plain commands at once. They need not be atomic: the end of a session is fixed, and one
    /// that ends between them has no time left.
    pub(super) async fn get(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        let key = self.key(id);
        let mut get = Pipeline::with_capacity(2);
        get.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        match self.ask::<(Option<Vec<u8>>, i64)>(&get).await? {
            (Some(record), left @ 0..) => {
                Ok(ReadOutcome::compared(decode(&record, left, now)?, seen))
            }
            _ => Ok(ReadOutcome::Gone),
        }
    }

    /// As [`Store::write`](crate::Store::write), and publishes `message`.
    pub(super) async fn replace(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
        message: &[u8],
    ) -> Result<WriteOutcome, Unavailable> {
        let (seen, tag) = (expected.map(WriteTag::to_bytes), write.tag.to_bytes());
        let arguments = [
            seen.as_ref().map_or(&[][..], |seen| seen),
            &tag,
            &write.payload,
            self.channel.as_bytes(),
            message,
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
                decode(&record, left, write.now).map(WriteOutcome::Conflict)
            }
        }
    }

    /// As [`Store::delete`](crate::Store::delete), and publishes `message`.
    pub(super) async fn delete(&self, id: SessionId, message: &[u8]) -> Result<bool, Unavailable> {
        let deleted: u64 = self
            .run(&self.delete, id, &[self.channel.as_bytes(), message])
            .await?;
        Ok(deleted > 0)
    }

    fn key(&self, id: SessionId) -> String {
        format!("{}{id}", self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Unavailable> {
        self.connection
            .ask(commands)
            .await
            .map_err(|error| unavailable(&error))
    }

    /// Runs a script by its hash, and sends its text if Redis does not know the hash.
    async fn run<T: FromRedisValue>(
        &self,
        script: &LuaScript,
        id: SessionId,
        arguments: &[&[u8]],
    ) -> Result<T, Unavailable> {
        let key = self.key(id);
        let result = match self.connection.ask(&script.by_hash(&key, arguments)).await {
            Err(error) if is_unknown_script(&error) => {
                self.connection.ask(&script.in_full(&key, arguments)).await
            }
            result => result,
        };
        result
            .map(|(result,)| result)
            .map_err(|error| unavailable(&error))
    }
}

/// Anything but a valid record at a session's key is an error.
fn decode(record: &[u8], left: i64, now: Instant) -> Result<SessionSnapshot, Unavailable> {
    record::decode(record, left, now).ok_or(Unavailable::new("record"))
}

/// The session after a write, from what the script returned.
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
