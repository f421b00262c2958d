//! Sending a message: one that others may follow, and a last word.

use std::future::Future;

use super::{
    channel_state::ChannelState,
    host::{Delivery, Host, Progress},
    wait::race,
};
use crate::{
    error::{Cause, UserError},
    login::{Ended, Input, message::Message},
    rendezvous::Payload,
};

/// Why a message was not said.
pub(super) enum Unsaid {
    /// The person gave up, or nobody waits for it any longer.
    Cancelled,
    /// The session ended, perhaps before the message was stored in it.
    Unsent(Ended),
}

impl<A> From<Unsaid> for Input<A> {
    fn from(unsaid: Unsaid) -> Self {
        match unsaid {
            Unsaid::Cancelled => Self::Cancel,
            Unsaid::Unsent(ended) => Self::Unsent(ended),
        }
    }
}

/// Seals and writes a message that is not the last one. If another payload overtook it, the login
/// hears that one next. A payload under way is given a little more time when the person gives up:
/// the last word must follow it in order.
pub(super) async fn say<H: Host>(
    host: &H,
    channel: &mut ChannelState<'_>,
    message: &Message,
) -> Result<(), Unsaid> {
    let payload = seal(host, channel, message)?;
    let given_up = async {
        host.cancelled().await;
        host.patience().await;
    };
    deliver(host, payload, given_up).await?;
    host.tell(Progress::Sent(message.kind()));
    Ok(())
}

/// Seals and writes a last word. Nobody waits for an answer to it: what overtook it is taken out of
/// the way, and it is written again.
pub(super) async fn say_last<H: Host>(
    host: &H,
    channel: &mut ChannelState<'_>,
    message: &Message,
) -> Result<(), Unsaid> {
    // The other device must read what is stored there first. And before it is sealed: the payload
    // says what it is written against.
    race(host.until_read(), host.patience()).await;
    let payload = seal(host, channel, message)?;
    if deliver(host, payload.clone(), host.patience()).await? == Delivery::Overtaken {
        host.receive().await.map_err(Unsaid::Unsent)?;
        // A payload that says what it was written against is valid nowhere else, and to seal
        // another one would use a nonce twice, or leave a gap that the other device cannot open:
        // then the end of the session has to say it.
        if payload.binding != host.binding() {
            return Err(Unsaid::Cancelled);
        }
        deliver(host, payload, host.patience()).await?;
    }
    host.tell(Progress::Sent(message.kind()));
    Ok(())
}

fn seal<H: Host>(
    host: &H,
    channel: &mut ChannelState<'_>,
    message: &Message,
) -> Result<Payload, Unsaid> {
    channel.seal(message, host.binding()).map_err(|error| {
        let advice = "Try again; if the problem persists, report it: this is a bug.";
        let error = UserError::new(Cause::Here, error.to_string(), advice);
        Unsaid::Unsent(Ended::Unusable(error))
    })
}

async fn deliver<H: Host>(
    host: &H,
    payload: Payload,
    out_of_patience: impl Future<Output = ()>,
) -> Result<Delivery, Unsaid> {
    let send = async { host.send(payload).await.map_err(Unsaid::Unsent) };
    let give_up = async {
        out_of_patience.await;
        Err(Unsaid::Cancelled)
    };
    race(send, give_up).await
}
