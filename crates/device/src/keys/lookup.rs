//! What a homeserver says of an account: asked for before it is needed, where a sign-in can do so.

use ruma::{
    UserId,
    api::client::{backup::get_latest_backup_info, keys::get_keys},
};

use super::identity::published_keys;
use crate::client_server_api::{Effort, Homeserver, HomeserverError};

/// The published keys of an account and its current backup, asked for at the same time.
pub(crate) struct AccountLookup {
    pub(super) published: Result<get_keys::v3::Response, HomeserverError>,
    pub(super) backup: Result<CurrentBackup, HomeserverError>,
}

/// What `GET /room_keys/version` says.
pub(super) type CurrentBackup = get_latest_backup_info::v3::Response;

impl AccountLookup {
    pub(crate) async fn of(homeserver: &Homeserver, user_id: &UserId) -> Self {
        let (published, backup) = tokio::join!(
            published_keys(homeserver, user_id),
            current_backup(homeserver)
        );
        Self { published, backup }
    }
}

/// The backup that is current on the homeserver.
pub(super) async fn current_backup(
    homeserver: &Homeserver,
) -> Result<CurrentBackup, HomeserverError> {
    let request = get_latest_backup_info::v3::Request::new();
    homeserver.call(request, Effort::REPEATABLE).await
}
