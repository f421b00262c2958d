//! The faults that are set at the moment, and the questions that the servers ask about them.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::Method;
use tokio::sync::watch;

use super::{late_server::LateServer, table::Fault};

/// The faults that are set now.
#[derive(Debug, Default)]
pub struct Faults {
    active: Mutex<Vec<ActiveFault>>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    /// How many requests the fault has concerned since it was set.
    requests: u32,
}

/// What happens to one rendezvous request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeOutcome {
    Normal,
    ResponseLost,
    RequestLost,
}

impl Faults {
    /// Sets a fault. A counted fault that is set again starts its count again.
    pub fn set(&self, fault: Fault) {
        let mut active = self.lock();
        active.retain(|set| set.fault != fault);
        active.push(ActiveFault { fault, requests: 0 });
        self.changed.send_replace(());
    }

    /// Ends this fault.
    pub fn unset(&self, fault: &Fault) {
        self.lock().retain(|set| set.fault != *fault);
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The faults that are set.
    pub fn active(&self) -> Vec<Fault> {
        self.lock().iter().map(|set| set.fault.clone()).collect()
    }

    pub(crate) fn is_set(&self, fault: &Fault) -> bool {
        self.lock().iter().any(|set| set.fault == *fault)
    }

    /// Waits until the fault is set, possibly forever.
    pub(crate) async fn until_set(&self, fault: &Fault) {
        let mut changes = self.changed.subscribe();
        while !self.is_set(fault) {
            if changes.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Whether a counted fault strikes this request. `times` picks the fault and says how many
    /// requests it strikes; each strike uses one of them up.
    pub(crate) fn strikes(&self, times: fn(&Fault) -> Option<u32>) -> bool {
        let has_left =
            |set: &&mut ActiveFault| times(&set.fault).is_some_and(|times| set.requests < times);
        self.lock()
            .iter_mut()
            .find(has_left)
            .map(|set| set.requests += 1)
            .is_some()
    }

    /// How late this server answers.
    pub(crate) fn delay(&self, of: LateServer) -> Duration {
        let delay = |set: &ActiveFault| match set.fault {
            Fault::LateAnswers { server, delay } if [LateServer::All, of].contains(&server) => {
                Some(delay)
            }
            _ => None,
        };
        self.lock().iter().rev().find_map(delay).unwrap_or_default()
    }

    /// Counts one rendezvous request, and says whether it is the Nth, which a fault concerns.
    pub(crate) fn deliver(&self, request: &Method) -> ExchangeOutcome {
        let mut delivery = ExchangeOutcome::Normal;
        for set in self.lock().iter_mut() {
            let (nth, outcome) = match &set.fault {
                Fault::LoseAnswer { method, nth } if method == request => {
                    (*nth, ExchangeOutcome::ResponseLost)
                }
                Fault::DropRequest { method, nth } if method == request => {
                    (*nth, ExchangeOutcome::RequestLost)
                }
                _ => continue,
            };
            set.requests = set.requests.saturating_add(1);
            if set.requests == nth {
                delivery = outcome;
            }
        }
        delivery
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ActiveFault>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_strikes_as_often_as_it_says() {
        let faults = Faults::default();
        faults.set(Fault::SlowDown { times: 2 });
        let strikes = || {
            faults.strikes(|fault| match fault {
                Fault::SlowDown { times } => Some(*times),
                _ => None,
            })
        };
        assert_eq!([strikes(), strikes(), strikes()], [true, true, false]);
    }

    #[test]
    fn only_the_nth_request_of_the_method_is_lost() {
        let faults = Faults::default();
        faults.set(Fault::LoseAnswer {
            method: Method::PUT,
            nth: 2,
        });
        let deliveries = [Method::PUT, Method::GET, Method::PUT, Method::PUT]
            .map(|method| faults.deliver(&method));
        use ExchangeOutcome::{Normal, ResponseLost};
        assert_eq!(deliveries, [Normal, Normal, ResponseLost, Normal]);
    }
}
