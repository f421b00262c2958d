//! An answer before it is HTTP, and what every one has, whatever was asked: leave for web clients to read it, orders to
//! caches, the date.

use std::{
    cell::RefCell,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use http_body_util::Full;

use crate::store::{Revision, Session};

/// An answer as it is sent.
pub(crate) type Reply = Response<Full<Bytes>>;

/// What came of a request.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    /// The live session that it is about, whether it grants or refuses.
    pub(crate) about: Option<Session>,
    /// A header that only such an answer has.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    /// Why it refuses, in a word.
    pub(crate) refused: Option<&'static str>,
    /// It waited for something to say: its time is not that of the server.
    pub(crate) held: bool,
}

pub(crate) enum Content {
    Nothing,
    /// Deployed clients compare the whole content type: no `charset`. Nothing has one too, because a known cache drops the
    /// ETag of an answer without.
    Plain(Bytes),
    Json(Vec<u8>),
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content: Content) -> Self {
        Self { status, content, about: None, header: None, refused: None, held: false }
    }

    pub(crate) fn about(self, session: Session) -> Self {
        Self { about: Some(session), ..self }
    }

    pub(crate) fn with(self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    /// As HTTP.
    pub(crate) fn into_reply(self) -> Reply {
        let mut headers = match &self.about {
            Some(session) => session_headers(session),
            None => common_headers(),
        };
        let (media_type, body) = match self.content {
            Content::Nothing => (None, Bytes::new()),
            Content::Plain(payload) => (Some("text/plain"), payload),
            Content::Json(text) => (Some("application/json"), text.into()),
        };
        if let Some(media_type) = media_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        headers.extend(self.header);
        let mut reply = Response::new(Full::new(body));
        *reply.status_mut() = self.status;
        *reply.headers_mut() = headers;
        reply
    }
}

/// So that no answer can lack these headers, an error least of all: a web client that may not read an error sees only
/// "network failure".
const ALWAYS: [(HeaderName, &str); 9] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "If-Match, If-None-Match, Content-Type, Prefer, Authorization, X-Requested-With",
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "ETag, Expires, Last-Modified, Date, Preference-Applied, Retry-After, Cache-Control, Pragma",
    ),
    // Each poll has a header that needs a preflight; without this a web client would send two requests for
    // each.
    (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    // A proxy that compresses would weaken the ETag, and only strong ones are accepted.
    (header::CACHE_CONTROL, "no-store, no-transform"),
    (header::PRAGMA, "no-cache"),
    // MSC4108, "Unsafe content": anybody can store anything here, and no browser shall show or run it.
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
];

/// What differs between answers, in a map that is copied with room for it.
const LATER: [HeaderName; 5] =
    [header::DATE, header::CONTENT_TYPE, header::ETAG, header::EXPIRES, header::LAST_MODIFIED];

/// To be copied: making it costs more than the rest of an answer.
static COMMON: LazyLock<HeaderMap> = LazyLock::new(|| {
    ALWAYS.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
});

fn common_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(ALWAYS.len() + LATER.len() + 1);
    headers.extend(COMMON.iter().map(|(name, value)| (name.clone(), value.clone())));
    headers.insert(header::DATE, http_date(SystemTime::now()));
    headers
}

/// The headers that every answer about a live session has (MSC4108, "Common HTTP response headers"), whether
/// it grants or refuses. `Date` is among them so that it is from the same moment: clients take the time that
/// is left from `Expires` minus `Date`.
fn session_headers(session: &Session) -> HeaderMap {
    let (now, date) = (Instant::now(), SystemTime::now());
    let left = session.expires.saturating_duration_since(now);
    let age = now.saturating_duration_since(session.modified);
    let mut headers = COMMON.clone();
    headers.extend(entity_tag(session.revision).map(|tag| (header::ETAG, tag)));
    headers.insert(header::EXPIRES, http_date(date.checked_add(left).unwrap_or(date)));
    headers.insert(header::LAST_MODIFIED, http_date(date.checked_sub(age).unwrap_or(date)));
    headers.insert(header::DATE, http_date(date));
    headers
}

fn entity_tag(revision: Revision) -> Option<HeaderValue> {
    let mut tag = [b'"'; 24];
    tag.get_mut(1..23)?.copy_from_slice(&revision.to_text());
    HeaderValue::from_bytes(&tag).ok()
}

/// How many dates each thread remembers, one for each second: more than a session's lifetime at the default.
const DATES: u64 = 1024;

type Date = Option<(u64, HeaderValue)>;

thread_local! {
    static REMEMBERED: RefCell<Vec<Date>> = RefCell::new(vec![None; usize::try_from(DATES).unwrap_or_default()]);
}

/// Three of them are in each answer, and writing one takes longer than everything else about it.
fn http_date(time: SystemTime) -> HeaderValue {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    REMEMBERED.with_borrow_mut(|dates| {
        let place = usize::try_from(seconds % DATES).ok().and_then(|place| dates.get_mut(place));
        match place {
            Some(Some((of, date))) if *of == seconds => date.clone(),
            Some(place) => place.insert((seconds, written(seconds))).1.clone(),
            None => written(seconds),
        }
    })
}

fn written(seconds: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_date_is_that_of_its_second_whichever_came_before() {
        for seconds in [0, 784_111_777, 784_111_777 + DATES, 784_111_777, 784_111_778] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(999);
            assert_eq!(http_date(time).to_str().unwrap(), httpdate::fmt_http_date(time));
        }
        assert_eq!(http_date(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), written(0));
    }
}
