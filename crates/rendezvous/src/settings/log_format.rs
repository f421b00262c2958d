//! The format of the log.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// Readable lines
    #[default]
    Text,
    /// One JSON object per line
    Json,
}
