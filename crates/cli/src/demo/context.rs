//! What the two devices of the demonstration share: the board, the person between them, and the
//! watch.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use matrix_qr_protocol::{channel::CheckCode, revision::Revision};
use tokio::sync::watch;
use url::Url;

use super::two_column_view::TwoColumnView;
use crate::{cancel::Cancel, keyboard::Keyboard};

/// A step, and how long it took since the one before it.
pub(super) type Step = (&'static str, Duration);

/// The person between the two devices.
#[derive(Clone, Copy)]
pub(super) enum Played<'a> {
    ByYou(&'a Keyboard),
    /// By this program, which takes so long over each thing that it is asked.
    Takes(Duration),
}

pub(super) struct DemoContext<'a> {
    pub(super) view: TwoColumnView,
    pub(super) cancel: Cancel,
    pub(super) person: Played<'a>,
    /// The digits, once a device shows them: it is the person who carries them to the other.
    pub(super) digits: watch::Sender<Option<CheckCode>>,
    /// The link to the consent page, once the existing device has it.
    pub(super) link: watch::Sender<Option<Url>>,
    /// Whether the new device has its token: then nobody has to agree to anything any more.
    pub(super) agreed: watch::Sender<bool>,
    /// Which proposal the code follows that was shown.
    pub(super) revision: OnceLock<Revision>,
    steps: Mutex<(Instant, Vec<Step>)>,
}

impl<'a> DemoContext<'a> {
    pub(super) fn new(view: TwoColumnView, cancel: Cancel, person: Played<'a>) -> Self {
        Self {
            view,
            cancel,
            person,
            digits: watch::Sender::default(),
            link: watch::Sender::default(),
            agreed: watch::Sender::default(),
            revision: OnceLock::new(),
            steps: Mutex::new((Instant::now(), Vec::new())),
        }
    }

    /// This step is done now.
    pub(super) fn mark(&self, step: &'static str) {
        let mut steps = self.lock();
        let last = std::mem::replace(&mut steps.0, Instant::now());
        let took = steps.0.duration_since(last);
        steps.1.push((step, took));
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.lock().1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Instant, Vec<Step>)> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in the channel, as soon as there is something.
pub(super) async fn once<T: Clone>(channel: &watch::Sender<Option<T>>) -> T {
    let mut receiver = channel.subscribe();
    loop {
        let value = receiver.borrow_and_update().clone();
        if let Some(value) = value {
            return value;
        }
        if receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
