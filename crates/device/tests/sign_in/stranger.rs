//! Somebody who knows the rendezvous session's URL and is neither of the two devices: what they can do, by HTTP alone.

use matrix_qr_protocol::{qr::QrCode, rendezvous::Location};
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_MATCH},
};
use url::Url;

pub(crate) fn session_url(code: &QrCode) -> Url {
    let Location::Url(url) = &code.location else { panic!("{code:?}") };
    url.url().clone()
}

/// Whether the session is there.
pub(crate) async fn stands(code: &QrCode) -> bool {
    Client::new().get(session_url(code)).send().await.unwrap().status() == StatusCode::OK
}

/// Writes over whatever is there; false when there is no session.
pub(crate) async fn write(code: &QrCode) -> bool {
    let (client, url) = (Client::new(), session_url(code));
    loop {
        let seen = client.get(url.clone()).send().await.unwrap();
        let Some(etag) = seen.headers().get(ETAG) else { return false };
        let put = client.put(url.clone()).header(CONTENT_TYPE, "text/plain").header(IF_MATCH, etag);
        match put.body("nonsense").send().await.unwrap().status() {
            StatusCode::ACCEPTED => return true,
            StatusCode::PRECONDITION_FAILED => {}
            StatusCode::NOT_FOUND => return false,
            other => panic!("{other}"),
        }
    }
}
