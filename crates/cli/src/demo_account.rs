//! The sandbox's servers, and an account whose first device has keys and messages to share.

use std::{io, path::Path};

use matrix_qr_device::{
    Device,
    encryption::Encryption,
    first_device,
    http::Policy,
    oauth::new_device_id,
    secret::Secret,
    session::{SessionDir, StoredSession, UserSession},
};
use matrix_qr_sandbox::{FirstSession, Options, Sandbox};

use crate::exit::Failure;

/// The messages that the account's first device sends before there is a second one.
pub(crate) const OLD_MESSAGES: [&str; 3] = [
    "Did you find the old photographs?",
    "All of them. They were in the blue suitcase.",
    "Keep them safe: there are no other copies.",
];

/// The servers, and the account's first device.
pub(crate) struct DemoAccount {
    pub(crate) sandbox: Sandbox,
    pub(crate) existing: Device<Encryption>,
    /// The encrypted room with the old messages.
    pub(crate) room: String,
}

impl DemoAccount {
    /// Starts the servers and sets up the account: identity, key backup, an encrypted room with
    /// messages.
    pub(crate) async fn start(options: Options, existing: &Path) -> Result<Self, Failure> {
        let sandbox = Sandbox::start(options)
            .await
            .map_err(|error| broken("the sandbox cannot start", error))?;
        let existing = first_device(&sandbox, existing).await?;
        let (homeserver, encryption) = (existing.homeserver(), existing.keys());
        let set_up = |error| broken("the account could not be set up", error);
        first_device::set_up(homeserver, encryption)
            .await
            .map_err(set_up)?;
        let room = first_device::send_messages(homeserver, encryption, &OLD_MESSAGES)
            .await
            .map_err(set_up)?;
        first_device::back_up(homeserver, encryption)
            .await
            .map_err(set_up)?;
        Ok(Self {
            sandbox,
            existing,
            room: room.to_string(),
        })
    }
}

async fn first_device(sandbox: &Sandbox, directory: &Path) -> Result<Device<Encryption>, Failure> {
    let id = new_device_id().map_err(|error| broken("no device ID", error))?;
    let session = sandbox
        .first_session(&id)
        .await
        .map_err(|error| broken("no session", error))?;
    let stored = stored(sandbox, session)?;
    let directory = SessionDir::new(directory);
    let lock = directory
        .create()
        .map_err(|error| broken("the existing device cannot be stored", error))?;
    directory
        .save(&stored)
        .map_err(|error| broken("the existing device cannot be stored", error))?;
    drop(lock);
    Device::with_new_keys(directory.path(), Policy::HttpsOrLoopback, None)
        .await
        .map_err(Failure::not_ready)
}

fn stored(sandbox: &Sandbox, session: FirstSession) -> Result<StoredSession, Failure> {
    Ok(StoredSession {
        homeserver: sandbox.homeserver().clone(),
        issuer: sandbox.issuer().clone(),
        account_management_uri: None,
        client_id: session.client_id,
        expires_at: None,
        user: UserSession {
            user_id: session
                .user_id
                .parse()
                .map_err(|error| broken("no user ID", error))?,
            device_id: session.device_id.into(),
            access_token: Secret::new(session.access_token),
            refresh_token: Some(Secret::new(session.refresh_token)),
        },
    })
}

/// A temporary directory that only its owner can access.
pub(crate) fn temporary_directory() -> Result<tempfile::TempDir, Failure> {
    let no_room = |error: io::Error| broken("no temporary directory could be created", error);
    tempfile::Builder::new()
        .prefix("matrix-qr-")
        .tempdir()
        .map_err(no_room)
}

fn broken(what: &str, why: impl std::fmt::Display) -> Failure {
    Failure::here(
        format!("{what}: {why}"),
        "Try again. If the problem persists, report it.",
    )
}
