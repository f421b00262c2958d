//! What the model's world is made of: keys, channels, messages and device IDs as symbols.

use std::fmt;

/// Whoever has a key of its own. Each has one: what the attacker could do with a second one, it can
/// do with the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agent {
    /// An honest device, by its place in the scenario.
    Party(u8),
    Attacker,
}

/// The keys that an exchange of Gp and Sp gives. Whoever has the secret of either knows them all,
/// and nobody else does. Two channels have the same check code only if they are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    pub g: Agent,
    pub s: Agent,
}

impl Channel {
    pub fn is_known_to(self, agent: Agent) -> bool {
        self.g == agent || self.s == agent
    }

    /// Whom `me` talks to.
    pub fn peer_of(self, me: Agent) -> Agent {
        if self.g == me { self.s } else { self.g }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountOf {
    /// That of the person.
    Victim,
    Attacker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerOf {
    /// The person's homeserver.
    Home,
    /// One that the attacker runs, for anybody who can be made to use it.
    Evil,
}

/// A device ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// Chosen by this new device, as the text says.
    Chosen(u8),
    /// Derived from this channel.
    Derived(Channel),
    /// Chosen by the attacker.
    Attackers,
    /// That of a device which the person has had for long.
    Old,
}

/// A message of the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    Protocols(ServerOf),
    /// The authorization to agree to, by its place among all of them, and the device ID.
    Protocol(u8, Id),
    Accepted,
    Failure,
    Declined,
    Success,
    Secrets(AccountOf),
}

/// What a payload of the rendezvous session is, once it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plain {
    Initiate,
    Ok,
    Said(Said),
}

/// A payload that somebody sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sealed {
    pub channel: Channel,
    /// Device G and device S seal with different keys.
    pub by: Agent,
    /// How many this device sealed before.
    pub count: u8,
    /// How many payloads its writer had seen in the session, its own included: in MSC4388 the
    /// sequence token says it, if the server does not lie.
    pub against: u8,
    pub plain: Plain,
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plain {
            Plain::Initiate => f.write_str("LoginInitiate"),
            Plain::Ok => f.write_str("LoginOk"),
            Plain::Said(said) => said.fmt(f),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocols(server) => write!(f, "m.login.protocols (homeserver: {server:?})"),
            Self::Protocol(grant, id) => write!(f, "m.login.protocol (link {grant}, device {id})"),
            Self::Accepted => f.write_str("m.login.protocol_accepted"),
            Self::Failure => f.write_str("m.login.failure"),
            Self::Declined => f.write_str("m.login.declined"),
            Self::Success => f.write_str("m.login.success"),
            Self::Secrets(account) => write!(f, "m.login.secrets (of the {account:?})"),
        }
    }
}

/// As the real messages have it; [`Id::parse`] reads it.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(party) => write!(f, "CHOSEN{party}"),
            Self::Derived(Channel { g, s }) => write!(f, "FROM{g}{s}"),
            Self::Attackers => f.write_str("ATTACKERS"),
            Self::Old => f.write_str("OLD"),
        }
    }
}

impl Id {
    pub fn parse(text: &str) -> Self {
        let digit = |text: &str| text.parse().expect("a device's place");
        let key = |text: &str| match text {
            "A" => Agent::Attacker,
            party => Agent::Party(digit(party)),
        };
        match text {
            "ATTACKERS" => Self::Attackers,
            "OLD" => Self::Old,
            text => match (text.strip_prefix("CHOSEN"), text.strip_prefix("FROM")) {
                (Some(party), _) => Self::Chosen(digit(party)),
                (_, Some(keys)) => Self::Derived(Channel {
                    g: key(&keys[..1]),
                    s: key(&keys[1..]),
                }),
                _ => panic!("no device of this model is called {text}"),
            },
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Party(party) => write!(f, "{party}"),
            Self::Attacker => f.write_str("A"),
        }
    }
}
