//! The query of a Redis URL. Unknown parameters are refused: they could be secrets, or change what
//! is meant.

use super::{
    credentials::{Credentials, decode},
    error::RedisUrlError,
};

/// The query of a URL with a socket.
#[derive(Default)]
pub(super) struct SocketQuery {
    pub(super) database: u16,
    pub(super) credentials: Option<Credentials>,
}

pub(super) fn none(query: &str) -> Result<(), RedisUrlError> {
    let [] = values(
        query,
        [],
        RedisUrlError::new("nothing may follow a ? here; in a password write %3F"),
    )?;
    Ok(())
}

pub(super) fn socket(query: &str) -> Result<SocketQuery, RedisUrlError> {
    let names = ["db", "user", "pass"];
    let [number, user, password] = values(
        query,
        names,
        RedisUrlError::new("after the ? there may be db, user and pass, each once"),
    )?;
    Ok(SocketQuery {
        database: database(number.unwrap_or_default())?,
        credentials: credentials(user, password)?,
    })
}

pub(super) fn sentinel(query: &str) -> Result<Option<Credentials>, RedisUrlError> {
    let names = ["sentinel-user", "sentinel-password"];
    let [user, password] = values(
        query,
        names,
        RedisUrlError::new(
            "after the ? there may be sentinel-user and sentinel-password, each once",
        ),
    )?;
    credentials(user, password)
}

fn credentials(
    user: Option<&str>,
    password: Option<&str>,
) -> Result<Option<Credentials>, RedisUrlError> {
    match (user, password) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(RedisUrlError::new("it has a user and no password")),
        (user, Some(password)) => Ok(Some(Credentials {
            user: user.map(decode).transpose()?,
            password: decode(password)?,
        })),
    }
}

/// The number of a database; none is 0.
pub(super) fn database(text: &str) -> Result<u16, RedisUrlError> {
    match text {
        "" => Ok(0),
        number => number
            .parse()
            .map_err(|_| RedisUrlError::new("the database is not a number")),
    }
}

/// The value of each of these parameters, in the same order. There may be no other.
fn values<'a, const N: usize>(
    query: &'a str,
    names: [&str; N],
    wrong: RedisUrlError,
) -> Result<[Option<&'a str>; N], RedisUrlError> {
    let mut values = [None; N];
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(wrong)?;
        let known = names
            .iter()
            .zip(&mut values)
            .find(|(known, _)| **known == name);
        match known {
            Some((_, slot @ None)) => *slot = Some(value),
            _ => return Err(wrong),
        }
    }
    Ok(values)
}
