//! One session from its creation to its end, as two devices and a browser would use it. Here it is
//! only lived through and written down; what is right and what is not is said elsewhere.

use http::{HeaderName, Method, StatusCode, header};
use matrix_qr_protocol::rendezvous::{MAX_PAYLOAD_BYTES, SessionUrl};
use url::Url;

use crate::Finding;
use crate::probe::{Answer, Probe, Question};
use crate::seen::{self, errcode, json, place};
use crate::{
    Check,
    etag::{decorated, strong},
};
use matrix_qr_device::discovery::join;
use matrix_qr_device::http::Response;
use matrix_qr_device::rendezvous_client::PATHS;

/// As many as our own client follows.
pub(crate) const MAX_HOPS: usize = 3;

/// What two devices say to each other is longer; this is enough to be told apart from nothing.
const LETTER: &[u8] = b"matrix-qr doctor was here";

pub(crate) const NO_SESSION: &str = "there is no session to try it with";

/// A place that creates sessions, or sends on to one, and what it said.
pub(crate) struct Hop {
    pub(crate) url: Url,
    pub(crate) answer: Answer,
}

/// A preflight: for which method and header, and what came.
pub(crate) struct Preflight {
    pub(crate) method: &'static str,
    pub(crate) header: Option<&'static str>,
    pub(crate) answer: Answer,
}

/// What was asked, in this order, and what came; `None` where it did not come to that.
#[derive(Default)]
pub(crate) struct Visit {
    /// The way to the creation; the last one is where it ended.
    pub(crate) hops: Vec<Hop>,
    pub(crate) session: Option<Url>,
    /// Why the URL that was given out is of no use.
    pub(crate) unusable_session: Option<String>,
    pub(crate) preflights: Vec<Preflight>,
    pub(crate) read: Option<Answer>,
    /// Nothing has happened since the first read.
    pub(crate) unchanged: Option<Answer>,
    pub(crate) written: Option<Answer>,
    pub(crate) read_back: Option<Answer>,
    /// A write against what was there before the last one.
    pub(crate) stale: Option<Answer>,
    /// The same bytes again.
    pub(crate) rewritten: Option<Answer>,
    /// 4096 bytes.
    pub(crate) full: Option<Answer>,
    /// 4097 bytes.
    pub(crate) oversized: Option<Answer>,
    pub(crate) last: Option<Answer>,
    /// A read that may be compressed, and the ETag of what was written last.
    pub(crate) compressed: Option<(String, Answer)>,
    /// Writes against ETags in the form that such answers had them, where that was not the server's
    /// own: what a browser does then.
    pub(crate) decorated: Vec<Answer>,
    /// Another creation, whose answer may be compressed.
    pub(crate) created_compressed: Option<Answer>,
    pub(crate) deleted: Option<Answer>,
    pub(crate) gone: Option<Answer>,
}

impl Visit {
    pub(crate) async fn make(probe: &Probe<'_>, base: &Url) -> Self {
        let mut visit = Self::default();
        for path in PATHS {
            visit.hops = follow(probe, join(base, path)).await;
            if !visit.is_unknown_path() {
                break;
            }
        }
        visit.arrive(probe);
        if let Some(session) = visit.session.clone() {
            visit.talk(probe, &session).await;
            visit.ask_as_browser(probe, &session).await;
            visit.create_compressed(probe).await;
            visit.leave(probe, &session).await;
        }
        visit
    }

    /// The answer to the creation itself.
    pub(crate) fn created(&self) -> Option<&Response> {
        let last = self.hops.last()?.answer.as_ref().ok()?;
        last.status().is_success().then_some(last)
    }

    /// Client-Server API, "Unsupported endpoints": then the other path is tried.
    fn is_unknown_path(&self) -> bool {
        let first = self.hops.first().and_then(|hop| hop.answer.as_ref().ok());
        first.is_some_and(|answer| {
            answer.status() == StatusCode::NOT_FOUND
                || errcode(answer).as_deref() == Some("M_UNRECOGNIZED")
        })
    }

    fn arrive(&mut self, probe: &Probe<'_>) {
        match self.created().map(|response| session_of(probe, response)) {
            Some(Ok(session)) => self.session = Some(session),
            Some(Err(what)) => self.unusable_session = Some(what),
            None => {}
        }
    }

