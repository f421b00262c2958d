//! What an operator can see of the service, as Prometheus metrics. No label says who asked, or about which session.

pub(crate) mod text;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::Method;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{answer::Answer, store::Api};

/// The media type of what [`Metrics::encode`] makes.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `None` is no path of ours.
fn api_name(api: Option<Api>) -> &'static str {
    match api {
        Some(Api::Msc4108) => "msc4108",
        Some(Api::Msc4388) => "msc4388",
        None => "none",
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    revision: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    method: &'static str,
    revision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Whoami {
    result: &'static str,
}

/// Everything that is counted. Clones count together.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Answered, Counter>,
    refusals: Family<Refused, Counter>,
    latency: Family<Asked, Histogram>,
    usual: Arc<Usual>,
    store: Family<Operation, Histogram>,
    store_failures: Counter,
    whoami: Family<Whoami, Counter>,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    pub(crate) connections: Gauge,
    connections_refused: Counter,
    sessions: Gauge,
    waiters: Gauge,
    expired: Counter,
}

/// The counters of what happens all the time, so that nobody looks for them under a lock each time.
#[derive(Default)]
struct Usual([UsualAnswer; 11]);

#[derive(Default)]
struct UsualAnswer {
    requests: OnceLock<Counter>,
    latency: OnceLock<Histogram>,
}

impl Usual {
    fn of(&self, method: &Method, api: Option<Api>, status: u16) -> Option<&UsualAnswer> {
        let place = match (method, api?, status) {
            (&Method::GET, Api::Msc4108, 304) => 0,
            (&Method::GET, Api::Msc4108, 200) => 1,
            (&Method::PUT, Api::Msc4108, 202) => 2,
            (&Method::POST, Api::Msc4108, 201) => 3,
            (&Method::DELETE, Api::Msc4108, 204) => 4,
            (&Method::OPTIONS, Api::Msc4108, 204) => 5,
            (&Method::GET, Api::Msc4388, 200) => 6,
            (&Method::PUT, Api::Msc4388, 200) => 7,
            (&Method::POST, Api::Msc4388, 200) => 8,
            (&Method::DELETE, Api::Msc4388, 200) => 9,
            (&Method::OPTIONS, Api::Msc4388, 204) => 10,
            _ => return None,
        };
        self.0.get(place)
    }
}

/// What is not counted as it happens, but looked up when somebody asks.
pub(crate) struct Now {
    pub(crate) sessions: usize,
    pub(crate) waiters: usize,
    pub(crate) expired: u64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            refusals: Family::default(),
            latency: Family::new_with_constructor(histogram),
            usual: Arc::default(),
            store: Family::new_with_constructor(histogram),
            store_failures: Counter::default(),
            whoami: Family::default(),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            sessions: Gauge::default(),
            waiters: Gauge::default(),
            expired: Counter::default(),
        };
        let mut registry = Registry::with_prefix("rendezvous");
        metrics.register_traffic(&mut registry);
        metrics.register_state(&mut registry);
        metrics.registry = registry.into();
        metrics
    }

    fn register_traffic(&self, registry: &mut Registry) {
        registry.register("requests", "Requests that were answered", self.requests.clone());
        registry.register("refusals", "Requests that were refused, by reason", self.refusals.clone());
        let latency = "Time from the head of a request to its answer, of those that did not wait";
        registry.register_with_unit("request_duration", latency, Unit::Seconds, self.latency.clone());
        registry.register_with_unit(
            "payload_received",
            "Payloads that were stored",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register_with_unit(
            "payload_sent",
            "Payloads that were read",
            Unit::Bytes,
            self.sent.clone(),
        );
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register("sessions", "Sessions that live, of those made here", self.sessions.clone());
        registry.register("sessions_expired", "Sessions that ended by their time", self.expired.clone());
        registry.register("waiters", "Requests that wait for a payload to change", self.waiters.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        let refused = "Connections that were closed at once, because there were too many";
        registry.register("connections_refused", refused, self.connections_refused.clone());
        let store = "Time that the store took";
        registry.register_with_unit("store_duration", store, Unit::Seconds, self.store.clone());
        registry.register(
            "store_failures",
            "Times that the store was not there",
            self.store_failures.clone(),
        );
        let whoami = "Times that the homeserver was asked whose an access token is, by result";
        registry.register("whoami", whoami, self.whoami.clone());
    }

    pub(crate) fn answered(&self, (method, api): (&Method, Option<Api>), answer: &Answer, took: Duration) {
        let asked = Asked { method: method_name(method), revision: api_name(api) };
        let status = answer.status.as_u16();
        let usual = self.usual.of(method, api, status);
        match usual {
            Some(usual) => usual.requests.get_or_init(|| self.requests(&asked, status)).inc(),
            None => self.requests(&asked, status).inc(),
        };
        if let Some(reason) = answer.refused {
            self.refusals.get_or_create(&Refused { reason }).inc();
        }
        if !answer.held {
            let took = took.as_secs_f64();
            match usual {
                Some(usual) => {
                    usual.latency.get_or_init(|| self.latency.get_or_create_owned(&asked)).observe(took)
                }
                None => self.latency.get_or_create(&asked).observe(took),
            }
        }
    }

    fn requests(&self, &Asked { method, revision }: &Asked, status: u16) -> Counter {
        self.requests.get_or_create_owned(&Answered { method, revision, status })
    }

    pub(crate) fn stored(&self, operation: &'static str, took: Duration, failed: bool) {
        self.store.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
        if failed {
            self.store_failures.inc();
        }
    }

    #[cfg(feature = "whoami")]
    pub(crate) fn whoami(&self, result: &'static str) {
        self.whoami.get_or_create(&Whoami { result }).inc();
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// As text, in the form of OpenMetrics.
    pub(crate) fn encode(&self, now: Now) -> Result<String, fmt::Error> {
        self.sessions.set(i64::try_from(now.sessions).unwrap_or(i64::MAX));
        self.waiters.set(i64::try_from(now.waiters).unwrap_or(i64::MAX));
        self.expired.inc_by(now.expired.saturating_sub(self.expired.get()));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// From 50 microseconds to 26 seconds.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 20))
}

/// A client may make up any other: they are one.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
