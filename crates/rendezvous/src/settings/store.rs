//! Where sessions are kept, among the settings. The URL may have a password: it is read here, once,
//! and what is wrong with it is said without it.

mod file;

use std::{ffi::OsString, fmt};

#[cfg(feature = "redis")]
use matrix_qr_rendezvous::{ClientCertificate, RedisCertificates, RedisUrl};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

pub(crate) use self::file::StoreFile;
use super::{
    Settings, SettingsError,
    origin::{SettingOrigin, SettingSource},
};

/// The store as it was said, and then as it was read.
#[derive(Clone)]
pub(crate) enum StoreSetting {
    Unparsed(UnparsedStore),
    Parsed(StoreUrl),
}

/// Bytes that only the parser sees, and where they come from.
#[derive(Clone)]
pub(crate) struct UnparsedStore {
    text: Zeroizing<Vec<u8>>,
    source: SettingSource,
}

/// Where sessions are kept. Printed without its secrets.
#[derive(Clone, PartialEq)]
pub(crate) enum StoreUrl {
    /// In this process.
    Memory,
    /// In a Redis or Valkey.
    #[cfg(feature = "redis")]
    Redis(RedisUrl),
}

/// A store to run with.
#[derive(Clone, PartialEq)]
pub(crate) struct StoreChoice {
    pub(crate) url: StoreUrl,
    #[cfg(feature = "redis")]
    pub(crate) certificates: RedisCertificates,
}

impl Settings {
    /// The one that `store` or the file of `store-file` names. The other of both must not be there:
    /// nobody could know which was meant.
    pub(super) fn choose_store(
        &mut self,
        warnings: &mut Vec<String>,
    ) -> Result<StoreChoice, SettingsError> {
        let url = match (self.store.take(), &self.store_file) {
            (Some(StoreSetting::Unparsed(said)), Some(file)) => {
                return Err(SettingsError::TwoStores(
                    said.origin(),
                    file.origin("store-file"),
                ));
            }
            (Some(StoreSetting::Unparsed(said)), None) => said.parse(warnings)?,
            (_, Some(file)) => file.parse_url(warnings)?,
            (Some(StoreSetting::Parsed(url)), None) => url,
            (None, None) => StoreUrl::Memory,
        };
        // What a file has is not shown beside the file's name: together they would be refused.
        self.store = self
            .store_file
            .is_none()
            .then(|| StoreSetting::Parsed(url.clone()));
        self.with_certificates(url, warnings)
    }

    #[cfg(feature = "redis")]
    fn with_certificates(
        &self,
        url: StoreUrl,
        warnings: &mut Vec<String>,
    ) -> Result<StoreChoice, SettingsError> {
        let read = |file: &Option<StoreFile>, name| {
            file.as_ref().map(|file| file.read_pem(name)).transpose()
        };
        let authorities = read(&self.store_ca_file, "store-ca-file")?;
        let client = match (
            read(&self.store_cert_file, "store-cert-file")?,
            &self.store_key_file,
        ) {
            (Some(chain), Some(key)) => {
                key.warn_if_readable_by_all("store-key-file", warnings);
                Some(ClientCertificate {
                    chain,
                    key: key.read_pem("store-key-file")?.into(),
                })
            }
            (None, None) => None,
            _ => return Err(SettingsError::HalfACertificate),
        };
        let certificates =
            RedisCertificates::new(authorities, client).map_err(SettingsError::Certificates)?;
        if !certificates.is_empty() && !url.has_tls() {
            return Err(SettingsError::Certificates(
                matrix_qr_rendezvous::RedisTlsError::NoTls,
            ));
        }
        Ok(StoreChoice { url, certificates })
    }

    #[cfg(not(feature = "redis"))]
    fn with_certificates(
        &self,
        url: StoreUrl,
        _: &mut Vec<String>,
    ) -> Result<StoreChoice, SettingsError> {
        match [
            &self.store_ca_file,
            &self.store_cert_file,
            &self.store_key_file,
        ] {
            [None, None, None] => Ok(StoreChoice { url }),
            _ => Err(SettingsError::NoRedis),
        }
    }
}

impl UnparsedStore {
    fn origin(&self) -> SettingOrigin {
        SettingOrigin {
            name: "store",
            source: self.source.clone(),
        }
    }

    fn parse(&self, warnings: &mut Vec<String>) -> Result<StoreUrl, SettingsError> {
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

impl StoreUrl {
    fn parse(text: &[u8]) -> Result<Self, String> {
        match str::from_utf8(text) {
            Err(_) => Err("it is not UTF-8".to_owned()),
            Ok("memory") => Ok(Self::Memory),
            Ok(url) => Self::parse_redis(url),
        }
    }

    #[cfg(feature = "redis")]
    fn parse_redis(url: &str) -> Result<Self, String> {
        url.parse()
            .map(Self::Redis)
            .map_err(|error: matrix_qr_rendezvous::RedisUrlError| {
                format!("it is not `memory`, and {error}")
            })
    }

    #[cfg(not(feature = "redis"))]
    fn parse_redis(_: &str) -> Result<Self, String> {
        Err("it must be `memory`: this program was built without Redis".to_owned())
    }

    fn has_secret(&self) -> bool {
        match self {
            Self::Memory => false,
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.has_secret(),
        }
    }

    #[cfg(feature = "redis")]
    fn has_tls(&self) -> bool {
        matches!(self, Self::Redis(url) if url.has_tls())
    }
}

impl StoreSetting {
    /// Said by a flag, for as long as nobody knows better.
    pub(super) fn from_argument(text: OsString) -> Self {
        Self::Unparsed(UnparsedStore {
            text: text.into_encoded_bytes().into(),
            source: SettingSource::Flag,
        })
    }

    pub(super) fn set_source(&mut self, source: SettingSource) {
        if let Self::Unparsed(said) = self {
            said.source = source;
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

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.fmt(f),
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

impl fmt::Debug for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.url, f)
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
