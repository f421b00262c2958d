//! Each test with both proposals.

/// Makes two tests of each: one with MSC4108, one with MSC4388.
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
