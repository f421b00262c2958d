//! `session`, `restore-keys` and `logout`: the device that is signed in here.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use matrix_qr_device::{Device, Facts, http::Policy};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    args::{self, Online},
    exit::{Exit, Failure},
    keyboard::{self, Keyboard},
    output::{BOLD, GOOD, Output, harmless, paint, row},
};

/// Where the session is: as given, or in the person's own data directory.
pub(crate) fn directory(given: &args::Directory) -> Result<PathBuf, Failure> {
    if let Some(directory) = &given.directory {
        return Ok(directory.clone());
    }
    let homeless = |_| Failure::new(Exit::Usage, "there is no home directory", "Say where: --directory DIR");
    Ok(etcetera::choose_base_strategy().map_err(homeless)?.data_dir().join("matrix-qr"))
}

pub(crate) fn policy(online: &Online) -> Policy {
    if online.allow_loopback_http { Policy::HttpsOrLoopback } else { Policy::HttpsOnly }
}

/// An address in the command that no device may speak to is a mistake in the command.
pub(crate) fn check_address(online: &Online, url: &Url) -> Result<(), Failure> {
    if policy(online).permits(url) {
        return Ok(());
    }
    let what = format!("{}://{} is not https", url.scheme(), harmless(url.host_str().unwrap_or_default()));
    Err(Failure::new(
        Exit::Usage,
        what,
        "Use https. Only for this machine itself there is --allow-loopback-http.",
    ))
}

pub(crate) fn session(args: &args::Session) -> Result<(), Failure> {
    let directory = directory(&args.directory)?;
    let facts = Facts::read(&directory).map_err(Failure::not_ready)?;
    let place = directory.display().to_string();
    let rows = [
        ("device", facts.device_id.as_str()),
        ("homeserver", facts.homeserver.as_str()),
        ("signed in at", facts.issuer.as_str()),
        ("client ID", facts.client_id.as_str()),
        ("kept in", place.as_str()),
    ];
    let rows = rows.map(|(name, value)| format!("\n{}", row(name, value))).concat();
    let json = json!({
        "user_id": facts.user_id,
        "device_id": facts.device_id,
        "homeserver": facts.homeserver,
        "issuer": facts.issuer,
        "client_id": facts.client_id,
        "directory": directory,
    });
    Output::new(args.json).result(format!("{}{rows}", paint(BOLD, harmless(&facts.user_id))), json);
    Ok(())
}

pub(crate) async fn restore_keys(online: &Online) -> Result<(), Failure> {
    let out = Output::new(online.json);
    let device = open(online).await?;
    out.event(json!({ "event": "restoring" }));
    let waiting = out.waiting("Bringing the keys from the backup.", None);
    let restored = device.restore_keys().await;
    drop(waiting);
    let restored = restored.map_err(Failure::not_ready)?;
    let mut text = format!("{} {} keys of old messages restored.", paint(GOOD, "✓"), restored.keys);
    if restored.undecryptable > 0 {
        text.push_str(&format!("\n  {} entries of the backup could not be read.", restored.undecryptable));
    }
    out.result(
        text,
        json!({ "event": "restored", "keys": restored.keys, "undecryptable": restored.undecryptable }),
    );
    Ok(())
}

pub(crate) async fn logout(args: &args::Logout) -> Result<(), Failure> {
    let out = Output::new(args.online.json);
    let device = open(&args.online).await?;
    let facts = Facts::read(&directory(&args.online.directory)?).map_err(Failure::not_ready)?;
    if !args.yes {
        ask(out, &facts).await?;
    }
    device.log_out().await.map_err(Failure::of_server)?;
    let text = format!("{} is signed out of {}.", harmless(&facts.device_id), harmless(&facts.user_id));
    out.result(
        text,
        json!({ "event": "logged_out", "user_id": facts.user_id, "device_id": facts.device_id }),
    );
    Ok(())
}

async fn open(online: &Online) -> Result<Device, Failure> {
    Device::open(&directory(&online.directory)?, policy(online)).await.map_err(Failure::not_ready)
}

async fn ask(out: Output, facts: &Facts) -> Result<(), Failure> {
    if !keyboard::is_terminal() && out == Output::Human {
        return Err(Failure::new(Exit::Usage, "nobody is there to be asked", "Say --yes if you are sure."));
    }
    out.event(json!({ "event": "question", "question": "logout", "device_id": facts.device_id }));
    out.prompt(format_args!(
        "Sign {} out of {}? Messages that are not in the key backup cannot be read here again. [y/N] ",
        harmless(&facts.device_id),
        harmless(&facts.user_id)
    ));
    let answer = Keyboard::default().line().await.unwrap_or_else(|| Zeroizing::new(String::new()));
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::cancelled()),
    }
}
