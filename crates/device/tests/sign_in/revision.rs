//! Which proposal a test follows: each is run with both.

use matrix_qr_device::Showing;

tokio::task_local! {
    /// What the device that shows the code does, in this test.
    pub(crate) static SHOWING: Showing;
}

pub(crate) fn showing() -> Showing {
    SHOWING.try_with(|showing| *showing).unwrap_or_default()
}

/// Makes two tests of each: one with MSC4108, one with MSC4388.
#[allow(unused_macros, reason = "some binaries have no such tests")]
macro_rules! each_revision {
    ($($test:ident),* $(,)?) => {
        mod msc4108 {
            $(#[tokio::test]
            async fn $test() {
                let revision = matrix_qr_protocol::revision::Revision::Msc4108;
                Box::pin(crate::revision::with(revision, super::$test())).await;
            })*
        }

        mod msc4388 {
            $(#[tokio::test]
            async fn $test() {
                let revision = matrix_qr_protocol::revision::Revision::Msc4388;
                Box::pin(crate::revision::with(revision, super::$test())).await;
            })*
        }
    };
}

pub(crate) async fn with(
    revision: matrix_qr_protocol::revision::Revision,
    test: impl Future<Output = ()>,
) {
    SHOWING.scope(Showing::Only(revision), test).await;
}
