//! How the two devices meet, and which proposal they follow.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use matrix_qr_device::Showing;
use matrix_qr_protocol::revision::{self, Dialect};
use serde::Deserialize;
use url::Url;

use super::drawing::DrawingArgs;

/// How the two devices meet.
#[derive(Debug, Args)]
pub(crate) struct ExchangeArgs {
    /// Scan the other device's code: a picture, a file with the code as text, or `-` for standard
    /// input
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["rendezvous", "qr"])]
    pub(crate) scan: Option<PathBuf>,

    /// Write the QR code to this file (.png or .svg) instead of drawing it; it is removed at the
    /// end
    #[arg(long, value_name = "FILE")]
    pub(crate) qr: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) drawing: DrawingArgs,

    /// Create the rendezvous session on this server instead of the homeserver: in msc4108 the URL
    /// that creates sessions, in msc4388 the server's base URL
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub(crate) rendezvous: Option<Url>,

    /// Which proposal to follow when showing the code; a scanned code determines it
    #[arg(long, value_enum, default_value_t = Showing::default().into(), value_name = "REVISION")]
    #[arg(conflicts_with = "scan")]
    pub(crate) revision: RevisionChoice,

    /// Which reading of the key derivation to follow if this device chooses: when scanning in
    /// msc4108, when showing in msc4388
    #[arg(
        long,
        value_enum,
        default_value = "as-deployed",
        value_name = "READING"
    )]
    pub(crate) dialect: DialectChoice,
}

/// The text of the proposal and the apps in use differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DialectChoice {
    /// As the apps in use do
    AsDeployed,
    /// As the proposal's text says
    AsWritten,
}

impl From<DialectChoice> for Dialect {
    fn from(choice: DialectChoice) -> Self {
        match choice {
            DialectChoice::AsDeployed => Self::AsDeployed,
            DialectChoice::AsWritten => Self::AsWritten,
        }
    }
}

/// Which proposal the device that shows the code follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RevisionChoice {
    /// The one that the apps in use support
    Msc4108,
    /// Its successor
    Msc4388,
    /// The successor if the server supports it and allows this device to use it, otherwise the
    /// other one
    Newest,
}

impl From<RevisionChoice> for Showing {
    fn from(revision: RevisionChoice) -> Self {
        match revision {
            RevisionChoice::Msc4108 => Self::Only(revision::Revision::Msc4108),
            RevisionChoice::Msc4388 => Self::Only(revision::Revision::Msc4388),
            RevisionChoice::Newest => Self::Newest,
        }
    }
}

impl From<Showing> for RevisionChoice {
    fn from(showing: Showing) -> Self {
        match showing {
            Showing::Only(revision::Revision::Msc4108) => Self::Msc4108,
            Showing::Only(revision::Revision::Msc4388) => Self::Msc4388,
            Showing::Newest => Self::Newest,
        }
    }
}

pub(crate) fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "https" | "http") {
        Ok(url)
    } else {
        Err("it is neither https nor http".to_owned())
    }
}
