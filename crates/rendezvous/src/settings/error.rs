//! Errors in settings.

use std::{io, path::PathBuf};

use super::origin::SettingOrigin;

/// Why the settings cannot be used. Each error says where the problem is and how to fix it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// Without the text of the line, which could contain a secret.
    #[error("{}: {problem}", path.display())]
    Malformed { path: PathBuf, problem: String },
    /// The origin of the setting and the problem, without the value.
    #[error("{0} cannot be used: {1}")]
    Store(String, String),
    #[error("{0} and {1} both say where sessions are kept: remove one of them")]
    TwoStores(SettingOrigin, SettingOrigin),
    #[error(
        "--store contains a user or a password, which everybody on this machine could read in the \
         process list: put the URL into a file and name that with --store-file, or into \
         MATRIX_QR_RENDEZVOUS_STORE"
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
        "the public URL is missing: clients must know how to reach this server; set it with \
         --public-url, MATRIX_QR_RENDEZVOUS_PUBLIC_URL or `public-url` in the file"
    )]
    NoPublicUrl,
    #[error(
        "there is no address to ask: set --metrics-listen, MATRIX_QR_RENDEZVOUS_METRICS_LISTEN or \
         `metrics-listen` in the file, both for the server and for this check"
    )]
    NoMetricsListen,
    #[error(
        "the public URL {0} is not https, and clients refuse that; with --allow-http it is \
         accepted, for testing"
    )]
    NotHttps(String),
    #[error(
        "creation is `authenticated`, but there is no homeserver to ask who owns an access token; set \
         it with --homeserver, MATRIX_QR_RENDEZVOUS_HOMESERVER or `homeserver` in the file, or let \
         everybody create sessions with --creation open"
    )]
    NoHomeserver,
    #[error(
        "the homeserver's URL {0} is neither https nor on this machine, and access tokens are sent \
         there; with --allow-http it is accepted, for testing"
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
