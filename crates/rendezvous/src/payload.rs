//! Reading a payload: first the headers about it, then as many bytes as are allowed.

use std::error::Error;

use axum::{
    body::{Bytes, HttpBody},
    http::{HeaderMap, Request, header},
};
use http_body_util::BodyExt;

use crate::{media_type::MediaType, refusal::Refusal, server::timed_body::BodyError};

/// The largest payload, in bytes (MSC4108 and MSC4388, "Maximum payload size").
pub(crate) const MAX_PAYLOAD: usize = 4096;

/// The largest JSON body: each byte of a payload may take six bytes there (`\u001f`), and there is
/// more than the payload.
const MAX_JSON: usize = 32 * 1024;

/// How much of a payload that is too large is read and discarded, in bytes. Closing a connection
/// with unread bytes resets it, and the client would see the reset instead of the 413.
const DISCARDED: usize = 64 * 1024;

/// The body of a request, from any HTTP server.
pub(crate) trait RequestBody:
    HttpBody<Data = Bytes, Error: Error + 'static> + Send + Unpin
{
}

impl<B: HttpBody<Data = Bytes, Error: Error + 'static> + Send + Unpin> RequestBody for B {}

/// Whether the Content-Type is this one, whatever its parameters.
pub(crate) fn check_media_type(expected: MediaType, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let first = types.next().ok_or(Refusal::NoContentType(expected))?;
    let alone = types.next().is_none();
    // As clients send it.
    if alone && first == expected.name() {
        return Ok(());
    }
    let text = first
        .to_str()
        .map_err(|_| Refusal::WrongContentType(expected))?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    if alone && essence.eq_ignore_ascii_case(expected.name()) {
        Ok(())
    } else {
        Err(Refusal::WrongContentType(expected))
    }
}

/// The payload of a request, at most [`MAX_PAYLOAD`] bytes, in an allocation of its own size: a
/// slice of the request's buffer would keep the whole buffer alive.
pub(crate) async fn read(request: &mut Request<impl RequestBody>) -> Result<Bytes, Refusal> {
    check_media_type(MediaType::Plain, request.headers())?;
    let body = read_body(request.body_mut(), MAX_PAYLOAD).await?;
    Ok(Bytes::copy_from_slice(&body))
}

/// The JSON of a request. It may be a slice of the request's buffer: do not store it.
pub(crate) async fn read_json(request: &mut Request<impl RequestBody>) -> Result<Bytes, Refusal> {
    check_media_type(MediaType::Json, request.headers())?;
    read_body(request.body_mut(), MAX_JSON).await
}

/// Counts the bytes that arrive, whatever `Content-Length` says and even without it: some proxies
/// omit it (docs/design.md).
async fn read_body(body: &mut impl RequestBody, largest: usize) -> Result<Bytes, Refusal> {
    let first = match body.frame().await {
        None => return Ok(Bytes::new()),
        Some(frame) => frame
            .map_err(|error| broken(&error))?
            .into_data()
            .unwrap_or_default(),
    };
    // Usually the body arrives in one piece.
    if body.is_end_stream() && first.len() <= largest {
        return Ok(first);
    }
    let (mut bytes, mut length) = (first.to_vec(), first.len());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else {
            continue;
        };
        length += data.len();
        if length <= largest {
            bytes.extend_from_slice(&data);
        } else if length > DISCARDED {
            break;
        }
    }
    if length <= largest {
        Ok(bytes.into())
    } else {
        Err(Refusal::TooLarge)
    }
}

/// Reading a body fails when its time is up (see [`crate::Timeouts`]), when it is malformed, or
/// when the client has gone and nobody reads the response. The server may have wrapped the cause.
fn broken(error: &(dyn Error + 'static)) -> Refusal {
    let mut reasons = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| {
        (*error).source()
    });
    let late = reasons.any(|error| matches!(error.downcast_ref(), Some(BodyError::TimedOut)));
    if late {
        Refusal::TooSlow
    } else {
        Refusal::BrokenBody
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn the_bytes_are_counted_whatever_the_content_length() {
        for (length, fits) in [
            (0, true),
            (4096, true),
            (4097, false),
            (DISCARDED + 1, false),
        ] {
            for said in [None, Some("1")] {
                let request = Request::post("/").header("content-type", "text/plain");
                let request = said.into_iter().fold(request, |request, said| {
                    request.header("content-length", said)
                });
                let mut request = request.body(Body::from(vec![b'x'; length])).unwrap();
                assert_eq!(
                    read(&mut request).await.map(|payload| payload.len()).ok(),
                    fits.then_some(length)
                );
            }
        }
    }

    #[tokio::test]
    async fn json_may_be_longer_and_needs_no_content_length() {
        for (length, fits) in [
            (0, true),
            (32_768, true),
            (32_769, false),
            (DISCARDED + 1, false),
        ] {
            let request =
                Request::post("/").header("content-type", "application/json; charset=utf-8");
            let mut request = request.body(Body::from(vec![b'x'; length])).unwrap();
            assert_eq!(
                read_json(&mut request).await.map(|text| text.len()).ok(),
                fits.then_some(length)
            );
        }
    }

    /// Frames of 1 KiB without an end, and how many were read.
    struct Endless(usize);

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, BodyError>>> {
            self.0 += 1;
            let frame = hyper::body::Frame::data(Bytes::from_static(&[b'x'; 1024]));
            std::task::Poll::Ready(Some(Ok(frame)))
        }
    }

    #[tokio::test]
    async fn no_more_than_64_kib_are_read_of_a_body_that_is_too_large() {
        for media_type in ["text/plain", "application/json"] {
            let request = Request::post("/").header("content-type", media_type);
            let mut request = request.body(Endless(0)).unwrap();
            let refusal = match media_type {
                "text/plain" => read(&mut request).await.unwrap_err(),
                _ => read_json(&mut request).await.unwrap_err(),
            };
            assert!(matches!(refusal, Refusal::TooLarge), "{refusal:?}");
            assert_eq!(request.body().0, 64 + 1);
        }
    }

    struct Failing(Option<BodyError>);

    impl HttpBody for Failing {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, BodyError>>> {
            std::task::Poll::Ready(self.0.take().map(Err))
        }
    }

    /// Also as a router passes it on.
    #[tokio::test]
    async fn a_late_body_and_a_broken_one_are_different_errors() {
        for (error, late) in [(BodyError::TimedOut, true), (BodyError::Broken, false)] {
            let body = Body::new(Failing(Some(error)));
            let mut request = Request::post("/")
                .header("content-type", "text/plain")
                .body(body)
                .unwrap();
            let refusal = read(&mut request).await.unwrap_err();
            assert_eq!(matches!(refusal, Refusal::TooSlow), late, "{refusal:?}");
        }
    }
}
