//! The requests of an examination: bounded one by one and together, ended by the person, and
//! cleaned up after.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Watch};

use http::{HeaderName, Method, header};
use matrix_qr_protocol::rendezvous;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use url::Url;

use matrix_qr_device::http::{Bounds, Http, HttpError, Policy, Request, Response};

/// Where a web client might be: somewhere else. The name can never exist (RFC 2606).
pub(crate) const ORIGIN: &str = "https://matrix-qr.invalid";

const ONE: Bounds = Bounds {
    bytes: 256 << 10,
    time: Duration::from_secs(10),
};
const ALL: Duration = Duration::from_secs(100);
const FAREWELL: Duration = Duration::from_secs(10);

const GIVEN_UP: &str = "it was interrupted";
const TOO_LONG: &str = "the examination's time was up";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody was asked.
    Over(&'static str),
    /// The server could not be asked, or did not answer.
    Failed(HttpError),
}

/// What came of a request.
pub(crate) type Answer = Result<Response, Silence>;

/// A request as a web client would send it.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl Question {
    pub(crate) fn new(method: Method, url: &Url) -> Self {
        let headers = vec![(header::ORIGIN, ORIGIN.to_owned())];
        Self {
            method,
            url: url.clone(),
            headers,
            body: Vec::new(),
        }
    }

    /// A request of the rendezvous API.
    pub(crate) fn of(request: rendezvous::Request) -> Self {
        let rendezvous::Request {
            method,
            url,
            headers,
            body,
        } = request;
        // The names of the API's own methods and headers are always ones.
        let method = Method::from_bytes(method.as_str().as_bytes()).unwrap_or_default();
        let named = |(name, value): (&str, String)| Some((HeaderName::try_from(name).ok()?, value));
        let mut question = Self {
            body,
            ..Self::new(method, &url)
        };
        question
            .headers
            .extend(headers.into_iter().filter_map(named));
        question
    }

    pub(crate) fn get(url: &Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with(header::CONTENT_TYPE, content_type)
    }

    fn request(self) -> Result<Request, HttpError> {
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

/// Asks, until the person gives up or the time is up.
pub(crate) struct Probe<'a> {
    http: &'a Http,
    stop: watch::Receiver<bool>,
    deadline: Instant,
    clock: &'a (dyn Fn() -> Watch + Sync),
    /// How long each answer took, and whose it was.
    times: Mutex<Vec<(Url, Duration)>>,
    /// Sessions that exist because of us.
    litter: Mutex<Vec<Url>>,
}

impl<'a> Probe<'a> {
    pub(crate) fn new(
        http: &'a Http,
        clock: &'a (dyn Fn() -> Watch + Sync),
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (times, litter) = Default::default();
        Self {
            http,
            stop,
            deadline: Instant::now() + ALL,
            clock,
            times,
            litter,
        }
    }

    pub(crate) fn http(&self) -> &Http {
        self.http
    }

    pub(crate) fn policy(&self) -> Policy {
        self.http.policy()
    }

    /// Why nothing more is asked.
    pub(crate) fn why_over(&self) -> Option<&'static str> {
        let late = Instant::now() >= self.deadline;
        self.stop
            .borrow()
            .then_some(GIVEN_UP)
            .or(late.then_some(TOO_LONG))
    }

    pub(crate) async fn ask(&self, question: Question) -> Answer {
        self.until_over(self.exchange(question)).await
    }

    /// One that makes something which must be cleaned up: once begun it is waited for.
    pub(crate) async fn ask_to_create(&self, question: Question) -> Answer {
        match self.why_over() {
            Some(why) => Err(Silence::Over(why)),
            None => self.exchange(question).await,
        }
    }

    /// Any other work, within the same limits.
    pub(crate) async fn until_over<T>(
        &self,
        work: impl Future<Output = Result<T, Silence>>,
    ) -> Result<T, Silence> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(Silence::Over(GIVEN_UP)),
            () = tokio::time::sleep_until(self.deadline) => Err(Silence::Over(TOO_LONG)),
            outcome = work => outcome,
        }
    }

    async fn exchange(&self, question: Question) -> Answer {
        let server = question.url.clone();
        let request = question.request().map_err(Silence::Failed)?;
        let asked = (self.clock)();
        let answer = self
            .http
            .send_within(request, ONE)
            .await
            .map_err(Silence::Failed)?;
        let took = (self.clock)().saturating_duration_since(asked);
        self.times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((server, took));
        Ok(answer)
    }

    /// How long each answer took so far, and whose it was.
    pub(crate) fn times(&self) -> Vec<(Url, Duration)> {
        self.times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// This session is ours to delete.
    pub(crate) fn owns(&self, session: &Url) {
        self.litter().push(session.clone());
    }

    /// This one is gone.
    pub(crate) fn disowns(&self, session: &Url) {
        self.litter().retain(|url| url != session);
    }

    /// Deletes what is left, whoever has given up. How many stay.
    pub(crate) async fn clean_up(&self) -> usize {
        let litter = std::mem::take(&mut *self.litter());
        let mut left = 0;
        for session in &litter {
            let answer = timeout(
                FAREWELL,
                self.exchange(Question::new(Method::DELETE, session)),
            )
            .await;
            let gone = matches!(&answer, Ok(Ok(answer)) if answer.status().is_success() || answer.status() == 404);
            left += usize::from(!gone);
        }
        left
    }

    /// Whole after a panic elsewhere: every change is one call.
    fn litter(&self) -> std::sync::MutexGuard<'_, Vec<Url>> {
        self.litter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whatever_is_done_ends_with_the_time() {
        let http = Http::new(Policy::HttpsOnly).unwrap();
        let (_stop, stopped) = watch::channel(false);
        let never = std::future::pending::<Result<(), Silence>>();
        assert_eq!(
            Probe::new(&http, &Watch::now, stopped)
                .until_over(never)
                .await,
            Err(Silence::Over(TOO_LONG))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_mute_server_takes_a_bounded_time_for_each_question_and_for_all() {
        // It takes connections, and never answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let http = Http::new(Policy::HttpsOrLoopback).unwrap();
        let (_stop, stopped) = watch::channel(false);
        let probe = Probe::new(&http, &Watch::now, stopped);
        let mut asked = 0;
        while probe.why_over().is_none() {
            let answer = probe.ask(Question::get(&url)).await;
            assert!(
                matches!(answer, Err(Silence::Failed(_) | Silence::Over(TOO_LONG))),
                "{answer:?}"
            );
            asked += 1;
        }
        assert!((2..=20).contains(&asked), "{asked}");
        assert_eq!(
            probe.ask_to_create(Question::get(&url)).await.unwrap_err(),
            Silence::Over(TOO_LONG)
        );
        probe.owns(&url);
        assert_eq!(probe.clean_up().await, 1);
    }
}
