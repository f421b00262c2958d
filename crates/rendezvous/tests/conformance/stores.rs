//! The stores that the tests run with.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use matrix_qr_rendezvous::{Memory, Redis, Store};

use crate::redis_server::RedisServer;

/// The Redis of a store, if it needs one. It ends with its last user.
pub(crate) type StoreBackend = Option<Arc<RedisServer>>;

/// A store that tests can create.
pub(crate) trait TestStore: Store {
    /// Creates one without sessions.
    fn fresh() -> (Self, StoreBackend)
    where
        Self: Sized;
}

impl TestStore for Memory {
    fn fresh() -> (Self, StoreBackend) {
        (Self::default(), None)
    }
}

impl TestStore for Redis {
    /// Uses a Redis that tests share, with its own key prefix.
    fn fresh() -> (Self, StoreBackend) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let engine = RedisServer::shared();
        let prefix = format!("test {}:", COUNT.fetch_add(1, Relaxed));
        (engine.store().with_prefix(&prefix), Some(engine))
    }
}

/// Makes two tests of each function: one in memory, one with Redis.
macro_rules! each_store {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<matrix_qr_rendezvous::Memory>().await;
            })*
        }

        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs redis-server: cargo xtask test"]
            async fn $test() {
                super::$test::<matrix_qr_rendezvous::Redis>().await;
            })*
        }
    };
}
