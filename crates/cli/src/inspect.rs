//! `inspect`: what a QR code contains, without contacting any server.

use matrix_qr_protocol::{
    homeserver::HomeserverKind,
    qr::QrCode,
    rendezvous::Location,
    revision::{Prefix, Revision, Role},
};
use serde_json::json;
use url::{Host, Url};

use crate::{
    args,
    exit::Failure,
    output::{BAD, BOLD, Printer, harmless, paint, row},
    scan::{self, Scanned},
};

pub(crate) fn run(args: &args::InspectArgs) -> Result<(), Failure> {
    let out = Printer::new(args.json);
    let scanned = scan::from_argument(&args.code, out)?;
    out.result(human(&scanned), machine(&scanned));
    Ok(())
}

/// The proposal's name, as `--revision` takes it.
pub(crate) fn revision_name(revision: Revision) -> &'static str {
    match revision {
        Revision::Msc4108 => "msc4108",
        Revision::Msc4388 => "msc4388",
    }
}

fn machine(scanned: &Scanned) -> serde_json::Value {
    let location = &scanned.code.location;
    let url = session_url(location);
    let mut value = json!({
        "revision": revision_name(location.into()),
        "shown_by": match scanned.code.role() { Role::New => "new", Role::Existing => "existing" },
        "public_key": scanned.code.key.to_base64(),
        "rendezvous_url": url,
        "rendezvous_host": location.server().host_str(),
        "homeserver": scanned.code.homeserver().map(|homeserver| homeserver.as_str()),
        "bytes": scanned.bytes.len(),
        "header": header(scanned),
        "usable": is_safe(location.server()),
    });
    if let (Location::Id(session), Some(value)) = (location, value.as_object_mut()) {
        value.insert("rendezvous_id".to_owned(), json!(session.as_str()));
        value.insert(
            "base_url".to_owned(),
            json!(session.api().base_url().as_str()),
        );
        value.insert(
            "unstable".to_owned(),
            json!(session.api().prefix() == Prefix::Unstable),
        );
    }
    value
}

fn session_url(location: &Location) -> String {
    match location {
        Location::Url(session) => session.as_str().to_owned(),
        Location::Id(session) => session.url().into(),
    }
}

/// The kind of the code.
fn title(location: &Location) -> &'static str {
    match location {
        Location::Url(_) => "A QR code for signing in a Matrix device (MSC4108)",
        Location::Id(session) => match session.api().prefix() {
            Prefix::Stable => "A QR code for signing in a Matrix device (MSC4388)",
            Prefix::Unstable => {
                "A QR code for signing in a Matrix device (MSC4388, under its unstable name)"
            }
        },
    }
}

fn human(scanned: &Scanned) -> String {
    let location = &scanned.code.location;
    let (shown_by, next) = match scanned.code.role() {
        Role::New => (
            "a new device, which is to be signed in",
            "matrix-qr link --scan",
        ),
        Role::Existing => (
            "a device that is already signed in",
            "matrix-qr login --scan",
        ),
    };
    let mut lines = vec![
        paint(BOLD, title(location)),
        row("shown by", shown_by),
        row("homeserver", &homeserver(scanned)),
        row("rendezvous", &session_url(location)),
        row(
            "  its host",
            location.server().host_str().unwrap_or_default(),
        ),
        row("public key", &scanned.code.key.to_base64()),
        row(
            "bytes",
            &format!(
                "{}, beginning with {}",
                scanned.bytes.len(),
                header(scanned)
            ),
        ),
        String::new(),
    ];
    if !is_safe(location.server()) {
        lines.push(format!(
            "{} the rendezvous URL is not https: no device should use it.",
            paint(BAD, "warning:")
        ));
    }
    lines.push(format!(
        "No server was contacted. To continue: {next} with this code."
    ));
    lines.join("\n")
}

fn homeserver(scanned: &Scanned) -> String {
    let text = scanned.code.homeserver();
    match text.map(|homeserver| homeserver.kind()) {
        None => "not included: a new device does not know it yet".to_owned(),
        // Exactly as it is written: MSC4388 binds every message to it.
        Some(HomeserverKind::BaseUrl(_)) => {
            text.map(|text| harmless(text.as_str())).unwrap_or_default()
        }
        Some(HomeserverKind::ServerName(name)) => format!("{name} (a server name)"),
    }
}

fn header(scanned: &Scanned) -> String {
    QrCode::head(&scanned.bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether the URL is https or on loopback, where the sandbox is.
fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || loopback
}
