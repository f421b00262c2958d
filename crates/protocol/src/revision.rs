//! The few values that the two devices must agree on before they exchange messages.

/// Which proposal the two devices follow. A scanned code shows it, and so does every
/// [`Location`](crate::rendezvous::Location).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// MSC4108 of April 2024: ETags, ECIES, QR code version 2.
    Msc4108,
    /// MSC4388, with MSC4108 of 2026 over it: sequence tokens, HPKE, QR code type 3.
    Msc4388,
}

/// Which reading of the text a device follows where the text and the deployed clients differ.
///
/// In MSC4108 the scanning device chooses, and the other one understands both. In MSC4388 the
/// device that shows the code chooses, and the scanning one understands both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What deployed clients do. MSC4108: the keys come from HKDF-SHA512. MSC4388: the response
    /// context comes from `MATRIX_QR_CODE_LOGIN_RESPONSE`.
    #[default]
    AsDeployed,
    /// What section "Secure channel" specifies. MSC4108: HKDF-SHA256. MSC4388:
    /// `MATRIX_QR_CODE_LOGIN response`.
    AsWritten,
}

/// MSC4388, section "Unstable prefix": the names that the API's path and the QR code use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// `/_matrix/client/v1` and `MATRIX`.
    Stable,
    /// `/_matrix/client/unstable/io.element.msc4388` and `IO_ELEMENT_MSC4388`. Used by default
    /// until the proposal is accepted.
    #[default]
    Unstable,
}

impl Prefix {
    /// The names to try next when these are not known.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Stable => Self::Unstable,
            Self::Unstable => Self::Stable,
        }
    }
}

/// What a device is in a sign-in, whichever of the two shows the QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The device that is being signed in.
    New,
    /// The device that is already signed in and shares its secrets.
    Existing,
}

impl Role {
    /// The role of the device at the other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::New => Self::Existing,
            Self::Existing => Self::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_ends() {
        assert_eq!(Role::New.other(), Role::Existing);
        assert_eq!(Role::Existing.other(), Role::New);
    }

    #[test]
    fn by_default_a_device_speaks_as_the_deployed_ones() {
        assert_eq!(Dialect::default(), Dialect::AsDeployed);
    }

    #[test]
    fn the_unstable_names_are_used_until_it_is_configured() {
        assert_eq!(Prefix::default(), Prefix::Unstable);
        assert_eq!(
            (Prefix::Unstable.other(), Prefix::Stable.other()),
            (Prefix::Stable, Prefix::Unstable)
        );
    }
}
