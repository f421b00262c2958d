//! Uses one session from its creation to its deletion, as two devices and a browser would. It only
//! writes down what happens: other modules judge it.

use http::{Method, StatusCode, header};
use matrix_qr_device::discovery::join;
use matrix_qr_device::http::HttpResponse;
use matrix_qr_device::rendezvous_client::PATHS;
use matrix_qr_protocol::rendezvous::{MAX_PAYLOAD_BYTES, SessionUrl};
use url::Url;

use crate::entity_tag::{decorated, strong};
use crate::probe::{Probe, ProbeRequest, ProbeResult, TEST_PAYLOAD};
use crate::response::{json, origin};
use crate::transcript::{Hop, MAX_REDIRECTS, Preflight, Transcript};

/// What every browser accepts.
const COMPRESSED: &str = "gzip, deflate, br";

pub(crate) async fn run(probe: &Probe<'_>, base: &Url) -> Transcript {
    let mut transcript = Transcript::default();
    for path in PATHS {
        transcript.hops = create(probe, join(base, path)).await;
        if !transcript.is_unknown_path() {
            break;
        }
    }
    match transcript
        .created()
        .map(|response| session_url(probe, response))
    {
        Some(Ok(session)) => transcript.session = Some(session),
        Some(Err(what)) => transcript.unusable_session = Some(what),
        None => {}
    }
    if let Some(session) = transcript.session.clone() {
        read_and_write(&mut transcript, probe, &session).await;
        send_preflights(&mut transcript, probe, &session).await;
        create_compressed(&mut transcript, probe).await;
        delete(&mut transcript, probe, &session).await;
    }
    transcript
}

/// Creates a session, and follows redirects.
async fn create(probe: &Probe<'_>, start: Url) -> Vec<Hop> {
    let (mut hops, mut next) = (Vec::<Hop>::new(), Some(start));
    while let Some(url) = next.take() {
        let result = probe.send_create(creation(&url)).await;
        let target = result
            .as_ref()
            .ok()
            .and_then(|response| redirect_target(&url, response));
        hops.push(Hop { url, result });
        next = target.filter(|url| hops.len() <= MAX_REDIRECTS && probe.policy().permits(url));
    }
    hops
}

/// Where a 307 leads to: never away from https.
fn redirect_target(from: &Url, response: &HttpResponse) -> Option<Url> {
    let followed = response.status() == StatusCode::TEMPORARY_REDIRECT;
    let location = response
        .headers()
        .get(header::LOCATION)
        .filter(|_| followed)?;
    let to = from.join(location.to_str().ok()?).ok()?;
    (from.scheme() != "https" || to.scheme() == "https").then_some(to)
}

/// The session's URL in the response to a creation. The session is ours to delete from now on.
fn session_url(probe: &Probe<'_>, response: &HttpResponse) -> Result<Url, String> {
    let body = json(response).ok_or("the response is not JSON")?;
    let url = body
        .get("url")
        .and_then(|url| url.as_str())
        .ok_or("the response has no url")?;
    let url = SessionUrl::parse(url).map_err(|error| format!("the url is not usable: {error}"))?;
    if !probe.policy().permits(url.url()) {
        return Err(format!("the url is at {}", origin(url.url())));
    }
    probe.created(url.url());
    Ok(url.url().clone())
}

async fn read_and_write(transcript: &mut Transcript, probe: &Probe<'_>, session: &Url) {
    let get = || ProbeRequest::get(session);
    let get_unless = |etag: &str| get().with_header(header::IF_NONE_MATCH, etag);
    let put = |etag: &str, payload: &[u8]| write(session, etag, payload);
    transcript.read = Some(probe.send(get()).await);
    let Some(first) = first_etag(transcript) else {
        return;
    };
    transcript.unchanged = Some(probe.send(get_unless(&first)).await);
    transcript.written = Some(probe.send(put(&first, TEST_PAYLOAD)).await);
    let Some(mut current) = etag_of(&transcript.written) else {
        return;
    };
    transcript.read_back = Some(probe.send(get_unless(&first)).await);
    transcript.stale = Some(probe.send(put(&first, TEST_PAYLOAD)).await);
    transcript.rewritten = Some(probe.send(put(&current, TEST_PAYLOAD)).await);
    current = etag_of(&transcript.rewritten).unwrap_or(current);
    transcript.full = Some(
        probe
            .send(put(&current, &payload_of(MAX_PAYLOAD_BYTES)))
            .await,
    );
    current = etag_of(&transcript.full).unwrap_or(current);
    transcript.oversized = Some(
        probe
            .send(put(&current, &payload_of(MAX_PAYLOAD_BYTES + 1)))
            .await,
    );
    current = etag_of(&transcript.oversized).unwrap_or(current);
    let compressed = probe
        .send(get().with_header(header::ACCEPT_ENCODING, COMPRESSED))
        .await;
    if let Some(etag) = decorated(&compressed) {
        transcript
            .decorated
            .push(probe.send(put(&etag, TEST_PAYLOAD)).await);
    }
    transcript.compressed = Some((current, compressed));
    transcript.last = Some(probe.send(get()).await);
}

