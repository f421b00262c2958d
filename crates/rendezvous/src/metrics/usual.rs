//! What happens all the time.

use std::sync::OnceLock;

use axum::http::Method;
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};

use super::{Answered, api_name, method_name};
use crate::store::Api;

/// The counters of what happens all the time, so that nobody looks for them under a lock each time.
/// The most frequent first.
pub(super) struct Usual([UsualAnswer; 11]);

pub(super) struct UsualAnswer {
    method: Method,
    api: Api,
    status: u16,
    pub(super) requests: Counter,
    pub(super) latency: OnceLock<Histogram>,
}

impl Usual {
    pub(super) fn among(requests: &Family<Answered, Counter>) -> Self {
        let usual = [
            (Method::GET, Api::Msc4108, 304),
            (Method::GET, Api::Msc4108, 200),
            (Method::PUT, Api::Msc4108, 202),
            (Method::POST, Api::Msc4108, 201),
            (Method::DELETE, Api::Msc4108, 204),
            (Method::OPTIONS, Api::Msc4108, 204),
            (Method::GET, Api::Msc4388, 200),
            (Method::PUT, Api::Msc4388, 200),
            (Method::POST, Api::Msc4388, 200),
            (Method::DELETE, Api::Msc4388, 200),
            (Method::OPTIONS, Api::Msc4388, 204),
        ];
        Self(usual.map(|(method, api, status)| {
            let revision = api_name(Some(api));
            let labels = Answered {
                method: method_name(&method),
                revision,
                status,
            };
            let requests = requests.get_or_create_owned(&labels);
            UsualAnswer {
                method,
                api,
                status,
                requests,
                latency: OnceLock::new(),
            }
        }))
    }

    pub(super) fn of(
        &self,
        method: &Method,
        api: Option<Api>,
        status: u16,
    ) -> Option<&UsualAnswer> {
        let is = |usual: &&UsualAnswer| {
            usual.status == status && Some(usual.api) == api && usual.method == *method
        };
        self.0.iter().find(is)
    }
}
