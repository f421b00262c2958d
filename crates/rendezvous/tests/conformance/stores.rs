//! The stores that everything is tested with.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use matrix_qr_rendezvous::{Memory, Redis, Store};

use crate::redis_server::RedisServer;

/// What a store stands on. It ends when nobody has it any more.
pub(crate) type Engine = Option<Arc<RedisServer>>;

/// A store that tests can make.
pub(crate) trait Kept: Store {
    /// One without sessions.
    fn fresh() -> (Self, Engine)
    where
        Self: Sized;
}

impl Kept for Memory {
    fn fresh() -> (Self, Engine) {
        (Self::default(), None)
    }
}

impl Kept for Redis {
    /// On an engine that tests share, under names of its own.
    fn fresh() -> (Self, Engine) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let engine = RedisServer::shared();
        let prefix = format!("test {}:", COUNT.fetch_add(1, Relaxed));
        (engine.store().with_prefix(&prefix), Some(engine))
    }
}

/// Makes two tests of each: one in memory, one with Redis.
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
