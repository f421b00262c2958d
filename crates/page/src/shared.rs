//! What the page, its person and its requests have in common.

use std::{future::pending, sync::Arc};

use matrix_qr_protocol::qr::QrCode;
use tokio::sync::{Semaphore, watch};

use crate::{
    address::Address,
    questions::Questions,
    view::View,
    viewer::{Token, Viewer},
};

/// Finds a code in a picture, or in text. Otherwise a sentence for the person says what is wrong.
pub type ReadCode = dyn Fn(&[u8]) -> Result<QrCode, String> + Send + Sync;

/// What has been shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    Something,
    End,
}

/// One for each page.
pub(crate) struct Shared {
    pub(crate) secret: Token,
    pub(crate) address: Address,
    pub(crate) view: watch::Sender<View>,
    pub(crate) questions: Questions,
    pub(crate) viewer: Viewer,
    pub(crate) shown: watch::Sender<Shown>,
    pub(crate) is_cancelled: watch::Sender<bool>,
    pub(crate) read_code: Arc<ReadCode>,
    /// One picture is received and read at a time.
    pub(crate) reader: Arc<Semaphore>,
}

impl Shared {
    /// Is ready when whoever has opened the page has been shown the end; at once if nobody has.
    pub(crate) async fn end_is_shown(&self) {
        let mut shown = self.shown.subscribe();
        let is_enough = |shown: &Shown| *shown != Shown::Something;
        // It cannot be dropped before this.
        let _ = shown.wait_for(is_enough).await;
    }

    pub(crate) async fn cancelled(&self) {
        let mut cancelled = self.is_cancelled.subscribe();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            pending().await
        }
    }
}
