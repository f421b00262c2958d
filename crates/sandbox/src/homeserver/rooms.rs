//! Rooms with one member: enough for encrypted messages that a new device can find and read.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{OriginalUri, Path, Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{Caller, JsonBody, JsonResult};
use crate::{
    account::{Account, Room},
    matrix_error::MatrixError,
    random,
    state::SandboxState,
};

const MOST_MESSAGES: usize = 100;
const ROOM_VERSION: &str = "11";

#[derive(Deserialize)]
pub(super) struct MessagesQuery {
    from: Option<String>,
    dir: Direction,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    #[serde(rename = "b")]
    Back,
    #[serde(rename = "f")]
    Forward,
}

/// `POST /_matrix/client/v3/createRoom` uses `name` and `initial_state` of the body.
pub(super) async fn create(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let room_id = format!("!{}:{}", random::token()?, state.server_name());
    let mut account = state.account();
    let user_id = account.user_id.clone();
    account.rooms.insert(room_id.clone(), Room::default());
    let mut initial_state = vec![
        json!({ "type": "m.room.create", "content": { "room_version": ROOM_VERSION } }),
        json!({ "type": "m.room.member", "state_key": user_id, "content": { "membership": "join" } }),
        json!({ "type": "m.room.power_levels", "content": { "users": { user_id: 100 } } }),
        json!({ "type": "m.room.join_rules", "content": { "join_rule": "invite" } }),
    ];
    initial_state.extend(
        body.get("initial_state")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .cloned(),
    );
    let name = body.get("name").filter(|name| name.is_string());
    initial_state
        .extend(name.map(|name| json!({ "type": "m.room.name", "content": { "name": name } })));
    for event in initial_state {
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .ok_or_else(|| MatrixError::bad_json("state without type"))?;
        let key = event
            .get("state_key")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let content = event.get("content").cloned().unwrap_or_else(|| json!({}));
        append(&mut account, &room_id, kind, Some(key), content)?;
    }
    Ok(Json(json!({ "room_id": room_id })))
}

/// `GET /_matrix/client/v3/joined_rooms`
pub(super) async fn joined(State(state): State<Arc<SandboxState>>, _caller: Caller) -> Json<Value> {
    Json(json!({ "joined_rooms": state.account().rooms.keys().collect::<Vec<_>>() }))
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`. A repeated transaction has the
/// same response.
pub(super) async fn send(
    State(state): State<Arc<SandboxState>>,
    caller: Caller,
    Path((room_id, kind, _)): Path<(String, String, String)>,
    OriginalUri(uri): OriginalUri,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let mut account = state.account();
    let transaction = (caller.device_id, uri.path().to_owned());
    if let Some(answered) = account.transactions.get(&transaction) {
        return Ok(Json(answered.clone()));
    }
    room(&account, &room_id)?;
    let event_id = append(&mut account, &room_id, &kind, None, body)?;
    let answer = json!({ "event_id": event_id });
    account.transactions.insert(transaction, answer.clone());
    Ok(Json(answer))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/state`
pub(super) async fn get_state(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(room_id): Path<String>,
) -> JsonResult {
    let account = state.account();
    Ok(Json(json!(
        room(&account, &room_id)?.state.values().collect::<Vec<_>>()
    )))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/joined_members`
pub(super) async fn joined_members(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(room_id): Path<String>,
) -> JsonResult {
    let account = state.account();
    room(&account, &room_id)?;
    Ok(Json(json!({ "joined": { &account.user_id: {} } })))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/messages`. A token is a position between events.
pub(super) async fn messages(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(room_id): Path<String>,
    Query(query): Query<MessagesQuery>,
) -> JsonResult {
    let account = state.account();
    let room = room(&account, &room_id)?;
    let limit = query.limit.unwrap_or(10).min(MOST_MESSAGES);
    let from = query.from.as_deref().map(read_token).transpose()?;
    let (start, mut found): (u64, Vec<_>) = match query.dir {
        Direction::Back => {
            let start = from.unwrap_or(account.position);
            (
                start,
                room.timeline
                    .iter()
                    .rev()
                    .filter(|(at, _)| *at < start)
                    .take(limit + 1)
                    .collect(),
            )
        }
        Direction::Forward => {
            let start = from.unwrap_or_default();
            (
                start,
                room.timeline
                    .iter()
                    .filter(|(at, _)| *at >= start)
                    .take(limit + 1)
                    .collect(),
            )
        }
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found
        .last()
        .filter(|_| more)
        .map(|(at, _)| match query.dir {
            Direction::Back => *at,
            Direction::Forward => *at + 1,
        });
    let chunk: Vec<_> = found.into_iter().map(|(_, event)| event).collect();
    let mut answer = json!({ "chunk": chunk, "start": token(start) });
    if let (Some(last), Some(fields)) = (last, answer.as_object_mut()) {
        fields.insert("end".to_owned(), token(last).into());
    }
    Ok(Json(answer))
}

pub(super) fn token(position: u64) -> String {
    format!("s{position}")
}

pub(super) fn read_token(token: &str) -> Result<u64, MatrixError> {
    let position = token
        .strip_prefix('s')
        .and_then(|position| position.parse().ok());
    position.ok_or_else(|| MatrixError::invalid_param("not a token of this server"))
}

fn room<'a>(account: &'a Account, room_id: &str) -> Result<&'a Room, MatrixError> {
    account
        .rooms
        .get(room_id)
        .ok_or_else(|| MatrixError::forbidden("not in that room"))
}

/// Adds an event and returns its ID. With a state key, it is a state event.
fn append(
    account: &mut Account,
    room_id: &str,
    kind: &str,
    state_key: Option<&str>,
    content: Value,
) -> Result<String, MatrixError> {
    let event_id = format!("${}", random::token()?);
    let position = account.next_position();
    let mut event = json!({
        "event_id": event_id, "type": kind, "content": content, "room_id": room_id,
        "sender": account.user_id, "origin_server_ts": now_ms(), "unsigned": {},
    });
    let room = account
        .rooms
        .get_mut(room_id)
        .ok_or_else(|| MatrixError::forbidden("not in that room"))?;
    if let (Some(key), Some(fields)) = (state_key, event.as_object_mut()) {
        fields.insert("state_key".to_owned(), key.into());
        room.state
            .insert((kind.to_owned(), key.to_owned()), event.clone());
    }
    room.timeline.push((position, event));
    Ok(event_id)
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
