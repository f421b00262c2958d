//! Who takes part, what the attacker can do, and which check is taken out.

use matrix_qr_protocol::revision::{Revision, Role};

use crate::symbols::{Agent, Channel, Id};

/// An honest device, and whom its person means to sign in with it.
#[derive(Debug, Clone, Copy)]
pub struct Honest {
    pub role: Role,
    pub shows: bool,
    /// Whose code it scans, or whose digits its person types. The attacker: its person was deceived.
    pub meant: Agent,
}

/// A check that can be taken out, to see that a property depends on it. Those of the last group are
/// in the real login: here the world makes up for what the login then does not see, and
/// `docs/verification.md` says what happens without them in the login itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    // Of the channel.
    Keys,
    Direction,
    Counter,
    SequenceToken,
    // Of the device.
    SecretsOfAccount,
    Signature,
    // Of the login.
    Digits,
    FreeId,
    Agreement,
    Presence,
    Tampering,
    End,
    Clock,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub revision: Revision,
    pub honest: Vec<Honest>,
    /// Whether the attacker sees the codes that honest devices show each other.
    pub sees_codes: bool,
    /// Whether it has an account of its own, and agrees there to what it can.
    pub has_account: bool,
    /// Whether it asks for a device authorization of its own.
    pub has_device: bool,
    /// Whether it is the homeserver, too.
    pub is_homeserver: bool,
    /// Whether the rendezvous server tells each device the truth about the sequence tokens of
    /// MSC4388. Otherwise the attacker chooses them: it is that server.
    pub honest_tokens: bool,
    /// The device IDs that it asks for, and that it claims.
    pub ids: Vec<Id>,
    /// Whether new devices derive their ID from the channel.
    pub derived_ids: bool,
    /// Whether existing devices insist on that.
    pub requires_bound: bool,
    /// Whether the new devices' people say which account they want.
    pub confirms_account: bool,
    /// Whether people give up, mistype and refuse, and servers fail.
    pub failures: bool,
    pub without: Option<Check>,
}

impl Scenario {
    /// One sign-in, and an attacker who has the network.
    pub fn network(revision: Revision, shown_by: Role) -> Self {
        Self {
            name: "network",
            revision,
            honest: pair(0, shown_by).to_vec(),
            sees_codes: false,
            has_account: false,
            has_device: false,
            is_homeserver: false,
            honest_tokens: false,
            ids: vec![],
            derived_ids: true,
            requires_bound: false,
            confirms_account: false,
            failures: true,
            without: None,
        }
    }

    /// The attacker sees the code, and has an account and a homeserver of its own.
    pub fn shoulder_surfing(revision: Revision, shown_by: Role) -> Self {
        Self {
            name: "shoulder-surfing",
            sees_codes: true,
            has_account: true,
            has_device: true,
            ids: vec![Id::Attackers, Id::Old],
            ..Self::network(revision, shown_by)
        }
    }

    /// The person signs in a device of the attacker: its code is scanned, or it scans.
    pub fn phishing(revision: Revision, shown_by: Role) -> Self {
        let [existing, _] = pair(0, shown_by);
        Self {
            name: "phishing",
            honest: vec![Honest {
                meant: Agent::Attacker,
                ..existing
            }],
            has_account: true,
            has_device: true,
            ids: vec![Id::Attackers, Id::Old],
            ..Self::network(revision, shown_by)
        }
    }

    /// The person's new device meets the attacker as its existing one.
    pub fn lured(revision: Revision, shown_by: Role) -> Self {
        let [_, new] = pair(0, shown_by);
        Self {
            name: "lured",
            honest: vec![Honest {
                meant: Agent::Attacker,
                ..new
            }],
            has_account: true,
            confirms_account: true,
            ..Self::network(revision, shown_by)
        }
    }

    /// The attacker controls the homeserver, and sees the code.
    pub fn hostile_homeserver(revision: Revision, shown_by: Role) -> Self {
        Self {
            name: "hostile homeserver",
            is_homeserver: true,
            ..Self::shoulder_surfing(revision, shown_by)
        }
    }

    /// One person, two sign-ins at once. The attacker has the network of both, and sees the codes.
    pub fn two_sign_ins(revision: Revision, shown_by: [Role; 2]) -> Self {
        Self {
            name: "two sign-ins",
            honest: [pair(0, shown_by[0]), pair(2, shown_by[1])].concat(),
            sees_codes: true,
            failures: false,
            ..Self::network(revision, Role::New)
        }
    }

    /// One person signs in a new device, and is deceived in a second sign-in at the same time:
    /// there the attacker claims the ID of that new device, which it knows or forces.
    pub fn device_id_confusion(revision: Revision, shown_by: Role, deceived: Role) -> Self {
        let [existing, new] = pair(0, shown_by);
        let [mut victim, _] = pair(2, deceived);
        victim.meant = Agent::Attacker;
        Self {
            name: "device ID confusion",
            honest: vec![existing, new, victim],
            has_device: true,
            ids: vec![Id::Attackers, Id::Chosen(1)],
            derived_ids: false,
            failures: false,
            ..Self::network(revision, shown_by)
        }
    }

    /// The same, where new devices derive their IDs from the channel, and existing ones insist. The
    /// attacker asks for and claims the IDs of the honest channels, and those of its own.
    pub fn bound(self) -> Self {
        let channels = (0..).zip(&self.honest).filter_map(|(place, honest)| {
            let me = Agent::Party(place);
            let (g, s) = if honest.shows {
                (me, honest.meant)
            } else {
                (honest.meant, me)
            };
            // Each honest channel once: from its end that shows.
            (honest.shows || honest.meant == Agent::Attacker).then_some(Channel { g, s })
        });
        Self {
            derived_ids: true,
            requires_bound: true,
            ids: channels.map(Id::Derived).chain([Id::Attackers]).collect(),
            ..self
        }
    }

    /// The same in MSC4388, where the rendezvous server does not lie about sequence tokens: the
    /// attacker only writes to the session, and decides who reads what.
    pub fn with_honest_tokens(self) -> Self {
        Self {
            name: "honest tokens",
            honest_tokens: true,
            ..self
        }
    }

    /// Whether it matters what a payload was written against.
    pub fn has_tokens(&self) -> bool {
        self.revision == Revision::Msc4388 && self.honest_tokens
    }

    pub fn without(self, check: Check) -> Self {
        Self {
            without: Some(check),
            ..self
        }
    }

    pub fn lacks(&self, check: Check) -> bool {
        self.without == Some(check)
    }
}

/// An existing device and a new one, at two places that follow each other.
fn pair(first: u8, shown_by: Role) -> [Honest; 2] {
    [Role::Existing, Role::New].map(|role| Honest {
        role,
        shows: role == shown_by,
        meant: Agent::Party(match role {
            Role::Existing => first + 1,
            Role::New => first,
        }),
    })
}
