//! Users and passwords in URLs.

use zeroize::Zeroizing;

use super::error::RedisUrlError;

#[derive(Clone, PartialEq, Eq)]
pub(in crate::store::redis) struct Credentials {
    pub(in crate::store::redis) user: Option<Zeroizing<String>>,
    pub(in crate::store::redis) password: Zeroizing<String>,
}

impl Credentials {
    /// What is in front of the `@`.
    pub(super) fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (user, password) = text.split_once(':').ok_or(RedisUrlError::new(
            "it has a user without a password, or a password without a colon in front of it",
        ))?;
        let user = Some(user).filter(|user| !user.is_empty());
        Ok(Self {
            user: user.map(decode).transpose()?,
            password: decode(password)?,
        })
    }
}

/// Decodes `%XX`. A character that should have been encoded is taken as it is.
pub(super) fn decode(text: &str) -> Result<Zeroizing<String>, RedisUrlError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = if byte == b'%' {
            escaped(after)?
        } else {
            (byte, after)
        };
        bytes.push(byte);
        rest = after;
    }
    let text = str::from_utf8(&bytes)
        .map_err(|_| RedisUrlError::new("its %XX are not the encoding of a UTF-8 text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(rest: &[u8]) -> Result<(u8, &[u8]), RedisUrlError> {
    const WRONG: RedisUrlError =
        RedisUrlError::new("after a % there must be two digits from 0 to F; % itself is %25");
    let (&[high, low], after) = rest.split_first_chunk().ok_or(WRONG)?;
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Ok((
        digit(high).ok_or(WRONG)? * 16 + digit(low).ok_or(WRONG)?,
        after,
    ))
}
