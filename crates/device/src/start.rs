//! How a sign-in begins: with a QR code to show, or one that was scanned.

use std::future::Future;

use matrix_qr_protocol::{error::Error, homeserver::HomeserverAddress, qr::QrCode};
use url::Url;

use crate::person::Person;

/// How this device meets the other one.
#[derive(Debug, Clone)]
pub enum Start {
    /// It shows a QR code, for a session that it creates there.
    Show(RendezvousAt),
    /// It scanned the other device's QR code.
    Scan(QrCode),
}

/// Where a rendezvous session is created ("Choice of server").
#[derive(Debug, Clone)]
pub enum RendezvousAt {
    /// At this homeserver, which may redirect to another server.
    Homeserver(HomeserverAddress),
    /// At exactly this URL, of a standalone rendezvous server.
    Endpoint(Url),
}

/// Runs a step that leaves nothing to clean up, unless the person gives up first.
pub(crate) async fn unless_cancelled<P: Person, T>(
    person: &P,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = person.cancelled() => Err(Error::Cancelled),
        result = step => result,
    }
}