    async fn talk(&mut self, probe: &Probe<'_>, session: &Url) {
        let get = || Question::get(session);
        let put = |etag: &str, payload: &[u8]| write(session, etag, payload);
        self.read = Some(probe.ask(get()).await);
        let Some(first) = self.first_etag() else {
            return;
        };
        self.unchanged = Some(probe.ask(get().with(header::IF_NONE_MATCH, &first)).await);
        self.written = Some(probe.ask(put(&first, LETTER)).await);
        let Some(mut current) = etag_of(&self.written) else {
            return;
        };
        self.read_back = Some(probe.ask(get().with(header::IF_NONE_MATCH, &first)).await);
        self.stale = Some(probe.ask(put(&first, LETTER)).await);
        self.rewritten = Some(probe.ask(put(&current, LETTER)).await);
        current = etag_of(&self.rewritten).unwrap_or(current);
        self.full = Some(probe.ask(put(&current, &text(MAX_PAYLOAD_BYTES))).await);
        current = etag_of(&self.full).unwrap_or(current);
        self.oversized = Some(probe.ask(put(&current, &text(MAX_PAYLOAD_BYTES + 1))).await);
        current = etag_of(&self.oversized).unwrap_or(current);
        let compressed = probe
            .ask(get().with(header::ACCEPT_ENCODING, "gzip, deflate, br"))
            .await;
        if let Some(etag) = decorated(&compressed) {
            self.decorated
                .push(probe.ask(write(session, &etag, LETTER)).await);
        }
        self.compressed = Some((current, compressed));
        self.last = Some(probe.ask(get()).await);
    }

    /// The ETag of a new session, if it can be worked with: strong, and the same in two answers.
    fn first_etag(&self) -> Option<String> {
        let created = strong(self.created()?).ok()?;
        etag_of(&self.read).filter(|read| *read == created)
    }

    /// CORS: what a browser asks before the requests that a script wants to make.
    async fn ask_as_browser(&mut self, probe: &Probe<'_>, session: &Url) {
        let mut asks: Vec<_> = self
            .hops
            .iter()
            .map(|hop| (hop.url.clone(), "POST", Some("content-type")))
            .collect();
        let own = [
            ("GET", Some("if-none-match")),
            ("PUT", Some("if-match")),
            ("DELETE", None),
        ];
        asks.extend(own.map(|(method, header)| (session.clone(), method, header)));
        for (url, method, header) in asks {
            let question = Question::new(Method::OPTIONS, &url)
                .with(header::ACCESS_CONTROL_REQUEST_METHOD, method);
            let question = match header {
                Some(header) => question.with(header::ACCESS_CONTROL_REQUEST_HEADERS, header),
                None => question,
            };
            self.preflights.push(Preflight {
                method,
                header,
                answer: probe.ask(question).await,
            });
        }
    }

    async fn create_compressed(&mut self, probe: &Probe<'_>) {
        let Some(place) = self.hops.last().map(|hop| hop.url.clone()) else {
            return;
        };
        let question = creation(&place).with(header::ACCEPT_ENCODING, "gzip, deflate, br");
        let answer = probe.ask_to_create(question).await;
        // Compressed, it cannot be read here: then its session ends by itself. Otherwise it is
        // deleted with what is left.
        let session = answer
            .as_ref()
            .ok()
            .and_then(|response| session_of(probe, response).ok());
        if let (Some(session), Some(etag)) = (session, decorated(&answer)) {
            self.decorated
                .push(probe.ask(write(&session, &etag, LETTER)).await);
        }
        self.created_compressed = Some(answer);
    }

    async fn leave(&mut self, probe: &Probe<'_>, session: &Url) {
        self.deleted = Some(probe.ask(Question::new(Method::DELETE, session)).await);
        let gone = probe.ask(Question::get(session)).await;
        forget(probe, session, &gone);
        self.gone = Some(gone);
    }

