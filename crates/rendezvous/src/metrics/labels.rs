//! The labels of the metrics.

use axum::http::Method;
use prometheus_client::encoding::EncodeLabelSet;

use super::words::{ConnectionRefusal, RefusalReason, StoreOperation, WhoamiResult};
use crate::store::id::SessionApi;

/// `None`: the path belongs to neither API.
pub(super) fn api_name(api: Option<SessionApi>) -> &'static str {
    match api {
        Some(SessionApi::Msc4108) => "msc4108",
        Some(SessionApi::Msc4388) => "msc4388",
        None => "none",
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) method: &'static str,
    pub(super) revision: &'static str,
    pub(super) status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct LatencyLabels {
    pub(super) method: &'static str,
    pub(super) revision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RefusalLabels {
    pub(super) reason: RefusalReason,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ConnectionRefusalLabels {
    pub(super) reason: ConnectionRefusal,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct StoreLabels {
    pub(super) operation: StoreOperation,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct StoreFailureLabels {
    pub(super) code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct WhoamiLabels {
    pub(super) result: WhoamiResult,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
    pub(super) revision: &'static str,
}

/// The version, and the commit if the build sets it.
pub(super) const BUILD: BuildLabels = BuildLabels {
    version: env!("CARGO_PKG_VERSION"),
    revision: match option_env!("MATRIX_QR_REVISION") {
        Some(revision) => revision,
        None => "unknown",
    },
};

/// Clients may make up other methods: they are counted together.
pub(super) fn method_name(method: &Method) -> &'static str {
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
