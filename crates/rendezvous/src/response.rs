//! A response before it is HTTP, and the headers that every response has: CORS for web clients,
//! directives for caches, the date.

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

use crate::{
    metrics::RefusalReason,
    store::{id::WriteTag, session::SessionSnapshot},
};

/// A response as it is sent.
pub(crate) type HttpResponse = Response<Full<Bytes>>;

/// The outcome of a request.
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) content: ResponseBody,
    /// The live session of the request, whether the request succeeded or was refused.
    pub(crate) session: Option<SessionSnapshot>,
    /// A header that only this kind of response has.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    /// Why the request was refused.
    pub(crate) refusal: Option<RefusalReason>,
    /// Whether the request waited for a payload: its duration does not tell how fast the server is.
    pub(crate) waited: bool,
}

pub(crate) enum ResponseBody {
    Nothing,
    /// Deployed clients compare the whole content type: no `charset`. An empty body has a content
    /// type too, because a known cache drops the ETag of a response without one.
    Plain(Bytes),
    Json(Vec<u8>),
}

impl ApiResponse {
    pub(crate) fn new(status: StatusCode, content: ResponseBody) -> Self {
        Self {
            status,
            content,
            session: None,
            header: None,
            refusal: None,
            waited: false,
        }
    }

    pub(crate) fn session(self, session: SessionSnapshot) -> Self {
        Self {
            session: Some(session),
            ..self
        }
    }

    pub(crate) fn with(self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        Self {
            header: Some((name, value.into())),
            ..self
        }
    }

    /// The HTTP response.
    pub(crate) fn into_http(self, now: Instant) -> HttpResponse {
        let (media_type, body) = match self.content {
            ResponseBody::Nothing => (None, Bytes::new()),
            ResponseBody::Plain(payload) => (Some("text/plain"), payload),
            ResponseBody::Json(text) => (Some("application/json"), text.into()),
        };
        let mut headers = template(self.session.is_some(), media_type.is_some());
        let values = HeaderValues {
            media_type,
            session: self.session.as_ref(),
            now,
            date: SystemTime::now(),
        };
        // In place: finding each header by its name takes longer.
        for (name, value) in &mut headers {
            if let Some(filled) = value.is_empty().then(|| values.of(name)).flatten() {
                *value = filled;
            }
        }
        // matrix-js-sdk takes the ETag of any response to its write for that of its own payload,
        // and waits for ever. Without an ETag it reads the current payload (docs/compatibility.md).
        if self.status == StatusCode::PRECONDITION_FAILED {
            headers.remove(header::ETAG);
        }
        headers.extend(self.header);
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// The headers of every response. An error needs them most: a web client that may not read an error
/// only sees "network failure".
const ALWAYS: [(HeaderName, &str); 9] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        // The last four are added by tracing agents to every request of a web app.
        "If-Match, If-None-Match, Content-Type, Prefer, Authorization, X-Requested-With, traceparent, tracestate, sentry-trace, baggage",
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "ETag, Expires, Last-Modified, Date, Preference-Applied, Retry-After, Cache-Control, Pragma",
    ),
    // Each poll has a header that requires a preflight; without this a web client would send two
    // requests for each poll.
    (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    // A proxy that compresses would change the ETag.
    (header::CACHE_CONTROL, "no-store, no-transform"),
    (header::PRAGMA, "no-cache"),
    // MSC4108, "Unsafe content": anybody can store anything here, and no browser must show or run
    // it.
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; sandbox",
    ),
];

/// The headers of every response about a live session (MSC4108, "Common HTTP response headers"),
/// whether the request succeeded or not, except the ETag of a 412.
const OF_SESSION: [HeaderName; 3] = [header::ETAG, header::EXPIRES, header::LAST_MODIFIED];

/// All headers of each kind of response, to be cloned and filled in where they are empty: adding
/// them one by one would take longer than the rest of a response.
static TEMPLATES: LazyLock<[HeaderMap; 4]> = LazyLock::new(|| {
    [
        template_with(false, false),
        template_with(false, true),
        template_with(true, false),
        template_with(true, true),
    ]
});

