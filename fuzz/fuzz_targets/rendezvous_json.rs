//! Whatever a server of the JSON API answers: no crash, no payload larger than a session carries,
//! and whatever can be read can be answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::{
    harmless,
    homeserver::BaseUrl,
    rendezvous::{
        ApiRoot, Location, MAX_PAYLOAD_BYTES, Payload, Received, RendezvousApiError,
        RendezvousSession, Response, json,
    },
    revision::Prefix,
};

/// Status, then the body. No header of this API says anything except how long a server waited.
fn response(bytes: &[u8]) -> Option<Response> {
    let (status, body) = bytes.split_at_checked(2)?;
    let status = u16::from_be_bytes(status.try_into().ok()?) % 600;
    Some(Response {
        status,
        headers: Vec::new(),
        body: body.to_vec(),
    })
}

fn session(api: &ApiRoot) -> RendezvousSession {
    let body = br#"{"id":"abc","sequence_token":"1","expires_in_ms":300000}"#.to_vec();
    json::created(
        api,
        &Response {
            status: 200,
            headers: Vec::new(),
            body,
        },
    )
    .unwrap()
}

fn check<T>(outcome: Result<T, RendezvousApiError>) -> Option<T> {
    let shown = outcome
        .as_ref()
        .err()
        .map(ToString::to_string)
        .unwrap_or_default();
    assert_eq!(shown, harmless(&shown));
    outcome.ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some(response) = response(bytes) else {
        return;
    };
    let api = ApiRoot::new(
        BaseUrl::parse("https://example.org").unwrap(),
        Prefix::Unstable,
    );
    let _ = check(json::discovered(&response));
    if let Some(session) = check(json::created(&api, &response)) {
        let Location::Id(id) = session.location() else {
            unreachable!()
        };
        assert_eq!(
            id.url().path_segments().unwrap().next_back(),
            Some(id.as_str())
        );
    }
    let mut session = session(&api);
    if let Some(Received::Payload(payload)) = check(session.received(&response)) {
        assert!(payload.bytes.len() <= MAX_PAYLOAD_BYTES);
        let answer = Payload {
            bytes: payload.bytes,
            binding: session.binding(),
        };
        let _ = session.send(&answer).unwrap();
        let _ = session.receive(Some(30));
    }
    let _ = check(session.sent(&response));
});
