//! `login` and `link`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use matrix_qr_device::{Announce, DeviceName, OwnedUserId};
use matrix_qr_protocol::homeserver::HomeserverAddress;
use serde::Deserialize;

use super::{
    exchange::ExchangeArgs,
    shared::{OnlineArgs, PassphraseArgs},
    web::WebArgs,
};
use crate::typed;

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The homeserver whose rendezvous server is used: a server name, a user ID or a URL. If it is
    /// missing, you are asked for it
    #[arg(long, value_name = "NAME|URL", value_parser = typed::homeserver)]
    #[arg(conflicts_with_all = ["rendezvous", "scan"])]
    pub(crate) homeserver: Option<HomeserverAddress>,

    /// The only account to which this device may be signed in; without it you are asked. Also names
    /// the homeserver
    #[arg(long, value_name = "@USER:SERVER", value_parser = typed::user_id)]
    pub(crate) user: Option<OwnedUserId>,

    /// The name of this device in the account; by default the names of this machine and program
    #[arg(long, value_name = "NAME", value_parser = DeviceName::parse)]
    pub(crate) device_name: Option<DeviceName>,

    /// Encrypt the keys of this device with a passphrase, for which you are asked; `link` and
    /// `restore-keys` then need it
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) passphrase: bool,

    /// The same, with the passphrase on the first line of this file, which only its owner can read
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) exchange: ExchangeArgs,

    #[command(flatten)]
    pub(crate) web: WebArgs,

    /// A client ID that the authorization server knows already; by default a client is registered
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    #[command(flatten)]
    pub(crate) online: OnlineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    #[command(flatten)]
    pub(crate) exchange: ExchangeArgs,

    #[command(flatten)]
    pub(crate) web: WebArgs,

    /// How to name the homeserver to the new device in msc4108; some apps only accept server names
    #[arg(long, value_enum, default_value = "base-url", value_name = "AS")]
    pub(crate) announce: AnnounceChoice,

    /// Say beforehand that the new device is yours, instead of being asked: you have it with you and
    /// started this sign-in yourself. Whoever has that device can read all your messages and act as
    /// you
    #[arg(long)]
    pub(crate) confirm_own_device: bool,

    /// Print the link to the consent page instead of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,

    /// Refuse a new device whose ID is not bound to the connection; so far only matrix-qr binds it
    #[arg(long)]
    pub(crate) require_bound_device: bool,

    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,

    #[command(flatten)]
    pub(crate) online: OnlineArgs,
}

/// How the existing device names its homeserver to the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AnnounceChoice {
    /// The URL of its client API
    BaseUrl,
    /// The name in user IDs; its .well-known file must lead to that URL
    ServerName,
}

impl From<AnnounceChoice> for Announce {
    fn from(choice: AnnounceChoice) -> Self {
        match choice {
            AnnounceChoice::BaseUrl => Self::BaseUrl,
            AnnounceChoice::ServerName => Self::ServerName,
        }
    }
}
