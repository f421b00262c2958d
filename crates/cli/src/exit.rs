//! How the command ends: the exit codes, which scripts may rely on, and the one table from errors
//! to them.

use std::{fmt::Write as _, process::ExitCode};

use matrix_qr_protocol::{
    error::{Cause, Error, UserError},
    login::message::Reason,
};

/// What the exit code says. The numbers are documented in `--help` and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Cancelled = 3,
    OtherDevice = 4,
    Time = 5,
    QrCode = 6,
    Security = 7,
    Server = 8,
    Network = 9,
    NotReady = 10,
    /// The second Ctrl-C: the number that shells report for a command that Ctrl-C has ended.
    LeftAtOnce = 130,
}

const TABLE: [(Exit, &str); 12] = [
    (Exit::Done, "done"),
    (
        Exit::Failed,
        "failed on this machine: a file, the browser, or a bug in this program",
    ),
    (Exit::Usage, "wrong usage: nothing was started"),
    (
        Exit::Cancelled,
        "cancelled here: Ctrl-C, \"no\" to a question, or end of standard input",
    ),
    (
        Exit::OtherDevice,
        "the other device ended the sign-in, or it was declined on the consent page",
    ),
    (Exit::Time, "the sign-in timed out"),
    (
        Exit::QrCode,
        "no usable QR code: none, damaged, unsupported, already used, or of the same role",
    ),
    (
        Exit::Security,
        "a security check failed: wrong digits, tampering, refused secrets, or another account",
    ),
    (
        Exit::Server,
        "the homeserver or its authorization server failed, or lacks a feature",
    ),
    (
        Exit::Network,
        "the network or the rendezvous server failed, or the server name is unknown",
    ),
    (
        Exit::NotReady,
        "this device cannot do it: no session, no cross-signing keys, or the wrong passphrase",
    ),
    (Exit::LeftAtOnce, "stopped at once: Ctrl-C, pressed twice"),
];

/// Every exit code, in order.
pub(crate) fn all() -> [Exit; TABLE.len()] {
    TABLE.map(|(exit, _)| exit)
}

/// What these exit codes mean, for `--help`.
pub(crate) fn table(exits: &[Exit]) -> String {
    let mut text = "Exit codes:".to_owned();
    for (exit, about) in TABLE.iter().filter(|(exit, _)| exits.contains(exit)) {
        let _ = write!(text, "\n  {:>3}  {about}", *exit as u8);
    }
    text
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, in the three lines that a person sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) cause: Option<Cause>,
    pub(crate) advice: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            cause: None,
            advice: advice.into(),
        }
    }

    /// A failure on this machine that neither a device nor a server caused.
    pub(crate) fn here(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what, advice)
    }

    /// The first paragraph of what clap says; the rest is how the command is used.
    pub(crate) fn wrong_command(error: &clap::Error) -> Self {
        let text = error.to_string();
        let first = text
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let what = first.split_whitespace().collect::<Vec<_>>().join(" ");
        Self::new(Exit::Usage, what, "For more information, try --help.")
    }

    pub(crate) fn cancelled() -> Self {
        Error::Cancelled.into()
    }

    /// There was a question, and nobody to answer it any more.
    pub(crate) fn input_ended() -> Self {
        let advice =
            "Start again in a terminal, or use --json and answer each question with a line.";
        Self::new(Exit::Cancelled, "standard input ended", advice)
    }

    /// There will be a question, and nobody to answer it.
    pub(crate) fn nobody_to_ask() -> Self {
        let advice =
            "Run it in a terminal. In a script, add --json, and answer each question with a line.";
        Self::new(
            Exit::Usage,
            "there is nobody to ask: standard input is not a terminal",
            advice,
        )
    }

    /// This device has no session, or not what the command needs; or a server failed.
    pub(crate) fn not_ready(error: UserError) -> Self {
        Self::of(error, Exit::NotReady)
    }

    /// A server failed; or this machine did.
    pub(crate) fn of_server(error: UserError) -> Self {
        Self::of(error, Exit::Failed)
    }

    fn of(error: UserError, here: Exit) -> Self {
        let exit = match error.cause {
            Cause::Homeserver | Cause::AuthorizationServer => Exit::Server,
            Cause::RendezvousServer => Exit::Network,
            cause @ (Cause::Person
            | Cause::Here
            | Cause::OtherDevice
            | Cause::Network
            | Cause::Clock
            | Cause::ThirdParty) => by_cause(cause, here, here),
        };
        Self {
            exit,
            what: error.what,
            cause: Some(error.cause),
            advice: error.advice,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            exit: exit_of(&error),
            what: error.to_string(),
            cause: Some(error.cause()),
            advice: error.advice().to_owned(),
        }
    }
}

