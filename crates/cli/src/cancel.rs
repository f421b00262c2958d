//! Ctrl-C: the first one cancels politely, the second one leaves at once.

use std::{future::pending, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use matrix_qr_protocol::error::Error;

use crate::exit::{Failure, LEFT_AT_ONCE};

/// Whether the person has given up, and how. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Cancel(watch::Sender<Option<Why>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Signal,
    /// Nobody is there to answer.
    InputEnded,
}

impl Cancel {
    /// From now on Ctrl-C, SIGTERM and a closed terminal come here. `heard` is called at the first
    /// of them.
    pub(crate) fn on_signals(heard: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let cancel = Self(watch::Sender::new(None));
        let mut signals = Signals::new()?;
        let given_up = cancel.clone();
        tokio::spawn(async move {
            signals.next().await;
            given_up.0.send_replace(Some(Why::Signal));
            heard();
            signals.next().await;
            std::process::exit(LEFT_AT_ONCE.into());
        });
        Ok(cancel)
    }

    /// Standard input has ended, and a question is open.
    pub(crate) fn input_ended(&self) {
        self.0
            .send_if_modified(|why| why.replace(Why::InputEnded).is_none());
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// The end of a sign-in, in the words for how the person gave up.
    pub(crate) fn explained(&self, error: Error) -> Failure {
        match error {
            Error::Cancelled if *self.0.borrow() == Some(Why::InputEnded) => Failure::input_ended(),
            error => error.into(),
        }
    }

    /// Is ready as soon as the person has given up, however often it is asked.
    pub(crate) async fn cancelled(&self) {
        if self.0.subscribe().wait_for(Option::is_some).await.is_err() {
            pending().await
        }
    }
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
