//! What a login waits for: an answer from here, a word from there, or the person who gives up.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use super::Host;
use crate::{
    channel::CheckCode,
    login::{Answer, Ask, Ended},
    rendezvous::Payload,
};

/// What the person or the device answered.
pub(super) enum Reply {
    CheckCode(CheckCode),
    Answer(Answer),
}

pub(super) async fn answer<H: Host>(host: &H, ask: Ask) -> Reply {
    match ask {
        Ask::CheckCode => Reply::CheckCode(host.enter_check_code().await),
        ask => Reply::Answer(host.answer(ask).await),
    }
}

pub(super) enum Event {
    Cancelled,
    Answered(Reply),
    Received(Result<Payload, Ended>),
}

/// Whichever comes first. A person who gives up is heard before anything else.
pub(super) async fn next<H, A, R>(
    host: &H,
    asked: Option<&mut Pin<Box<A>>>,
    heard: Option<&mut Pin<Box<R>>>,
) -> Event
where
    H: Host,
    A: Future<Output = Reply>,
    R: Future<Output = Result<Payload, Ended>>,
{
    let mut cancelled = pin!(host.cancelled());
    let (mut asked, mut heard) = (asked, heard);
    poll_fn(|context| {
        if cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(Event::Cancelled);
        }
        if let Some(asked) = &mut asked
            && let Poll::Ready(reply) = asked.as_mut().poll(context)
        {
            return Poll::Ready(Event::Answered(reply));
        }
        match &mut heard {
            Some(heard) => heard.as_mut().poll(context).map(Event::Received),
            None => Poll::Pending,
        }
    })
    .await
}
