//! The store to run with, from several settings.

use std::fmt;

#[cfg(feature = "redis")]
use matrix_qr_rendezvous::{ClientCertificate, RedisCertificates};

#[cfg(feature = "redis")]
use super::store::StoreFile;
use super::{
    definition::Settings,
    error::SettingsError,
    store::{StoreSetting, StoreUrl},
};

/// A store to run with.
#[derive(Clone, PartialEq)]
pub(crate) struct StoreChoice {
    pub(crate) url: StoreUrl,
    #[cfg(feature = "redis")]
    pub(crate) certificates: RedisCertificates,
}

/// The store that `store` or the file of `store-file` names. Both together are an error: nobody
/// could know which one is meant.
pub(super) fn choose_store(
    settings: &mut Settings,
    warnings: &mut Vec<String>,
) -> Result<StoreChoice, SettingsError> {
    let url = match (settings.store.take(), &settings.store_file) {
        (Some(StoreSetting::Unparsed(unparsed)), Some(file)) => {
            return Err(SettingsError::TwoStores(
                unparsed.origin(),
                file.origin("store-file"),
            ));
        }
        (Some(StoreSetting::Unparsed(unparsed)), None) => unparsed.parse(warnings)?,
        (_, Some(file)) => file.parse_url(warnings)?,
        (Some(StoreSetting::Parsed(url)), None) => url,
        (None, None) => StoreUrl::Memory,
    };
    // The file's content is not shown beside the name of the file: together they would be refused.
    settings.store = settings
        .store_file
        .is_none()
        .then(|| StoreSetting::Parsed(url.clone()));
    with_certificates(settings, url, warnings)
}

#[cfg(feature = "redis")]
fn with_certificates(
    settings: &Settings,
    url: StoreUrl,
    warnings: &mut Vec<String>,
) -> Result<StoreChoice, SettingsError> {
    let read =
        |file: &Option<StoreFile>, name| file.as_ref().map(|file| file.read_pem(name)).transpose();
    let authorities = read(&settings.store_ca_file, "store-ca-file")?;
    let client = match (
        read(&settings.store_cert_file, "store-cert-file")?,
        &settings.store_key_file,
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
    settings: &Settings,
    url: StoreUrl,
    _: &mut Vec<String>,
) -> Result<StoreChoice, SettingsError> {
    match [
        &settings.store_ca_file,
        &settings.store_cert_file,
        &settings.store_key_file,
    ] {
        [None, None, None] => Ok(StoreChoice { url }),
        _ => Err(SettingsError::NoRedis),
    }
}

impl fmt::Debug for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.url, f)
    }
}
