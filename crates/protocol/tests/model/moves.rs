//! What can happen next.

use matrix_qr_protocol::revision::{Revision, Role};

use crate::{
    login::{Question, Replied},
    scenario::{Check, Scenario},
    state::{Party, World},
    symbols::{AccountOf, Agent, Channel, Id, Plain, Said, Sealed, ServerOf},
};

/// A link that leads to no authorization: a page of the attacker's.
pub const NOWHERE: u8 = u8::MAX;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// The attacker gives this device a payload that it can open.
    Deliver(u8, Sealed, Opens),
    /// It gives it anything that it cannot open: all such payloads lead to one state.
    Junk(u8),
    /// This device's session is over.
    Expire(u8),
    /// The same, and the device does not know whether what it wrote last was stored.
    Lose(u8),
    /// The person at this device gives up.
    Cancel(u8),
    /// The person types the digits at this device.
    Type(u8, bool),
    Answer(u8, Replied),
    /// Somebody decides on the page of an authorization, signed in to this account.
    Decide(u8, AccountOf, bool),
    AttackerAsks(Id),
    /// The attacker's authorization has been agreed to, and it fetches the token.
    AttackerPolls(u8),
}

/// How a device can open a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    Next,
    /// `SecureChannel::open_past_one`.
    PastOne,
}

impl Scenario {
    pub fn moves(&self, world: &World, moves: &mut Vec<Move>) {
        for (place, party) in (0..).zip(&world.parties) {
            if !party.is_over(self) {
                self.moves_at(world, place, party, moves);
            }
        }
        for (number, grant) in (0..).zip(&world.grants) {
            let polls = grant.by == Agent::Attacker;
            match grant.decided {
                None if grant.offered => {
                    moves.push(Move::Decide(number, AccountOf::Victim, true));
                    moves.push(Move::Decide(number, AccountOf::Victim, false));
                }
                Some(Some(account))
                    if polls && !world.has_device(grant.server, account, grant.id) =>
                {
                    moves.push(Move::AttackerPolls(number));
                }
                _ => {}
            }
            let knows = grant.leaked || grant.server == ServerOf::Evil || self.is_homeserver;
            if grant.decided.is_none() && knows && self.has_account {
                moves.push(Move::Decide(number, AccountOf::Attacker, true));
            }
            if grant.decided.is_none() && self.is_homeserver && !grant.offered {
                moves.push(Move::Decide(number, AccountOf::Victim, true));
            }
        }
        let asked = world.grants.iter().any(|grant| grant.by == Agent::Attacker);
        if self.has_device && !asked {
            moves.extend(self.ids.iter().copied().map(Move::AttackerAsks));
        }
    }

    fn moves_at(&self, world: &World, place: u8, party: &Party, moves: &mut Vec<Move>) {
        if party.listens {
            self.deliveries(world, place, party, moves);
            moves.push(Move::Junk(place));
        }
        if !party.expired && !self.lacks(Check::Clock) {
            moves.push(Move::Expire(place));
            if party.login.is_some() {
                moves.push(Move::Lose(place));
            }
        }
        if self.failures {
            moves.push(Move::Cancel(place));
        }
        match party.asked {
            Some(Question::CheckCode) => self.digits(world, place, party, moves),
            Some(asked) => {
                let answers = self.answers(world, place, party, asked);
                moves.extend(answers.into_iter().map(|how| Move::Answer(place, how)));
            }
            None => {}
        }
    }

    fn deliveries(&self, world: &World, place: u8, party: &Party, moves: &mut Vec<Move>) {
        let honest = world.payloads.iter().copied();
        let built = self.built(world, place, party);
        let all = honest.chain(built).filter_map(|payload| {
            let opens = self.opens(place, party, &payload)?;
            Some(Move::Deliver(place, payload, opens))
        });
        moves.extend(all);
    }

    /// Whether this device can open a payload. The channel of both revisions, in symbols.
    fn opens(&self, place: u8, party: &Party, payload: &Sealed) -> Option<Opens> {
        let me = Agent::Party(place);
        if payload.by == me && !self.lacks(Check::Direction) {
            return None;
        }
        let Some(channel) = party.channel else {
            let first = payload.channel.g == me && payload.plain == Plain::Initiate;
            return first.then_some(Opens::Next);
        };
        if payload.channel != channel && !self.lacks(Check::Keys) {
            return None;
        }
        // Each greeting has its place, and is taken nowhere else.
        if payload.plain == Plain::Initiate || party.login.is_none() != (payload.plain == Plain::Ok)
        {
            return None;
        }
        let bound = self.has_tokens() && !self.lacks(Check::SequenceToken);
        if bound && payload.against != party.seen(self) {
            return None;
        }
        if payload.count == party.received || self.lacks(Check::Counter) {
            return Some(Opens::Next);
        }
        let past_one = self.revision == Revision::Msc4108 && payload.count == party.received + 1;
        past_one.then_some(Opens::PastOne)
    }

    /// What the attacker can seal for this device: anything, on a channel whose keys it knows.
    fn built(&self, world: &World, place: u8, party: &Party) -> Vec<Sealed> {
        let me = Agent::Party(place);
        let meant = self.honest[usize::from(place)].meant;
        let seal = |channel, plain| Sealed {
            channel,
            by: Agent::Attacker,
            count: party.received,
            against: party.seen(self),
            plain,
        };
        match party.channel {
            None if self.sees_codes || meant == Agent::Attacker => {
                let s = Agent::Attacker;
                vec![seal(Channel { g: me, s }, Plain::Initiate)]
            }
            Some(channel) if channel.is_known_to(Agent::Attacker) => match party.login {
                None => vec![seal(channel, Plain::Ok)],
                Some(_) => {
                    let said = self.sayable(world, self.honest[usize::from(place)].role);
                    let sealed = said
                        .into_iter()
                        .map(|said| seal(channel, Plain::Said(said)));
                    sealed.collect()
                }
            },
            _ => vec![],
        }
    }

