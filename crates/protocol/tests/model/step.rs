//! What a move does.

use crate::{
    diagram::{Event, Who},
    login::{Does, Hears, Question, RealLogin, Replied},
    moves::{Move, NOWHERE, Opens},
    scenario::{Check, Scenario},
    state::{ModelDevice, ModelGrant, World},
    symbols::{AccountOf, Agent, Plain, Said, Sealed, ServerOf},
};

/// A world that a move changes, and the record of it.
struct Step<'a> {
    scenario: &'a Scenario,
    world: World,
    events: Vec<Event>,
}

impl Scenario {
    /// The next state, and what a person who watches would have seen.
    pub fn step(&self, world: &World, taken: Move) -> (World, Vec<Event>) {
        let mut step = Step {
            scenario: self,
            world: world.clone(),
            events: vec![],
        };
        step.take(taken);
        step.world.tidy(self);
        (step.world, step.events)
    }
}

impl Step<'_> {
    fn take(&mut self, taken: Move) {
        match taken {
            Move::Deliver(place, payload, opens) => self.deliver(place, payload, opens),
            Move::Junk(place) => self.junk(place),
            Move::Expire(place) => {
                self.event(Who::Server, Who::Party(place), "the session is over");
                let party = self.party(place);
                party.expired = true;
                party.listens = false;
                self.feed(place, Hears::Expired);
            }
            Move::Lose(place) => {
                self.event(Who::Server, Who::Party(place), "the session is lost");
                let party = self.party(place);
                party.expired = true;
                party.listens = false;
                self.feed(place, Hears::Unsent);
            }
            Move::Cancel(place) => {
                self.event(Who::Person, Who::Party(place), "gives up");
                self.feed(place, Hears::Cancel);
            }
            Move::Type(place, right) => {
                let digits = if right {
                    "the right digits"
                } else {
                    "other digits"
                };
                self.event(Who::Person, Who::Party(place), digits);
                self.party(place).asked = None;
                self.feed(place, Hears::CheckCode(right));
            }
            Move::Answer(place, how) => self.answer(place, how),
            Move::Decide(number, account, agrees) => {
                let word = if agrees { "agrees" } else { "refuses" };
                let by = match account {
                    AccountOf::Victim => Who::Person,
                    AccountOf::Attacker => Who::Attacker,
                };
                self.event(
                    by,
                    Who::Server,
                    format!("{word} on the page of link {number}"),
                );
                self.world.grants[usize::from(number)].decided = Some(agrees.then_some(account));
            }
            Move::AttackerAsks(id) => {
                let number = self.world.grants.len();
                self.event(
                    Who::Attacker,
                    Who::Server,
                    format!("asks to be device {id}: link {number}"),
                );
                self.ask(Agent::Attacker, ServerOf::Home, id);
            }
            Move::AttackerPolls(number) => {
                self.event(
                    Who::Server,
                    Who::Attacker,
                    format!("the token of link {number}"),
                );
                self.sign_in(number, None);
            }
        }
    }

    fn deliver(&mut self, place: u8, payload: Sealed, opens: Opens) {
        let from = if payload.by == Agent::Attacker {
            "made"
        } else {
            "passed on"
        };
        self.event(
            Who::Attacker,
            Who::Party(place),
            format!("{payload} ({from})"),
        );
        let me = Agent::Party(place);
        let honest = self.scenario.honest[usize::from(place)];
        let seen = self.world.parties[usize::from(place)].seen(self.scenario);
        let party = self.party(place);
        let channel = *party.channel.get_or_insert(payload.channel);
        let next = (channel, channel.peer_of(me), party.received);
        party.past.misled |=
            opens == Opens::Next && (payload.channel, payload.by, payload.count) != next;
        party.past.out_of_step |= opens == Opens::Next && payload.against != seen;
        party.received += 1;
        match payload.plain {
            Plain::Initiate => {
                self.seal(place, Plain::Ok);
                let (login, does) = RealLogin::shown(honest.role);
                self.party(place).login = Some(login);
                self.party(place).inputs += 1;
                self.all(place, does);
            }
            Plain::Ok => {
                let (login, does) = RealLogin::scanned(honest.role, ServerOf::Home);
                self.party(place).login = Some(login);
                self.party(place).inputs += 1;
                self.all(place, does);
            }
            Plain::Said(said) => {
                let heard = match (opens, said) {
                    (Opens::PastOne, Said::Failure | Said::Declined) | (Opens::Next, _) => {
                        Hears::Said(said)
                    }
                    (Opens::PastOne, _) => Hears::Overwritten,
                };
                self.party(place).past.heard_failure |= said == Said::Failure;
                if let Said::Protocol(_, id) = said {
                    self.party(place).claimed.get_or_insert(id);
                }
                self.feed(place, heard);
            }
        }
    }

    fn junk(&mut self, place: u8) {
        self.event(Who::Attacker, Who::Party(place), "something else");
        self.party(place).past.tampered = true;
        if !self.scenario.lacks(Check::Tampering) {
            self.party(place).listens = false;
            self.feed(place, Hears::Tampered);
        }
    }

    fn answer(&mut self, place: u8, how: Replied) {
        let who = Who::Party(place);
        let asked = self.party(place).asked.take().expect("it was asked");
        let other = match asked {
            Question::Open(_) => Who::Person,
            _ => Who::Server,
        };
        if asked != Question::Export {
            self.event(who, other, format!("{asked:?}?"));
            self.event(other, who, format!("{how:?}"));
        }
        let mut said = how;
        match (asked, how) {
            (Question::Authorization(server), Replied::Authorized(number, id)) => {
                self.ask(Agent::Party(place), server, id);
                self.party(place).grant = Some(number);
            }
            (Question::Token, Replied::Token) => {
                let number = self.party(place).grant.expect("it asked for one");
                let unsigned = self.scenario.lacks(Check::Signature).then_some(false);
                self.sign_in(number, unsigned);
            }
            (Question::Import(account), Replied::Imported) => self.import(place, account),
            (Question::Open(link), Replied::Opened) => {
                self.party(place).past.agreed = true;
                if link != NOWHERE {
                    self.world.grants[usize::from(link)].offered = true;
                }
            }
            (Question::Open(_), Replied::NotOpened) if self.scenario.lacks(Check::Agreement) => {
                said = Replied::Opened;
            }
            _ => {}
        }
        self.feed(place, Hears::Replied(said));
    }

    fn ask(&mut self, by: Agent, server: ServerOf, id: crate::symbols::Id) {
        let leaked = by == Agent::Attacker;
        self.world.grants.push(ModelGrant {
            by,
            server,
            id,
            offered: false,
            leaked,
            decided: None,
        });
    }

    fn sign_in(&mut self, number: u8, published: Option<bool>) {
        let grant = &self.world.grants[usize::from(number)];
        self.world.devices.push(ModelDevice {
            server: grant.server,
            account: grant.decided.flatten().expect("somebody agreed"),
            id: grant.id,
            owner: grant.by,
            published,
        });
    }

    fn import(&mut self, place: u8, secrets: AccountOf) {
        let me = Agent::Party(place);
        let device = self
            .world
            .devices
            .iter_mut()
            .find(|device| device.owner == me);
        // Without a token nothing can be published.
        if let Some(device) = device {
            device.published = Some(device.account == secrets);
        }
        self.party(place).past.imported = Some(secrets);
    }

    /// The real login takes an input.
    fn feed(&mut self, place: u8, heard: Hears) {
        let party = &mut self.world.parties[usize::from(place)];
        party.inputs += 1;
        let Some(login) = &mut party.login else {
            // There is no channel yet: nothing can be said.
            party.end.get_or_insert(false);
            return;
        };
        let before = login.clone();
        let over = party.end.is_some();
        let does = login.handle(heard);
        party.past.spoke_after_end |= over && !does.is_empty();
        let ends = does.iter().any(|does| matches!(does, Does::End(_)));
        if ends {
            party.past.spoke_after_end |= speaks_again(login);
        }
        if ends && self.scenario.lacks(Check::End) {
            *login = before;
        }
        self.all(place, does);
    }

    fn all(&mut self, place: u8, does: Vec<Does>) {
        for does in does {
            match does {
                Does::Say(said) => self.say(place, said),
                Does::Ask(asked) => self.party(place).asked = Some(asked),
                Does::End(well) => {
                    let how = if well { "done" } else { "ends without success" };
                    self.event(Who::Party(place), Who::Party(place), how);
                    self.party(place).end = Some(well);
                }
            }
        }
    }

    fn say(&mut self, place: u8, said: Said) {
        let party = self.party(place);
        party.past.spoke_after_failure |= party.past.heard_failure;
        match said {
            Said::Secrets(_) => {
                party.past.shared = party.claimed;
                party.past.shared_after_tampering = party.past.tampered;
            }
            Said::Protocol(number, _)
                if party
                    .channel
                    .is_some_and(|channel| channel.is_known_to(Agent::Attacker)) =>
            {
                self.world.grants[usize::from(number)].leaked = true;
            }
            _ => {}
        }
        self.seal(place, Plain::Said(said));
    }

    fn seal(&mut self, place: u8, plain: Plain) {
        let scenario = self.scenario;
        let party = self.party(place);
        let sealed = Sealed {
            channel: party.channel.expect("it has a channel"),
            by: Agent::Party(place),
            count: party.sent,
            against: party.seen(scenario),
            plain,
        };
        party.sent += 1;
        self.event(Who::Party(place), Who::Attacker, sealed.to_string());
        self.world.payloads.push(sealed);
    }

    fn party(&mut self, place: u8) -> &mut crate::state::Party {
        &mut self.world.parties[usize::from(place)]
    }

    fn event(&mut self, from: Who, to: Who, what: impl Into<String>) {
        self.events.push(Event {
            from,
            to,
            what: what.into(),
        });
    }
}

/// Whether a login that has ended does anything at any input.
fn speaks_again(login: &RealLogin) -> bool {
    let answer = match login {
        RealLogin::New(_) => Replied::Token,
        RealLogin::Existing(_) => Replied::Exported,
    };
    let inputs = [
        Hears::Cancel,
        Hears::Expired,
        Hears::Unsent,
        Hears::Tampered,
        Hears::CheckCode(true),
        Hears::Said(Said::Success),
        Hears::Replied(answer),
    ];
    inputs
        .into_iter()
        .any(|heard| !login.clone().handle(heard).is_empty())
}
