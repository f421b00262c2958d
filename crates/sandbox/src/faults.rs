//! The ways in which the sandbox can be told to misbehave: one at a time or several, at any moment,
//! also by name.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::Method;
use tokio::sync::watch;

/// One named misbehaviour. As text: the name in [`Fault::all`], with `=VALUE` where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each variant is described once, in the table below, which people also see"
)]
pub enum Fault {
    NoOauth,
    NoDeviceGrant,
    NoRegistration,
    DeviceIdTaken,
    DevicesError,
    DevicesHang,
    DeviceMissingAfterSuccess,
    VerificationUriNotHttps,
    VerificationUriScript,
    ConsentDenied,
    AuthorizationExpired,
    InvalidScopeOnce,
    SlowDown { times: u32 },
    TokenPoll502 { times: u32 },
    OtherIssuer,
    RevocationFails,
    RevocationIgnored,
    AccountLocked,
    WrongDevice,
    DeviceGrantDisabled,
    DeviceNameRefused,
    WrongIdentity,
    KeysUploadFails,
    KeysUploadRefused,
    KeysUploadHangs,
    BackupOtherVersion,
    BackupOtherKey,
    SlowHomeserver { delay: Duration },
    LoseAnswer { method: Method, nth: u32 },
    DropRequest { method: Method, nth: u32 },
    RendezvousGone,
    RendezvousFull,
    RendezvousWantsToken,
}

/// A fault's name for the command line, an example of it (its default value), and what it does.
#[derive(Debug)]
pub struct KnownFault {
    /// The name, without a value.
    pub name: &'static str,
    /// The fault that the bare name stands for.
    pub fault: Fault,
    /// One line for people.
    pub about: &'static str,
}

const fn known(name: &'static str, fault: Fault, about: &'static str) -> KnownFault {
    KnownFault { name, fault, about }
}

static ALL: &[KnownFault] = &[
    known(
        "no-oauth",
        Fault::NoOauth,
        "OAuth discovery answers 404 M_UNRECOGNIZED everywhere",
    ),
    known(
        "no-device-grant",
        Fault::NoDeviceGrant,
        "the metadata does not offer the device authorization grant",
    ),
    known(
        "no-registration",
        Fault::NoRegistration,
        "the metadata has no registration endpoint",
    ),
    known(
        "device-id-taken",
        Fault::DeviceIdTaken,
        "GET /devices/{id} answers 200 for a device that does not exist",
    ),
    known(
        "devices-error",
        Fault::DevicesError,
        "GET /devices and /devices/{id} answer 500",
    ),
    known(
        "devices-hang",
        Fault::DevicesHang,
        "GET /devices and /devices/{id} never answer",
    ),
    known(
        "device-missing",
        Fault::DeviceMissingAfterSuccess,
        "GET /devices/{id} answers 404 for every device",
    ),
    known(
        "uri-not-https",
        Fault::VerificationUriNotHttps,
        "verification URIs are http: on a host elsewhere",
    ),
    known(
        "uri-script",
        Fault::VerificationUriScript,
        "verification URIs are javascript: URIs",
    ),
    known(
        "consent-denied",
        Fault::ConsentDenied,
        "each sign-in is denied as if by the person (access_denied)",
    ),
    known(
        "authorization-expired",
        Fault::AuthorizationExpired,
        "each token poll answers expired_token",
    ),
    known(
        "invalid-scope-once",
        Fault::InvalidScopeOnce,
        "stable scopes: invalid_scope; org.matrix.msc2967 ones work",
    ),
    known(
        "slow-down",
        Fault::SlowDown { times: 1 },
        "=TIMES: so many token polls answer slow_down",
    ),
    known(
        "token-poll-502",
        Fault::TokenPoll502 { times: 1 },
        "=TIMES: so many token requests answer 502 with HTML",
    ),
    known(
        "other-issuer",
        Fault::OtherIssuer,
        "the homeserver names another authorization server, which does not answer",
    ),
    known(
        "revocation-fails",
        Fault::RevocationFails,
        "the revocation of a token answers 503",
    ),
    known(
        "revocation-ignored",
        Fault::RevocationIgnored,
        "the revocation of a token answers 200, and nothing ends",
    ),
    known(
        "account-locked",
        Fault::AccountLocked,
        "tokens are refreshed, and the homeserver refuses each of them (401)",
    ),
    known(
        "wrong-device",
        Fault::WrongDevice,
        "whoami names another device",
    ),
    known(
        "device-grant-disabled",
        Fault::DeviceGrantDisabled,
        "the device grant is refused, and only the homeserver still names it",
    ),
    known(
        "device-name-refused",
        Fault::DeviceNameRefused,
        "PUT /devices/{id} answers 403",
    ),
    known(
        "wrong-identity",
        Fault::WrongIdentity,
        "keys/query publishes another cross-signing identity",
    ),
    known(
        "keys-upload-fails",
        Fault::KeysUploadFails,
        "keys/upload answers 500",
    ),
    known(
        "keys-upload-refused",
        Fault::KeysUploadRefused,
        "keys/upload answers 400",
    ),
    known(
        "keys-upload-hangs",
        Fault::KeysUploadHangs,
        "keys/upload never answers, and takes nothing",
    ),
    known(
        "backup-other-version",
        Fault::BackupOtherVersion,
        "the current backup version is a newer one",
    ),
    known(
        "backup-other-key",
        Fault::BackupOtherKey,
        "the backup's auth_data has another public key",
    ),
    known(
        "slow-homeserver",
        Fault::SlowHomeserver {
            delay: Duration::from_secs(1),
        },
        "=MS: each homeserver answer is late",
    ),
    known(
        "lose-answer",
        Fault::LoseAnswer {
            method: Method::PUT,
            nth: 1,
        },
        "=METHOD:N: the Nth rendezvous request is executed, never answered",
    ),
    known(
        "drop-request",
        Fault::DropRequest {
            method: Method::GET,
            nth: 1,
        },
        "=METHOD:N: the Nth rendezvous request is lost before it is executed",
    ),
    known(
        "rendezvous-gone",
        Fault::RendezvousGone,
        "rendezvous sessions are deleted under the devices",
    ),
    known(
        "rendezvous-full",
        Fault::RendezvousFull,
        "a new rendezvous session is refused (429)",
    ),
    known(
        "rendezvous-wants-token",
        Fault::RendezvousWantsToken,
        "only those who are signed in may make a session of MSC4388",
    ),
];

