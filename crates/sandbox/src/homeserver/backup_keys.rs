//! The keys in the key backup: Client-Server API, "Server-side key backups".

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    backup::{no_such_backup, place, summary},
    request::{Caller, JsonBody, JsonResult},
};
use crate::{account::KeyBackup, matrix_error::MatrixError, state::SandboxState};

#[derive(Deserialize)]
pub(super) struct VersionQuery {
    version: Option<String>,
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

/// Writes all keys or none, and only into the current version.
fn write(state: &SandboxState, query: VersionQuery, keys: Vec<SessionKey>) -> JsonResult {
    let version = query.version.ok_or_else(version_missing)?;
    let mut account = state.account();
    let place = place(state, &account, &version)?;
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
        return Err(MatrixError::bad_json(
            "a session does not have the form of a backed-up session",
        ));
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

/// The rank of a key for a session; the lower one is kept: verified, then the earlier message
/// index, then forwarded less often.
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

/// `GET /_matrix/client/v3/room_keys/keys/{roomId}`. A room without keys is empty, not an error.
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
    let backup = account.backups.get(place(state, &account, &version)?);
    pick(backup.ok_or_else(no_such_backup)?)
        .map(Json)
        .ok_or_else(|| MatrixError::not_found("no such session in the backup"))
}
