//! The limits: a table of their own in the file, because they can be changed while the server runs.

use clap::Args;
use matrix_qr_rendezvous::{Limits, Rate};
use serde::{Deserialize, Serialize};

use super::{
    error::SettingsError,
    field::{count, either, within},
    values::Net,
};

/// Limits for each client network, and for all clients together. SIGHUP reloads them.
#[derive(Args, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LimitSettings {
    /// How many sessions may live at the same time (at most 4.4 KiB each). Further ones are
    /// refused until one ends. [default: 10000]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_MAX_SESSIONS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    max_sessions: Option<u32>,

    /// How many sessions one network may have at the same time; 0: no limit per network. [default:
    /// 200]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_SESSIONS_PER_NETWORK",
        value_name = "N"
    )]
    sessions_per_network: Option<u32>,

    /// How many sessions one network may create per minute; 0: no limit. [default: 60]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_CREATES_PER_MINUTE",
        value_name = "N"
    )]
    creates_per_minute: Option<u32>,

    /// How many of them at once. [default: 30]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_CREATES_BURST", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    creates_burst: Option<u32>,

    /// How many other requests one network may send per minute; 0: no limit. [default: 30000]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_REQUESTS_PER_MINUTE",
        value_name = "N"
    )]
    requests_per_minute: Option<u32>,

    /// How many of them at once. [default: 3000]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_REQUESTS_BURST", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    requests_burst: Option<u32>,

    /// How many bits of an IPv4 address are its network. [default: 32]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_IPV4_PREFIX", value_name = "BITS")]
    #[arg(value_parser = clap::value_parser!(u8).range(..=32))]
    ipv4_prefix: Option<u8>,

    /// How many bits of an IPv6 address are its network. [default: 64]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_IPV6_PREFIX", value_name = "BITS")]
    #[arg(value_parser = clap::value_parser!(u8).range(..=128))]
    ipv6_prefix: Option<u8>,

    /// Networks that may not use the server at all. [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_DENY",
        value_name = "NETS",
        value_delimiter = ','
    )]
    deny: Option<Vec<Net>>,

    /// The only networks that may use it. [default: all]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_ALLOW",
        value_name = "NETS",
        value_delimiter = ','
    )]
    allow: Option<Vec<Net>>,
}

impl LimitSettings {
    pub(super) fn or(self, other: Self) -> Self {
        either!(
            self,
            other,
            max_sessions,
            sessions_per_network,
            creates_per_minute,
            creates_burst,
            requests_per_minute,
            requests_burst,
            ipv4_prefix,
            ipv6_prefix,
            deny,
            allow
        )
    }

    pub(super) fn defaults() -> Self {
        let limits = Limits::default();
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            max_sessions: Some(small(limits.max_sessions)),
            sessions_per_network: limits.sessions_per_network.map(small),
            creates_per_minute: limits.creates.map(|rate| rate.per_minute.get()),
            creates_burst: limits.creates.map(|rate| rate.burst.get()),
            requests_per_minute: limits.requests.map(|rate| rate.per_minute.get()),
            requests_burst: limits.requests.map(|rate| rate.burst.get()),
            ipv4_prefix: Some(limits.ipv4_prefix),
            ipv6_prefix: Some(limits.ipv6_prefix),
            deny: Some(Vec::new()),
            allow: Some(Vec::new()),
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        within(
            "max-sessions",
            self.max_sessions,
            1..=u32::MAX,
            "at least 1",
        )?;
        within(
            "creates-burst",
            self.creates_burst,
            1..=u32::MAX,
            "at least 1; creates-per-minute = 0 is no limit",
        )?;
        within(
            "requests-burst",
            self.requests_burst,
            1..=u32::MAX,
            "at least 1; requests-per-minute = 0 is no limit",
        )?;
        within("ipv4-prefix", self.ipv4_prefix, 0..=32, "0 to 32 bits")?;
        within("ipv6-prefix", self.ipv6_prefix, 0..=128, "0 to 128 bits")
    }

    pub(super) fn limits(&self) -> Limits {
        let default = Limits::default();
        let rate = |per_minute: Option<u32>, burst: Option<u32>| Rate::new(per_minute?, burst?);
        let nets = |nets: &Option<Vec<Net>>| nets.iter().flatten().map(|net| net.0).collect();
        Limits {
            max_sessions: count(self.max_sessions).unwrap_or(default.max_sessions),
            sessions_per_network: count(self.sessions_per_network).filter(|max| *max > 0),
            creates: rate(self.creates_per_minute, self.creates_burst),
            requests: rate(self.requests_per_minute, self.requests_burst),
            ipv4_prefix: self.ipv4_prefix.unwrap_or(default.ipv4_prefix),
            ipv6_prefix: self.ipv6_prefix.unwrap_or(default.ipv6_prefix),
            deny: nets(&self.deny),
            allow: nets(&self.allow),
        }
    }
}