impl Fault {
    /// Every fault, for a help text.
    pub fn all() -> &'static [KnownFault] {
        ALL
    }

    /// The same fault with the value that a person wrote.
    fn with_value(&self, value: &str) -> Option<Self> {
        Some(match self {
            Self::SlowDown { .. } => Self::SlowDown {
                times: value.parse().ok()?,
            },
            Self::TokenPoll502 { .. } => Self::TokenPoll502 {
                times: value.parse().ok()?,
            },
            Self::SlowHomeserver { .. } => Self::SlowHomeserver {
                delay: Duration::from_millis(value.parse().ok()?),
            },
            Self::LoseAnswer { .. } => {
                nth_request(value).map(|(method, nth)| Self::LoseAnswer { method, nth })?
            }
            Self::DropRequest { .. } => {
                nth_request(value).map(|(method, nth)| Self::DropRequest { method, nth })?
            }
            _ => return None,
        })
    }

    /// For how many requests it acts, where that is counted.
    fn times(&self) -> Option<u32> {
        match self {
            Self::SlowDown { times } | Self::TokenPoll502 { times } => Some(*times),
            _ => None,
        }
    }
}

/// `PUT:2`: the second PUT from now on.
fn nth_request(value: &str) -> Option<(Method, u32)> {
    let (method, nth) = value.split_once(':')?;
    let known = [Method::GET, Method::PUT, Method::POST, Method::DELETE];
    let method = known
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(method))?;
    Some((method, nth.parse().ok().filter(|nth| *nth > 0)?))
}

/// The text names no fault, or its value is not of the kind that the fault takes.
#[derive(Debug, thiserror::Error)]
#[error("no such fault: {0:?}")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (name, value) = text
            .split_once('=')
            .map_or((text, None), |(name, value)| (name, Some(value)));
        let known = ALL
            .iter()
            .find(|known| known.name == name)
            .map(|known| &known.fault);
        match value {
            None => known.cloned(),
            Some(value) => known.and_then(|fault| fault.with_value(value)),
        }
        .ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = |known: &&KnownFault| {
            std::mem::discriminant(&known.fault) == std::mem::discriminant(self)
        };
        f.write_str(ALL.iter().find(same).map_or("unnamed", |known| known.name))?;
        match self {
            Self::SlowDown { times } | Self::TokenPoll502 { times } => write!(f, "={times}"),
            Self::SlowHomeserver { delay } => write!(f, "={}", delay.as_millis()),
            Self::LoseAnswer { method, nth } | Self::DropRequest { method, nth } => {
                write!(f, "={method}:{nth}")
            }
            _ => Ok(()),
        }
    }
}

