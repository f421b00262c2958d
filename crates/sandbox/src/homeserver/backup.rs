//! The versions of the key backup: Client-Server API, "Server-side key backups".

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::request::{Caller, JsonBody, JsonResult};
use crate::{
    account::{Account, KeyBackup},
    faults::Fault,
    matrix_error::MatrixError,
    signatures::Ed25519PublicKey,
    state::SandboxState,
};

const MEGOLM: &str = "m.megolm_backup.v1.curve25519-aes-sha2";
/// The public key of another backup: 32 bytes that are not the account's key.
const OTHER_KEY: &str = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// `POST /_matrix/client/v3/room_keys/version`
pub(super) async fn create(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let (algorithm, auth_data) = parse_version(&body)?;
    let mut account = state.account();
    account.backups.push(KeyBackup {
        algorithm,
        auth_data,
        rooms: BTreeMap::new(),
        etag: 0,
    });
    Ok(Json(
        json!({ "version": account.backups.len().to_string() }),
    ))
}

/// `GET /_matrix/client/v3/room_keys/version`
pub(super) async fn current(State(state): State<Arc<SandboxState>>, _caller: Caller) -> JsonResult {
    let account = state.account();
    let backup = backups(&state, &account).last();
    let backup = backup.ok_or_else(no_such_backup)?;
    let newer = usize::from(state.faults.is_set(&Fault::BackupOtherVersion));
    Ok(Json(describe(
        &state,
        account.backups.len() + newer,
        backup,
    )))
}

/// `GET /_matrix/client/v3/room_keys/version/{version}`
pub(super) async fn get_version(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(version): Path<String>,
) -> JsonResult {
    let account = state.account();
    let place = place(&state, &account, &version)?;
    let backup = account.backups.get(place).ok_or_else(no_such_backup)?;
    Ok(Json(describe(&state, place + 1, backup)))
}

/// `PUT /_matrix/client/v3/room_keys/version/{version}` changes `auth_data`, but neither the
/// algorithm nor the version.
pub(super) async fn put_version(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(version): Path<String>,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let (algorithm, auth_data) = parse_version(&body)?;
    let mut account = state.account();
    let place = place(&state, &account, &version)?;
    let backup = account.backups.get_mut(place).ok_or_else(no_such_backup)?;
    if backup.algorithm != algorithm || body.get("version").is_some_and(|named| *named != version) {
        return Err(MatrixError::invalid_param(
            "the algorithm and the version of a backup cannot change",
        ));
    }
    backup.auth_data = auth_data;
    Ok(Json(json!({})))
}

fn parse_version(body: &Value) -> Result<(String, Value), MatrixError> {
    let algorithm = body.get("algorithm").and_then(Value::as_str);
    let algorithm = algorithm.ok_or_else(|| MatrixError::bad_json("algorithm is missing"))?;
    let auth_data = body.get("auth_data").filter(|data| data.is_object());
    let auth_data = auth_data.ok_or_else(|| MatrixError::bad_json("auth_data is missing"))?;
    if algorithm == MEGOLM {
        let key = auth_data.get("public_key").and_then(Value::as_str);
        Ed25519PublicKey::parse(
            key.ok_or_else(|| MatrixError::bad_json("auth_data has no public_key"))?,
        )?;
    }
    Ok((algorithm.to_owned(), auth_data.clone()))
}

fn describe(state: &SandboxState, version: usize, backup: &KeyBackup) -> Value {
    let mut auth_data = backup.auth_data.clone();
    if let (true, Some(fields)) = (
        state.faults.is_set(&Fault::BackupOtherKey),
        auth_data.as_object_mut(),
    ) {
        fields.insert("public_key".to_owned(), OTHER_KEY.into());
    }
    let mut described = summary(backup);
    if let Some(fields) = described.as_object_mut() {
        fields.insert("algorithm".to_owned(), backup.algorithm.as_str().into());
        fields.insert("auth_data".to_owned(), auth_data);
        fields.insert("version".to_owned(), version.to_string().into());
    }
    described
}

/// What every response to a write, and every description, says about the keys.
pub(super) fn summary(backup: &KeyBackup) -> Value {
    let count: usize = backup.rooms.values().map(BTreeMap::len).sum();
    json!({ "count": count, "etag": backup.etag.to_string() })
}

pub(super) fn place(
    state: &SandboxState,
    account: &Account,
    version: &str,
) -> Result<usize, MatrixError> {
    let number = version
        .parse::<usize>()
        .ok()
        .filter(|number| number.to_string() == version);
    let place = number.and_then(|number| number.checked_sub(1));
    place
        .filter(|place| *place < backups(state, account).len())
        .ok_or_else(no_such_backup)
}

/// Those that a device can see.
fn backups<'a>(state: &SandboxState, account: &'a Account) -> &'a [KeyBackup] {
    match state.faults.is_set(&Fault::BackupDeleted) {
        true => &[],
        false => &account.backups,
    }
}

pub(super) fn no_such_backup() -> MatrixError {
    MatrixError::not_found("no such backup version")
}
