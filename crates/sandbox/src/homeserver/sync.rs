//! A minimal `/sync`: to-device messages, key counts, changed device lists, timelines and account
//! data.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    one_time_keys::{ONE_TIME_ALGORITHM, one_time_key_counts},
    request::{Caller, JsonResult},
    rooms::{read_token, token},
};
use crate::{
    account::{Account, Room},
    matrix_error::MatrixError,
    state::SandboxState,
};

const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The most events of each room; `/messages` has the rest.
const TIMELINE_LIMIT: usize = 50;

#[derive(Deserialize)]
pub(super) struct SyncQuery {
    since: Option<String>,
    #[serde(default)]
    timeout: u64,
    #[serde(default)]
    full_state: bool,
}

/// `GET /_matrix/client/v3/sync`. With `since` and `timeout` (milliseconds) it waits until
/// something has changed, unless `full_state` asks for all rooms.
pub(super) async fn sync(
    State(state): State<Arc<SandboxState>>,
    caller: Caller,
    Query(query): Query<SyncQuery>,
) -> JsonResult {
    let since = query.since.as_deref().map(read_token).transpose()?;
    let deadline = Instant::now() + Duration::from_millis(query.timeout).min(LONGEST_WAIT);
    let mut changes = state.changed.subscribe();
    loop {
        changes.mark_unchanged();
        let response = changes_for(
            &mut state.account(),
            &caller.device_id,
            since,
            query.full_state,
        )?;
        let left = deadline.saturating_duration_since(Instant::now());
        let waits = !response.has_changes && since.is_some() && !left.is_zero();
        if !waits {
            return Ok(Json(response.body));
        }
        SandboxState::wait_for_change(&mut changes, left).await;
    }
}

struct SyncResponse {
    has_changes: bool,
    body: Value,
}

/// Everything since this position. A `since` acknowledges all earlier to-device messages.
fn changes_for(
    account: &mut Account,
    device_id: &str,
    since: Option<u64>,
    full_state: bool,
) -> Result<SyncResponse, MatrixError> {
    let from = since.unwrap_or_default();
    let device = account
        .devices
        .get_mut(device_id)
        .ok_or_else(|| MatrixError::not_found("no such device"))?;
    device.inbox.retain(|(at, _)| *at >= from);
    let to_device: Vec<_> = device
        .inbox
        .iter()
        .map(|(_, event)| event.clone())
        .collect();
    let counts = one_time_key_counts(device);
    let unused = device
        .fallback_key
        .iter()
        .filter(|key| !key.used)
        .map(|_| ONE_TIME_ALGORITHM);
    let unused: Vec<_> = unused.collect();
    // "only sent on incremental sync"
    let changed = since
        .filter(|since| account.keys_changed >= *since)
        .map(|_| &account.user_id);
    let changed: Vec<_> = changed.into_iter().collect();
    let data = account
        .account_data
        .iter()
        .filter(|(_, (at, _))| *at >= from);
    let data: Vec<_> = data
        .map(|(kind, (_, content))| json!({ "type": kind, "content": content }))
        .collect();
    let rooms: Map<_, _> = account
        .rooms
        .iter()
        .filter_map(|(id, room)| Some((id.clone(), new_in(room, since, full_state)?)))
        .collect();
    let has_changes =
        !(to_device.is_empty() && changed.is_empty() && data.is_empty() && rooms.is_empty());
    let body = json!({
        "next_batch": token(account.position),
        "to_device": { "events": to_device },
        "device_one_time_keys_count": counts,
        "device_unused_fallback_key_types": unused,
        "device_lists": { "changed": changed, "left": [] },
        "account_data": { "events": data },
        "rooms": { "join": rooms },
    });
    Ok(SyncResponse { has_changes, body })
}

/// The first sync, one after a gap, and one that asks for it include the state; others only the
/// timeline.
fn new_in(room: &Room, since: Option<u64>, full_state: bool) -> Option<Value> {
    let new = room
        .timeline
        .iter()
        .filter(|(at, _)| *at >= since.unwrap_or_default());
    let mut events: Vec<_> = new.rev().take(TIMELINE_LIMIT + 1).collect();
    let limited = events.len() > TIMELINE_LIMIT;
    events.truncate(TIMELINE_LIMIT);
    events.reverse();
    let oldest = events.first().map(|(at, _)| *at);
    let before = oldest.or(since.filter(|_| full_state))?;
    let state: Vec<_> = room
        .state
        .values()
        .filter(|_| since.is_none() || limited || full_state)
        .collect();
    let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    let timeline = json!({ "events": events, "limited": limited, "prev_batch": token(before) });
    Some(json!({ "timeline": timeline, "state": { "events": state } }))
}
