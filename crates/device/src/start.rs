//! How a sign-in begins: with a QR code to show, or one that was scanned, and with a session.

use std::{future::Future, pin::pin, time::Duration};

use matrix_qr_protocol::{error::Error, homeserver::HomeserverAddress, qr::QrCode};
use tokio::time::timeout;
use url::Url;

use crate::{
    person::{Person, ProgressEvent},
    rendezvous_client::RendezvousClient,
};

/// How long a session whose creation is under way is waited for, only to be deleted.
const UNDER_WAY: Duration = Duration::from_secs(2);

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

/// Opens a session while it is checked whether this device can sign in, or sign another one in, at
/// all. If it cannot, or the person gives up, that is the error, and a session that was made for
/// nothing is deleted.
pub(crate) async fn open_while<P: Person, T>(
    check: impl Future<Output = Result<T, Error>>,
    opening: impl Future<Output = Result<RendezvousClient, Error>>,
    start: &Start,
    person: &P,
) -> Result<(T, RendezvousClient), Error> {
    let (mut opening, mut opened) = (pin!(opening), None);
    let both = async {
        let opens = async {
            opened = Some((&mut opening).await);
            Ok(())
        };
        tokio::try_join!(check, opens).map(|(checked, ())| checked)
    };
    let checked = unless_cancelled(person, both).await;
    match (checked, opened) {
        (Ok(checked), Some(rendezvous)) => {
            let rendezvous = rendezvous?;
            person.tell(ProgressEvent::Session {
                time_left: rendezvous.time_left(),
            });
            Ok((checked, rendezvous))
        }
        (Ok(_), None) => Err(Error::OutOfOrder),
        (Err(error), opened) => {
            if let Start::Show(_) = start {
                let under_way = timeout(UNDER_WAY, async {
                    match opened {
                        Some(opened) => opened,
                        None => opening.await,
                    }
                });
                if let Ok(Ok(rendezvous)) = under_way.await {
                    rendezvous.delete().await;
                }
            }
            Err(error)
        }
    }
}
