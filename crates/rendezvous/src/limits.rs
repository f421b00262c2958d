//! How much each client may do, so that the service stays usable for honest clients. A limit
//! refuses new sessions and fast clients; it never affects a live session.

mod denied;
mod network;
mod session_counts;

use std::{
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
};

use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock};
use ipnet::IpNet;

use self::{
    network::Network,
    session_counts::{NetworkQuota, SessionCounts},
};
use crate::proxies::ClientAddress;

pub(crate) use self::denied::Denied;
pub use self::session_counts::Permit;

/// The limits of one client network, and of all together. Each of several instances counts for
/// itself.
///
/// A network is an IPv4 address or an IPv6 prefix: what a provider assigns to one customer. All
/// clients that a trusted proxy does not name (see [`Proxies`](crate::Proxies)) count as one
/// network. If peers are unknown altogether (see [`router`](crate::Rendezvous::router)), only the
/// limits that all clients share apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many sessions may live at the same time. At this limit new sessions are refused, and
    /// live ones are kept. Default 10 000, about 43 MiB with payloads of full size.
    pub max_sessions: usize,
    /// How many sessions one network may have at the same time. `None`: no limit per network.
    /// Default 200.
    pub sessions_per_network: Option<usize>,
    /// How fast one network may create sessions. Default 60 per minute, 30 at once.
    pub creates: Option<Rate>,
    /// How fast one network may send other requests: to read, write and delete. Far above what
    /// sign-ins need, even from a network that many people share. Default 30 000 per minute, 3000
    /// at once.
    pub requests: Option<Rate>,
    /// How many bits of an IPv4 address are its network. Default 32.
    pub ipv4_prefix: u8,
    /// How many bits of an IPv6 address are its network. Default 64.
    pub ipv6_prefix: u8,
    /// Networks that may not use the server at all: for example your own machines, so that nobody
    /// exfiltrates data through it (MSC4108, "Data exfiltration"). Default none. If there are any,
    /// clients with an unknown address are refused too.
    pub deny: Vec<IpNet>,
    /// If not empty, the only networks that may use the server; clients with an unknown address are
    /// refused then. Default empty.
    pub allow: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_sessions: 10_000,
            sessions_per_network: Some(200),
            creates: Rate::new(60, 30),
            requests: Rate::new(30_000, 3_000),
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            deny: Vec::new(),
            allow: Vec::new(),
        }
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens are added per minute.
    pub per_minute: NonZeroU32,
    /// How many tokens the bucket holds.
    pub burst: NonZeroU32,
}

impl Rate {
    /// `None`, which means no limit, if either is zero.
    #[must_use]
    pub fn new(per_minute: u32, burst: u32) -> Option<Self> {
        Some(Self {
            per_minute: NonZeroU32::new(per_minute)?,
            burst: NonZeroU32::new(burst)?,
        })
    }

    fn bucket(self) -> Bucket {
        Bucket::keyed(Quota::per_minute(self.per_minute).allow_burst(self.burst))
    }
}

type Bucket = DefaultKeyedRateLimiter<Network>;

/// What a request does, as far as limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Create,
    Other,
}

/// Enforces the limits.
pub(crate) struct Limiter {
    active: RwLock<Arc<ActiveLimits>>,
    sessions: Arc<SessionCounts>,
}

/// The limits, with the rates counted since they were set.
struct ActiveLimits {
    limits: Limits,
    creates: Option<Bucket>,
    requests: Option<Bucket>,
}

impl ActiveLimits {
    fn new(limits: Limits) -> Self {
        let (creates, requests) = (
            limits.creates.map(Rate::bucket),
            limits.requests.map(Rate::bucket),
        );
        Self {
            limits,
            creates,
            requests,
        }
    }

    /// `None` if peers are unknown.
    fn network(&self, client: ClientAddress) -> Option<Network> {
        match client {
            ClientAddress::Known(address) => Some(Network::of(
                address,
                self.limits.ipv4_prefix,
                self.limits.ipv6_prefix,
            )),
            ClientAddress::Unknown => Some(Network::Unknown),
            ClientAddress::NoPeer => None,
        }
    }

