//! Ctrl-C: the first one cancels and cleans up, the second one stops at once.

use std::{future::pending, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use matrix_qr_protocol::error::Error;

use crate::exit::{Exit, Failure};

/// Whether the person has cancelled, and what to report then. Clones share this state.
#[derive(Debug, Clone)]
pub(crate) struct Cancel(watch::Sender<Option<Failure>>);

impl Cancel {
    /// Without signals.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// From now on, Ctrl-C, SIGTERM and a closed terminal cancel. `on_first` is called for the
    /// first of them.
    pub(crate) fn on_signals(on_first: impl FnOnce() + Send + 'static) -> Result<Self, Failure> {
        let cancel = Self::new();
        let mut signals = Signals::new().map_err(no_signals)?;
        let cancelled = cancel.clone();
        tokio::spawn(async move {
            signals.next().await;
            cancelled.0.send_replace(Some(Failure::cancelled()));
            on_first();
            signals.next().await;
            std::process::exit((Exit::LeftAtOnce as u8).into());
        });
        Ok(cancel)
    }

    /// Cancels because standard input has ended while a question is open.
    pub(crate) fn input_ended(&self) {
        self.because(Failure::input_ended());
    }

    /// Cancels for this reason, unless there is one already.
    pub(crate) fn because(&self, failure: Failure) {
        self.0.send_if_modified(|why| {
            let is_first = why.is_none();
            why.get_or_insert(failure);
            is_first
        });
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Why it is cancelled, if it is.
    pub(crate) fn reason(&self) -> Option<Failure> {
        self.0.borrow().clone()
    }

    /// The error of a sign-in, explained by how the person cancelled it.
    pub(crate) fn explained(&self, error: Error) -> Failure {
        match (error, &*self.0.borrow()) {
            (Error::Cancelled, Some(failure)) => failure.clone(),
            (error, _) => error.into(),
        }
    }

    /// The result of `work`, unless it is cancelled first.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(self.reason().unwrap_or_else(Failure::cancelled)),
            result = work => result,
        }
    }

    /// Completes as soon as the person has cancelled, and on every later call.
    pub(crate) async fn cancelled(&self) {
        if self.0.subscribe().wait_for(Option::is_some).await.is_err() {
            pending().await
        }
    }
}

/// The operating system does not deliver signals to this process.
pub(crate) fn no_signals(error: io::Error) -> Failure {
    Failure::here(format!("signals cannot be received: {error}"), "Try again.")
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
