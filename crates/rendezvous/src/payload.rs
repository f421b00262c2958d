//! Reading a payload: what it says of itself first, then as many bytes as may be.

use std::sync::Arc;

use axum::{
    body::{Bytes, HttpBody},
    http::{HeaderMap, Request, header},
};
use http_body_util::BodyExt;

use crate::refusal::Refusal;

/// The largest payload, in bytes (MSC4108, "Maximum payload size").
const LARGEST: usize = 4096;

/// How much of a payload that is too large is read and thrown away. A connection closed on unread bytes is
/// reset, and the client would see that instead of the 413.
const DISCARDED: usize = 64 * 1024;

/// A request's body, of whichever server.
pub(crate) trait Incoming: HttpBody<Data = Bytes> + Send + Unpin {}

impl<B: HttpBody<Data = Bytes> + Send + Unpin> Incoming for B {}

/// The payload of a request, at most [`LARGEST`] bytes, in an allocation of its own size: a part of the request's buffer would
/// keep all of that alive.
pub(crate) async fn read(request: Request<impl Incoming>) -> Result<Arc<[u8]>, Refusal> {
    check(request.headers())?;
    read_body(request.into_body()).await
}

fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::NoContentLength);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let first = types.next().ok_or(Refusal::NoContentType)?;
    let text = first.to_str().map_err(|_| Refusal::WrongContentType)?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    let right = essence.eq_ignore_ascii_case("text/plain") && types.next().is_none();
    if right { Ok(()) } else { Err(Refusal::WrongContentType) }
}

/// Counts what comes, whatever `Content-Length` said. A body breaks off when its time is over (see
/// [`crate::Timeouts`]) or the client is gone, and then nobody reads the answer.
async fn read_body(mut body: impl Incoming) -> Result<Arc<[u8]>, Refusal> {
    let first = match body.frame().await {
        None => return Ok(Arc::default()),
        Some(frame) => frame.map_err(|_| Refusal::TooSlow)?.into_data().unwrap_or_default(),
    };
    // Mostly it has come in one piece.
    if body.is_end_stream() && first.len() <= LARGEST {
        return Ok(Arc::from(&first[..]));
    }
    let (mut payload, mut length) = (first.to_vec(), first.len());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::TooSlow)?.into_data() else { continue };
        length += data.len();
        if length <= LARGEST {
            payload.extend_from_slice(&data);
        } else if length > DISCARDED {
            break;
        }
    }
    if length <= LARGEST { Ok(payload.into()) } else { Err(Refusal::TooLarge) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn the_bytes_are_counted_not_the_content_length() {
        for (length, fits) in [(0, true), (4096, true), (4097, false), (DISCARDED + 1, false)] {
            let request = Request::post("/")
                .header("content-length", "1")
                .header("content-type", "text/plain")
                .body(Body::from(vec![b'x'; length]))
                .unwrap();
            assert_eq!(read(request).await.map(|payload| payload.len()).ok(), fits.then_some(length));
        }
    }
}