    /// Whether the server had forgotten it before it was deleted: it says so of a read or a write,
    /// and of the deletion.
    pub(crate) fn died(&self) -> bool {
        let gone = |answer: &Option<Answer>| matches!(answer, Some(Ok(response)) if response.status() == 404);
        let before = [
            &self.unchanged,
            &self.written,
            &self.read_back,
            &self.stale,
            &self.rewritten,
        ];
        let before = before
            .into_iter()
            .chain([&self.full, &self.oversized, &self.last]);
        // A proxy that does not know the path says 404, too, but not in Matrix's words.
        let at_once =
            matches!(&self.read, Some(Ok(read)) if read.status() == 404 && errcode(read).is_some());
        gone(&self.deleted) && (at_once || before.into_iter().any(gone))
    }

    /// Whether the server knows its ETags in the form that a proxy gave them.
    pub(crate) fn knows_decorated(&self) -> bool {
        let accepted =
            |answer: &Answer| matches!(answer, Ok(response) if response.status().is_success());
        !self.decorated.is_empty() && self.decorated.iter().all(accepted)
    }

    /// Whether a read after a write brought what was there before.
    pub(crate) fn is_cached(&self) -> bool {
        match &self.read_back {
            Some(Ok(read)) => {
                read.status() == 304 || (read.status().is_success() && read.body().is_empty())
            }
            _ => false,
        }
    }

    /// The answer that a check of a live session is about; or why there is none.
    pub(crate) fn answered<'a>(
        &self,
        check: Check,
        answer: &'a Option<Answer>,
    ) -> Result<&'a Response, Finding> {
        let why_not = if self.session.is_none() {
            NO_SESSION
        } else {
            "what comes before it failed"
        };
        match seen::answered(check, answer, why_not)? {
            response if response.status() == 404 && self.died() => {
                Err(Finding::not_checked(check, "the session had gone by then"))
            }
            response => Ok(response),
        }
    }
}

/// "Create a rendezvous session": empty, as our devices begin it.
fn creation(at: &Url) -> Question {
    Question::new(Method::POST, at).body("text/plain", "")
}

/// "Send a payload to the rendezvous session".
fn write(session: &Url, etag: &str, payload: &[u8]) -> Question {
    let question = Question::new(Method::PUT, session).with(header::IF_MATCH, etag);
    question.body("text/plain", payload)
}

async fn follow(probe: &Probe<'_>, start: Url) -> Vec<Hop> {
    let (mut hops, mut next) = (Vec::<Hop>::new(), Some(start));
    while let Some(url) = next.take() {
        let answer = probe.ask_to_create(creation(&url)).await;
        let target = answer
            .as_ref()
            .ok()
            .and_then(|response| target(&url, response));
        hops.push(Hop { url, answer });
        next = target.filter(|url| hops.len() <= MAX_HOPS && probe.policy().permits(url));
    }
    hops
}

/// Where a 307 leads to: never away from https.
fn target(from: &Url, response: &Response) -> Option<Url> {
    let followed = response.status() == StatusCode::TEMPORARY_REDIRECT;
    let location = seen_header(response, &header::LOCATION).filter(|_| followed)?;
    from.join(location)
        .ok()
        .filter(|to| from.scheme() != "https" || to.scheme() == "https")
}

fn seen_header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The URL that was given out, which is ours to delete now.
fn session_of(probe: &Probe<'_>, response: &Response) -> Result<Url, String> {
    let body = json(response).ok_or("the answer is not JSON")?;
    let url = body
        .get("url")
        .and_then(|url| url.as_str())
        .ok_or("the answer has no url")?;
    let url = SessionUrl::parse(url).map_err(|error| format!("the url is not usable: {error}"))?;
    if !probe.policy().permits(url.url()) {
        return Err(format!("sessions are said to be at {}", place(url.url())));
    }
    probe.owns(url.url());
    Ok(url.url().clone())
}

/// Only what is seen to be gone needs no deleting any more.
fn forget(probe: &Probe<'_>, session: &Url, looked: &Answer) {
    if looked.as_ref().is_ok_and(|answer| answer.status() == 404) {
        probe.disowns(session);
    }
}

fn etag_of(answer: &Option<Answer>) -> Option<String> {
    let response = answer.as_ref()?.as_ref().ok()?;
    strong(response)
        .ok()
        .filter(|_| response.status().is_success())
}

/// What compresses well.
fn text(bytes: usize) -> Vec<u8> {
    LETTER.iter().copied().cycle().take(bytes).collect()
}

/// What was written and is to be read back.
pub(crate) fn is_letter(payload: &[u8]) -> bool {
    payload == LETTER
}
