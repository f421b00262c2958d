//! Any response of a rendezvous server: no payload above the maximum size, no session that is not
//! https, and no error that drives a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::{
    harmless,
    rendezvous::{
        self, Created, Location, MAX_PAYLOAD_BYTES, Received, RendezvousApiError,
        RendezvousSession, Response, SessionUrl,
    },
};

/// The status in two bytes, headers as `name: value` lines, an empty line, the body.
fn response(bytes: &[u8]) -> Option<Response> {
    let (status, rest) = bytes.split_at_checked(2)?;
    let status = u16::from_be_bytes(status.try_into().ok()?) % 600;
    let end = rest
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .unwrap_or(rest.len());
    let headers = String::from_utf8_lossy(rest.get(..end)?)
        .lines()
        .filter_map(|line| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect();
    Some(Response {
        status,
        headers,
        body: rest.get(end + 2..).unwrap_or_default().to_vec(),
    })
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
    let endpoint = "https://example.org/_matrix/client/v1/rendezvous"
        .parse()
        .unwrap();
    match check(rendezvous::created(&endpoint, &response)) {
        Some(Created::Session(session)) => {
            let Location::Url(url) = session.location() else {
                unreachable!()
            };
            assert_eq!(SessionUrl::parse(url.as_str()), Ok(url));
        }
        Some(Created::Redirect(url)) => assert_eq!(url.scheme(), "https"),
        None => {}
    }
    let mut session = RendezvousSession::join(Location::Url(
        SessionUrl::parse("https://example.org/abc").unwrap(),
    ));
    if let Some(Received::Payload(payload)) = check(session.received(&response)) {
        assert!(payload.bytes.len() <= MAX_PAYLOAD_BYTES);
        let _ = session.send(&payload).unwrap();
    }
    let _ = check(session.sent(&response));
    let _ = session.time_left();
});