fn template(of_session: bool, has_content: bool) -> HeaderMap {
    let [bare, content, session, both] = &*TEMPLATES;
    match (of_session, has_content) {
        (false, false) => bare,
        (false, true) => content,
        (true, false) => session,
        (true, true) => both,
    }
    .clone()
}

fn template_with(of_session: bool, has_content: bool) -> HeaderMap {
    let always = ALWAYS
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)));
    let filled_in = OF_SESSION.into_iter().filter(|_| of_session);
    let filled_in = filled_in
        .chain([header::CONTENT_TYPE].into_iter().filter(|_| has_content))
        .chain([header::DATE]);
    always
        .chain(filled_in.map(|name| (name, HeaderValue::from_static(""))))
        .collect()
}

/// What the headers say that are empty in a template.
struct HeaderValues<'a> {
    media_type: Option<&'static str>,
    session: Option<&'a SessionSnapshot>,
    now: Instant,
    /// The moment `now`: clients compute the remaining time as `Expires` minus `Date`.
    date: SystemTime,
}

impl HeaderValues<'_> {
    fn of(&self, name: &HeaderName) -> Option<HeaderValue> {
        let Self { now, date, .. } = *self;
        match *name {
            header::DATE => Some(http_date(date)),
            header::CONTENT_TYPE => self.media_type.map(HeaderValue::from_static),
            header::ETAG => entity_tag(self.session?.tag),
            header::EXPIRES => {
                let left = self.session?.expires.saturating_duration_since(now);
                Some(http_date(date.checked_add(left).unwrap_or(date)))
            }
            header::LAST_MODIFIED => {
                let age = now.saturating_duration_since(self.session?.modified);
                Some(http_date(date.checked_sub(age).unwrap_or(date)))
            }
            _ => None,
        }
    }
}

fn entity_tag(tag: WriteTag) -> Option<HeaderValue> {
    let mut quoted = [b'"'; 24];
    quoted.get_mut(1..23)?.copy_from_slice(&tag.to_text());
    HeaderValue::from_bytes(&quoted).ok()
}

/// How many formatted dates each thread caches, one per second: more than the default lifetime of a
/// session has seconds.
const DATES: u64 = 1024;

type Date = Option<(u64, HeaderValue)>;

thread_local! {
    static CACHE: RefCell<Vec<Date>> = RefCell::new(vec![None; usize::try_from(DATES).unwrap_or_default()]);
}

/// Each response has three of them, and formatting one takes longer than the rest of the response.
fn http_date(time: SystemTime) -> HeaderValue {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    CACHE.with_borrow_mut(|dates| {
        let slot = usize::try_from(seconds % DATES)
            .ok()
            .and_then(|slot| dates.get_mut(slot));
        match slot {
            Some(Some((of, date))) if *of == seconds => date.clone(),
            Some(slot) => slot.insert((seconds, format_date(seconds))).1.clone(),
            None => format_date(seconds),
        }
    })
}

fn format_date(seconds: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_response_has_all_its_headers_with_values() {
        let now = Instant::now();
        let session = SessionSnapshot {
            tag: WriteTag::random(),
            replaced: None,
            payload: Bytes::new(),
            modified: now,
            expires: now,
            errcodes: crate::store::session::Errcodes::Stable,
        };
        for (session, content) in [
            (None, false),
            (None, true),
            (Some(&session), false),
            (Some(&session), true),
        ] {
            let content = if content {
                ResponseBody::Json(vec![b'1'])
            } else {
                ResponseBody::Nothing
            };
            let has_content = matches!(content, ResponseBody::Json(_));
            let mut response = ApiResponse::new(StatusCode::OK, content);
            response.session = session.cloned();
            let headers = response.into_http(now).headers().clone();
            let expected = 10 + 3 * usize::from(session.is_some()) + usize::from(has_content);
            assert_eq!((headers.len(), headers.keys_len()), (expected, expected));
            assert!(
                headers.values().all(|value| !value.is_empty()),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn a_cached_date_is_that_of_its_second() {
        for seconds in [
            0,
            784_111_777,
            784_111_777 + DATES,
            784_111_777,
            784_111_778,
        ] {
            let time =
                SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(999);
            assert_eq!(
                http_date(time).to_str().unwrap(),
                httpdate::fmt_http_date(time)
            );
        }
        assert_eq!(
            http_date(SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
            format_date(0)
        );
    }
}
