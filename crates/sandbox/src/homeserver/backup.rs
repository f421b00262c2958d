//! Server-side key backup: Client-Server API, "Server-side key backups".

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::request::{Caller, JsonBody, JsonResult};
use crate::{
    account::{Account, KeyBackup},
    faults::Fault,
    matrix_error::MatrixError,
    signatures::Ed25519PublicKey,
    state::SandboxState,
};

const MEGOLM: &str = "m.megolm_backup.v1.curve25519-aes-sha2";
/// The key of another backup: 32 bytes that are not the account's.
const OTHER_KEY: &str = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Deserialize)]
pub(super) struct VersionQuery {
    version: Option<String>,
}

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
    let backup = account.backups.last().ok_or_else(no_such_backup)?;
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
    let place = place(&account, &version)?;
    let backup = account.backups.get(place).ok_or_else(no_such_backup)?;
    Ok(Json(describe(&state, place + 1, backup)))
}

/// `PUT /_matrix/client/v3/room_keys/version/{version}`: new `auth_data`, the same algorithm and
/// version.
pub(super) async fn put_version(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(version): Path<String>,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let (algorithm, auth_data) = parse_version(&body)?;
    let mut account = state.account();
    let place = place(&account, &version)?;
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

/// What every write and every description says of the keys.
fn summary(backup: &KeyBackup) -> Value {
    let count: usize = backup.rooms.values().map(BTreeMap::len).sum();
    json!({ "count": count, "etag": backup.etag.to_string() })
}

fn place(account: &Account, version: &str) -> Result<usize, MatrixError> {
    let number = version
        .parse::<usize>()
        .ok()
        .filter(|number| number.to_string() == version);
    let place = number.and_then(|number| number.checked_sub(1));
    place
        .filter(|place| *place < account.backups.len())
        .ok_or_else(no_such_backup)
}

fn no_such_backup() -> MatrixError {
    MatrixError::not_found("no such backup version")
}

/// `PUT /_matrix/client/v3/room_keys/keys`
pub(super) async fn put_all(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Query(query): Query<VersionQuery>,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let rooms = body.get("rooms").and_then(Value::as_object);
    let rooms = rooms.ok_or_else(|| MatrixError::bad_json("rooms is missing"))?;
    let mut keys = Vec::new();
    for (room, sessions) in rooms {
        keys.extend(sessions_of(room, sessions)?);
    }
    write(&state, query, keys)
}

/// `PUT /_matrix/client/v3/room_keys/keys/{roomId}`
pub(super) async fn put_room(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(room): Path<String>,
    Query(query): Query<VersionQuery>,
    JsonBody(body): JsonBody,
) -> JsonResult {
    write(&state, query, sessions_of(&room, &body)?)
}

/// `PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
pub(super) async fn put_session(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path((room, session)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
    JsonBody(body): JsonBody,
) -> JsonResult {
    write(
        &state,
        query,
        vec![SessionKey {
            room,
            session,
            data: body,
        }],
    )
}

/// One key as a client sends it.
struct SessionKey {
    room: String,
    session: String,
    data: Value,
}

fn sessions_of(room: &str, body: &Value) -> Result<Vec<SessionKey>, MatrixError> {
    let sessions = body.get("sessions").and_then(Value::as_object);
    let sessions = sessions.ok_or_else(|| MatrixError::bad_json("sessions is missing"))?;
    Ok(sessions
        .iter()
        .map(|(id, data)| SessionKey {
            room: room.to_owned(),
            session: id.clone(),
            data: data.clone(),
        })
        .collect())
}

/// Only into the current version; all keys or none.
fn write(state: &SandboxState, query: VersionQuery, keys: Vec<SessionKey>) -> JsonResult {
    let version = query.version.ok_or_else(version_missing)?;
    let mut account = state.account();
    let place = place(&account, &version)?;
    let current = account.backups.len();
    if place + 1 != current {
        let wrong = MatrixError::new(
            StatusCode::FORBIDDEN,
            "M_WRONG_ROOM_KEYS_VERSION",
            "not the current version",
        );
        return Err(wrong.with("current_version", current.to_string().into()));
    }
    if !keys.iter().all(|key| is_key_backup_data(&key.data)) {
        return Err(MatrixError::bad_json("not the form of a backed-up session"));
    }
    let backup = account.backups.get_mut(place).ok_or_else(no_such_backup)?;
    for SessionKey {
        room,
        session,
        data,
    } in keys
    {
        let sessions = backup.rooms.entry(room).or_default();
        if sessions
            .get(&session)
            .is_none_or(|before| rank(&data) < rank(before))
        {
            sessions.insert(session, data);
            backup.etag += 1;
        }
    }
    Ok(Json(summary(backup)))
}

fn version_missing() -> MatrixError {
    MatrixError::bad_request("M_MISSING_PARAM", "version is missing")
}

fn is_key_backup_data(data: &Value) -> bool {
    let is = |name: &str, kind: fn(&Value) -> bool| data.get(name).is_some_and(kind);
    is("first_message_index", Value::is_u64)
        && is("forwarded_count", Value::is_u64)
        && is("is_verified", Value::is_boolean)
        && is("session_data", Value::is_object)
}

/// Which of two keys for a session is kept, lower first: verified, then earlier, then less often
/// forwarded.
fn rank(data: &Value) -> (bool, Option<u64>, Option<u64>) {
    let number = |name: &str| data.get(name).and_then(Value::as_u64);
    let verified = data.get("is_verified") == Some(&Value::Bool(true));
    (
        !verified,
        number("first_message_index"),
        number("forwarded_count"),
    )
}

/// `GET /_matrix/client/v3/room_keys/keys`
pub(super) async fn get_all(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Query(query): Query<VersionQuery>,
) -> JsonResult {
    read(&state, query, |backup| {
        let rooms = backup
            .rooms
            .iter()
            .map(|(room, sessions)| (room.clone(), json!({ "sessions": sessions })));
        Some(json!({ "rooms": rooms.collect::<Map<_, _>>() }))
    })
}

/// `GET /_matrix/client/v3/room_keys/keys/{roomId}`: a room without keys is empty, not an error.
pub(super) async fn get_room(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(room): Path<String>,
    Query(query): Query<VersionQuery>,
) -> JsonResult {
    read(&state, query, |backup| {
        Some(json!({ "sessions": backup.rooms.get(&room).cloned().unwrap_or_default() }))
    })
}

/// `GET /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
pub(super) async fn get_session(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path((room, session)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
) -> JsonResult {
    read(&state, query, |backup| {
        backup.rooms.get(&room)?.get(&session).cloned()
    })
}

fn read(
    state: &SandboxState,
    query: VersionQuery,
    pick: impl Fn(&KeyBackup) -> Option<Value>,
) -> JsonResult {
    let version = query.version.ok_or_else(version_missing)?;
    let account = state.account();
    let backup = account
        .backups
        .get(place(&account, &version)?)
        .ok_or_else(no_such_backup)?;
    pick(backup)
        .map(Json)
        .ok_or_else(|| MatrixError::not_found("no such session in the backup"))
}
