//! Bounded reading of small JSON documents.

use std::time::Duration;

use matrix_qr_protocol::printable;
use serde::de::DeserializeOwned;
use url::Url;

use super::{document, error::DiscoveryError};
use crate::http::{Bounds, Http, HttpError, HttpResponse, host};

/// Discovery documents are small, and a person waits for them.
const BOUNDS: Bounds = Bounds {
    bytes: 256 << 10,
    time: Duration::from_secs(10),
};

/// Whether a server has a document.
pub(super) enum Found<T> {
    Yes(T),
    No,
}

/// Reads a document, or learns that there is none.
pub(super) async fn json<T: DeserializeOwned>(
    http: &Http,
    url: &Url,
) -> Result<Found<T>, DiscoveryError> {
    read(url, &get(http, url).await?)
}

pub(super) fn read<T: DeserializeOwned>(
    url: &Url,
    response: &HttpResponse,
) -> Result<Found<T>, DiscoveryError> {
    let status = response.status().as_u16();
    let errcode = errcode(response);
    let bad = |what| DiscoveryError::BadDocument {
        document: name(url),
        what,
    };
    match status {
        200 => document::read(response.body()).map(Found::Yes).map_err(bad),
        404 => Ok(Found::No),
        // Client-Server API, section "Unsupported endpoints"; older servers say it with 400 or 405.
        400 | 405 if errcode.as_deref() == Some("M_UNRECOGNIZED") => Ok(Found::No),
        _ => Err(DiscoveryError::Refused {
            host: host(url),
            status,
            errcode,
        }),
    }
}

/// A document's name for a person: its URL, without the query, which may come from a redirect and
/// hold anything.
pub(super) fn name(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    printable(url.as_str())
}

fn errcode(response: &HttpResponse) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(response.body()).ok()?;
    let code = body.get("errcode")?.as_str()?;
    Some(printable(code))
}

/// One GET. The caller, who knows how much time there is, decides whether to try again.
pub(super) async fn get(http: &Http, url: &Url) -> Result<HttpResponse, DiscoveryError> {
    let request = http::Request::get(url.as_str())
        .header("accept", "application/json")
        .body(Vec::new());
    Ok(http
        .send_within(request.map_err(|_| HttpError::BadRequest)?, BOUNDS)
        .await?)
}
