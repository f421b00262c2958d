//! Prometheus metrics for the operator. No label identifies a client or a session.

mod common;
mod labels;
pub(crate) mod text;
mod words;

use std::{fmt, sync::Arc, time::Duration};

use axum::http::Method;
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

pub(crate) use self::words::{ConnectionRefusal, RefusalReason, StoreOperation, WhoamiResult};
use self::{
    common::CommonResponses,
    labels::{
        BUILD, BuildLabels, ConnectionRefusalLabels, LatencyLabels, RefusalLabels, RequestLabels,
        StoreFailureLabels, StoreLabels, WhoamiLabels, api_name, method_name,
    },
};
use crate::store::{id::SessionApi, unavailable::Unavailable};

/// The media type of what [`Metrics::encode`] makes.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted. Clones share the counters.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    latency: Family<LatencyLabels, Histogram>,
    common: Arc<CommonResponses>,
    store: Family<StoreLabels, Histogram>,
    store_up: Gauge,
    store_failures: Family<StoreFailureLabels, Counter>,
    whoami: Family<WhoamiLabels, Counter>,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    pub(crate) connections: Gauge,
    connections_refused: Family<ConnectionRefusalLabels, Counter>,
    sessions: Gauge,
    waiters: Gauge,
    expired: Counter,
}

/// A request that was answered.
pub(crate) struct Answered<'a> {
    pub(crate) method: &'a Method,
    /// `None` if the path belongs to neither API.
    pub(crate) api: Option<SessionApi>,
    pub(crate) status: u16,
    pub(crate) refusal: Option<RefusalReason>,
    /// `None` if the request waited for a payload: its time is not the server's.
    pub(crate) latency: Option<Duration>,
}

/// What is not counted as it happens, but read at each scrape.
pub(crate) struct ScrapeValues {
    pub(crate) sessions: usize,
    pub(crate) waiters: usize,
    pub(crate) expired: u64,
    pub(crate) store_up: bool,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let requests = Family::default();
        let common = CommonResponses::among(&requests).into();
        let mut metrics = Self {
            registry: Arc::default(),
            requests,
            refusals: Family::default(),
            latency: Family::new_with_constructor(histogram),
            common,
            store: Family::new_with_constructor(histogram),
            store_up: Gauge::default(),
            store_failures: store_failures(),
            whoami: Family::default(),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            sessions: Gauge::default(),
            waiters: Gauge::default(),
            expired: Counter::default(),
        };
        metrics.count_from_zero();
        let mut registry = Registry::with_prefix("rendezvous");
        metrics.register_traffic(&mut registry);
        metrics.register_state(&mut registry);
        metrics.registry = registry.into();
        metrics
    }

    /// A counter that only appears with its first event hides that event from alerts.
    fn count_from_zero(&self) {
        for &reason in RefusalReason::ALL {
            drop(self.refusals.get_or_create(&RefusalLabels { reason }));
        }
        for &reason in ConnectionRefusal::ALL {
            drop(
                self.connections_refused
                    .get_or_create(&ConnectionRefusalLabels { reason }),
            );
        }
        for &result in WhoamiResult::ALL {
            drop(self.whoami.get_or_create(&WhoamiLabels { result }));
        }
    }

    /// As above, for a store whose operations are measured.
    pub(crate) fn count_store_from_zero(&self) {
        for &operation in StoreOperation::ALL {
            drop(self.store.get_or_create(&StoreLabels { operation }));
        }
    }

    fn register_traffic(&self, registry: &mut Registry) {
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register(
            "refusals",
            "Requests refused, by reason",
            self.refusals.clone(),
        );
        let latency =
            "Time from the headers of a request to its response, except requests that waited";
        registry.register_with_unit(
            "request_duration",
            latency,
            Unit::Seconds,
            self.latency.clone(),
        );
        registry.register_with_unit(
            "payload_received",
            "Payloads stored",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register_with_unit(
            "payload_sent",
            "Payloads read",
            Unit::Bytes,
            self.sent.clone(),
        );
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register(
            "sessions",
            "Live sessions created by this instance",
            self.sessions.clone(),
        );
        registry.register(
            "sessions_expired",
            "Sessions that expired",
            self.expired.clone(),
        );
        registry.register(
            "waiters",
            "Requests waiting for a new payload",
            self.waiters.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        let refused = "Connections closed without a response, by reason";
        registry.register(
            "connections_refused",
            refused,
            self.connections_refused.clone(),
        );
        let up = "Whether the store can do what a sign-in needs: 1 if it can, else 0";
        registry.register("store_up", up, self.store_up.clone());
        let store = "Duration of store operations";
        registry.register_with_unit("store_duration", store, Unit::Seconds, self.store.clone());
        registry.register(
            "store_failures",
            "Failed store operations, by error code",
            self.store_failures.clone(),
        );
        let whoami = "Questions to the homeserver about access tokens, by result";
        registry.register("whoami", whoami, self.whoami.clone());
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BUILD).set(1);
        registry.register("build_info", "The build of this server", build);
    }

    pub(crate) fn answered(&self, answered: Answered<'_>) {
        let Answered {
            method,
            api,
            status,
            refusal,
            latency,
        } = answered;
        let labels = LatencyLabels {
            method: method_name(method),
            revision: api_name(api),
        };
        let common = self.common.find(method, api, status);
        match common {
            Some(common) => common.requests.inc(),
            None => {
                let LatencyLabels { method, revision } = labels;
                self.requests
                    .get_or_create(&RequestLabels {
                        method,
                        revision,
                        status,
                    })
                    .inc()
            }
        };
        if let Some(reason) = refusal {
            self.refusals.get_or_create(&RefusalLabels { reason }).inc();
        }
        if let Some(latency) = latency {
            let latency = latency.as_secs_f64();
            match common {
                Some(common) => common
                    .latency
                    .get_or_init(|| self.latency.get_or_create_owned(&labels))
                    .observe(latency),
                None => self.latency.get_or_create(&labels).observe(latency),
            }
        }
    }

    pub(crate) fn stored(
        &self,
        operation: StoreOperation,
        took: Duration,
        failed: Option<Unavailable>,
    ) {
        self.store
            .get_or_create(&StoreLabels { operation })
            .observe(took.as_secs_f64());
        if let Some(failed) = failed {
            self.store_failures
                .get_or_create(&StoreFailureLabels {
                    code: failed.code(),
                })
                .inc();
        }
    }

    #[cfg(feature = "whoami")]
    pub(crate) fn whoami(&self, result: WhoamiResult) {
        self.whoami.get_or_create(&WhoamiLabels { result }).inc();
    }

    pub(crate) fn connection_refused(&self, reason: ConnectionRefusal) {
        self.connections_refused
            .get_or_create(&ConnectionRefusalLabels { reason })
            .inc();
    }

    /// As text in the OpenMetrics format.
    pub(crate) fn encode(&self, now: ScrapeValues) -> Result<String, fmt::Error> {
        self.sessions
            .set(i64::try_from(now.sessions).unwrap_or(i64::MAX));
        self.waiters
            .set(i64::try_from(now.waiters).unwrap_or(i64::MAX));
        self.store_up.set(now.store_up.into());
        self.expired
            .inc_by(now.expired.saturating_sub(self.expired.get()));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// All at 0 from the start, for the same reason.
fn store_failures() -> Family<StoreFailureLabels, Counter> {
    let failures = Family::default();
    for code in Unavailable::CODES {
        drop(failures.get_or_create(&StoreFailureLabels { code }));
    }
    failures
}

/// From 50 microseconds to 26 seconds.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 20))
}
