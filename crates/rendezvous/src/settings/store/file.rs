//! The files of the store: one with its URL, and those with certificates.

use std::{
    ffi::OsString,
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::url::StoreUrl;
use crate::settings::{
    error::SettingsError,
    origin::{SettingOrigin, SettingSource},
};

/// The maximum size of a file with a URL, and of one with certificates, in bytes.
const LONGEST_URL: u64 = 4096;
#[cfg(feature = "redis")]
const LONGEST_PEM: u64 = 1024 * 1024;

/// A file, and the origin of its name.
#[derive(Clone)]
pub(crate) struct StoreFile {
    path: PathBuf,
    source: SettingSource,
}

impl StoreFile {
    /// As [`StoreSetting::from_argument`].
    pub(in super::super) fn from_argument(path: OsString) -> Self {
        Self {
            path: path.into(),
            source: SettingSource::Flag,
        }
    }

    pub(in super::super) fn set_source(&mut self, source: SettingSource) {
        self.source = source;
    }
}

impl StoreFile {
    pub(in super::super) fn origin(&self, name: &'static str) -> SettingOrigin {
        SettingOrigin {
            name,
            source: self.source.clone(),
        }
    }

    pub(in super::super) fn parse_url(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<StoreUrl, SettingsError> {
        let name = "store-file";
        let text = Zeroizing::new(self.read(name, LONGEST_URL)?);
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let origin = format!("the file that {} names", self.origin(name));
        let url = StoreUrl::parse(text).map_err(|why| SettingsError::Store(origin, why))?;
        if url.has_secret() {
            self.warn_if_readable_by_all(name, warnings);
        }
        Ok(url)
    }

    #[cfg(feature = "redis")]
    pub(in super::super) fn read_pem(&self, name: &'static str) -> Result<Vec<u8>, SettingsError> {
        self.read(name, LONGEST_PEM)
    }

    /// Errors do not name the file: its name could be a URL, given in the wrong place.
    fn read(&self, name: &'static str, max: u64) -> Result<Vec<u8>, SettingsError> {
        let unreadable = |source| SettingsError::UnreadableFile {
            origin: self.origin(name),
            source,
        };
        let mut text = Vec::new();
        let file = File::open(&self.path).map_err(unreadable)?;
        file.take(max + 1)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > max {
            return Err(unreadable(io::Error::other(
                "it is too large to be the right file",
            )));
        }
        Ok(text)
    }

    pub(in super::super) fn warn_if_readable_by_all(
        &self,
        name: &'static str,
        warnings: &mut Vec<String>,
    ) {
        warnings.extend(readable_by_all(
            &self.path,
            &format!("the file that {} names", self.origin(name)),
        ));
    }
}

/// A warning if everybody can read the file.
pub(super) fn readable_by_all(path: &Path, what: &str) -> Option<String> {
    path.metadata().is_ok_and(|metadata| others_may_read(&metadata)).then(|| {
        format!("{what} contains a secret, and everybody on this machine can read it: remove the permission (chmod o-r)")
    })
}

#[cfg(unix)]
fn others_may_read(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o004 != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &Metadata) -> bool {
    false
}

impl PartialEq for StoreFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl fmt::Debug for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[a file]")
    }
}

impl<'de> Deserialize<'de> for StoreFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|path| Self::from_argument(path.into()))
    }
}

impl Serialize for StoreFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(serializer)
    }
}
