//! Four clients, two at each instance, that use one session at the same time.

mod recording_client;

use std::{net::SocketAddr, time::Instant};

use tokio::time::timeout;

use self::recording_client::RecordingClient;
use crate::{client::PATIENCE, error::BenchError, history::Operation};

/// How many requests each client sends while all do. It sends one more when all are done.
const EACH: usize = 24;

pub(super) struct ClientGroup {
    clients: [RecordingClient; 4],
    sessions: usize,
}

impl ClientGroup {
    /// `number` is unique to the group: its clients' choices and payloads follow from it.
    pub(super) async fn connect(
        [first, second]: [SocketAddr; 2],
        number: usize,
    ) -> Result<Self, BenchError> {
        let clock = Instant::now();
        let client = async |address, place| {
            RecordingClient::connect(address, 4 * number + place, clock).await
        };
        let clients = [
            client(first, 0).await?,
            client(second, 1).await?,
            client(first, 2).await?,
            client(second, 3).await?,
        ];
        Ok(Self {
            clients,
            sessions: 0,
        })
    }

    /// Creates a session, uses it with all clients, lets one delete it, and reads what is left. The
    /// history begins with the creation.
    pub(super) async fn use_session(&mut self) -> Result<Vec<Operation>, BenchError> {
        self.sessions += 1;
        timeout(2 * PATIENCE, self.all())
            .await
            .map_err(|_| BenchError::TooSlow("a session"))??;
        Ok(self
            .clients
            .iter_mut()
            .flat_map(|client| client.history.drain(..))
            .collect())
    }

    async fn all(&mut self) -> Result<(), BenchError> {
        let deleter = self.sessions % self.clients.len();
        let [first, second, third, fourth] = &mut self.clients;
        let path = first.create().await?;
        tokio::try_join!(
            first.use_session(&path, EACH, deleter == 0),
            second.use_session(&path, EACH, deleter == 1),
            third.use_session(&path, EACH, deleter == 2),
            fourth.use_session(&path, EACH, deleter == 3),
        )?;
        for client in &mut self.clients {
            client.read(&path).await?;
        }
        Ok(())
    }
}
