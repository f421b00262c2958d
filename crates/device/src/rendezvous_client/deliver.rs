//! Writing: a payload is delivered once, whatever happens to the answer.

use matrix_qr_protocol::driver::Delivery;
use matrix_qr_protocol::rendezvous::{Payload, Sent};

use super::client::RendezvousClient;
use super::error::RendezvousError;
use super::pace::Backoff;
use super::state::Heard;
use super::wire::{QUICK, exchange, unanswered};

/// A server that refuses a write and then says that nothing has changed contradicts itself. After
/// this many times the delivery fails.
const MAX_CONTRADICTIONS: u32 = 3;

/// How far a delivery got.
enum Attempt {
    Over(Delivery),
    Again,
    Conflict,
}

impl RendezvousClient {
    /// Writes a payload. After a lost answer it reads first (MSC4108), or writes the same again at
    /// once (MSC4388); after a refusal that passes it writes again. Can be dropped at any moment;
    /// the next call then finds out what became of the payload, whichever call that is.
    ///
    /// # Errors
    ///
    /// As for [`Self::receive`].
    pub async fn send(&self, payload: Payload) -> Result<Delivery, RendezvousError> {
        self.in_time(self.deliver(payload)).await
    }

    async fn deliver(&self, payload: Payload) -> Result<Delivery, RendezvousError> {
        let repeatable = self.state().session.is_repeatable();
        // The sooner the better: what the other device says next is bound to the token that an
        // answer would have had.
        let mut backoff = if repeatable {
            Backoff::eager()
        } else {
            Backoff::new()
        };
        let mut contradictions = 0;
        loop {
            match self.attempt(&payload).await {
                Ok(Attempt::Over(delivery)) => {
                    self.outages.over();
                    return Ok(delivery);
                }
                Ok(Attempt::Again) => {}
                Ok(Attempt::Conflict) if contradictions >= MAX_CONTRADICTIONS => {
                    return Err(RendezvousError::Contradiction);
                }
                Ok(Attempt::Conflict) => contradictions += 1,
                Err(error) => self.pause(error, &mut backoff).await?,
            }
        }
    }

    /// One step of a delivery: what is known already, or a read when it is uncertain what is
    /// stored, or else the write.
    async fn attempt(&self, payload: &Payload) -> Result<Attempt, RendezvousError> {
        if let Some(delivery) = self.state().known(payload) {
            return Ok(Attempt::Over(delivery));
        }
        if self.state().session.must_receive(payload) {
            if let Heard::Nothing { .. } = self.read(None).await? {
                if self.state().session.lacks_predecessor(payload) {
                    return self.abandon().await;
                }
                self.state().session.found_nothing();
            }
            return Ok(Attempt::Again);
        }
        if payload.binding != self.binding() {
            return self.abandon().await;
        }
        let request = self.state().session.send(payload)?;
        self.outages.note(unanswered(self.location().server()));
        let response = exchange(&self.http, request, QUICK).await?;
        Ok(match self.state().session.sent(&response)? {
            Sent::Accepted => Attempt::Over(Delivery::Done),
            Sent::Conflict => Attempt::Conflict,
        })
    }

    /// Nobody could open this payload: an earlier one of ours is stored after all, and this one was
    /// sealed before that was known; or the earlier one was never stored, and this one is counted
    /// after it. Then the end of the session has to tell the other device what the payload would
    /// have.
    async fn abandon(&self) -> Result<Attempt, RendezvousError> {
        self.delete().await;
        Err(RendezvousError::Gone)
    }
}
