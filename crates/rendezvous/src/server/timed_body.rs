//! A request body that fails when it does not arrive in time, and of which the server reads what the
//! handler left.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// How much of a body is read, in bytes, that the handler did not want. More than a payload, so that
/// one that is a little too large does not cost the connection.
const REST: usize = 16 * 1024;

/// Clones are the same body. `None`: a request without one.
#[derive(Clone)]
pub(super) struct TimedBody(Option<Arc<Mutex<ArrivingBody>>>);

struct ArrivingBody {
    body: Incoming,
    deadline: Instant,
    /// Set when the body is first waited for: most bodies arrive with the headers.
    alarm: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
}

/// Why reading a body fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body did not arrive in time")]
    TimedOut,
    #[error("the body is malformed or incomplete")]
    Broken,
}

type BodyFrame = Option<Result<Frame<Bytes>, BodyError>>;

impl TimedBody {
    pub(super) fn new(body: Incoming, time: Duration) -> Self {
        let arriving = (!body.is_end_stream()).then(|| ArrivingBody {
            body,
            deadline: Instant::now() + time,
            alarm: None,
            has_ended: false,
        });
        Self(arriving.map(|body| Arc::new(Mutex::new(body))))
    }

    /// Reads what is left. `false`: it is too long, or does not arrive in time.
    pub(super) async fn read_rest(self) -> bool {
        if !usize::try_from(self.size_hint().lower()).is_ok_and(|length| length <= REST) {
            return false;
        }
        let mut rest = pin!(Limited::new(self, REST));
        while let Some(frame) = rest.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    }

    fn arriving(&self) -> Option<MutexGuard<'_, ArrivingBody>> {
        let body = self.0.as_ref()?;
        Some(body.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ArrivingBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<BodyFrame> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.has_ended = frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::Broken)));
        }
        let deadline = self.deadline;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        alarm
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(BodyError::TimedOut)))
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BodyFrame> {
        match self.arriving() {
            Some(mut body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.arriving()
            .is_none_or(|body| body.has_ended || body.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.arriving()
            .map_or_else(|| SizeHint::with_exact(0), |body| body.body.size_hint())
    }
}
