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

/// One for each page.
pub(crate) struct Shared {
    pub(crate) secret: Token,
    pub(crate) address: Address,
    pub(crate) view: watch::Sender<View>,
    pub(crate) questions: Questions,
    pub(crate) viewer: Viewer,
    pub(crate) is_cancelled: watch::Sender<bool>,
    pub(crate) read_code: Arc<ReadCode>,
    /// One picture is received and read at a time.
    pub(crate) reader: Arc<Semaphore>,
}

impl Shared {
    pub(crate) async fn cancelled(&self) {
        let mut cancelled = self.is_cancelled.subscribe();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            pending().await
        }
    }
}
