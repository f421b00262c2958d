//! What can be wrong with settings.

use std::{io, path::PathBuf};

/// Why there are no settings to run with. Each says where it is wrong and what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Malformed { path: PathBuf, source: Box<toml::de::Error> },
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
    Homeserver(#[from] matrix_qr_rendezvous::HomeserverError),
    #[cfg(not(feature = "whoami"))]
    #[error("this program was built without a way to ask a homeserver: creation must be `open`")]
    NoWhoami,
    #[error("{what} is {value}, and must be {range}")]
    OutOfRange { what: &'static str, value: u64, range: &'static str },
}
