//! The state of the world.

use crate::{
    login::{Question, RealLogin},
    scenario::{Check, Scenario},
    symbols::{AccountOf, Agent, Channel, Id, Plain, Sealed, ServerOf},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub parties: Vec<Party>,
    /// Every payload of an honest device that some device could still open. The attacker has all.
    pub payloads: Vec<Sealed>,
    pub grants: Vec<ModelGrant>,
    pub devices: Vec<ModelDevice>,
}

/// An honest device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Party {
    /// None: before there is a channel, or after the end.
    pub login: Option<RealLogin>,
    /// Device S knows it from the start, device G from LoginInitiate on.
    pub channel: Option<Channel>,
    pub sent: u8,
    pub received: u8,
    /// Not any more after the end of the session, or after a payload of somebody else.
    pub listens: bool,
    pub expired: bool,
    pub asked: Option<Question>,
    pub inputs: u8,
    /// Whether it succeeded.
    pub end: Option<bool>,
    pub grant: Option<u8>,
    /// The device ID that its peer claims.
    pub claimed: Option<Id>,
    pub past: Past,
}

/// What an honest device has done and seen: the properties are about this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Past {
    /// Its person agreed to open the link.
    pub agreed: bool,
    pub tampered: bool,
    /// It sent its secrets, for this device; the last one, whether after a tampered payload.
    pub shared: Option<Id>,
    pub shared_after_tampering: bool,
    pub imported: Option<AccountOf>,
    pub spoke_after_end: bool,
    /// It took a failure of its peer, and sent something after that.
    pub heard_failure: bool,
    pub spoke_after_failure: bool,
    /// It took a payload that is not its peer's next one.
    pub misled: bool,
    /// It took a payload whose writer had not seen all that this device wrote before.
    pub out_of_step: bool,
}

/// A device authorization.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelGrant {
    pub by: Agent,
    pub server: ServerOf,
    pub id: Id,
    /// The person has its page open.
    pub offered: bool,
    /// The attacker knows its link.
    pub leaked: bool,
    /// In whose account it was agreed to, if it was not denied.
    pub decided: Option<Option<AccountOf>>,
}

/// A device of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelDevice {
    pub server: ServerOf,
    pub account: AccountOf,
    pub id: Id,
    pub owner: Agent,
    /// Its keys are published, and whether the account has signed them.
    pub published: Option<bool>,
}

impl World {
    pub fn new(scenario: &Scenario) -> Self {
        let parties = (0..).zip(&scenario.honest).map(|(place, honest)| {
            let me = Agent::Party(place);
            let channel = (!honest.shows).then_some(Channel {
                g: honest.meant,
                s: me,
            });
            Party::new(channel)
        });
        let old = ModelDevice {
            server: ServerOf::Home,
            account: AccountOf::Victim,
            id: Id::Old,
            owner: Agent::Party(u8::MAX),
            published: Some(true),
        };
        let parties: Vec<_> = parties.collect();
        let initiate = (0..).zip(&parties).filter_map(|(place, party)| {
            Some(Sealed {
                channel: party.channel?,
                by: Agent::Party(place),
                count: 0,
                against: 0,
                plain: Plain::Initiate,
            })
        });
        Self {
            payloads: initiate.collect(),
            parties,
            grants: vec![],
            devices: vec![old],
        }
    }

    pub fn has_device(&self, server: ServerOf, account: AccountOf, id: Id) -> bool {
        let mut devices = self.devices.iter();
        devices.any(|device| (device.server, device.account, device.id) == (server, account, id))
    }

    /// What makes no difference any more is forgotten, so that fewer states differ.
    pub fn tidy(&mut self, scenario: &Scenario) {
        for party in &mut self.parties {
            if party.is_over(scenario) {
                *party = Party {
                    login: None,
                    sent: 0,
                    received: 0,
                    listens: false,
                    expired: true,
                    asked: None,
                    inputs: 0,
                    claimed: None,
                    ..party.clone()
                };
            }
        }
        self.devices.sort_unstable();
        self.payloads.sort_unstable();
        let parties = &self.parties;
        if !matches!(
            scenario.without,
            Some(Check::Counter | Check::Keys | Check::Direction)
        ) {
            self.payloads.retain(|payload| {
                let mut readers = (0..).zip(parties);
                readers.any(|(place, party)| {
                    let reader = Agent::Party(place);
                    party.listens
                        && payload.by != reader
                        && payload.channel.is_known_to(reader)
                        && party.channel.is_none_or(|channel| {
                            channel == payload.channel && payload.count >= party.received
                        })
                })
            });
        }
    }
}

impl Party {
    fn new(channel: Option<Channel>) -> Self {
        Self {
            login: None,
            channel,
            sent: u8::from(channel.is_some()),
            received: 0,
            listens: true,
            expired: false,
            asked: None,
            inputs: 0,
            end: None,
            grant: None,
            claimed: None,
            past: Past::default(),
        }
    }

    pub fn is_over(&self, scenario: &Scenario) -> bool {
        self.end.is_some() && !scenario.lacks(Check::End)
    }

    /// How many payloads of the session it has seen: what it writes, and reads, against, if the
    /// server tells it. What an attacker who is the server tells it always fits what it is given,
    /// or it cannot be opened: then it is one with all that cannot.
    pub fn seen(&self, scenario: &Scenario) -> u8 {
        if scenario.has_tokens() {
            self.sent + self.received
        } else {
            0
        }
    }
}
