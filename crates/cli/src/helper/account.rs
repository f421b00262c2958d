//! `token`, `restore_keys` and `logout`, for the caller.

use std::time::Duration;

use matrix_qr_device::{
    Device, SignOut, Subject, access_token, http::Policy, keys::BackupProblem, sign_out_here,
};
use serde_json::{Value, json};

use super::{
    caller::RemoteCaller,
    errors::RpcError,
    keys::{Handover, RemoteKeys},
    params::{KeysHeldBy, LogoutParams, RestoreKeysParams, TokenParams},
};
use crate::{account::token_facts, cancel::Cancel, exit::Failure};

/// The longest time for which a token can be asked for, in seconds.
const A_DAY: u64 = 86_400;

pub(super) async fn token(params: TokenParams, policy: Policy) -> Result<Value, RpcError> {
    if !(1..=A_DAY).contains(&params.good_for) {
        let message = format!("good_for is a number of seconds from 1 to {A_DAY}");
        return Err(RpcError::wrong_parameters(message));
    }
    let good_for = Duration::from_secs(params.good_for);
    let token = access_token(&params.directory, policy, good_for).await;
    Ok(token_facts(&token.map_err(Failure::not_ready)?))
}

pub(super) async fn restore_keys(
    params: RestoreKeysParams,
    policy: Policy,
    caller: RemoteCaller,
) -> Result<Value, RpcError> {
    params.check()?;
    let directory = &params.directory;
    match params.keys {
        KeysHeldBy::Store => {
            let device = Device::open(directory, policy, params.passphrase.as_ref()).await;
            let restored = device.map_err(Failure::not_ready)?.restore_keys().await;
            let restored = restored.map_err(Failure::not_ready)?;
            let (keys, outdated) = (restored.keys, restored.outdated.as_ref());
            Ok(restored_keys(keys, restored.undecryptable, outdated))
        }
        KeysHeldBy::Caller => {
            let keys = RemoteKeys::new(caller.clone(), Cancel::new());
            let device = Device::with_keys(directory, policy, keys).await;
            let found = device
                .map_err(Failure::not_ready)?
                .backed_up_room_keys()
                .await;
            let mut found = found.map_err(Failure::not_ready)?;
            let mut handover = Handover::new(&caller);
            while let Some(room_keys) = found.next().await {
                handover.give(room_keys).await.map_err(Failure::from)?;
            }
            let done = handover.end().await.map_err(Failure::from)?;
            let unread = found.undecryptable() + done.too_long;
            let outdated = found.outdated.as_ref();
            Ok(restored_keys(done.keys, unread, outdated))
        }
    }
}

fn restored_keys(keys: usize, undecryptable: usize, outdated: Option<&BackupProblem>) -> Value {
    let outdated = outdated.map(BackupProblem::to_string);
    json!({ "keys": keys, "undecryptable": undecryptable, "outdated": outdated })
}

pub(super) async fn logout(params: LogoutParams, policy: Policy) -> Result<Value, RpcError> {
    if params.local {
        let subject = sign_out_here(&params.directory).map_err(Failure::not_ready)?;
        return Ok(logged_out(&subject, Some(&subject.place)));
    }
    let sign_out = SignOut::prepare(&params.directory, policy)
        .await
        .map_err(Failure::not_ready)?;
    let subject = sign_out.subject();
    sign_out.everywhere().await.map_err(Failure::of_server)?;
    Ok(logged_out(&subject, None))
}

fn logged_out(subject: &Subject, remove_it: Option<&str>) -> Value {
    let (user_id, device_id) = (&subject.user_id, &subject.device_id);
    json!({ "user_id": user_id, "device_id": device_id, "remove_it": remove_it })
}
