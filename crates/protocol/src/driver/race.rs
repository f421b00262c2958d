//! Whichever comes first.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

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
