//! The setting of the store. The URL may contain a password: it is parsed here, once, and errors do
//! not quote it.

mod file;
mod url;

use std::{ffi::OsString, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

pub(crate) use self::{file::StoreFile, url::StoreUrl};
use super::{
    error::SettingsError,
    origin::{SettingOrigin, SettingSource},
};

/// The setting, before and after it is parsed.
#[derive(Clone)]
pub(crate) enum StoreSetting {
    Unparsed(UnparsedStore),
    Parsed(StoreUrl),
}

/// The bytes of the setting, which only the parser sees, and its origin.
#[derive(Clone)]
pub(crate) struct UnparsedStore {
    text: Zeroizing<Vec<u8>>,
    source: SettingSource,
}

impl UnparsedStore {
    pub(super) fn origin(&self) -> SettingOrigin {
        SettingOrigin {
            name: "store",
            source: self.source.clone(),
        }
    }

    pub(super) fn parse(&self, warnings: &mut Vec<String>) -> Result<StoreUrl, SettingsError> {
        let url = StoreUrl::parse(&self.text)
            .map_err(|why| SettingsError::Store(self.origin().to_string(), why))?;
        if url.has_secret() {
            match &self.source {
                SettingSource::Flag => return Err(SettingsError::SecretArgument),
                SettingSource::Environment => {}
                SettingSource::File(path) => {
                    warnings.extend(file::readable_by_all(path, &self.origin().to_string()))
                }
            }
        }
        Ok(url)
    }
}

impl StoreSetting {
    /// From the command line, until [`set_source`](Self::set_source) says otherwise.
    pub(super) fn from_argument(text: OsString) -> Self {
        Self::Unparsed(UnparsedStore {
            text: text.into_encoded_bytes().into(),
            source: SettingSource::Flag,
        })
    }

    pub(super) fn set_source(&mut self, source: SettingSource) {
        if let Self::Unparsed(unparsed) = self {
            unparsed.source = source;
        }
    }
}

impl PartialEq for StoreSetting {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unparsed(one), Self::Unparsed(other)) => one.text == other.text,
            (Self::Parsed(one), Self::Parsed(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Display for StoreSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unparsed(_) => f.write_str("[redacted]"),
            Self::Parsed(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for StoreSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for StoreSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from_argument(text.into()))
    }
}

impl Serialize for StoreSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
