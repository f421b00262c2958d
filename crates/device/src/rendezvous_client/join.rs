//! The first exchange of the scanning device.

use matrix_qr_protocol::rendezvous::{Location, RendezvousSession};

use super::client::RendezvousClient;
use super::error::RendezvousError;
use super::patience::{Patience, in_time};
use super::state::State;
use super::wire::{QUICK, exchange};
use crate::http::Http;

impl RendezvousClient {
    /// Joins the session that a QR code names, and reads it for the first time (steps 3 and 4 of
    /// "Establishment").
    ///
    /// # Errors
    ///
    /// [`RendezvousError::AlreadyUsed`] when something is written there: the scanning device is the
    /// first to write.
    pub async fn join(http: Http, location: Location) -> Result<Self, RendezvousError> {
        let server = location.server().clone();
        in_time(&server, join(http, location)).await
    }
}

async fn join(http: Http, location: Location) -> Result<RendezvousClient, RendezvousError> {
    http.policy().check(location.server())?;
    let other = location.under_other_names();
    match (join_at(http.clone(), location).await, other) {
        // The code does not say which names the server uses.
        (Err(error), Some(other)) if error.is_unknown_path() => match join_at(http, other).await {
            Err(as_well) if as_well.is_unknown_path() => Err(error),
            outcome => outcome,
        },
        (outcome, _) => outcome,
    }
}

async fn join_at(http: Http, location: Location) -> Result<RendezvousClient, RendezvousError> {
    let mut state = State::new(RendezvousSession::join(location));
    let mut patience = Patience::new();
    while let Err(error) = first_read(&http, &mut state).await {
        patience.pause(error).await?;
    }
    match state.overheard.take() {
        Some(payload) if !payload.bytes.is_empty() => Err(RendezvousError::AlreadyUsed),
        _ => Ok(RendezvousClient::new(http, state)),
    }
}

async fn first_read(http: &Http, state: &mut State) -> Result<(), RendezvousError> {
    let response = exchange(http, state.session.receive(None), QUICK).await?;
    state.heard(&response)?;
    Ok(())
}
