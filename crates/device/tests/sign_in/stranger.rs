//! Somebody who knows where the rendezvous session is and is neither of the two devices: what they
//! can do, by HTTP alone.

use matrix_qr_protocol::{qr::QrCode, rendezvous::Location};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_MATCH},
};
use serde_json::{Value, json};
use url::Url;

pub(crate) fn session_url(code: &QrCode) -> Url {
    match &code.location {
        Location::Url(session) => session.url().clone(),
        Location::Id(session) => session.url(),
    }
}

/// Whether the session is there.
pub(crate) async fn stands(code: &QrCode) -> bool {
    Client::new()
        .get(session_url(code))
        .send()
        .await
        .unwrap()
        .status()
        == StatusCode::OK
}

/// Writes over whatever is there; false when there is no session.
pub(crate) async fn write(code: &QrCode) -> bool {
    loop {
        let seen = Client::new().get(session_url(code)).send().await.unwrap();
        if seen.status() == StatusCode::NOT_FOUND {
            return false;
        }
        match over(code, seen).await.send().await.unwrap().status() {
            StatusCode::ACCEPTED | StatusCode::OK => return true,
            StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => {}
            StatusCode::NOT_FOUND => return false,
            other => panic!("{other}"),
        }
    }
}

/// A write in place of what was seen.
async fn over(code: &QrCode, seen: Response) -> RequestBuilder {
    let put = Client::new().put(session_url(code));
    match &code.location {
        Location::Url(_) => put
            .header(CONTENT_TYPE, "text/plain")
            .header(IF_MATCH, &seen.headers()[ETAG])
            .body("nonsense"),
        Location::Id(_) => {
            let seen: Value = seen.json().await.unwrap();
            put.json(&json!({ "sequence_token": seen["sequence_token"], "data": "nonsense" }))
        }
    }
}
