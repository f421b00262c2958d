//! The reasons of `m.login.failure`: one table for what is written, what is read and what a person
//! is told.

use std::fmt;

use crate::{printable, revision::Revision};

const LOOK_THERE: &str = "Follow the advice on the other device, then start again with a new code.";

/// What is known about a reason.
struct Row {
    /// The name in MSC4108 of 2024.
    msc4108: &'static str,
    /// The name in the later revision.
    msc4388: &'static str,
    /// What the other device means by it.
    what: &'static str,
    /// What the person at this device should do.
    advice: &'static str,
}

/// Makes [`Reason`] of the table, so that there is no reason without a row: its name in MSC4108 of
/// 2024, its name in the later revision, what the other device means by it, what to do.
macro_rules! reasons {
    ($($(#[$doc:meta])+
    $reason:ident = $msc4108:literal, $msc4388:literal, $what:literal, $advice:expr;)+) => {
        /// The reasons of `m.login.failure`.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])+ $reason,)+
            /// A name that is not known here.
            Other(String),
        }

        impl Reason {
            const KNOWN: &[Self] = &[$(Self::$reason),+];

            /// The row of a known reason, or the name of another one.
            fn row(&self) -> Result<Row, &str> {
                let (msc4108, msc4388, what, advice) = match self {
                    $(Self::$reason => ($msc4108, $msc4388, $what, $advice),)+
                    Self::Other(name) => return Err(name),
                };
                Ok(Row { msc4108, msc4388, what, advice })
            }
        }
    };
}

// Where two reasons have one name, the first of them is read.
reasons! {
    /// The device authorization grant expired.
    AuthorizationExpired = "authorization_expired", "authorization_expired",
        "nobody agreed on the consent page in time", LOOK_THERE;
    /// The device ID is taken.
    DeviceAlreadyExists = "device_already_exists", "device_already_exists",
        "the account already has a device with that ID",
        "Start again: the new device then requests another device ID.";
    /// The homeserver does not show the new device.
    DeviceNotFound = "device_not_found", "device_not_found",
        "the homeserver did not list the new device in time",
        "Start again with a new code. If it happens again, you may have agreed in a different \
         account than the other device's; if not, follow the advice on the other device.";
    /// A message came that was not expected.
    UnexpectedMessageReceived = "unexpected_message_received", "unexpected_message_received",
        "it received an unexpected message", LOOK_THERE;
    /// No suitable protocol.
    UnsupportedProtocol = "unsupported_protocol", "unsupported_protocol",
        "it supports no way to sign in on this homeserver", LOOK_THERE;
    /// The person gave up.
    UserCancelled = "user_cancelled", "user_cancelled",
        "it was cancelled there", LOOK_THERE;
    /// The link could not be opened. MSC4108 of 2024 has no name for this: there, the peer reads
    /// that it was refused.
    UnableToOpenVerificationUri = "user_cancelled", "unable_to_open_verification_uri",
        "it could not open the link", LOOK_THERE;
}

impl Reason {
    pub(crate) fn parse(name: &str, revision: Revision) -> Self {
        let known = Self::KNOWN
            .iter()
            .find(|reason| reason.name(revision) == name);
        known
            .cloned()
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// The name that is sent.
    pub(crate) fn name(&self, revision: Revision) -> &str {
        match (self.row(), revision) {
            (Ok(row), Revision::Msc4108) => row.msc4108,
            (Ok(row), Revision::Msc4388) => row.msc4388,
            (Err(name), _) => name,
        }
    }

    /// What the other device means by it. For an unknown reason, its name.
    pub(crate) fn what(&self) -> String {
        self.row().map_or_else(printable, |row| row.what.to_owned())
    }

    /// What the person at the device that reads it should do.
    pub(crate) fn advice(&self) -> &'static str {
        self.row().map_or(LOOK_THERE, |row| row.advice)
    }
}

/// The name in MSC4108 of 2024.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.name(Revision::Msc4108)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_row_is_complete_and_no_two_are_the_same() {
        let rows = || Reason::KNOWN.iter().filter_map(|reason| reason.row().ok());
        assert_eq!(rows().count(), Reason::KNOWN.len());
        for row in rows() {
            for name in [row.msc4108, row.msc4388] {
                assert!(
                    !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_lowercase()),
                    "{name:?}"
                );
            }
            assert!(
                !row.what.is_empty() && !row.what.ends_with('.'),
                "{}",
                row.what
            );
            assert!(row.advice.ends_with('.'), "{}", row.advice);
        }
        let names: BTreeSet<_> = rows().map(|row| row.msc4388).collect();
        let sentences: BTreeSet<_> = rows().map(|row| row.what).collect();
        assert_eq!(names.len(), Reason::KNOWN.len());
        assert_eq!(sentences.len(), Reason::KNOWN.len());
    }

    #[test]
    fn each_reason_is_read_as_it_is_written() {
        for reason in Reason::KNOWN {
            let name = reason.name(Revision::Msc4388);
            assert_eq!(&Reason::parse(name, Revision::Msc4388), reason);
            // MSC4108 of 2024 has one name for two of them.
            let expected = match reason {
                Reason::UnableToOpenVerificationUri => &Reason::UserCancelled,
                reason => reason,
            };
            let name = reason.name(Revision::Msc4108);
            assert_eq!(&Reason::parse(name, Revision::Msc4108), expected);
        }
        let other = Reason::Other("moon_phase".to_owned());
        for revision in [Revision::Msc4108, Revision::Msc4388] {
            assert_eq!(Reason::parse("moon_phase", revision), other);
            assert_eq!(other.name(revision), "moon_phase");
        }
        assert_eq!(Reason::UserCancelled.to_string(), "user_cancelled");
        assert_eq!(Reason::Other("a\nb".to_owned()).to_string(), "a\u{fffd}b");
    }
}
