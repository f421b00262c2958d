//! Certificates for connections to Redis.

use std::{fmt, sync::Arc};

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use zeroize::Zeroizing;

/// Whom to trust, and who we are, in connections with TLS to a [`Redis`](crate::Redis). By default:
/// whom the system trusts, and nobody in particular.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RedisCertificates {
    authorities: Option<Vec<u8>>,
    client: Option<ClientCertificate>,
}

/// Who we are, for a Redis that wants to know (`tls-auth-clients`).
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and those between it and the authority, in PEM.
    pub chain: Vec<u8>,
    /// Its private key, in PEM.
    pub key: Zeroizing<Vec<u8>>,
}

/// Why certificates cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisTlsError {
    /// Of authorities.
    #[error("among the authorities there is no certificate in PEM, or one that cannot be read")]
    Authorities,
    /// Our own.
    #[error("the client certificate is not one in PEM")]
    Chain,
    /// Of our own.
    #[error("the key of the client certificate is not one in PEM")]
    Key,
    /// Of another certificate, or of a kind that is not supported.
    #[error("the key is not the one of the client certificate")]
    OtherKey,
    /// They would not be used.
    #[error("there are certificates for TLS, and the URL of the Redis is none with TLS: rediss://")]
    NoTls,
}

impl RedisCertificates {
    /// Trusts these authorities, in PEM, and nobody else, if there are any; and shows a
    /// certificate, if there is one.
    ///
    /// # Errors
    ///
    /// If one of them cannot be used.
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

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As the library takes them. None: as the system has it.
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

/// The library takes the process's provider of cryptography, and panics where there is none and
/// several could be meant.
pub(super) fn choose_provider() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster. Then there is one.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}
