//! What other instances say about sessions, over Redis's publish and subscribe.

use std::{convert::Infallible, time::Duration};

use futures_util::StreamExt;
use redis::{
    Value,
    aio::{PubSub, PubSubSink},
};
use tokio::time::{sleep, timeout};

use super::{backoff::Backoff, connector::Connector, shared_connection::PATIENCE};
use crate::store::id::SessionId;

/// After how long a silence it is asked whether the connection still lives.
const SILENCE: Duration = Duration::from_secs(10);

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeMessage {
    Written(SessionId),
    Deleted(SessionId),
    /// Unknown: nobody listened for a while.
    Missed,
}

impl ChangeMessage {
    /// As it is said on the channel. [`Self::Missed`] is said by nobody.
    pub(super) fn written(id: SessionId) -> [u8; 17] {
        Self::said(id, b'w')
    }

    /// As it is said on the channel.
    pub(super) fn deleted(id: SessionId) -> [u8; 17] {
        Self::said(id, b'd')
    }

    fn said(id: SessionId, what: u8) -> [u8; 17] {
        let mut said = [what; 17];
        if let Some(place) = said.first_chunk_mut() {
            *place = id.to_bytes();
        }
        said
    }

    fn heard(said: &[u8]) -> Option<Self> {
        let (id, what) = said.split_first_chunk()?;
        match what {
            b"w" => Some(Self::Written(SessionId::from_bytes(*id))),
            b"d" => Some(Self::Deleted(SessionId::from_bytes(*id))),
            _ => None,
        }
    }
}

/// Listens on a connection of its own, for as long as it is polled.
pub(super) async fn listen(
    connector: &Connector,
    channel: &str,
    heard: impl Fn(ChangeMessage),
) -> Infallible {
    let mut backoff = Backoff::default();
    loop {
        backoff.wait().await;
        if let Ok(Ok(subscription)) = timeout(PATIENCE, connector.subscribe(channel)).await {
            backoff = Backoff::default();
            // Only now: whatever is said from here on is heard.
            heard(ChangeMessage::Missed);
            until_lost(subscription, &heard).await;
        }
        backoff.failed();
    }
}

async fn until_lost(subscription: PubSub, heard: impl Fn(ChangeMessage)) {
    let (mut sink, mut messages) = subscription.split();
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => ChangeMessage::heard(message.get_payload_bytes()).into_iter().for_each(&heard),
                None => return,
            },
            () = sleep(SILENCE) => if !lives(&mut sink).await { return },
        }
    }
}

/// A connection can be lost without a word: then only a question tells.
async fn lives(sink: &mut PubSubSink) -> bool {
    matches!(timeout(PATIENCE, sink.ping::<Value>()).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_and_nothing_else() {
        let id = SessionId::from_bytes([7; 16]);
        assert!(
            ChangeMessage::heard(&ChangeMessage::written(id)) == Some(ChangeMessage::Written(id))
        );
        assert!(
            ChangeMessage::heard(&ChangeMessage::deleted(id)) == Some(ChangeMessage::Deleted(id))
        );
        for other in [&b""[..], &[7; 16], &[7; 17], &[b'w'; 18]] {
            assert!(ChangeMessage::heard(other).is_none());
        }
    }
}
