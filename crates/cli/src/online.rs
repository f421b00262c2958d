//! What every command needs that uses a session or contacts a server.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use matrix_qr_device::{Device, encryption::Encryption, http::Policy};
use url::Url;

use crate::{
    args::{DirectoryArgs, OnlineArgs, PassphraseArgs},
    exit::{Exit, Failure},
    output::{Printer, harmless},
    passphrase,
};

/// Where the session is: as given, or in the person's own data directory.
pub(crate) fn directory(given: &DirectoryArgs) -> Result<PathBuf, Failure> {
    if let Some(directory) = &given.directory {
        return Ok(directory.clone());
    }
    let homeless = |_| {
        Failure::new(
            Exit::Usage,
            "there is no home directory",
            "Name a directory: --directory DIR",
        )
    };
    Ok(etcetera::choose_base_strategy()
        .map_err(homeless)?
        .data_dir()
        .join("matrix-qr"))
}

/// Which URLs may be contacted.
pub(crate) fn policy(allow_loopback_http: bool) -> Policy {
    if allow_loopback_http {
        Policy::HttpsOrLoopback
    } else {
        Policy::HttpsOnly
    }
}

/// Refuses a URL in the command that no device may contact.
pub(crate) fn check_url(policy: Policy, url: &Url) -> Result<(), Failure> {
    if policy.permits(url) {
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
        "Use https. For a server on this machine itself, add --allow-loopback-http.",
    ))
}

/// Opens the device that is signed in here, and its keys.
pub(crate) async fn open(
    online: &OnlineArgs,
    passphrase: &PassphraseArgs,
) -> Result<Device<Encryption>, Failure> {
    let directory = directory(&online.directory)?;
    let file = passphrase.passphrase_file.as_deref();
    let passphrase = passphrase::of_keys(&directory, file, Printer::new(online.json)).await?;
    let policy = policy(online.allow_loopback_http);
    Device::open(&directory, policy, passphrase.as_ref())
        .await
        .map_err(Failure::not_ready)
}
