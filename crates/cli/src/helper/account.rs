//! `token`, `restore_keys` and `logout`, for the caller.

use std::time::Duration;

use matrix_qr_device::{Device, SignOut, access_token, http::Policy};
use serde_json::{Value, json};

use super::{
    errors::RpcError,
    params::{KeysHeldBy, LogoutParams, RestoreKeysParams, TokenParams},
};
use crate::{account::token_facts, exit::Failure};

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
) -> Result<Value, RpcError> {
    match params.keys {
        KeysHeldBy::Store => {}
        KeysHeldBy::Caller => return Err(RpcError::wrong_parameters("not yet")),
    }
    let device = Device::open(&params.directory, policy).await;
    let restored = device.map_err(Failure::not_ready)?.restore_keys().await;
    let restored = restored.map_err(Failure::not_ready)?;
    Ok(json!({
        "keys": restored.keys,
        "undecryptable": restored.undecryptable,
        "outdated": restored.outdated.map(|why| why.to_string()),
    }))
}

pub(super) async fn logout(params: LogoutParams, policy: Policy) -> Result<Value, RpcError> {
    let sign_out = SignOut::prepare(&params.directory, policy)
        .await
        .map_err(Failure::not_ready)?;
    let subject = sign_out.subject();
    sign_out.everywhere().await.map_err(Failure::of_server)?;
    Ok(json!({ "user_id": subject.user_id, "device_id": subject.device_id }))
}
