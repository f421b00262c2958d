//! The changes that other instances publish on a Redis channel.

use std::{convert::Infallible, time::Duration};

use futures_util::StreamExt;
use redis::{
    Value,
    aio::{PubSub, PubSubSink},
};
use tokio::time::{sleep, timeout};

use super::{backoff::ReconnectBackoff, connector::Connector, shared_connection::TIMEOUT};
use crate::store::id::SessionId;

/// After this time without messages the connection is checked.
const CHECK_AFTER: Duration = Duration::from_secs(10);

/// A message on the channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeMessage {
    Written(SessionId),
    Deleted(SessionId),
    /// Messages may have been missed. Never sent.
    Missed,
}

impl ChangeMessage {
    /// The message that a session was written to.
    pub(super) fn written(id: SessionId) -> [u8; 17] {
        Self::encode(id, b'w')
    }

    /// The message that a session was deleted.
    pub(super) fn deleted(id: SessionId) -> [u8; 17] {
        Self::encode(id, b'd')
    }

    fn encode(id: SessionId, what: u8) -> [u8; 17] {
        let mut message = [what; 17];
        if let Some(start) = message.first_chunk_mut() {
            *start = id.to_bytes();
        }
        message
    }

    fn decode(message: &[u8]) -> Option<Self> {
        let (id, what) = message.split_first_chunk()?;
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
    receive: impl Fn(ChangeMessage),
) -> Infallible {
    let mut backoff = ReconnectBackoff::default();
    loop {
        backoff.wait().await;
        if let Ok(Ok(subscription)) = timeout(TIMEOUT, connector.subscribe(channel)).await {
            backoff = ReconnectBackoff::default();
            // Only now: every message from here on is received.
            receive(ChangeMessage::Missed);
            until_lost(subscription, &receive).await;
        }
        backoff.failed();
    }
}

async fn until_lost(subscription: PubSub, receive: impl Fn(ChangeMessage)) {
    let (mut sink, mut messages) = subscription.split();
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => ChangeMessage::decode(message.get_payload_bytes()).into_iter().for_each(&receive),
                None => return,
            },
            () = sleep(CHECK_AFTER) => if !is_alive(&mut sink).await { return },
        }
    }
}

/// A connection can be lost silently: only a command shows it.
async fn is_alive(sink: &mut PubSubSink) -> bool {
    matches!(timeout(TIMEOUT, sink.ping::<Value>()).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use redis::RedisConnectionInfo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A Redis that takes every command and answers to all of them, or to all but `PING`.
    async fn play_redis(mut stream: DuplexStream, answers_pings: bool) {
        let mut commands = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut commands).await {
            let commands = String::from_utf8_lossy(&commands[..length]);
            let setup = commands.matches("\r\nCLIENT\r\n").count();
            let pings = commands.matches("\r\nPING\r\n").count();
            let pings = if answers_pings { pings } else { 0 };
            let answer = "+OK\r\n".repeat(setup) + &"+PONG\r\n".repeat(pings);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_answer_is_lost() {
        for alive in [true, false] {
            let (ours, theirs) = duplex(1024);
            tokio::spawn(play_redis(theirs, alive));
            let info = RedisConnectionInfo::default();
            let subscription = PubSub::new(&info, ours).await.unwrap();
            let (mut sink, _messages) = subscription.split();
            assert_eq!(is_alive(&mut sink).await, alive);
        }
    }

    #[test]
    fn own_messages_are_decoded_and_no_others() {
        let id = SessionId::from_bytes([7; 16]);
        assert!(
            ChangeMessage::decode(&ChangeMessage::written(id)) == Some(ChangeMessage::Written(id))
        );
        assert!(
            ChangeMessage::decode(&ChangeMessage::deleted(id)) == Some(ChangeMessage::Deleted(id))
        );
        for other in [&b""[..], &[7; 16], &[7; 17], &[b'w'; 18]] {
            assert!(ChangeMessage::decode(other).is_none());
        }
    }
}
