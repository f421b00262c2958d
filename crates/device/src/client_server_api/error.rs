//! How a call to the homeserver can fail.

use std::time::Duration;

use http::{StatusCode, header::RETRY_AFTER};
use matrix_qr_protocol::{
    error::{Cause, ToUserError, advice_on_refusal},
    printable,
};
use serde::Deserialize;

use crate::http::{HttpError, HttpResponse};

/// Why a call to the homeserver failed. No variant holds a token, a body or the path of a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HomeserverError {
    /// 401 `M_UNKNOWN_TOKEN`: refresh the token, or sign in again.
    #[error("the homeserver no longer accepts this session's access token")]
    Expired,
    /// Any other Matrix error.
    #[error("the homeserver answered {status} {errcode}: {error}")]
    Matrix {
        /// The HTTP status.
        status: u16,
        /// The `errcode`.
        errcode: String,
        /// The `error`, cut to a line and without control characters.
        error: String,
    },
    /// 429: too many requests.
    #[error("the homeserver asks to wait: too many requests")]
    RateLimited {
        /// How long, where it says so.
        retry_after: Option<Duration>,
    },
    /// A failure that is not in Matrix's form: a proxy in between, or no homeserver at all.
    #[error("the homeserver answered {status} without a Matrix error")]
    NotMatrix {
        /// The HTTP status.
        status: u16,
    },
    /// A success whose content is not what the API says.
    #[error("the homeserver's answer is not usable: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// No answer at all.
    #[error(transparent)]
    Http(#[from] HttpError),
}

#[derive(Deserialize)]
struct MatrixError {
    errcode: String,
    #[serde(default)]
    error: String,
    retry_after_ms: Option<u64>,
}

impl HomeserverError {
    pub(crate) fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }

    pub(super) fn from_answer(answer: &HttpResponse) -> Self {
        let status = answer.status();
        let body = serde_json::from_slice::<MatrixError>(answer.body()).ok();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let stated = body.and_then(|body| body.retry_after_ms);
            let retry_after = retry_after_header(answer).or(stated.map(Duration::from_millis));
            return Self::RateLimited { retry_after };
        }
        match body {
            Some(body)
                if status == StatusCode::UNAUTHORIZED && body.errcode == "M_UNKNOWN_TOKEN" =>
            {
                Self::Expired
            }
            Some(body) => Self::Matrix {
                status: status.as_u16(),
                errcode: printable(&body.errcode),
                error: printable(&body.error),
            },
            None => Self::NotMatrix {
                status: status.as_u16(),
            },
        }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Matrix { status, .. } | Self::NotMatrix { status } => *status >= 500,
            Self::RateLimited { .. } => true,
            Self::Http(error) => error.is_transient(),
            Self::Expired | Self::Malformed { .. } => false,
        }
    }

    /// 404 `M_NOT_FOUND`, and only that: a proxy's 404 or `M_UNRECOGNIZED` says nothing about what
    /// was asked for.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Matrix { status: 404, errcode, .. } if errcode == "M_NOT_FOUND")
    }

    /// 401 `M_USER_LOCKED`: Client-Server API, "Account locking".
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self, Self::Matrix { status: 401, errcode, .. } if errcode == "M_USER_LOCKED")
    }

    /// Whether it is about this device's own session: that has ended, or cannot be used.
    pub(crate) fn ends_session(&self) -> bool {
        matches!(self, Self::Expired) || self.is_locked()
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            _ => None,
        }
    }
}

impl ToUserError for HomeserverError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::Http(error) => return error.verdict_at(Cause::Homeserver),
            Self::Expired => "Try again; if the problem persists, sign in again.",
            Self::NotMatrix { .. } if !self.is_transient() => {
                "Check the homeserver's address; if it is right, tell the server's administrator."
            }
            Self::Matrix { .. }
            | Self::RateLimited { .. }
            | Self::NotMatrix { .. }
            | Self::Malformed { .. } => advice_on_refusal(self.is_transient()),
        };
        (Cause::Homeserver, advice)
    }
}

fn retry_after_header(answer: &HttpResponse) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn answer(status: u16, body: &str) -> HomeserverError {
        let answer = http::Response::builder()
            .status(status)
            .body(body.as_bytes().to_vec())
            .unwrap();
        HomeserverError::from_answer(&answer)
    }

    #[test]
    fn an_expired_token_is_its_own_error() {
        assert_eq!(
            answer(401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"x"}"#),
            HomeserverError::Expired
        );
        assert!(matches!(
            answer(401, r#"{"errcode":"M_FORBIDDEN","error":"x"}"#),
            HomeserverError::Matrix { .. }
        ));
    }

    #[test]
    fn a_locked_account_is_told_from_other_refusals() {
        assert!(
            answer(
                401,
                r#"{"errcode":"M_USER_LOCKED","error":"x","soft_logout":true}"#
            )
            .is_locked()
        );
        assert!(!answer(401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"x"}"#).is_locked());
        assert!(!answer(403, r#"{"errcode":"M_USER_LOCKED","error":"x"}"#).is_locked());
    }

    #[test]
    fn only_a_matrix_404_means_not_found() {
        assert!(answer(404, r#"{"errcode":"M_NOT_FOUND","error":"x"}"#).is_not_found());
        assert!(!answer(404, r#"{"errcode":"M_UNRECOGNIZED","error":"x"}"#).is_not_found());
        assert!(!answer(404, "<html>not found</html>").is_not_found());
        assert!(!answer(500, r#"{"errcode":"M_NOT_FOUND","error":"x"}"#).is_not_found());
    }

    #[test]
    fn what_may_pass_is_distinguished_from_what_stays() {
        assert!(answer(502, "<html>").is_transient());
        assert!(answer(500, r#"{"errcode":"M_UNKNOWN"}"#).is_transient());
        assert!(!answer(400, r#"{"errcode":"M_BAD_JSON"}"#).is_transient());
        assert!(!answer(301, "").is_transient());
    }

    #[test]
    fn a_servers_words_are_cut_and_harmless() {
        let body = serde_json::json!({ "errcode": "M_X\u{1b}[2J", "error": "a\r\n".repeat(500) });
        let HomeserverError::Matrix { errcode, error, .. } = answer(400, &body.to_string()) else {
            panic!("a Matrix error")
        };
        assert_eq!(errcode, "M_X\u{fffd}[2J");
        assert!(
            error.chars().count() < 200 && !error.contains(char::is_control),
            "{error}"
        );
    }

    #[test]
    fn a_429_says_how_long() {
        let error = answer(
            429,
            r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#,
        );
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
        assert!(error.is_transient());
    }
}
