//! What is quoted from a response: bounded, without control characters, without a path.

use http::{HeaderName, header};
use matrix_qr_device::http::HttpResponse;
use matrix_qr_protocol::printable;
use serde_json::Value;
use url::Url;

/// The status, and which server seems to have sent it.
pub(crate) fn status_text(response: &HttpResponse) -> String {
    let status = response.status().as_u16();
    match (error_code(response), header_text(response, &header::SERVER)) {
        (Some(code), _) => format!("{status} {code}"),
        (None, Some(server)) if !response.status().is_success() => {
            format!("{status} from {server}")
        }
        _ => status.to_string(),
    }
}

/// The error code of Matrix or OAuth. If there is one, no proxy sent the response.
pub(crate) fn error_code(response: &HttpResponse) -> Option<String> {
    let body = json(response)?;
    let code = body.get("errcode").or_else(|| body.get("error"))?;
    code.as_str().map(printable)
}

pub(crate) fn json(response: &HttpResponse) -> Option<Value> {
    serde_json::from_slice(response.body()).ok()
}

/// All values of a header, as one text.
pub(crate) fn header_text(response: &HttpResponse, name: &HeaderName) -> Option<String> {
    let values = response
        .headers()
        .get_all(name)
        .iter()
        .map(|value| value.to_str());
    let values: Vec<_> = values
        .collect::<Result<_, _>>()
        .unwrap_or_else(|_| vec!["(not text)"]);
    (!values.is_empty()).then(|| printable(&values.join(", ")))
}

/// Whether the list in a header has this member, in upper or lower case.
pub(crate) fn header_lists(response: &HttpResponse, name: &HeaderName, member: &str) -> bool {
    let values = response
        .headers()
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(member))
}

/// `https://host:port`, and nothing of what follows.
pub(crate) fn origin(url: &Url) -> String {
    printable(&url.origin().ascii_serialization())
}
