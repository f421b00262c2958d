//! A client that behaves like a browser.

use std::{
    convert::Infallible,
    io::Read,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use reqwest::{Body, Client, Method, RequestBuilder, header::HeaderValue};

use crate::program::PATIENCE;

/// A browser with an address of its own.
pub(crate) struct Browser {
    client: Client,
    url: String,
}

pub(crate) struct BrowserResponse {
    pub(crate) status: u16,
    /// Empty, if there is none.
    pub(crate) etag: String,
    pub(crate) body: Vec<u8>,
}

impl BrowserResponse {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Browser {
    pub(crate) fn new(url: &str, address: [u8; 4]) -> Self {
        let client = Client::builder()
            .no_proxy()
            .local_address(Some(address.into()))
            .timeout(PATIENCE);
        Self {
            client: client.build().unwrap(),
            url: url.to_owned(),
        }
    }

    /// With the headers of every browser, which accepts compressed responses.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header("accept-encoding", "gzip, deflate, br");
        request
            .header("host", "rendezvous.example.org")
            .header("content-type", "text/plain")
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> BrowserResponse {
        let request = headers
            .iter()
            .fold(self.request(method, path), |request, (name, value)| {
                request.header(*name, *value)
            });
        let response = request.body(body.to_owned()).send().await.unwrap();
        let header = |name| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (status, etag) = (
            response.status().as_u16(),
            header("etag").unwrap_or_default(),
        );
        let compressed = match header("content-encoding").as_deref() {
            None => false,
            Some("gzip") => true,
            Some(other) => panic!("it comes as {other}"),
        };
        let bytes = response.bytes().await.unwrap().to_vec();
        BrowserResponse {
            status,
            etag,
            body: if compressed {
                decompressed(&bytes)
            } else {
                bytes
            },
        }
    }

    /// The status of a creation that is said to be forwarded already.
    pub(crate) async fn create_with(&self, path: &str, forwarded: HeaderValue) -> u16 {
        let request = self
            .request(Method::POST, path)
            .header("x-forwarded-for", forwarded)
            .body("x");
        request.send().await.unwrap().status().as_u16()
    }

    /// The status of a creation with this body.
    pub(crate) async fn stream(&self, path: &str, body: Body) -> u16 {
        self.request(Method::POST, path)
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }
}

fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // An empty body is not compressed, even if the response says so.
    if !bytes.is_empty() {
        flate2::read::GzDecoder::new(bytes)
            .read_to_end(&mut plain)
            .unwrap();
    }
    plain
}

/// A body of this length, which does not say so.
pub(crate) fn chunked(length: usize) -> Body {
    Body::wrap(OfNoLength(Some(vec![b'x'; length].into())))
}

struct OfNoLength(Option<Bytes>);

impl HttpBody for OfNoLength {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}
