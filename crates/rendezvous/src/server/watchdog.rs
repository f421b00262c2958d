//! Closes connections that only use up resources. hyper's own header timeout also runs while a
//! connection is idle, so with it a client could not keep a connection open for longer than its
//! headers may take.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use hyper::{
    Version,
    rt::{Read, ReadBufCursor, Write},
};
use tokio::time::{Instant, sleep_until};

use crate::config::Timeouts;

/// Watches one connection. Clones watch the same connection.
#[derive(Clone)]
pub(super) struct Watchdog {
    state: Arc<Mutex<WatchdogState>>,
    timeouts: Timeouts,
}

struct WatchdogState {
    phase: Phase,
    /// Whether the client has sent an HTTP/2 request. Such a client also sends bytes that do not
    /// start a request, and they cannot be told apart here: the idle timeout applies to both.
    http2: bool,
}

/// What a connection is doing.
#[derive(Clone, Copy)]
enum Phase {
    /// Waiting for a request, or for the client to receive the last response.
    Idle { until: Instant },
    /// Receiving the headers of a request.
    Head { until: Instant },
    /// Answering this many requests. A body has its own timeout.
    Serving { requests: usize },
}

impl Watchdog {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        let phase = Phase::Idle {
            until: Instant::now() + timeouts.idle,
        };
        Self {
            state: Arc::new(Mutex::new(WatchdogState {
                phase,
                http2: false,
            })),
            timeouts,
        }
    }

    /// Wraps the connection to notice when a request starts. `before` is what was read already.
    pub(super) fn watch<T>(&self, io: T, before: Bytes) -> WatchedIo<T> {
        WatchedIo {
            io,
            before,
            watchdog: self.clone(),
        }
    }

    /// The headers of a request have arrived. The request is answered, or cancelled, when the guard
    /// is dropped.
    pub(super) fn serving(self, version: Version) -> ServingGuard {
        let mut state = self.state();
        state.http2 |= version == Version::HTTP_2;
        let requests = if let Phase::Serving { requests } = state.phase {
            requests
        } else {
            0
        };
        state.phase = Phase::Serving {
            requests: requests + 1,
        };
        drop(state);
        ServingGuard(self)
    }

    fn served(&self) {
        let mut state = self.state();
        state.phase = match state.phase {
            Phase::Serving { requests } if requests > 1 => Phase::Serving {
                requests: requests - 1,
            },
            _ => Phase::Idle {
                until: Instant::now() + self.timeouts.idle,
            },
        };
    }

    fn bytes_arrived(&self) {
        let mut state = self.state();
        if let (Phase::Idle { .. }, false) = (state.phase, state.http2) {
            state.phase = Phase::Head {
                until: Instant::now() + self.timeouts.header,
            };
        }
    }

    /// Returns when the connection has been idle, or has been receiving headers, for too long.
    ///
    /// Must be polled in the same task as the connection, after it: then it sees each change of
    /// phase without being woken.
    pub(super) async fn expired(&self) {
        let mut alarm = pin!(sleep_until(Instant::now() + self.timeouts.idle));
        poll_fn(|cx| {
            let (Phase::Idle { until } | Phase::Head { until }) = self.phase() else {
                return Poll::Pending;
            };
            loop {
                if alarm.deadline() > until || alarm.is_elapsed() {
                    alarm.as_mut().reset(until);
                }
                ready!(alarm.as_mut().poll(cx));
                if until <= Instant::now() {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }

    /// Returns when the client has sent an HTTP/2 request. Must be polled like
    /// [`expired`](Self::expired).
    pub(super) async fn speaks_http2(&self) {
        poll_fn(|_| {
            if self.state().http2 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn phase(&self) -> Phase {
        self.state().phase
    }

    fn state(&self) -> MutexGuard<'_, WatchdogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request in progress.
pub(super) struct ServingGuard(Watchdog);

impl Drop for ServingGuard {
    fn drop(&mut self) {
        self.0.served();
    }
}

/// A connection under watch.
pub(super) struct WatchedIo<T> {
    io: T,
    before: Bytes,
    watchdog: Watchdog,
}

impl<T: Read + Unpin> Read for WatchedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let now = self.before.len().min(buf.remaining());
            buf.put_slice(&self.before.split_to(now));
            self.watchdog.bytes_arrived();
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = result {
            self.watchdog.bytes_arrived();
        }
        result
    }
}

impl<T: Write + Unpin> Write for WatchedIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
