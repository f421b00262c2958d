//! Counters for the most frequent responses.

use std::sync::OnceLock;

use axum::http::Method;
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};

use super::labels::{RequestLabels, api_name, method_name};
use crate::store::id::SessionApi;

/// The counters of the most frequent responses, so that no lock has to be taken to find them. The
/// most frequent first.
pub(super) struct CommonResponses([CommonResponse; 11]);

pub(super) struct CommonResponse {
    method: Method,
    api: SessionApi,
    status: u16,
    pub(super) requests: Counter,
    pub(super) latency: OnceLock<Histogram>,
}

impl CommonResponses {
    pub(super) fn among(requests: &Family<RequestLabels, Counter>) -> Self {
        let common = [
            (Method::GET, SessionApi::Msc4108, 304),
            (Method::GET, SessionApi::Msc4108, 200),
            (Method::PUT, SessionApi::Msc4108, 202),
            (Method::POST, SessionApi::Msc4108, 201),
            (Method::DELETE, SessionApi::Msc4108, 204),
            (Method::OPTIONS, SessionApi::Msc4108, 204),
            (Method::GET, SessionApi::Msc4388, 200),
            (Method::PUT, SessionApi::Msc4388, 200),
            (Method::POST, SessionApi::Msc4388, 200),
            (Method::DELETE, SessionApi::Msc4388, 200),
            (Method::OPTIONS, SessionApi::Msc4388, 204),
        ];
        Self(common.map(|(method, api, status)| {
            let revision = api_name(Some(api));
            let labels = RequestLabels {
                method: method_name(&method),
                revision,
                status,
            };
            let requests = requests.get_or_create_owned(&labels);
            CommonResponse {
                method,
                api,
                status,
                requests,
                latency: OnceLock::new(),
            }
        }))
    }

    pub(super) fn find(
        &self,
        method: &Method,
        api: Option<SessionApi>,
        status: u16,
    ) -> Option<&CommonResponse> {
        let is = |common: &&CommonResponse| {
            common.status == status && Some(common.api) == api && common.method == *method
        };
        self.0.iter().find(is)
    }
}
