//! Who may create sessions, among the settings.

use clap::ValueEnum;
use matrix_qr_rendezvous::Creation;
use serde::{Deserialize, Serialize};

use super::{error::SettingsError, values::BaseUrlSetting};

/// As [`Creation`].
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CreationSetting {
    /// Anybody
    Open,
    /// Users of the homeserver
    Authenticated,
}

impl CreationSetting {
    /// The default, if the setting is not set: the proposal's default if there is a homeserver to
    /// ask.
    pub(super) fn or_default(given: Option<Self>, homeserver: Option<&BaseUrlSetting>) -> Self {
        given.unwrap_or(if homeserver.is_some() {
            Self::Authenticated
        } else {
            Self::Open
        })
    }

    pub(super) fn creation(
        self,
        homeserver: Option<&BaseUrlSetting>,
        allow_http: bool,
    ) -> Result<Creation, SettingsError> {
        match (self, homeserver) {
            (Self::Open, _) => Ok(Creation::Open),
            (Self::Authenticated, None) => Err(SettingsError::NoHomeserver),
            (Self::Authenticated, Some(url)) if url.is_https() || url.is_local() || allow_http => {
                authenticated(url)
            }
            (Self::Authenticated, Some(url)) => {
                Err(SettingsError::HomeserverNotHttps(url.to_string()))
            }
        }
    }
}

#[cfg(feature = "whoami")]
fn authenticated(homeserver: &BaseUrlSetting) -> Result<Creation, SettingsError> {
    Ok(Creation::Authenticated(
        matrix_qr_rendezvous::WhoamiClient::new(homeserver.clone().into())?,
    ))
}

#[cfg(not(feature = "whoami"))]
fn authenticated(_: &BaseUrlSetting) -> Result<Creation, SettingsError> {
    Err(SettingsError::NoWhoami)
}
