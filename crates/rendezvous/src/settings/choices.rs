//! Settings that are one of a few words.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// As [`ForwardedHeader`](matrix_qr_rendezvous::ForwardedHeader).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClientHeader {
    /// Addresses, the nearest last
    #[default]
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}
