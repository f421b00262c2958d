//! Certificates for connections to Redis.

use std::{fmt, sync::Arc};

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use zeroize::Zeroizing;

/// Certificates for TLS connections to a [`Redis`](crate::Redis): which authorities to trust, and
/// which client certificate to present. By default those that the system trusts, and none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RedisCertificates {
    authorities: Option<Vec<u8>>,
    client: Option<ClientCertificate>,
}

/// A client certificate, for a Redis that requires one (`tls-auth-clients`).
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and the intermediate ones, in PEM.
    pub chain: Vec<u8>,
    /// Its private key, in PEM.
    pub key: Zeroizing<Vec<u8>>,
}

/// Why certificates cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisTlsError {
    /// The certificates of the authorities.
    #[error("the file of authorities contains no certificate in PEM, or one that cannot be parsed")]
    Authorities,
    /// The client certificate.
    #[error("the client certificate is not one in PEM")]
    Chain,
    /// The key of the client certificate.
    #[error("the key of the client certificate is not one in PEM")]
    Key,
    /// The key belongs to another certificate, or is of an unsupported kind.
    #[error("the key does not belong to the client certificate")]
    OtherKey,
    /// There are certificates, and the URL does not use TLS.
    #[error("there are certificates for TLS, but the URL of the Redis does not use TLS: rediss://")]
    NoTls,
}

impl RedisCertificates {
    /// Trusts only these authorities (PEM), or those of the system if `None`; presents a client
    /// certificate if there is one.
    ///
    /// # Errors
    ///
    /// If one of the certificates or the key cannot be used.
    pub fn new(
        authorities: Option<Vec<u8>>,
        client: Option<ClientCertificate>,
    ) -> Result<Self, RedisTlsError> {
        let trusted = match &authorities {
            Some(pem) => roots(pem)?,
            None => RootCertStore::empty(),
        };
        if let Some(client) = &client {
            client.check(trusted)?;
        }
        Ok(Self {
            authorities,
            client,
        })
    }

    /// Whether everything is left to the default.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// For the library. `None`: the default.
    pub(super) fn to_redis(&self) -> Option<TlsCertificates> {
        let client = |client: &ClientCertificate| ClientTlsConfig {
            client_cert: client.chain.clone(),
            client_key: client.key.to_vec(),
        };
        (!self.is_empty()).then(|| TlsCertificates {
            client_tls: self.client.as_ref().map(client),
            root_cert: self.authorities.clone(),
        })
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, RedisTlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate
            .ok()
            .and_then(|certificate| roots.add(certificate).ok());
        added.ok_or(RedisTlsError::Authorities)?;
    }
    if roots.is_empty() {
        Err(RedisTlsError::Authorities)
    } else {
        Ok(roots)
    }
}

impl ClientCertificate {
    fn check(&self, trusted: RootCertStore) -> Result<(), RedisTlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.chain).collect();
        let chain = chain
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or(RedisTlsError::Chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| RedisTlsError::Key)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config
                    .with_root_certificates(trusted)
                    .with_client_auth_cert(chain, key)
            })
            .map(drop)
            .map_err(|_| RedisTlsError::OtherKey)
    }
}

impl fmt::Debug for RedisCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCertificates").finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// The library uses the crypto provider of the process, and panics if there is none and several are
/// possible.
pub(super) fn choose_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails if another thread was faster: then there is a provider.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key() {
        let client = ClientCertificate {
            chain: b"chain".to_vec(),
            key: Zeroizing::new(b"key".to_vec()),
        };
        assert_eq!(format!("{client:?}"), "ClientCertificate { .. }");
        let certificates = RedisCertificates::default();
        assert_eq!(format!("{certificates:?}"), "RedisCertificates { .. }");
    }
}
