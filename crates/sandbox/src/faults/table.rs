//! The table of faults.

use std::{fmt, str::FromStr, time::Duration};

use axum::http::Method;

use super::late_server::LateServer;
use super::parameter::{count, method, milliseconds, ordinal, server};

/// Which part of the sandbox misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The homeserver, which also decides who may create a rendezvous session.
    Homeserver,
    /// What clients learn about the authorization server.
    Discovery,
    /// The authorization server.
    Authorization,
    /// The rendezvous service, and the connections to it.
    Rendezvous,
    /// All of them.
    Every,
}

/// Defines [`Fault`] and all code that must know every variant.
macro_rules! faults {
    ($(
        $variant:ident $({ $($field:ident: $type:ty as $parameter:ident = $default:expr),+ })?
            = $name:literal, $part:ident, $about:literal;
    )+) => {
        /// One named misbehaviour. As text: its name, followed by `=` and its parameters if it has
        /// any.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the text of each variant explains its parameters")]
        pub enum Fault {
            $(#[doc = $about] $variant $({ $($field: $type),+ })?,)+
        }

        static ALL: &[KnownFault] = &[$(KnownFault {
            name: $name,
            parameters: &[$($($parameter::SYNTAX),+)?],
            fault: Fault::$variant $({ $($field: $default),+ })?,
            about: $about,
        }),+];

        impl Fault {
            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)+
                }
            }

            fn part(&self) -> Part {
                match self {
                    $(Self::$variant { .. } => Part::$part,)+
                }
            }

            /// The same fault with the parameters that a person wrote.
            fn with_parameters(&self, written: &[&str]) -> Option<Self> {
                match (self, written) {
                    $((Self::$variant { .. }, [$($($field),+)?]) => Some(Self::$variant $({
                        $($field: $parameter::read($field)?),+
                    })?),)+
                    _ => None,
                }
            }

            /// The parameters as a person writes them.
            fn parameters(&self) -> Vec<String> {
                match self {
                    $(Self::$variant $({ $($field),+ })? => {
                        vec![$($($parameter::write($field)),+)?]
                    })+
                }
            }
        }
    };
}

faults! {
    NoOauth = "no-oauth", Discovery,
        "OAuth discovery answers 404 M_UNRECOGNIZED everywhere";
    NoDeviceGrant = "no-device-grant", Discovery,
        "the metadata does not offer the device authorization grant";
    NoRegistration = "no-registration", Discovery,
        "the metadata has no registration endpoint";
    DeviceIdTaken = "device-id-taken", Homeserver,
        "GET /devices/{id} answers 200 for a device that does not exist";
    DevicesError = "devices-error", Homeserver,
        "GET /devices and /devices/{id} answer 500";
    DevicesHang = "devices-hang", Homeserver,
        "GET /devices and /devices/{id} never answer";
    DeviceMissingAfterSuccess = "device-missing", Homeserver,
        "GET /devices/{id} answers 404 for every device";
    VerificationUriNotHttps = "uri-not-https", Authorization,
        "verification URIs are http: URIs on another host";
    VerificationUriScript = "uri-script", Authorization,
        "verification URIs are javascript: URIs";
    VerificationUriElsewhere = "uri-elsewhere", Authorization,
        "verification URIs are https: URIs on another site";
    ConsentDenied = "consent-denied", Authorization,
        "each sign-in is denied as if by the person (access_denied)";
    AuthorizationExpired = "authorization-expired", Authorization,
        "each token poll answers expired_token";
    InvalidScopeOnce = "invalid-scope-once", Authorization,
        "stable scopes: invalid_scope; org.matrix.msc2967 ones work";
    SlowDown { times: u32 as count = 1 } = "slow-down", Authorization,
        "the next TIMES token polls answer slow_down";
    TokenPoll502 { times: u32 as count = 1 } = "token-poll-502", Authorization,
        "the next TIMES token requests answer 502 with HTML";
    OtherIssuer = "other-issuer", Discovery,
        "the homeserver names another authorization server, which does not answer";
    RevocationFails = "revocation-fails", Authorization,
        "the revocation of a token answers 503";
    RevocationIgnored = "revocation-ignored", Authorization,
        "the revocation of a token answers 200, and nothing ends";
    AccountLocked = "account-locked", Homeserver,
        "tokens are refreshed, and the homeserver refuses each of them (401)";
    WrongDevice = "wrong-device", Homeserver,
        "whoami names another device";
    DeviceGrantDisabled = "device-grant-disabled", Discovery,
        "the device grant is refused, and only the homeserver still offers it";
    DeviceNameRefused = "device-name-refused", Homeserver,
        "PUT /devices/{id} answers 403";
    WrongIdentity = "wrong-identity", Homeserver,
        "keys/query publishes another cross-signing identity";
    KeysUploadFails = "keys-upload-fails", Homeserver,
        "keys/upload answers 500";
    KeysUploadRefused = "keys-upload-refused", Homeserver,
        "keys/upload answers 400";
    KeysUploadHangs = "keys-upload-hangs", Homeserver,
        "keys/upload never answers and stores nothing";
    BackupOtherVersion = "backup-other-version", Homeserver,
        "the current backup version is a newer one";
    BackupOtherKey = "backup-other-key", Homeserver,
        "the backup's auth_data has another public key";
    BackupDeleted = "backup-deleted", Homeserver,
        "the account has no key backup any more";
    LateAnswers { server: LateServer as server = LateServer::All, delay: Duration as milliseconds = Duration::from_secs(1) }
        = "late-answers", Every,
        "each answer of SERVER is late by MS milliseconds: all, homeserver, authorization, or rendezvous";
    LoseAnswer { method: Method as method = Method::PUT, nth: u32 as ordinal = 1 }
        = "lose-answer", Rendezvous,
        "the Nth rendezvous request is executed, but its response is lost";
    DropRequest { method: Method as method = Method::GET, nth: u32 as ordinal = 1 }
        = "drop-request", Rendezvous,
        "the Nth rendezvous request is lost and not executed";
    RendezvousGone = "rendezvous-gone", Rendezvous,
        "rendezvous sessions are deleted while the devices use them";
    RendezvousFull = "rendezvous-full", Rendezvous,
        "a new rendezvous session is refused (429)";
    RendezvousWantsToken = "rendezvous-wants-token", Homeserver,
        "only signed-in devices may create a session of MSC4388";
}

