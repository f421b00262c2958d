//! How many sessions there are, in total and per network. A session has a permit, and is counted
//! until the permit is dropped.

use std::collections::HashMap;

use super::{denied::Denied, network::Network};
use crate::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

#[derive(Default)]
pub(super) struct SessionCounts {
    all: Arc<AtomicUsize>,
    /// Counts only rise while this lock is held, so that a network without sessions can be
    /// forgotten.
    networks: Mutex<HashMap<Network, Arc<AtomicUsize>>>,
}

/// A client network, and how many sessions it may have.
pub(super) struct NetworkQuota {
    pub(super) network: Network,
    pub(super) max: usize,
}

/// Permission for one session to live. Dropping it allows another one.
#[derive(Debug, Default)]
pub struct Permit {
    _counts: Option<Counts>,
}

#[derive(Debug)]
struct Counts {
    all: Arc<AtomicUsize>,
    network: Option<Arc<AtomicUsize>>,
}

impl SessionCounts {
    /// A permit for one more session, if there are fewer than `max` in all, and fewer in its
    /// network than one network may have.
    pub(super) fn reserve(
        &self,
        max: usize,
        quota: Option<NetworkQuota>,
    ) -> Result<Permit, Denied> {
        let network = quota.map(|quota| self.count(quota)).transpose()?;
        // From here on dropping the value undoes what was counted.
        let counts = Counts {
            all: self.all.clone(),
            network,
        };
        let before = counts.all.fetch_add(1, Relaxed);
        let permit = Permit {
            _counts: Some(counts),
        };
        if before < max {
            Ok(permit)
        } else {
            Err(Denied::Full)
        }
    }

    fn count(&self, quota: NetworkQuota) -> Result<Arc<AtomicUsize>, Denied> {
        let mut networks = self.lock();
        let count = networks.entry(quota.network).or_default();
        if count.load(Relaxed) >= quota.max {
            return Err(Denied::NetworkFull);
        }
        count.fetch_add(1, Relaxed);
        Ok(count.clone())
    }

    pub(super) fn session_count(&self) -> usize {
        self.all.load(Relaxed)
    }

    /// Forgets the networks that have no session.
    pub(super) fn sweep(&self) {
        let mut networks = self.lock();
        networks.retain(|_, count| count.load(Relaxed) > 0);
        networks.shrink_to_fit();
    }

    /// How many networks are known.
    #[cfg(test)]
    pub(super) fn networks(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, Arc<AtomicUsize>>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Relaxed);
        if let Some(network) = &self.network {
            network.fetch_sub(1, Relaxed);
        }
    }
}
