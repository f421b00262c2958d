//! The requests of a client, and what their responses mean, in either API. A sequence token is
//! stored as the ETag.

use matrix_qr_rendezvous::Store;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::history::{Effect, Etag};
use crate::{
    json::{SessionAtToken, token},
    support::*,
};

/// Which proposal the requests follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RendezvousApi {
    /// MSC4108's.
    Text,
    /// MSC4388's. A write may be repeated, and a refusal does not have the current payload.
    Json,
}

impl RendezvousApi {
    pub(super) async fn create<S: Store>(
        self,
        server: &TestServer<S>,
        payload: &str,
    ) -> TextSession {
        match self {
            Self::Text => server.create(payload).await,
            Self::Json => {
                let SessionAtToken { path, token, .. } = server.name(payload).await;
                TextSession {
                    url: String::new(),
                    path,
                    etag: token,
                }
            }
        }
    }

    /// A read that names the last payload that was seen.
    pub(super) fn poll<S: Store>(
        self,
        server: &TestServer<S>,
        session: &TextSession,
    ) -> RequestBuilder {
        match self {
            Self::Text => server.poll(session),
            Self::Json => {
                let path = format!("{}?sequence_token={}", session.path, session.etag);
                server.request(Method::GET, &path)
            }
        }
    }

    pub(super) async fn read(self, request: RequestBuilder, seen: Etag) -> Option<Effect> {
        let response = response_to(request).await?;
        Some(match (self, response.status().as_u16()) {
            (Self::Text, 200) => {
                let etag = header(&response, "etag");
                Effect::Read {
                    etag,
                    payload: response.text().await.ok()?,
                }
            }
            (Self::Text, 304) => {
                assert_eq!(header(&response, "etag"), seen);
                Effect::Unchanged { etag: seen }
            }
            (Self::Json, 200) => {
                let body: Value = response.json().await.ok()?;
                let text = |field: &str| body[field].as_str().unwrap().to_owned();
                Effect::Read {
                    etag: text("sequence_token"),
                    payload: text("data"),
                }
            }
            (_, 404) => Effect::Gone,
            (_, other) => panic!("status of a read: {other}"),
        })
    }

    pub(super) async fn write<S: Store>(
        self,
        server: &TestServer<S>,
        session: &TextSession,
        payload: String,
    ) -> Effect {
        let expected = session.etag.clone();
        let request = match self {
            Self::Text => server.put(session, payload.clone()),
            Self::Json => {
                let session = SessionAtToken {
                    id: String::new(),
                    path: session.path.clone(),
                    token: expected.clone(),
                };
                server.put_json(&session, &payload)
            }
        };
        let Some(response) = response_to(request).await else {
            return Effect::MaybeWritten { expected, payload };
        };
        match (self, response.status().as_u16()) {
            (Self::Text, 202) => Effect::Written {
                expected,
                payload,
                etag: header(&response, "etag"),
            },
            (Self::Json, 200) => Effect::Written {
                expected,
                payload,
                etag: token(response).await,
            },
            (Self::Text, 412) | (Self::Json, 409) => Effect::TooLate { expected },
            (_, 404) => Effect::Gone,
            (_, other) => panic!("status of a write: {other}"),
        }
    }

    pub(super) async fn delete<S: Store>(
        self,
        server: &TestServer<S>,
        session: &TextSession,
    ) -> Effect {
        let Some(response) = response_to(server.request(Method::DELETE, &session.path)).await
        else {
            return Effect::MaybeDeleted;
        };
        match (self, response.status().as_u16()) {
            (Self::Text, 204) | (Self::Json, 200) => Effect::Deleted,
            (_, 404) => Effect::Gone,
            (_, other) => panic!("status of a deletion: {other}"),
        }
    }
}

/// The response, unless there is none or the store was unavailable.
async fn response_to(request: RequestBuilder) -> Option<Response> {
    let response = request.send().await.ok()?;
    (response.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(response)
}