    fn admits(&self, client: ClientAddress) -> bool {
        let Limits { deny, allow, .. } = &self.limits;
        let ClientAddress::Known(address) = client else {
            return deny.is_empty() && allow.is_empty();
        };
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        !within(deny) && (allow.is_empty() || within(allow))
    }
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            active: RwLock::new(Arc::new(ActiveLimits::new(limits))),
            sessions: Arc::default(),
        }
    }

    /// Replaces the limits. Live sessions are kept, and count against the new limits.
    pub(crate) fn set(&self, limits: Limits) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(ActiveLimits::new(limits));
    }

    /// Whether this client may send this request now.
    pub(crate) fn admit(&self, client: ClientAddress, kind: RequestKind) -> Result<(), Denied> {
        let active = self.active();
        if !active.admits(client) {
            return Err(Denied::Network);
        }
        let bucket = if kind == RequestKind::Create {
            &active.creates
        } else {
            &active.requests
        };
        let (Some(network), Some(bucket)) = (active.network(client), bucket) else {
            return Ok(());
        };
        bucket
            .check_key(&network)
            .map_err(|not_until| Denied::Rate(not_until.wait_time_from(bucket.clock().now())))
    }

    /// A permit for a session of this client.
    pub(crate) fn reserve(&self, client: ClientAddress) -> Result<Permit, Denied> {
        let active = self.active();
        // Without a limit for each network there is nothing to count by network.
        let quota = active.limits.sessions_per_network.and_then(|max| {
            let network = active.network(client)?;
            Some(NetworkQuota { network, max })
        });
        self.sessions.reserve(active.limits.max_sessions, quota)
    }

    /// How many sessions have a permit.
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.session_count()
    }

    /// Forgets networks that have no session and have not sent requests for a while.
    pub(crate) fn sweep(&self) {
        let active = self.active();
        for bucket in [&active.creates, &active.requests].into_iter().flatten() {
            bucket.retain_recent();
            bucket.shrink_to_fit();
        }
        self.sessions.sweep();
    }

    fn active(&self) -> Arc<ActiveLimits> {
        self.active
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn address(text: &str) -> ClientAddress {
        ClientAddress::Known(text.parse().unwrap())
    }

    fn limiter(change: impl FnOnce(&mut Limits)) -> Limiter {
        let mut limits = Limits::default();
        change(&mut limits);
        Limiter::new(limits)
    }

    #[test]
    fn a_network_over_its_rate_waits_and_others_do_not() {
        let limiter = limiter(|limits| limits.creates = Rate::new(1, 2));
        for _ in 0..2 {
            assert_eq!(
                limiter.admit(address("192.0.2.1"), RequestKind::Create),
                Ok(())
            );
        }
        let Err(Denied::Rate(wait)) = limiter.admit(address("192.0.2.1"), RequestKind::Create)
        else {
            unreachable!()
        };
        assert!(
            wait > Duration::from_secs(50) && wait <= Duration::from_secs(60),
            "{wait:?}"
        );
        assert_eq!(
            limiter.admit(address("192.0.2.1"), RequestKind::Other),
            Ok(()),
            "the two are counted apart"
        );
        assert_eq!(
            limiter.admit(address("192.0.2.2"), RequestKind::Create),
            Ok(())
        );
    }

    #[test]
    fn an_ipv6_network_is_a_prefix() {
        let limiter = limiter(|limits| limits.creates = Rate::new(1, 1));
        assert_eq!(
            limiter.admit(address("2001:db8::1"), RequestKind::Create),
            Ok(())
        );
        assert!(
            limiter
                .admit(address("2001:db8::ffff:2"), RequestKind::Create)
                .is_err()
        );
        assert_eq!(
            limiter.admit(address("2001:db8:0:1::1"), RequestKind::Create),
            Ok(())
        );
    }

    #[test]
    fn all_unnamed_clients_are_one_network() {
        let limiter = limiter(|limits| {
            limits.creates = Rate::new(1, 1);
            limits.requests = Rate::new(1, 1);
            limits.sessions_per_network = Some(1);
        });
        for kind in [RequestKind::Create, RequestKind::Other] {
            assert_eq!(limiter.admit(ClientAddress::Unknown, kind), Ok(()));
            assert!(matches!(
                limiter.admit(ClientAddress::Unknown, kind),
                Err(Denied::Rate(_))
            ));
            assert_eq!(
                limiter.admit(address("0.0.0.0"), kind),
                Ok(()),
                "and no other"
            );
        }
        let _permit = limiter.reserve(ClientAddress::Unknown).unwrap();
        assert_eq!(
            limiter.reserve(ClientAddress::Unknown).err(),
            Some(Denied::NetworkFull)
        );
    }

    #[test]
    fn without_peers_only_the_shared_limits_apply() {
        let limiter = limiter(|limits| {
            limits.creates = Rate::new(1, 1);
            limits.sessions_per_network = Some(1);
            limits.max_sessions = 3;
        });
        let permits: Vec<_> = (0..4)
            .map(|_| {
                assert_eq!(
                    limiter.admit(ClientAddress::NoPeer, RequestKind::Create),
                    Ok(())
                );
                limiter.reserve(ClientAddress::NoPeer)
            })
            .collect();
        assert_eq!(permits.iter().filter(|permit| permit.is_ok()).count(), 3);
        assert_eq!(permits.last().unwrap().as_ref().err(), Some(&Denied::Full));
    }

    #[test]
    fn lists_of_networks_deny_and_allow() {
        let limiter = limiter(|limits| limits.deny = vec!["192.0.2.0/24".parse().unwrap()]);
        assert_eq!(
            limiter.admit(address("192.0.2.9"), RequestKind::Other),
            Err(Denied::Network)
        );
        assert_eq!(
            limiter.admit(address("198.51.100.1"), RequestKind::Other),
            Ok(())
        );
        let all_unknown = [ClientAddress::Unknown, ClientAddress::NoPeer];
        for unknown in all_unknown {
            assert_eq!(
                limiter.admit(unknown, RequestKind::Other),
                Err(Denied::Network),
                "it may be one that is denied"
            );
        }
        let allow = Limits {
            allow: vec!["192.0.2.0/24".parse().unwrap()],
            ..Limits::default()
        };
        limiter.set(allow);
        assert_eq!(
            limiter.admit(address("192.0.2.9"), RequestKind::Other),
            Ok(())
        );
        assert_eq!(
            limiter.admit(address("198.51.100.1"), RequestKind::Other),
            Err(Denied::Network)
        );
        for unknown in all_unknown {
            assert_eq!(
                limiter.admit(unknown, RequestKind::Other),
                Err(Denied::Network),
                "a list that allows is kept to"
            );
        }
    }

    #[test]
    fn sessions_are_counted_across_a_change_of_limits() {
        let limiter = limiter(|limits| limits.max_sessions = 2);
        let first = limiter.reserve(address("192.0.2.1")).unwrap();
        limiter.set(Limits {
            max_sessions: 1,
            ..Limits::default()
        });
        assert_eq!(
            limiter.reserve(address("192.0.2.2")).err(),
            Some(Denied::Full)
        );
        drop(first);
        assert!(limiter.reserve(address("192.0.2.2")).is_ok());
    }

    #[test]
    fn a_network_with_a_session_is_not_forgotten() {
        let limiter = limiter(|limits| limits.sessions_per_network = Some(1));
        let _permit = limiter.reserve(address("192.0.2.1")).unwrap();
        limiter.sweep();
        let second = limiter.reserve(address("192.0.2.1"));
        assert_eq!(second.err(), Some(Denied::NetworkFull));
    }

    #[test]
    fn idle_networks_are_forgotten() {
        let limiter = limiter(|limits| limits.creates = Rate::new(60_000, 1));
        let permit = limiter.reserve(address("192.0.2.1")).unwrap();
        limiter
            .admit(address("192.0.2.1"), RequestKind::Create)
            .unwrap();
        drop(permit);
        std::thread::sleep(Duration::from_millis(20));
        limiter.sweep();
        assert_eq!(
            (
                limiter.sessions.networks(),
                limiter.active().creates.as_ref().unwrap().len()
            ),
            (0, 0)
        );
    }
}
