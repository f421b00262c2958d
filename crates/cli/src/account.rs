//! `session`, `token` and `logout`: the device that is signed in here.

mod logout;
mod session;
mod token;

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use matrix_qr_device::{Device, http::Policy};
use url::Url;

pub(crate) use self::{logout::logout, session::session, token::token};
use crate::{
    args::{self, Online},
    exit::{Exit, Failure},
    output::harmless,
};

/// Where the session is: as given, or in the person's own data directory.
pub(crate) fn directory(given: &args::Directory) -> Result<PathBuf, Failure> {
    if let Some(directory) = &given.directory {
        return Ok(directory.clone());
    }
    let homeless = |_| {
        Failure::new(
            Exit::Usage,
            "there is no home directory",
            "Say where: --directory DIR",
        )
    };
    Ok(etcetera::choose_base_strategy()
        .map_err(homeless)?
        .data_dir()
        .join("matrix-qr"))
}

pub(crate) fn policy(online: &Online) -> Policy {
    policy_if(online.allow_loopback_http)
}

fn policy_if(allow_loopback_http: bool) -> Policy {
    if allow_loopback_http {
        Policy::HttpsOrLoopback
    } else {
        Policy::HttpsOnly
    }
}

/// An address in the command that no device may speak to is a mistake in the command.
pub(crate) fn check_address(online: &Online, url: &Url) -> Result<(), Failure> {
    if policy(online).permits(url) {
        return Ok(());
    }
    let what = format!(
        "{}://{} is not https",
        url.scheme(),
        harmless(url.host_str().unwrap_or_default())
    );
    Err(Failure::new(
        Exit::Usage,
        what,
        "Use https. Only for this machine itself there is --allow-loopback-http.",
    ))
}

pub(crate) async fn open(online: &Online) -> Result<Device, Failure> {
    Device::open(&directory(&online.directory)?, policy(online))
        .await
        .map_err(Failure::not_ready)
}
