//! A body that fails when it has not come in time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

pub(super) struct SlowBody {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

/// What reading it says.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body did not come in time")]
    TimedOut,
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

impl SlowBody {
    pub(super) fn new(body: Incoming, time: Duration) -> Self {
        Self { body, deadline: Box::pin(sleep(time)) }
    }
}

impl HttpBody for SlowBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from))),
            Poll::Pending => self.deadline.as_mut().poll(cx).map(|()| Some(Err(BodyError::TimedOut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
