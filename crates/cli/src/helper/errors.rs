//! Why a request is answered with an error: a mistake in the conversation, or a command that failed.

use matrix_qr_page::words;
use matrix_qr_protocol::{
    error::{Cause, UserError},
    harmless, printable,
};
use serde::Serialize;
use thiserror::Error;

use crate::exit::{Exit, Failure};

/// The `error` of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RpcError {
    code: i32,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<RpcErrorData>,
}

/// What is known of a command that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RpcErrorData {
    cause: Option<&'static str>,
    advice: String,
    device_left: Option<String>,
}

impl RpcError {
    /// The message may quote names of the caller's: the caller shows it to somebody, and JSON does
    /// not escape all characters that drive a terminal.
    fn in_conversation(code: i32, message: impl AsRef<str>) -> Self {
        Self {
            code,
            message: harmless(message.as_ref()),
            data: None,
        }
    }

    pub(super) fn not_json(message: impl AsRef<str>) -> Self {
        Self::in_conversation(-32700, message)
    }

    pub(super) fn not_a_request(message: impl AsRef<str>) -> Self {
        Self::in_conversation(-32600, message)
    }

    pub(super) fn no_such_method(method: &str) -> Self {
        let message = format!("there is no method {}", printable(method));
        Self::in_conversation(-32601, message)
    }

    pub(super) fn wrong_parameters(message: impl AsRef<str>) -> Self {
        Self::in_conversation(-32602, message)
    }

    pub(super) fn uninitialized() -> Self {
        Self::in_conversation(-32001, "the first request is initialize")
    }

    pub(super) fn busy() -> Self {
        Self::in_conversation(-32002, "another sign-in is running")
    }

    /// A sign-in failed, and this device may still be in the account.
    pub(super) fn with_device_left(failure: Failure, device_left: Option<String>) -> Self {
        let exit = match device_left {
            Some(_) => Exit::Server,
            None => failure.exit,
        };
        Self {
            code: exit as i32,
            message: failure.what,
            data: Some(RpcErrorData {
                cause: failure.cause.and_then(words::cause_name),
                advice: failure.advice,
                device_left,
            }),
        }
    }
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        Self::with_device_left(failure, None)
    }
}

/// Why there is no answer to a request of ours. What the caller wrote is not quoted: it may hold
/// secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NoAnswer {
    #[error("the program that uses the helper answered {0} with an error")]
    Refused(&'static str),
    #[error("the program that uses the helper gave an answer to {0} that has the wrong form")]
    Malformed(&'static str),
    #[error("the program that uses the helper did not answer {0} within {LATEST} seconds")]
    Late(&'static str),
    /// The caller could not read a line of ours, or we could not read one of its lines.
    #[error("a line was lost, and it may have been an answer")]
    LostLine,
    #[error("{0} is too long for a line")]
    TooLong(&'static str),
    #[error("{0} was not answered before the sign-in was cancelled")]
    Cancelled(&'static str),
    #[error("the program that uses the helper is gone")]
    Gone,
}

/// How long a program may take for what needs no person, in seconds.
pub(super) const LATEST: u64 = 30;

/// What to do about it.
pub(super) const REMEDY: &str =
    "Check that program: docs/helper.md describes the answer to each request.";

impl From<NoAnswer> for UserError {
    fn from(error: NoAnswer) -> Self {
        Self::new(Cause::Here, error.to_string(), REMEDY)
    }
}

impl From<NoAnswer> for Failure {
    fn from(error: NoAnswer) -> Self {
        Self::of_server(error.into())
    }
}