/// The ETag of a new session, if it can be used: strong, and the same in two responses.
fn first_etag(transcript: &Transcript) -> Option<String> {
    let created = strong(transcript.created()?).ok()?;
    etag_of(&transcript.read).filter(|read| *read == created)
}

fn etag_of(result: &Option<ProbeResult>) -> Option<String> {
    let response = result.as_ref()?.as_ref().ok()?;
    strong(response)
        .ok()
        .filter(|_| response.status().is_success())
}

/// Sends what a browser sends before a script's own requests (Fetch, "CORS protocol").
async fn send_preflights(transcript: &mut Transcript, probe: &Probe<'_>, session: &Url) {
    let creations = transcript
        .hops
        .iter()
        .map(|hop| (hop.url.clone(), "POST", Some("content-type")));
    let of_session = [
        ("GET", Some("if-none-match")),
        ("PUT", Some("if-match")),
        ("DELETE", None),
    ];
    let of_session = of_session.map(|(method, header)| (session.clone(), method, header));
    for (url, method, header) in creations.chain(of_session).collect::<Vec<_>>() {
        let mut request = ProbeRequest::new(Method::OPTIONS, &url)
            .with_header(header::ACCESS_CONTROL_REQUEST_METHOD, method);
        if let Some(header) = header {
            request = request.with_header(header::ACCESS_CONTROL_REQUEST_HEADERS, header);
        }
        let result = probe.send(request).await;
        transcript.preflights.push(Preflight {
            method,
            header,
            result,
        });
    }
}

async fn create_compressed(transcript: &mut Transcript, probe: &Probe<'_>) {
    let Some(url) = transcript.hops.last().map(|hop| hop.url.clone()) else {
        return;
    };
    let request = creation(&url).with_header(header::ACCEPT_ENCODING, COMPRESSED);
    let created = probe.send_create(request).await;
    // A compressed response cannot be read here, so its session expires by itself. Any other
    // session is deleted at the end.
    let session = created
        .as_ref()
        .ok()
        .and_then(|response| session_url(probe, response).ok());
    if let (Some(session), Some(etag)) = (session, decorated(&created)) {
        transcript
            .decorated
            .push(probe.send(write(&session, &etag, TEST_PAYLOAD)).await);
    }
    transcript.created_compressed = Some(created);
}

async fn delete(transcript: &mut Transcript, probe: &Probe<'_>, session: &Url) {
    transcript.deleted = Some(probe.send(ProbeRequest::new(Method::DELETE, session)).await);
    let gone = probe.send(ProbeRequest::get(session)).await;
    // Only a session that is seen to be gone needs no further deletion.
    if gone.as_ref().is_ok_and(|response| response.status() == 404) {
        probe.deleted(session);
    }
    transcript.gone = Some(gone);
}

/// "Create a rendezvous session": with an empty payload, as our devices do.
fn creation(at: &Url) -> ProbeRequest {
    ProbeRequest::new(Method::POST, at).with_body("text/plain", "")
}

/// "Send a payload to the rendezvous session".
fn write(session: &Url, etag: &str, payload: &[u8]) -> ProbeRequest {
    let request = ProbeRequest::new(Method::PUT, session).with_header(header::IF_MATCH, etag);
    request.with_body("text/plain", payload)
}

/// A payload of this size, which compresses well.
fn payload_of(bytes: usize) -> Vec<u8> {
    TEST_PAYLOAD.iter().copied().cycle().take(bytes).collect()
}
