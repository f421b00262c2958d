//! What the caller may ask for: the parameters of each request.

use std::path::PathBuf;

use matrix_qr_device::{
    DeviceName, OwnedUserId,
    secret::{Passphrase, Secret},
};
use matrix_qr_protocol::homeserver::HomeserverAddress;
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

use super::{errors::RpcError, message::present};
use crate::{
    args::{AnnounceChoice, DialectChoice, RevisionChoice, endpoint},
    typed,
};

/// The only version of the protocol.
pub(super) const PROTOCOL: u64 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InitializeParams {
    pub(super) protocol: u64,
    #[serde(default, deserialize_with = "present")]
    pub(super) client: Option<CallerName>,
}

/// Which program the caller is, for the log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerName {
    pub(super) name: String,
    pub(super) version: String,
}

/// Who holds the keys of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeysHeldBy {
    #[default]
    Store,
    Caller,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginParams {
    pub(super) directory: PathBuf,
    #[serde(default)]
    pub(super) keys: KeysHeldBy,
    #[serde(default, deserialize_with = "passphrase")]
    pub(super) passphrase: Option<Passphrase>,
    #[serde(default, deserialize_with = "homeserver")]
    pub(super) homeserver: Option<HomeserverAddress>,
    #[serde(default, deserialize_with = "user")]
    pub(super) user: Option<OwnedUserId>,
    #[serde(default, deserialize_with = "rendezvous")]
    pub(super) rendezvous: Option<Url>,
    /// Whether the other device shows the code.
    #[serde(default)]
    pub(super) scan: bool,
    #[serde(default, deserialize_with = "present")]
    pub(super) revision: Option<RevisionChoice>,
    #[serde(default, deserialize_with = "present")]
    pub(super) dialect: Option<DialectChoice>,
    #[serde(default, deserialize_with = "device_name")]
    pub(super) device_name: Option<DeviceName>,
    #[serde(default, deserialize_with = "present")]
    pub(super) client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkParams {
    pub(super) directory: PathBuf,
    #[serde(default)]
    pub(super) keys: KeysHeldBy,
    #[serde(default, deserialize_with = "passphrase")]
    pub(super) passphrase: Option<Passphrase>,
    #[serde(default, deserialize_with = "rendezvous")]
    pub(super) rendezvous: Option<Url>,
    /// Whether the other device shows the code.
    #[serde(default)]
    pub(super) scan: bool,
    #[serde(default, deserialize_with = "present")]
    pub(super) revision: Option<RevisionChoice>,
    #[serde(default, deserialize_with = "present")]
    pub(super) dialect: Option<DialectChoice>,
    #[serde(default, deserialize_with = "present")]
    pub(super) announce: Option<AnnounceChoice>,
    #[serde(default)]
    pub(super) require_bound_device: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenParams {
    pub(super) directory: PathBuf,
    #[serde(default = "a_minute")]
    pub(super) good_for: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreKeysParams {
    pub(super) directory: PathBuf,
    #[serde(default)]
    pub(super) keys: KeysHeldBy,
    #[serde(default, deserialize_with = "passphrase")]
    pub(super) passphrase: Option<Passphrase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogoutParams {
    pub(super) directory: PathBuf,
    /// Whether no server is contacted.
    #[serde(default)]
    pub(super) local: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelParams {}

fn a_minute() -> u64 {
    60
}

impl LoginParams {
    /// What `scan` excludes; and one of the four that say where to begin is needed.
    pub(super) fn check(&self) -> Result<(), RpcError> {
        let wrong = |message| Err(RpcError::wrong_parameters(message));
        let Self {
            homeserver,
            user,
            rendezvous,
            ..
        } = self;
        if self.scan && (homeserver.is_some() || rendezvous.is_some()) {
            return wrong("scan excludes homeserver and rendezvous");
        }
        if homeserver.is_some() && rendezvous.is_some() {
            return wrong("homeserver and rendezvous exclude each other");
        }
        if !self.scan && homeserver.is_none() && rendezvous.is_none() && user.is_none() {
            return wrong("one of scan, homeserver, user and rendezvous is needed");
        }
        no_passphrase(self.keys, self.passphrase.as_ref())?;
        no_revision(self.scan, self.revision)
    }
}

impl LinkParams {
    pub(super) fn check(&self) -> Result<(), RpcError> {
        no_passphrase(self.keys, self.passphrase.as_ref())?;
        if self.scan && self.rendezvous.is_some() {
            return Err(RpcError::wrong_parameters("scan excludes rendezvous"));
        }
        no_revision(self.scan, self.revision)
    }
}

impl RestoreKeysParams {
    pub(super) fn check(&self) -> Result<(), RpcError> {
        no_passphrase(self.keys, self.passphrase.as_ref())
    }
}

/// How the caller stores the keys is its own business.
fn no_passphrase(keys: KeysHeldBy, passphrase: Option<&Passphrase>) -> Result<(), RpcError> {
    if keys == KeysHeldBy::Caller && passphrase.is_some() {
        let message = "passphrase is for keys in the store";
        return Err(RpcError::wrong_parameters(message));
    }
    Ok(())
}

/// A scanned code determines the revision.
fn no_revision(scan: bool, revision: Option<RevisionChoice>) -> Result<(), RpcError> {
    if scan && revision.is_some() {
        return Err(RpcError::wrong_parameters("scan excludes revision"));
    }
    Ok(())
}

fn homeserver<'de, D: Deserializer<'de>>(from: D) -> Result<Option<HomeserverAddress>, D::Error> {
    parsed(from, typed::homeserver)
}

fn user<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OwnedUserId>, D::Error> {
    parsed(from, typed::user_id)
}

fn rendezvous<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    parsed(from, endpoint)
}

fn device_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DeviceName>, D::Error> {
    parsed(from, |name| {
        DeviceName::parse(name).map_err(|error| error.to_string())
    })
}

/// An error does not quote it.
fn passphrase<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Passphrase>, D::Error> {
    let text = Secret::deserialize(from).ok();
    let passphrase = text.and_then(Passphrase::new);
    let wrong = || D::Error::custom("a passphrase is a text that is not empty");
    passphrase.map(Some).ok_or_else(wrong)
}

/// Reads a text as the command line does.
fn parsed<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map(Some).map_err(D::Error::custom)
}
