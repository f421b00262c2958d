//! Tests of MSC4388's API of the same server, and a client for it.

mod api;
mod browsers;
mod connections;
mod creation;
mod instances;
mod limits;
mod operations;
mod repeats;
mod waiting;

use matrix_qr_rendezvous::Store;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) use crate::support::*;

pub(crate) const UNSTABLE: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/// Each collection, with its error code for a write that comes too late.
pub(crate) const COLLECTIONS: [(&str, &str); 2] = [
    (STABLE, "M_CONCURRENT_WRITE"),
    (UNSTABLE, "IO_ELEMENT_MSC4388_CONCURRENT_WRITE"),
];

/// A session of this API, with the token of the last payload that was read.
#[derive(Clone, Debug)]
pub(crate) struct SessionAtToken {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) token: String,
}

impl<S: Store> TestServer<S> {
    /// With a body that is declared as JSON.
    pub(crate) fn send(&self, method: Method, path: &str, body: impl ToString) -> RequestBuilder {
        self.request(method, path)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn post_json(&self, collection: &str, data: &str) -> RequestBuilder {
        self.send(Method::POST, collection, json!({ "data": data }))
    }

    pub(crate) async fn name_at(&self, collection: &str, data: &str) -> SessionAtToken {
        let body = granted(self.post_json(collection, data).send().await.unwrap()).await;
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        let (id, token) = (text("id"), text("sequence_token"));
        SessionAtToken {
            path: format!("{collection}/{id}"),
            id,
            token,
        }
    }

    pub(crate) async fn name(&self, data: &str) -> SessionAtToken {
        self.name_at(STABLE, data).await
    }

    /// The current payload and its token.
    pub(crate) async fn look(&self, session: &SessionAtToken) -> Value {
        granted(
            self.request(Method::GET, &session.path)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn data(&self, session: &SessionAtToken) -> String {
        self.look(session).await["data"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn put_json(&self, session: &SessionAtToken, data: &str) -> RequestBuilder {
        let body = json!({ "sequence_token": session.token, "data": data });
        self.send(Method::PUT, &session.path, body)
    }

    /// Writes, and returns the new token.
    pub(crate) async fn write(&self, session: &SessionAtToken, data: &str) -> String {
        token(self.put_json(session, data).send().await.unwrap()).await
    }

    /// A read that waits while the payload is the last one that was read.
    pub(crate) fn wait(&self, session: &SessionAtToken, seconds: &str) -> RequestBuilder {
        let path = format!("{}?sequence_token={}", session.path, session.token);
        self.request(Method::GET, &path)
            .header("prefer", format!("wait={seconds}"))
    }
}

/// The body of a 200. It must have no headers of the other API.
pub(crate) async fn granted(response: Response) -> Value {
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "cache-control"), "no-store, no-transform");
    for name in ["etag", "expires", "last-modified"] {
        assert!(
            response.headers().get(name).is_none(),
            "{name} of {response:?}"
        );
    }
    response.json().await.unwrap()
}

/// The token in the response to a write, which contains nothing else.
pub(crate) async fn token(response: Response) -> String {
    let body = granted(response).await;
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    body["sequence_token"].as_str().unwrap().to_owned()
}

/// An opaque identifier (Matrix, "Opaque Identifiers").
pub(crate) fn assert_opaque(text: &str) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    assert!(
        (22..=255).contains(&text.len()) && text.bytes().all(allowed),
        "{text}"
    );
}