/// Every way in which a sign-in ends, and its exit code.
fn exit_of(error: &Error) -> Exit {
    match error {
        Error::SameRole(_) | Error::AlreadyUsed => Exit::QrCode,
        Error::Channel(_) | Error::Tampered | Error::TamperedWithSecrets => Exit::Security,
        Error::WrongCheckCode | Error::SecretsRefused(_) => Exit::Security,
        Error::DeviceUnbound(_) => Exit::Security,
        Error::Cancelled | Error::CancelledTooLate(_) => Exit::Cancelled,
        Error::NotOwnDevice | Error::LinkRefused => Exit::Cancelled,
        Error::Expired | Error::ExpiredWithProblem(_) | Error::AuthorizationExpired => Exit::Time,
        Error::Peer(reason) => exit_of_peer(reason),
        Error::Gone | Error::DeviceGone(_) => Exit::OtherDevice,
        Error::Declined | Error::CancelledOrDeclined => Exit::OtherDevice,
        Error::UnexpectedMessage(_) | Error::Unreadable(_) => Exit::OtherDevice,
        Error::DeviceNotFound(_) => Exit::Time,
        Error::DeviceAlreadyExists(_) => Exit::Server,
        Error::Rendezvous(error) => by_cause(error.cause, Exit::Usage, Exit::Network),
        Error::UnsupportedProtocol(error) => by_cause(error.cause, Exit::Server, Exit::Server),
        // `Cause::Here`: this device's own session has ended in the meantime.
        Error::DeviceUnknown(error) => by_cause(error.cause, Exit::NotReady, Exit::Server),
        Error::NotAuthorized(error) | Error::NotSetUp(error) => {
            by_cause(error.cause, Exit::Failed, Exit::Server)
        }
        Error::NoSecrets(error) => by_cause(error.cause, Exit::NotReady, Exit::NotReady),
        Error::WrongAccount(error) => exit_of_account(error.cause),
        Error::LinkUnusable(error) => exit_of_link(error.cause),
        Error::OutOfOrder => Exit::Failed,
    }
}

fn exit_of_peer(reason: &Reason) -> Exit {
    match reason {
        Reason::AuthorizationExpired => Exit::Time,
        Reason::DeviceAlreadyExists
        | Reason::DeviceNotFound
        | Reason::UnexpectedMessageReceived
        | Reason::UnsupportedProtocol
        | Reason::UserCancelled
        | Reason::UnableToOpenVerificationUri
        | Reason::Other(_) => Exit::OtherDevice,
    }
}

/// Causes that neither this device nor a server can fix have exit codes of their own.
fn by_cause(cause: Cause, here: Exit, elsewhere: Exit) -> Exit {
    match cause {
        Cause::Network => Exit::Network,
        Cause::Person => Exit::Usage,
        Cause::Here => here,
        Cause::OtherDevice
        | Cause::RendezvousServer
        | Cause::Homeserver
        | Cause::AuthorizationServer
        | Cause::Clock
        | Cause::ThirdParty => elsewhere,
    }
}

/// A "no" to the question; else it is not the account that was named.
fn exit_of_account(cause: Cause) -> Exit {
    match cause {
        Cause::Person => Exit::Cancelled,
        Cause::Here
        | Cause::OtherDevice
        | Cause::RendezvousServer
        | Cause::Homeserver
        | Cause::AuthorizationServer
        | Cause::Network
        | Cause::Clock
        | Cause::ThirdParty => Exit::Security,
    }
}

