//! Server-side key backup: Client-Server API, "Server-side key backups".

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Body, Caller, Refusal, signatures::PublicKey};
use crate::{
    account::{Account, Backup},
    faults::Fault,
    state::Shared,
};

const MEGOLM: &str = "m.megolm_backup.v1.curve25519-aes-sha2";
/// The key of another backup: 32 bytes that are not the account's.
const OTHER_KEY: &str = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Deserialize)]
pub(super) struct Version {
    version: Option<String>,
}

/// `POST /_matrix/client/v3/room_keys/version`
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Body(body): Body,
) -> Answer {
    let (algorithm, auth_data) = parse_version(&body)?;
    let mut account = shared.account();
    account.backups.push(Backup {
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
pub(super) async fn current(State(shared): State<Arc<Shared>>, _caller: Caller) -> Answer {
    let account = shared.account();
    let backup = account.backups.last().ok_or_else(no_such_backup)?;
    let newer = usize::from(shared.faults.is_set(&Fault::BackupOtherVersion));
    Ok(Json(describe(
        &shared,
        account.backups.len() + newer,
        backup,
    )))
}

/// `GET /_matrix/client/v3/room_keys/version/{version}`
pub(super) async fn get_version(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Path(version): Path<String>,
) -> Answer {
    let account = shared.account();
    let place = place(&account, &version)?;
    let backup = account.backups.get(place).ok_or_else(no_such_backup)?;
    Ok(Json(describe(&shared, place + 1, backup)))
}

/// `PUT /_matrix/client/v3/room_keys/version/{version}`: new `auth_data`, the same algorithm and
/// version.
pub(super) async fn put_version(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Path(version): Path<String>,
    Body(body): Body,
) -> Answer {
    let (algorithm, auth_data) = parse_version(&body)?;
    let mut account = shared.account();
    let place = place(&account, &version)?;
    let backup = account.backups.get_mut(place).ok_or_else(no_such_backup)?;
    if backup.algorithm != algorithm || body.get("version").is_some_and(|named| *named != version) {
        return Err(Refusal::invalid_param(
            "the algorithm and the version of a backup cannot change",
        ));
    }
    backup.auth_data = auth_data;
    Ok(Json(json!({})))
}

fn parse_version(body: &Value) -> Result<(String, Value), Refusal> {
    let algorithm = body.get("algorithm").and_then(Value::as_str);
    let algorithm = algorithm.ok_or_else(|| Refusal::bad_json("algorithm is missing"))?;
    let auth_data = body.get("auth_data").filter(|data| data.is_object());
    let auth_data = auth_data.ok_or_else(|| Refusal::bad_json("auth_data is missing"))?;
    if algorithm == MEGOLM {
        let key = auth_data.get("public_key").and_then(Value::as_str);
        PublicKey::parse(key.ok_or_else(|| Refusal::bad_json("auth_data has no public_key"))?)?;
    }
    Ok((algorithm.to_owned(), auth_data.clone()))
}

fn describe(shared: &Shared, version: usize, backup: &Backup) -> Value {
    let mut auth_data = backup.auth_data.clone();
    if let (true, Some(fields)) = (
        shared.faults.is_set(&Fault::BackupOtherKey),
        auth_data.as_object_mut(),
    ) {
        fields.insert("public_key".to_owned(), OTHER_KEY.into());
    }
    let mut described = state(backup);
    if let Some(fields) = described.as_object_mut() {
        fields.insert("algorithm".to_owned(), backup.algorithm.as_str().into());
        fields.insert("auth_data".to_owned(), auth_data);
        fields.insert("version".to_owned(), version.to_string().into());
    }
    described
}

/// What every write and every description says of the keys.
fn state(backup: &Backup) -> Value {
    let count: usize = backup.rooms.values().map(BTreeMap::len).sum();
    json!({ "count": count, "etag": backup.etag.to_string() })
}

fn place(account: &Account, version: &str) -> Result<usize, Refusal> {
    let number = version
        .parse::<usize>()
        .ok()
        .filter(|number| number.to_string() == version);
    let place = number.and_then(|number| number.checked_sub(1));
    place
        .filter(|place| *place < account.backups.len())
        .ok_or_else(no_such_backup)
}

fn no_such_backup() -> Refusal {
    Refusal::not_found("no such backup version")
}

/// `PUT /_matrix/client/v3/room_keys/keys`
pub(super) async fn put_all(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Query(query): Query<Version>,
    Body(body): Body,
) -> Answer {
    let rooms = body.get("rooms").and_then(Value::as_object);
    let rooms = rooms.ok_or_else(|| Refusal::bad_json("rooms is missing"))?;
    let mut keys = Vec::new();
    for (room, sessions) in rooms {
        keys.extend(sessions_of(room, sessions)?);
    }
    write(&shared, query, keys)
}

/// `PUT /_matrix/client/v3/room_keys/keys/{roomId}`
pub(super) async fn put_room(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    (Path(room), Query(query)): (Path<String>, Query<Version>),
    Body(body): Body,
) -> Answer {
    write(&shared, query, sessions_of(&room, &body)?)
}

/// `PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
pub(super) async fn put_session(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    (Path((room, session)), Query(query)): (Path<(String, String)>, Query<Version>),
    Body(body): Body,
) -> Answer {
    write(&shared, query, vec![(room, session, body)])
}

type Key = (String, String, Value);

fn sessions_of(room: &str, body: &Value) -> Result<Vec<Key>, Refusal> {
    let sessions = body.get("sessions").and_then(Value::as_object);
    let sessions = sessions.ok_or_else(|| Refusal::bad_json("sessions is missing"))?;
    Ok(sessions
        .iter()
        .map(|(id, data)| (room.to_owned(), id.clone(), data.clone()))
        .collect())
}

/// Only into the current version; all keys or none.
fn write(shared: &Shared, query: Version, keys: Vec<Key>) -> Answer {
    let version = query.version.ok_or_else(version_missing)?;
    let mut account = shared.account();
    let place = place(&account, &version)?;
    let current = account.backups.len();
    if place + 1 != current {
        let wrong = Refusal::new(
            StatusCode::FORBIDDEN,
            "M_WRONG_ROOM_KEYS_VERSION",
            "not the current version",
        );
        return Err(wrong.with("current_version", current.to_string().into()));
    }
    if !keys.iter().all(|(_, _, data)| is_key_backup_data(data)) {
        return Err(Refusal::bad_json("not the form of a backed-up session"));
    }
    let backup = account.backups.get_mut(place).ok_or_else(no_such_backup)?;
    for (room, session, data) in keys {
        let sessions = backup.rooms.entry(room).or_default();
        if sessions
            .get(&session)
            .is_none_or(|before| rank(&data) < rank(before))
        {
            sessions.insert(session, data);
            backup.etag += 1;
        }
    }
    Ok(Json(state(backup)))
}

fn version_missing() -> Refusal {
    Refusal::bad_request("M_MISSING_PARAM", "version is missing")
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
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Query(query): Query<Version>,
) -> Answer {
    read(&shared, query, |backup| {
        let rooms = backup
            .rooms
            .iter()
            .map(|(room, sessions)| (room.clone(), json!({ "sessions": sessions })));
        Some(json!({ "rooms": rooms.collect::<Map<_, _>>() }))
    })
}

/// `GET /_matrix/client/v3/room_keys/keys/{roomId}`: a room without keys is empty, not an error.
pub(super) async fn get_room(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    (Path(room), Query(query)): (Path<String>, Query<Version>),
) -> Answer {
    read(&shared, query, |backup| {
        Some(json!({ "sessions": backup.rooms.get(&room).cloned().unwrap_or_default() }))
    })
}

/// `GET /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
pub(super) async fn get_session(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    (Path((room, session)), Query(query)): (Path<(String, String)>, Query<Version>),
) -> Answer {
    read(&shared, query, |backup| {
        backup.rooms.get(&room)?.get(&session).cloned()
    })
}

fn read(shared: &Shared, query: Version, pick: impl Fn(&Backup) -> Option<Value>) -> Answer {
    let version = query.version.ok_or_else(version_missing)?;
    let account = shared.account();
    let backup = account
        .backups
        .get(place(&account, &version)?)
        .ok_or_else(no_such_backup)?;
    pick(backup)
        .map(Json)
        .ok_or_else(|| Refusal::not_found("no such session in the backup"))
}
