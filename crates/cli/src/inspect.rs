//! `inspect`: what a QR code says, without contacting anyone.

use matrix_qr_protocol::{
    homeserver::HomeserverKind,
    rendezvous::{Location, SessionUrl},
    revision::Role,
};
use serde_json::json;
use url::{Host, Url};

use crate::{
    args,
    exit::{Exit, Failure},
    output::{BAD, BOLD, Output, paint, row},
    scan::{self, Scanned},
};

/// How much of the code's beginning is shown as bytes: the fixed text, the version, the mode.
const HEADER: usize = 8;

pub(crate) fn run(args: &args::Inspect) -> Result<(), Failure> {
    let scanned = scan::from_argument(&args.code)?;
    let Location::Url(session) = &scanned.code.location else {
        let what = "this QR code is one of a later way to sign in, which this program does not know yet";
        return Err(Failure::new(Exit::QrCode, what, "Use another one."));
    };
    Output::new(args.json).result(human(&scanned, session), machine(&scanned, session));
    Ok(())
}

fn machine(scanned: &Scanned, session: &SessionUrl) -> serde_json::Value {
    json!({
        "revision": "msc4108",
        "shown_by": match scanned.code.role() { Role::New => "new", Role::Existing => "existing" },
        "public_key": scanned.code.key.to_base64(),
        "rendezvous_url": session.as_str(),
        "rendezvous_host": session.url().host_str(),
        "homeserver": scanned.code.homeserver().map(|homeserver| homeserver.as_str()),
        "bytes": scanned.bytes.len(),
        "header": header(&scanned.bytes),
        "usable": is_safe(session.url()),
    })
}

fn human(scanned: &Scanned, session: &SessionUrl) -> String {
    let (shown_by, next) = match scanned.code.role() {
        Role::New => ("a new device, which wants to be signed in", "matrix-qr link --scan"),
        Role::Existing => ("a device that is signed in already", "matrix-qr login --scan"),
    };
    let mut lines = vec![
        paint(BOLD, "A QR code for signing in a Matrix device (MSC4108)"),
        row("shown by", shown_by),
        row("homeserver", &homeserver(scanned)),
        row("rendezvous", session.as_str()),
        row("  its host", session.url().host_str().unwrap_or_default()),
        row("public key", &scanned.code.key.to_base64()),
        row("bytes", &format!("{}, beginning with {}", scanned.bytes.len(), header(&scanned.bytes))),
        String::new(),
    ];
    if !is_safe(session.url()) {
        lines.push(format!(
            "{} the rendezvous is not https: no device should use it.",
            paint(BAD, "warning:")
        ));
    }
    lines.push(format!("Nobody was contacted. To go on: {next} with this code."));
    lines.join("\n")
}

fn homeserver(scanned: &Scanned) -> String {
    match scanned.code.homeserver().map(|homeserver| homeserver.kind()) {
        None => "not said: a new device does not know it yet".to_owned(),
        Some(HomeserverKind::BaseUrl(url)) => url.to_string(),
        Some(HomeserverKind::ServerName(name)) => format!("{name} (a server name)"),
    }
}

fn header(bytes: &[u8]) -> String {
    bytes.iter().take(HEADER).map(|byte| format!("{byte:02x}")).collect()
}

/// https, or this machine's own loopback, where the sandbox is.
fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || loopback
}
