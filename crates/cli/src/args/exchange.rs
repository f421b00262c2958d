//! How the two devices meet, and in which words.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use matrix_qr_device::Showing;
use matrix_qr_protocol::revision::{self, Dialect};
use url::Url;

use super::Look;

/// How the two devices meet.
#[derive(Debug, ClapArgs)]
pub(crate) struct Exchange {
    /// Scan the other device's code: a picture, a file with the code as text, or `-` for standard
    /// input
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["rendezvous", "qr"])]
    pub(crate) scan: Option<PathBuf>,

    /// Write the QR code to this file (.png or .svg) instead of drawing it; removed at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) qr: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) look: Look,

    /// Where to create the rendezvous session, instead of on the homeserver: in msc4108 the URL
    /// that creates sessions, in msc4388 the server's base URL
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub(crate) rendezvous: Option<Url>,

    /// Which proposal to follow when showing the code; one that is scanned says it itself
    #[arg(long, value_enum, default_value_t = Showing::default().into(), value_name = "REVISION")]
    #[arg(conflicts_with = "scan")]
    pub(crate) revision: Revision,

    /// Which reading of the key derivation to follow where this device chooses: scanning in
    /// msc4108, showing in msc4388
    #[arg(
        long,
        value_enum,
        default_value = "as-deployed",
        value_name = "READING"
    )]
    pub(crate) dialect: Reading,
}

/// Where the proposal's text and the apps that are in use differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reading {
    /// As the apps in use do
    AsDeployed,
    /// As the proposal's text says
    AsWritten,
}

impl From<Reading> for Dialect {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::AsDeployed => Self::AsDeployed,
            Reading::AsWritten => Self::AsWritten,
        }
    }
}

/// Which proposal a device follows that shows the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Revision {
    /// The one that the apps in use read
    Msc4108,
    /// Its successor
    Msc4388,
    /// The successor where the server has it and lets this device use it, else the other one
    Newest,
}

impl From<Revision> for Showing {
    fn from(revision: Revision) -> Self {
        match revision {
            Revision::Msc4108 => Self::Only(revision::Revision::Msc4108),
            Revision::Msc4388 => Self::Only(revision::Revision::Msc4388),
            Revision::Newest => Self::Newest,
        }
    }
}

impl From<Showing> for Revision {
    fn from(showing: Showing) -> Self {
        match showing {
            Showing::Only(revision::Revision::Msc4108) => Self::Msc4108,
            Showing::Only(revision::Revision::Msc4388) => Self::Msc4388,
            Showing::Newest => Self::Newest,
        }
    }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "https" | "http") {
        Ok(url)
    } else {
        Err("it is neither https nor http".to_owned())
    }
}
