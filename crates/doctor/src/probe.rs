//! Sends the requests of an examination. Each one and all together are bounded in time, the caller
//! can stop them, and the sessions that they create are deleted at the end.

use std::sync::{Mutex, PoisonError};
use std::time::{self, Duration};

use http::{HeaderName, Method, header};
use matrix_qr_protocol::rendezvous;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use url::Url;

use matrix_qr_device::http::{Bounds, Http, HttpError, HttpRequest, HttpResponse, Policy};

/// The origin of a web client on another host. The name can never exist (RFC 2606).
pub(crate) const ORIGIN: &str = "https://matrix-qr.invalid";

/// What is written into sessions: not empty, and easy to recognise.
pub(crate) const TEST_PAYLOAD: &[u8] = b"matrix-qr doctor was here";

/// For one request.
const BOUNDS: Bounds = Bounds {
    bytes: 256 << 10,
    time: Duration::from_secs(10),
};
/// For all requests together.
const LONGEST: Duration = Duration::from_secs(100);
/// For the deletion of each session that is left at the end.
const CLEAN_UP: Duration = Duration::from_secs(10);

const INTERRUPTED: &str = "the examination was interrupted";
const TIME_IS_UP: &str = "the examination took too long";

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoResponse {
    /// The examination was stopped before the response, for this reason.
    Stopped(&'static str),
    /// The request could not be sent, or the server did not respond.
    Failed(HttpError),
}

pub(crate) type ProbeResult = Result<HttpResponse, NoResponse>;

/// A request as a web client would send it.
#[derive(Debug, Clone)]
pub(crate) struct ProbeRequest {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl ProbeRequest {
    pub(crate) fn new(method: Method, url: &Url) -> Self {
        let headers = vec![(header::ORIGIN, ORIGIN.to_owned())];
        Self {
            method,
            url: url.clone(),
            headers,
            body: Vec::new(),
        }
    }

    /// A request of the rendezvous API, with the origin of a web client.
    pub(crate) fn rendezvous(request: rendezvous::Request) -> Self {
        let rendezvous::Request {
            method,
            url,
            headers,
            body,
        } = request;
        // The names of the API's own methods and headers are always valid.
        let method = Method::from_bytes(method.as_str().as_bytes()).unwrap_or_default();
        let named = |(name, value): (&str, String)| Some((HeaderName::try_from(name).ok()?, value));
        let mut request = Self {
            body,
            ..Self::new(method, &url)
        };
        request
            .headers
            .extend(headers.into_iter().filter_map(named));
        request
    }

    pub(crate) fn get(url: &Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with_header(header::CONTENT_TYPE, content_type)
    }

    fn into_http(self) -> Result<HttpRequest, HttpError> {
        let builder = http::Request::builder()
            .method(self.method)
            .uri(self.url.as_str());
        let builder = self
            .headers
            .into_iter()
            .fold(builder, |builder, (name, value)| {
                builder.header(name, value)
            });
        builder.body(self.body).map_err(|_| HttpError::BadRequest)
    }
}

/// Sends requests until the caller stops it or the time is up.
pub(crate) struct Probe<'a> {
    http: &'a Http,
    stop: watch::Receiver<bool>,
    deadline: Instant,
    clock: &'a (dyn Fn() -> time::Instant + Sync),
    /// How long each response took, by the URL of its request.
    times: Mutex<Vec<(Url, Duration)>>,
    /// The sessions that exist because of us.
    sessions: Mutex<Vec<Url>>,
}

impl<'a> Probe<'a> {
    pub(crate) fn new(
        http: &'a Http,
        clock: &'a (dyn Fn() -> time::Instant + Sync),
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (times, sessions) = Default::default();
        Self {
            http,
            stop,
            deadline: Instant::now() + LONGEST,
            clock,
            times,
            sessions,
        }
    }

    pub(crate) fn http(&self) -> &Http {
        self.http
    }

    pub(crate) fn policy(&self) -> Policy {
        self.http.policy()
    }

    /// Why no more requests are sent.
    pub(crate) fn why_stopped(&self) -> Option<&'static str> {
        let late = Instant::now() >= self.deadline;
        self.stop
            .borrow()
            .then_some(INTERRUPTED)
            .or(late.then_some(TIME_IS_UP))
    }

    pub(crate) async fn send(&self, request: ProbeRequest) -> ProbeResult {
        self.until_stopped(self.exchange(request)).await
    }

    /// Sends a request that creates something which must be deleted: once sent, its response is
    /// awaited.
    pub(crate) async fn send_create(&self, request: ProbeRequest) -> ProbeResult {
        match self.why_stopped() {
            Some(why) => Err(NoResponse::Stopped(why)),
            None => self.exchange(request).await,
        }
    }

    /// Does any other work within the same limits.
    pub(crate) async fn until_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, NoResponse>>,
    ) -> Result<T, NoResponse> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(NoResponse::Stopped(INTERRUPTED)),
            () = tokio::time::sleep_until(self.deadline) => Err(NoResponse::Stopped(TIME_IS_UP)),
            outcome = work => outcome,
        }
    }

    async fn exchange(&self, request: ProbeRequest) -> ProbeResult {
        let url = request.url.clone();
        let request = request.into_http().map_err(NoResponse::Failed)?;
        let sent_at = (self.clock)();
        let response = self
            .http
            .send_within(request, BOUNDS)
            .await
            .map_err(NoResponse::Failed)?;
        let took = (self.clock)().saturating_duration_since(sent_at);
        self.times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((url, took));
        Ok(response)
    }

    /// How long each response took so far, by the URL of its request.
    pub(crate) fn times(&self) -> Vec<(Url, Duration)> {
        self.times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// This session must be deleted at the end.
    pub(crate) fn created(&self, session: &Url) {
        self.sessions().push(session.clone());
    }

    /// This session no longer exists.
    pub(crate) fn deleted(&self, session: &Url) {
        self.sessions().retain(|url| url != session);
    }

    /// Deletes the sessions that are left, even if the caller has stopped the examination. Returns
    /// how many could not be deleted.
    pub(crate) async fn clean_up(&self) -> usize {
        let sessions = std::mem::take(&mut *self.sessions());
        let mut left_behind = 0;
        for session in &sessions {
            let deletion = self.exchange(ProbeRequest::new(Method::DELETE, session));
            let deleted = matches!(
                timeout(CLEAN_UP, deletion).await,
                Ok(Ok(response)) if response.status().is_success() || response.status() == 404
            );
            left_behind += usize::from(!deleted);
        }
        left_behind
    }

    /// A panic elsewhere leaves it whole: every change is one call.
    fn sessions(&self) -> std::sync::MutexGuard<'_, Vec<Url>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_work_ends_when_the_time_is_up() {
        let http = Http::new(Policy::HttpsOnly).unwrap();
        let (_stop, stopped) = watch::channel(false);
        let never = std::future::pending::<Result<(), NoResponse>>();
        assert_eq!(
            Probe::new(&http, &time::Instant::now, stopped)
                .until_stopped(never)
                .await,
            Err(NoResponse::Stopped(TIME_IS_UP))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_takes_a_bounded_time_for_each_request_and_for_all() {
        // It accepts connections and never responds.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let http = Http::new(Policy::HttpsOrLoopback).unwrap();
        let (_stop, stopped) = watch::channel(false);
        let probe = Probe::new(&http, &time::Instant::now, stopped);
        let mut sent = 0;
        while probe.why_stopped().is_none() {
            let result = probe.send(ProbeRequest::get(&url)).await;
            assert!(
                matches!(
                    result,
                    Err(NoResponse::Failed(_) | NoResponse::Stopped(TIME_IS_UP))
                ),
                "{result:?}"
            );
            sent += 1;
        }
        assert!((2..=20).contains(&sent), "{sent}");
        assert_eq!(
            probe
                .send_create(ProbeRequest::get(&url))
                .await
                .unwrap_err(),
            NoResponse::Stopped(TIME_IS_UP)
        );
        probe.created(&url);
        assert_eq!(probe.clean_up().await, 1);
    }
}
