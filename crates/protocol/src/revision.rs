//! The few values that the two devices must agree on before they speak.

/// Which reading of MSC4108 a scanning device follows where the text and the deployed clients differ.
///
/// A device that shows the code needs no such choice: it understands both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What deployed clients do: the keys come from HKDF-SHA512.
    #[default]
    AsDeployed,
    /// What section "Secure channel" says: the keys come from HKDF-SHA256.
    AsWritten,
}

/// What a device is in a sign-in, whichever of the two shows the QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The device that is being signed in.
    New,
    /// The device that is signed in already and shares its secrets.
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
}
