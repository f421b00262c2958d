//! What a line of the caller is: JSON-RPC 2.0, in which only requests and answers are used.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use zeroize::Zeroizing;

use super::errors::RpcError;

/// A line of the caller.
#[derive(Debug)]
pub(super) enum CallerMessage {
    Request(CallerRequest),
    /// Without an ID the caller reports that it could not read a line of ours.
    Answer {
        id: Option<u64>,
        answer: CallerAnswer,
    },
}

/// What the caller asks for.
#[derive(Debug)]
pub(super) struct CallerRequest {
    pub(super) id: Value,
    pub(super) method: String,
    params: Json,
}

/// What the caller answers.
#[derive(Debug)]
pub(super) enum CallerAnswer {
    Result(Json),
    Error,
    /// With a result and an error, or with neither.
    Malformed,
}

/// A part of a line, not yet read.
#[derive(Debug)]
pub(super) struct Json(Zeroizing<String>);

impl Json {
    /// Reads an object, or null. No type here is an array, in which serde would also look for the
    /// fields of an object.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        if self.0.starts_with('[') {
            return Err(serde::de::Error::custom("an array is not expected"));
        }
        serde_json::from_str(&self.0)
    }
}

impl CallerRequest {
    pub(super) fn params<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        let wrong = |error: serde_json::Error| RpcError::wrong_parameters(error.to_string());
        self.params.read().map_err(wrong)
    }
}

/// The members of both kinds of messages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    jsonrpc: String,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    method: Option<String>,
    #[serde(default, borrow, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps null apart from a member that is missing.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn json(raw: &RawValue) -> Json {
    Json(Zeroizing::new(raw.get().to_owned()))
}

/// # Errors
///
/// It is neither a request nor an answer. The error quotes nothing of the line.
pub(super) fn read(line: &str) -> Result<CallerMessage, RpcError> {
    let members: Members<'_> = serde_json::from_str(line).map_err(|error| {
        if error.is_data() {
            RpcError::not_a_request("the line is not a request or an answer of JSON-RPC 2.0")
        } else {
            let place = error.column();
            RpcError::not_json(format!("the line is not JSON: see column {place}"))
        }
    })?;
    let (id, answers) = (
        members.id,
        members.result.is_some() || members.error.is_some(),
    );
    match (members.method, id) {
        _ if members.jsonrpc != "2.0" => Err(RpcError::not_a_request("jsonrpc must be \"2.0\"")),
        (Some(_), _) if answers => Err(RpcError::not_a_request(
            "a line is a request or an answer, not both",
        )),
        (Some(method), Some(id @ (Value::Number(_) | Value::String(_)))) => {
            let empty = || Json(Zeroizing::new("{}".to_owned()));
            let params = members.params.map_or_else(empty, json);
            Ok(CallerMessage::Request(CallerRequest { id, method, params }))
        }
        (Some(_), _) => Err(RpcError::not_a_request(
            "a request needs an id: a number or a string",
        )),
        (None, Some(id)) if id.is_null() || id.is_u64() => {
            let answer = match (members.result, members.error) {
                (Some(result), None) => CallerAnswer::Result(json(result)),
                (None, Some(_)) => CallerAnswer::Error,
                _ => CallerAnswer::Malformed,
            };
            let id = id.as_u64();
            Ok(CallerMessage::Answer { id, answer })
        }
        (None, _) => Err(RpcError::not_a_request(
            "the line has no method, nor the id of a request of the helper",
        )),
    }
}

#[cfg(test)]
mod tests;
