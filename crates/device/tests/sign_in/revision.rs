//! Which proposal a test follows: each is run with both.

use matrix_qr_device::Showing;

tokio::task_local! {
    /// What the device that shows the code does, in this test.
    pub(crate) static SHOWING: Showing;
}

pub(crate) fn showing() -> Showing {
    SHOWING.try_with(|showing| *showing).unwrap_or_default()
}

pub(crate) async fn with(
    revision: matrix_qr_protocol::revision::Revision,
    test: impl Future<Output = ()>,
) {
    SHOWING.scope(Showing::Only(revision), test).await;
}