/// A row of the table: what a person must know to choose a fault.
#[derive(Debug)]
pub struct KnownFault {
    /// The name, without parameters.
    pub name: &'static str,
    /// What stands for each parameter in a help text. On the command line, `:` separates them.
    pub parameters: &'static [&'static str],
    /// The fault that the bare name stands for.
    pub fault: Fault,
    /// One line for people.
    pub about: &'static str,
}

impl KnownFault {
    /// The name with its parameters: `lose-answer=METHOD:N`.
    pub fn syntax(&self) -> String {
        let parameters = self
            .parameters
            .iter()
            .map(|&text| text.to_owned())
            .collect();
        with_parameters(self.name, parameters)
    }
}

impl Fault {
    /// Every fault, for a help text.
    pub fn all() -> &'static [KnownFault] {
        ALL
    }

    /// Whether the fault can also be set in front of a [`Synapse`](crate::Synapse). The sandbox
    /// does not change what Synapse itself answers, and Synapse remembers the first metadata that
    /// it saw.
    pub fn acts_in_front_of_synapse(&self) -> bool {
        match self.part() {
            Part::Homeserver | Part::Discovery | Part::Every => false,
            Part::Authorization | Part::Rendezvous => true,
        }
    }
}

/// The text names no fault, or its parameters are not those of the fault.
#[derive(Debug, thiserror::Error)]
#[error("no such fault: {0:?}")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (name, parameters) = match text.split_once('=') {
            Some((name, parameters)) => (name, Some(parameters)),
            None => (text, None),
        };
        let known = ALL.iter().find(|known| known.name == name);
        known
            .and_then(|known| match parameters {
                None => Some(known.fault.clone()),
                Some(written) => {
                    let written: Vec<_> = written.split(':').collect();
                    known.fault.with_parameters(&written)
                }
            })
            .ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_parameters(self.name(), self.parameters()))
    }
}

fn with_parameters(name: &str, parameters: Vec<String>) -> String {
    if parameters.is_empty() {
        name.to_owned()
    } else {
        format!("{name}={}", parameters.join(":"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_fault_has_one_name_and_reads_back() {
        for known in Fault::all() {
            assert_eq!(known.name.parse::<Fault>().unwrap(), known.fault);
            assert_eq!(
                known.fault.to_string().parse::<Fault>().unwrap(),
                known.fault
            );
            let same = Fault::all()
                .iter()
                .filter(|other| other.name == known.name || other.fault == known.fault);
            assert_eq!(same.count(), 1, "{}", known.name);
        }
    }

    #[test]
    fn parameters_are_read_and_bad_ones_refused() {
        let second_put = Fault::LoseAnswer {
            method: Method::PUT,
            nth: 2,
        };
        assert_eq!("lose-answer=put:2".parse::<Fault>().unwrap(), second_put);
        assert_eq!(second_put.to_string(), "lose-answer=PUT:2");
        for bad in [
            "",
            "nonsense",
            "no-oauth=1",
            "no-oauth=",
            "slow-down=often",
            "slow-down=1:2",
            "lose-answer=PUT",
            "lose-answer=PUT:0",
            "lose-answer=BREW:1",
        ] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_help_text_shows_the_parameters() {
        let syntax = |name: &str| {
            let known = Fault::all().iter().find(|known| known.name == name);
            known.map(KnownFault::syntax).unwrap()
        };
        assert_eq!(syntax("no-oauth"), "no-oauth");
        assert_eq!(syntax("late-answers"), "late-answers=SERVER:MS");
        assert_eq!(syntax("lose-answer"), "lose-answer=METHOD:N");
    }

    #[test]
    fn synapse_itself_does_not_misbehave() {
        let names: Vec<_> = Fault::all()
            .iter()
            .filter(|known| known.fault.acts_in_front_of_synapse())
            .map(|known| known.name)
            .collect();
        assert_eq!(
            names,
            [
                "uri-not-https",
                "uri-script",
                "uri-elsewhere",
                "consent-denied",
                "authorization-expired",
                "invalid-scope-once",
                "slow-down",
                "token-poll-502",
                "revocation-fails",
                "revocation-ignored",
                "lose-answer",
                "drop-request",
                "rendezvous-gone",
                "rendezvous-full",
            ]
        );
    }
}