    /// What the attacker can say to a device of this role. What belongs to the other role is as
    /// unexpected there as any one of it.
    fn sayable(&self, world: &World, role: Role) -> Vec<Said> {
        if role == Role::New {
            let knows = world.parties.iter().any(|party| {
                let known = |channel: Channel| channel.is_known_to(Agent::Attacker);
                party.past.shared.is_some() && party.channel.is_some_and(known)
            });
            let mut said = vec![
                Said::Protocols(ServerOf::Home),
                Said::Protocols(ServerOf::Evil),
                Said::Accepted,
                Said::Failure,
                Said::Success,
                Said::Secrets(AccountOf::Attacker),
            ];
            said.extend(knows.then_some(Said::Secrets(AccountOf::Victim)));
            return said;
        }
        let links = (0..).zip(&world.grants);
        let links = links
            .filter(|(_, grant)| grant.leaked)
            .map(|(link, _)| link);
        let links: Vec<u8> = links.chain([NOWHERE]).collect();
        let claims = |link: u8| self.ids.iter().map(move |id| Said::Protocol(link, *id));
        let mut said: Vec<_> = links.into_iter().flat_map(claims).collect();
        said.extend([Said::Success, Said::Declined, Said::Failure, Said::Accepted]);
        said
    }

    /// The person types what the device shows that they mean to sign in with this one; a device
    /// that is not connected shows nothing. The attacker can tell the digits of its own channel.
    fn digits(&self, world: &World, place: u8, party: &Party, moves: &mut Vec<Move>) {
        let shown = match self.honest[usize::from(place)].meant {
            Agent::Attacker => {
                let known = |channel: Channel| channel.is_known_to(Agent::Attacker);
                party.channel.filter(|channel| known(*channel))
            }
            Agent::Party(other) => {
                let other = &world.parties[usize::from(other)];
                other.channel.filter(|_| other.login.is_some())
            }
        };
        // Or whatever comes to mind: it is wrong, but for one chance in a hundred.
        if self.failures {
            moves.push(Move::Type(place, false));
        }
        if self.lacks(Check::Digits) {
            moves.push(Move::Type(place, true));
        } else if let Some(shown) = shown {
            moves.push(Move::Type(place, Some(shown) == party.channel));
        }
    }

    fn answers(&self, world: &World, place: u8, party: &Party, asked: Question) -> Vec<Replied> {
        let there = |id| world.has_device(ServerOf::Home, AccountOf::Victim, id);
        let grant = party.grant.map(|grant| &world.grants[usize::from(grant)]);
        let (mut answers, failure) = match asked {
            Question::CheckCode => (vec![], None),
            Question::Authorization(_) => {
                let number = u8::try_from(world.grants.len()).expect("a few");
                let id = match party.channel {
                    Some(channel) if self.derived_ids => Id::Derived(channel),
                    _ => Id::Chosen(place),
                };
                (
                    vec![Replied::Authorized(number, id)],
                    Some(Replied::NotAuthorized),
                )
            }
            Question::Token => {
                let grant = grant.expect("it asked for one");
                let answer = match grant.decided {
                    None => None,
                    Some(None) => Some(Replied::Denied),
                    Some(Some(AccountOf::Attacker)) if self.confirms_account => {
                        Some(Replied::WrongAccount)
                    }
                    Some(Some(account)) if world.has_device(grant.server, account, grant.id) => {
                        Some(Replied::NoToken)
                    }
                    Some(Some(_)) => Some(Replied::Token),
                };
                (answer.into_iter().collect(), Some(Replied::NoToken))
            }
            Question::Import(of) => {
                let account = grant.and_then(|grant| grant.decided).flatten();
                if account == Some(of) || self.lacks(Check::SecretsOfAccount) {
                    (vec![Replied::Imported], Some(Replied::NotImported))
                } else {
                    (vec![Replied::SecretsRefused], None)
                }
            }
            Question::Find(id) => {
                let derived = party.channel.map(Id::Derived);
                if self.requires_bound && Some(id) != derived {
                    (vec![Replied::Unbound], None)
                } else if self.lacks(Check::FreeId) {
                    (vec![Replied::Found(false)], None)
                } else if self.is_homeserver {
                    (vec![Replied::Found(true), Replied::Found(false)], None)
                } else {
                    (vec![Replied::Found(there(id))], Some(Replied::NotLookedUp))
                }
            }
            Question::Open(_) => (vec![Replied::Opened, Replied::NotOpened], None),
            Question::Appear(id) => {
                if self.lacks(Check::Presence) {
                    (vec![Replied::Appeared(true)], None)
                } else if self.is_homeserver {
                    (
                        vec![Replied::Appeared(true), Replied::Appeared(false)],
                        None,
                    )
                } else {
                    (vec![Replied::Appeared(there(id))], None)
                }
            }
            Question::Export => (vec![Replied::Exported], Some(Replied::NotExported)),
            Question::Verify(id) => {
                let mut devices = world.devices.iter();
                let seen = devices.any(|device| device.id == id && device.published.is_some());
                (
                    [Replied::Unseen, Replied::Verified][..=usize::from(seen)].to_vec(),
                    None,
                )
            }
        };
        answers.extend(failure.filter(|_| self.failures));
        answers.dedup();
        answers
    }
}
