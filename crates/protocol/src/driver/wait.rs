//! What a sign-in waits for: an answer from this device, a payload from the other one, or the
//! person who gives up.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use super::host::Host;
use crate::{channel::CheckCode, login::Ended, rendezvous::Payload};

/// What the person or the device answered.
pub(super) enum HostReply<A> {
    CheckCode(CheckCode),
    Answer(A),
}

pub(super) enum LoginEvent<A> {
    Cancelled,
    Answered(HostReply<A>),
    Received(Result<Payload, Ended>),
}

/// Whichever comes first. A person who gives up is heard before anything else.
pub(super) async fn next<H: Host, A>(
    host: &H,
    mut asked: Option<&mut Pin<Box<impl Future<Output = HostReply<A>>>>>,
    mut heard: Option<&mut Pin<Box<impl Future<Output = Result<Payload, Ended>>>>>,
) -> LoginEvent<A> {
    let mut cancelled = pin!(host.cancelled());
    poll_fn(|context| {
        if cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(LoginEvent::Cancelled);
        }
        if let Some(asked) = &mut asked
            && let Poll::Ready(reply) = asked.as_mut().poll(context)
        {
            return Poll::Ready(LoginEvent::Answered(reply));
        }
        match &mut heard {
            Some(heard) => heard.as_mut().poll(context).map(LoginEvent::Received),
            None => Poll::Pending,
        }
    })
    .await
}

/// Waits for the first of the two. The left one wins where both are ready.
pub(super) async fn race<T>(left: impl Future<Output = T>, right: impl Future<Output = T>) -> T {
    let mut left = pin!(left);
    let mut right = pin!(right);
    poll_fn(|context| match left.as_mut().poll(context) {
        Poll::Pending => right.as_mut().poll(context),
        ready => ready,
    })
    .await
}
