//! The three kinds of cross-signing keys.

use std::fmt;

/// One of the three cross-signing keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossSigningKey {
    /// The master signing key (MSK): the account's identity.
    Master,
    /// The self-signing key (SSK): vouches for the account's own devices.
    SelfSigning,
    /// The user-signing key (USK): vouches for other people.
    UserSigning,
}

impl CrossSigningKey {
    /// In the order in which they are compared.
    pub(crate) const ALL: [Self; 3] = [Self::Master, Self::SelfSigning, Self::UserSigning];

    /// The value of `usage` in a published key.
    pub(super) fn usage(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::SelfSigning => "self_signing",
            Self::UserSigning => "user_signing",
        }
    }
}

impl fmt::Display for CrossSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::SelfSigning => "self-signing",
            Self::UserSigning => "user-signing",
        })
    }
}
