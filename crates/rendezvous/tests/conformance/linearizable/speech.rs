//! What a client asks and hears, in either API. A session's token stands where the ETag is.

use matrix_qr_rendezvous::Store;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::history::{Etag, What};
use crate::{
    json::{Named, token},
    support::*,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// MSC4108's.
    Text,
    /// MSC4388's. A write may be repeated, and who is refused is not told what stands there.
    Json,
}

impl Api {
    pub(super) async fn create<S: Store>(self, server: &Server<S>, payload: &str) -> Session {
        match self {
            Self::Text => server.create(payload).await,
            Self::Json => {
                let Named { path, token, .. } = server.name(payload).await;
                Session {
                    url: String::new(),
                    path,
                    etag: token,
                }
            }
        }
    }

    /// With what was seen last.
    pub(super) fn poll<S: Store>(self, server: &Server<S>, session: &Session) -> RequestBuilder {
        match self {
            Self::Text => server.poll(session),
            Self::Json => {
                let path = format!("{}?sequence_token={}", session.path, session.etag);
                server.request(Method::GET, &path)
            }
        }
    }

    pub(super) async fn read(self, request: RequestBuilder, seen: Etag) -> Option<What> {
        let response = answer(request).await?;
        Some(match (self, response.status().as_u16()) {
            (Self::Text, 200) => {
                let etag = header(&response, "etag");
                What::Read {
                    etag,
                    payload: response.text().await.ok()?,
                }
            }
            (Self::Text, 304) => {
                assert_eq!(header(&response, "etag"), seen);
                What::Unchanged { etag: seen }
            }
            (Self::Json, 200) => {
                let body: Value = response.json().await.ok()?;
                let text = |field: &str| body[field].as_str().unwrap().to_owned();
                What::Read {
                    etag: text("sequence_token"),
                    payload: text("data"),
                }
            }
            (_, 404) => What::Gone,
            (_, other) => panic!("a read is answered with {other}"),
        })
    }

    pub(super) async fn write<S: Store>(
        self,
        server: &Server<S>,
        session: &Session,
        payload: String,
    ) -> What {
        let expected = session.etag.clone();
        let request = match self {
            Self::Text => server.put(session, payload.clone()),
            Self::Json => {
                let session = Named {
                    id: String::new(),
                    path: session.path.clone(),
                    token: expected.clone(),
                };
                server.put_json(&session, &payload)
            }
        };
        let Some(response) = answer(request).await else {
            return What::MaybeWritten { expected, payload };
        };
        match (self, response.status().as_u16()) {
            (Self::Text, 202) => What::Written {
                expected,
                payload,
                etag: header(&response, "etag"),
            },
            (Self::Json, 200) => What::Written {
                expected,
                payload,
                etag: token(response).await,
            },
            (Self::Text, 412) | (Self::Json, 409) => What::TooLate { expected },
            (_, 404) => What::Gone,
            (_, other) => panic!("a write is answered with {other}"),
        }
    }

    pub(super) async fn delete<S: Store>(self, server: &Server<S>, session: &Session) -> What {
        let Some(response) = answer(server.request(Method::DELETE, &session.path)).await else {
            return What::MaybeDeleted;
        };
        match (self, response.status().as_u16()) {
            (Self::Text, 204) | (Self::Json, 200) => What::Deleted,
            (_, 404) => What::Gone,
            (_, other) => panic!("a delete is answered with {other}"),
        }
    }
}

/// The answer, unless there is none or it says that the store has none.
async fn answer(request: RequestBuilder) -> Option<Response> {
    let response = request.send().await.ok()?;
    (response.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(response)
}
