//! What the two devices of the demonstration share: the view, the person between them, and the
//! times of the steps.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use matrix_qr_protocol::{channel::CheckCode, revision::Revision};
use tokio::sync::watch;
use url::Url;

use super::two_column_view::TwoColumnView;
use crate::{
    args::{DialectChoice, RevisionChoice, ShownByChoice},
    cancel::Cancel,
    keyboard::Keyboard,
    web::WebPage,
};

/// A step, and how long it took.
pub(super) type Step = (&'static str, Duration);

/// How the two devices meet.
#[derive(Debug, Clone, Copy)]
pub(super) struct DemoPath {
    pub(super) shown_by: ShownByChoice,
    pub(super) revision: RevisionChoice,
    pub(super) dialect: DialectChoice,
}

/// The person between the two devices.
#[derive(Clone, Copy)]
pub(super) enum PlayedBy<'a> {
    User(&'a Keyboard),
    /// This program, which takes this long for each answer.
    Program(Duration),
    /// The user, at a page with both devices.
    Page(&'a WebPage),
}

pub(super) struct DemoContext<'a> {
    pub(super) view: TwoColumnView,
    pub(super) cancel: Cancel,
    pub(super) person: PlayedBy<'a>,
    /// The digits, once a device shows them: the person types them at the other one.
    pub(super) digits: watch::Sender<Option<CheckCode>>,
    /// The link to the consent page, once the existing device has it.
    pub(super) link: watch::Sender<Option<Url>>,
    /// Whether the new device has its token: then the consent is no longer needed.
    pub(super) agreed: watch::Sender<bool>,
    /// Which proposal the shown code follows.
    pub(super) revision: OnceLock<Revision>,
    steps: Mutex<(Instant, Vec<Step>)>,
}

impl<'a> DemoContext<'a> {
    pub(super) fn new(view: TwoColumnView, cancel: Cancel, person: PlayedBy<'a>) -> Self {
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

    /// Notes that this step is done.
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

/// The value in the channel, as soon as there is one.
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