/// What the other device sends to be opened is checked first: a refusal is not a browser's failure.
fn exit_of_link(cause: Cause) -> Exit {
    match cause {
        Cause::Here => Exit::Failed,
        Cause::Person
        | Cause::OtherDevice
        | Cause::RendezvousServer
        | Cause::Homeserver
        | Cause::AuthorizationServer
        | Cause::Network
        | Cause::Clock
        | Cause::ThirdParty => Exit::Security,
    }
}

#[cfg(test)]
mod tests {
    use matrix_qr_protocol::{channel::ChannelError, revision::Role};

    use super::*;

    #[test]
    fn the_table_has_every_code_once_and_in_order() {
        assert!(all().is_sorted_by(|one, next| (*one as u8) < *next as u8));
    }

    #[test]
    fn each_kind_of_end_has_the_code_that_the_table_promises() {
        let failed = |cause| UserError::new(cause, "what", "advice");
        let cases = [
            (Error::SameRole(Role::New), Exit::QrCode),
            (Error::AlreadyUsed, Exit::QrCode),
            (Error::Channel(ChannelError::NotAuthentic), Exit::Security),
            (Error::Tampered, Exit::Security),
            (Error::TamperedWithSecrets, Exit::Security),
            (Error::WrongCheckCode, Exit::Security),
            (
                Error::SecretsRefused(failed(Cause::OtherDevice)),
                Exit::Security,
            ),
            (
                Error::LinkUnusable(failed(Cause::OtherDevice)),
                Exit::Security,
            ),
            (Error::LinkUnusable(failed(Cause::Here)), Exit::Failed),
            (
                Error::WrongAccount(failed(Cause::OtherDevice)),
                Exit::Security,
            ),
            (Error::WrongAccount(failed(Cause::Person)), Exit::Cancelled),
            (Error::Cancelled, Exit::Cancelled),
            (Error::LinkRefused, Exit::Cancelled),
            (Error::NotOwnDevice, Exit::Cancelled),
            (Error::Expired, Exit::Time),
            (
                Error::ExpiredWithProblem(failed(Cause::RendezvousServer)),
                Exit::Time,
            ),
            (Error::Peer(Reason::AuthorizationExpired), Exit::Time),
            (Error::Peer(Reason::UserCancelled), Exit::OtherDevice),
            (Error::Gone, Exit::OtherDevice),
            (Error::Declined, Exit::OtherDevice),
            (Error::CancelledOrDeclined, Exit::OtherDevice),
            (
                Error::Rendezvous(failed(Cause::RendezvousServer)),
                Exit::Network,
            ),
            (
                Error::NotAuthorized(failed(Cause::AuthorizationServer)),
                Exit::Server,
            ),
            (Error::NotSetUp(failed(Cause::Here)), Exit::Failed),
            (
                Error::DeviceUnknown(failed(Cause::Homeserver)),
                Exit::Server,
            ),
            (Error::DeviceUnknown(failed(Cause::Here)), Exit::NotReady),
            (Error::NoSecrets(failed(Cause::Here)), Exit::NotReady),
        ];
        let by_cause = [
            (Cause::Network, Exit::Network),
            (Cause::Person, Exit::Usage),
        ];
        let with_cause: [fn(UserError) -> Error; 6] = [
            Error::Rendezvous,
            Error::UnsupportedProtocol,
            Error::DeviceUnknown,
            Error::NotAuthorized,
            Error::NotSetUp,
            Error::NoSecrets,
        ];
        for (cause, exit) in by_cause {
            assert_eq!(Failure::not_ready(failed(cause)).exit, exit);
            assert_eq!(Failure::of_server(failed(cause)).exit, exit);
            for error in with_cause {
                assert_eq!(
                    Failure::from(error(failed(cause))).exit,
                    exit,
                    "{:?}",
                    error(failed(cause))
                );
            }
        }
        for (error, exit) in cases {
            assert_eq!(Failure::from(error.clone()).exit, exit, "{error:?}");
        }
    }
}
