//! Four clients, two at each instance, who use one session at the same time.

mod actor;

use std::{net::SocketAddr, time::Instant};

use tokio::time::timeout;

use self::actor::Actor;
use crate::{client::PATIENCE, error::BenchError, history::Event};

/// How often each client asks while all do, and once more when they are done.
const EACH: usize = 24;

pub(super) struct Group {
    actors: [Actor; 4],
    sessions: usize,
}

impl Group {
    /// `number` is another for each group: its clients' choices and payloads follow from it.
    pub(super) async fn connect(
        [first, second]: [SocketAddr; 2],
        number: usize,
    ) -> Result<Self, BenchError> {
        let clock = Instant::now();
        let actor = async |address, place| Actor::connect(address, 4 * number + place, clock).await;
        let actors = [
            actor(first, 0).await?,
            actor(second, 1).await?,
            actor(first, 2).await?,
            actor(second, 3).await?,
        ];
        Ok(Self {
            actors,
            sessions: 0,
        })
    }

    /// Makes a session, uses it from all sides, has somebody delete it, and looks at what is left.
    pub(super) async fn use_session(&mut self) -> Result<Vec<Event>, BenchError> {
        self.sessions += 1;
        timeout(2 * PATIENCE, self.all())
            .await
            .map_err(|_| BenchError::TooSlow("a session"))??;
        Ok(self
            .actors
            .iter_mut()
            .flat_map(|actor| actor.events.drain(..))
            .collect())
    }

    async fn all(&mut self) -> Result<(), BenchError> {
        let deleter = self.sessions % self.actors.len();
        let [first, second, third, fourth] = &mut self.actors;
        let path = first.create().await?;
        tokio::try_join!(
            first.use_session(&path, EACH, deleter == 0),
            second.use_session(&path, EACH, deleter == 1),
            third.use_session(&path, EACH, deleter == 2),
            fourth.use_session(&path, EACH, deleter == 3),
        )?;
        for actor in &mut self.actors {
            actor.read(&path).await?;
        }
        Ok(())
    }
}