/// The faults that are set now.
#[derive(Debug, Default)]
pub struct Faults {
    sets: Mutex<Vec<Set>>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Set {
    fault: Fault,
    /// How many requests it has met since it was set.
    met: u32,
}

/// What becomes of one rendezvous request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Normal,
    AnswerLost,
    RequestLost,
}

impl Faults {
    /// From now on. Setting a counted fault again starts its count again.
    pub fn set(&self, fault: Fault) {
        let mut sets = self.lock();
        sets.retain(|set| set.fault != fault);
        sets.push(Set { fault, met: 0 });
        self.changed.send_replace(());
    }

    /// Behaves again, in this respect.
    pub fn unset(&self, fault: &Fault) {
        self.lock().retain(|set| set.fault != *fault);
    }

    /// Behaves again.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What is set.
    pub fn active(&self) -> Vec<Fault> {
        self.lock().iter().map(|set| set.fault.clone()).collect()
    }

    pub(crate) fn is_set(&self, fault: &Fault) -> bool {
        self.lock().iter().any(|set| set.fault == *fault)
    }

    /// Waits, forever if need be.
    pub(crate) async fn until_set(&self, fault: &Fault) {
        let mut changes = self.changed.subscribe();
        while !self.is_set(fault) {
            if changes.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Whether a counted fault strikes this request; each strike uses one up.
    pub(crate) fn strikes(&self, which: fn(&Fault) -> bool) -> bool {
        let left = |set: &&mut Set| {
            which(&set.fault) && set.fault.times().is_some_and(|times| set.met < times)
        };
        self.lock()
            .iter_mut()
            .find(left)
            .map(|set| set.met += 1)
            .is_some()
    }

    pub(crate) fn delay(&self) -> Duration {
        let delay = |set: &Set| match set.fault {
            Fault::SlowHomeserver { delay } => Some(delay),
            _ => None,
        };
        self.lock().iter().rev().find_map(delay).unwrap_or_default()
    }

    /// Counts one rendezvous request, and says whether it is the Nth that a fault waits for.
    pub(crate) fn deliver(&self, request: &Method) -> Delivery {
        let mut delivery = Delivery::Normal;
        for set in self.lock().iter_mut() {
            let (nth, outcome) = match &set.fault {
                Fault::LoseAnswer { method, nth } if method == request => {
                    (*nth, Delivery::AnswerLost)
                }
                Fault::DropRequest { method, nth } if method == request => {
                    (*nth, Delivery::RequestLost)
                }
                _ => continue,
            };
            set.met = set.met.saturating_add(1);
            if set.met == nth {
                delivery = outcome;
            }
        }
        delivery
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Set>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn values_are_read_and_bad_ones_refused() {
        let second_put = Fault::LoseAnswer {
            method: Method::PUT,
            nth: 2,
        };
        assert_eq!("lose-answer=put:2".parse::<Fault>().unwrap(), second_put);
        for bad in [
            "",
            "nonsense",
            "no-oauth=1",
            "slow-down=often",
            "lose-answer=PUT:0",
            "lose-answer=BREW:1",
        ] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_counted_fault_strikes_so_many_times() {
        let faults = Faults::default();
        faults.set(Fault::SlowDown { times: 2 });
        let strikes = || faults.strikes(|fault| matches!(fault, Fault::SlowDown { .. }));
        assert_eq!([strikes(), strikes(), strikes()], [true, true, false]);
    }

    #[test]
    fn only_the_nth_request_of_the_method_is_lost() {
        let faults = Faults::default();
        faults.set(Fault::LoseAnswer {
            method: Method::PUT,
            nth: 2,
        });
        let fates = [Method::PUT, Method::GET, Method::PUT, Method::PUT]
            .map(|method| faults.deliver(&method));
        use Delivery::{AnswerLost, Normal};
        assert_eq!(fates, [Normal, Normal, AnswerLost, Normal]);
    }
}
