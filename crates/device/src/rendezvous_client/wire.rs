//! Translates between the protocol's requests and those of the HTTP client.

use std::time::Duration;

use matrix_qr_protocol::rendezvous::json::MAX_ANSWER_BYTES;
use matrix_qr_protocol::rendezvous::{Request, Response};
use url::Url;
use zeroize::Zeroizing;

use super::error::RendezvousError;
use crate::http::{self, Bounds, Http, HttpError, host, redact};

/// How long one request may take that the server does not hold.
pub(super) const QUICK: Duration = Duration::from_secs(15);
/// What is shorter, in bytes, is a word of the API, or can be guessed.
const SHORTEST_NAME: usize = 12;

/// One exchange, without a redirect.
pub(super) async fn exchange(
    http: &Http,
    request: Request,
    time: Duration,
) -> Result<Response, RendezvousError> {
    let bounds = Bounds {
        bytes: MAX_ANSWER_BYTES,
        time,
    };
    let method = request.method.as_str();
    let name = session_name(&request.url);
    let mut response = http.send_within(outgoing(request)?, bounds).await?;
    if !response.status().is_success() {
        redact(&mut response, name.as_slice());
    }
    tracing::trace!(method, status = response.status().as_u16(), "rendezvous");
    Ok(incoming(response))
}

/// The last part of a session's URL: who knows it can write there.
fn session_name(url: &Url) -> Option<Zeroizing<String>> {
    let last = url.path_segments()?.next_back()?;
    (last.len() >= SHORTEST_NAME).then(|| Zeroizing::new(last.to_owned()))
}

/// The problem of a request that is under way.
pub(super) fn unanswered(server: &Url) -> RendezvousError {
    HttpError::unreachable(host(server), "it has not answered yet").into()
}

fn outgoing(request: Request) -> Result<http::HttpRequest, HttpError> {
    let Request {
        method,
        url,
        headers,
        body,
    } = request;
    let builder = ::http::Request::builder()
        .method(method.as_str())
        .uri(url.as_str());
    let builder = headers.into_iter().fold(builder, |builder, (name, value)| {
        builder.header(name, value)
    });
    let mut request = builder.body(body).map_err(|_| HttpError::BadRequest)?;
    if let Some(token) = request.headers_mut().get_mut(::http::header::AUTHORIZATION) {
        token.set_sensitive(true);
    }
    Ok(request)
}

/// An HTTP response as [`matrix_qr_protocol::rendezvous`] reads it. A header that is not text has
/// no meaning there, and is left out.
pub fn incoming(response: http::HttpResponse) -> Response {
    let (parts, body) = response.into_parts();
    let text = |value: &::http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), text(value)?)));
    Response {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body,
    }
}
