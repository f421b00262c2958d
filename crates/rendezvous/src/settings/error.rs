//! What can be wrong with settings.

use std::{io, path::PathBuf};

use super::origin::SettingOrigin;

/// Why there are no settings to run with. Each says where it is wrong and what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// Without the line's text, which could have a secret.
    #[error("{}: {problem}", path.display())]
    Malformed { path: PathBuf, problem: String },
    /// Where it comes from, and what is wrong, without what it is.
    #[error("{0} cannot be used: {1}")]
    Store(String, String),
    #[error("{0} and {1} both say where sessions are kept: take one of them away")]
    TwoStores(SettingOrigin, SettingOrigin),
    #[error(
        "--store has a user or a password, which everybody on this machine could read in the list of processes: put the URL \
         into a file and name it with --store-file, or into MATRIX_QR_RENDEZVOUS_STORE"
    )]
    SecretArgument,
    #[error("the file that {origin} names cannot be read: {source}")]
    UnreadableFile {
        origin: SettingOrigin,
        source: io::Error,
    },
    #[cfg(feature = "redis")]
    #[error("store-cert-file and store-key-file belong together: one of them is missing")]
    HalfACertificate,
    #[cfg(feature = "redis")]
    #[error("the certificates for the store cannot be used: {0}")]
    Certificates(matrix_qr_rendezvous::RedisTlsError),
    #[cfg(not(feature = "redis"))]
    #[error("this program was built without Redis")]
    NoRedis,
    #[error(
        "the public URL is missing: clients must be told where this server is; set it with --public-url, \
         MATRIX_QR_RENDEZVOUS_PUBLIC_URL or `public-url` in the file"
    )]
    NoPublicUrl,
    #[error(
        "there is nothing to ask: set --metrics-listen, MATRIX_QR_RENDEZVOUS_METRICS_LISTEN or `metrics-listen` in the file, for the \
         server and for this check alike"
    )]
    NoMetricsListen,
    #[error(
        "the public URL {0} is not https, and clients refuse that; with --allow-http it is accepted, for trying it out"
    )]
    NotHttps(String),
    #[error(
        "creation is `authenticated`, and there is no homeserver to ask whose an access token is; name it with --homeserver, \
         MATRIX_QR_RENDEZVOUS_HOMESERVER or `homeserver` in the file, or let everybody create with --creation open"
    )]
    NoHomeserver,
    #[error(
        "the homeserver's URL {0} is neither https nor on this machine, and access tokens go there; with --allow-http it is \
         accepted, for trying it out"
    )]
    HomeserverNotHttps(String),
    #[cfg(feature = "whoami")]
    #[error(transparent)]
    Homeserver(#[from] matrix_qr_rendezvous::WhoamiClientError),
    #[cfg(not(feature = "whoami"))]
    #[error("this program was built without a way to ask a homeserver: creation must be `open`")]
    NoWhoami,
    #[error("{what} is {value}, and must be {range}")]
    OutOfRange {
        what: &'static str,
        value: u64,
        range: &'static str,
    },
}
