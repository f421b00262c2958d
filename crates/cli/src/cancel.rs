//! Ctrl-C: the first one cancels politely, the second one leaves at once.

use std::{future::pending, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::exit::LEFT_AT_ONCE;

/// Whether the person has given up. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Cancel(watch::Sender<bool>);

impl Cancel {
    /// From now on Ctrl-C, SIGTERM and a closed terminal come here. `heard` is called at the first of them.
    pub(crate) fn on_signals(heard: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let cancel = Self(watch::Sender::new(false));
        let mut signals = Signals::new()?;
        let given_up = cancel.clone();
        tokio::spawn(async move {
            signals.next().await;
            given_up.cancel();
            heard();
            signals.next().await;
            std::process::exit(LEFT_AT_ONCE.into());
        });
        Ok(cancel)
    }

    /// The person gives up in another way.
    pub(crate) fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Is ready as soon as the person has given up, however often it is asked.
    pub(crate) async fn cancelled(&self) {
        if self.0.subscribe().wait_for(|given_up| *given_up).await.is_err() {
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
