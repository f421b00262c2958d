//! The ID of a device that is not signed in by another one: those have an ID of their channel.

use matrix_qr_protocol::login::message::DeviceId;

use super::error::OAuthError;

/// A device ID that nobody can guess: 20 characters of `A-Z2-7`, 100 bits.
///
/// # Errors
///
/// [`OAuthError::NoRandomness`] when the operating system gives none.
pub fn new_device_id() -> Result<String, OAuthError> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|_| OAuthError::NoRandomness)?;
    Ok(DeviceId::from_bytes(&bytes).as_str().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ() {
        let ids: HashSet<String> = (0..100).map(|_| new_device_id().unwrap()).collect();
        assert_eq!(ids.len(), 100);
    }
}
