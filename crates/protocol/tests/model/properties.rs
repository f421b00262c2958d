//! What must be true in every state.

use matrix_qr_protocol::revision::Role;
use stateright::{Model, Property};

use crate::{
    login::Question,
    moves::Move,
    scenario::{Check, Honest, Scenario},
    state::{Party, World},
    symbols::{AccountOf, Agent, ServerOf},
};

/// More inputs than any login takes.
const MOST_INPUTS: u8 = 16;

pub const CONFIRMED: &str = "secrets go only to the device that the person means";
pub const AUTHENTICATED: &str = "secrets go only to the device that signed in under its ID";
pub const AGREED: &str = "secrets go out only after the person agreed to the link";
pub const UNTAMPERED: &str = "no secrets go out after a payload that neither device wrote";
pub const AGREEMENT: &str = "the two devices agree on roles, keys, homeserver, account and ID";
pub const SIGNED: &str = "no device without a cross-signing signature is published";
pub const SILENT: &str = "after the end nothing is sent";
pub const HEEDED: &str = "after the other device's failure nothing is sent";
pub const ENDS: &str = "every run ends";
pub const AUTHENTIC: &str = "a payload that is taken is the peer's next one";
pub const IN_STEP: &str = "its writer had seen all that the reader wrote before (honest tokens)";
pub const SIGNED_IN: &str = "an honest sign-in succeeds";
pub const PHISHED: &str = "a deceived person signs in the attacker's device";

impl Model for Scenario {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        let mut world = World::new(self);
        world.tidy(self);
        vec![world]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        self.moves(world, moves);
    }

    fn next_state(&self, world: &World, taken: Move) -> Option<World> {
        let (next, _) = self.step(world, taken);
        (next != *world).then_some(next)
    }

    /// One input more than any login takes shows that it does not end.
    fn within_boundary(&self, world: &World) -> bool {
        let mut parties = world.parties.iter();
        parties.all(|party| party.inputs <= MOST_INPUTS + 1)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(CONFIRMED, confirmed),
            Property::always(AGREED, agreed),
            Property::always(UNTAMPERED, untampered),
            Property::always(AGREEMENT, agreement),
            Property::always(SIGNED, signed),
            Property::always(SILENT, silent),
            Property::always(HEEDED, heeded),
            Property::always(ENDS, ends),
            Property::always(AUTHENTIC, authentic),
        ];
        // A homeserver that lies about its devices can show any, and sign in any: it has no
        // authorization to look at.
        if !self.is_homeserver {
            properties.push(Property::always(AUTHENTICATED, authenticated));
        }
        // Where the attacker chooses the tokens, it can make any payload fit.
        if self.has_tokens() {
            properties.push(Property::always(IN_STEP, in_step));
        }
        // What nobody prevents, and what nobody may prevent: a model in which nothing happens shows
        // nothing.
        let honest = |honest: &Honest| honest.meant != Agent::Attacker;
        if self.honest.iter().any(honest) {
            properties.push(Property::sometimes(SIGNED_IN, signed_in));
        }
        if self
            .honest
            .iter()
            .any(|it| !honest(it) && it.role == Role::Existing)
        {
            properties.push(Property::sometimes(PHISHED, phished));
        }
        properties
    }
}

/// The honest devices, each with its place, the peer that its person means, and its peer.
fn all<'a>(
    scenario: &'a Scenario,
    world: &'a World,
) -> impl Iterator<Item = (Agent, Agent, Option<Agent>, &'a Party)> {
    let parties = (0..).zip(&world.parties).zip(&scenario.honest);
    parties.map(|((place, party), honest)| {
        let me = Agent::Party(place);
        let peer = party.channel.map(|channel| channel.peer_of(me));
        (me, honest.meant, peer, party)
    })
}

fn confirmed(scenario: &Scenario, world: &World) -> bool {
    all(scenario, world)
        .all(|(_, meant, peer, party)| party.past.shared.is_none() || peer == Some(meant))
}

fn authenticated(scenario: &Scenario, world: &World) -> bool {
    all(scenario, world).all(|(_, _, peer, party)| {
        let Some(id) = party.past.shared else {
            return true;
        };
        let mut devices = world.devices.iter();
        devices.any(|device| {
            (device.server, device.account, device.id) == (ServerOf::Home, AccountOf::Victim, id)
                && Some(device.owner) == peer
        })
    })
}

fn agreed(_: &Scenario, world: &World) -> bool {
    let mut parties = world.parties.iter();
    parties.all(|party| party.past.shared.is_none() || party.past.agreed)
}

fn untampered(_: &Scenario, world: &World) -> bool {
    !world
        .parties
        .iter()
        .any(|party| party.past.shared_after_tampering)
}

/// Whoever reports success has shared secrets, or taken them. A new device that took secrets has them from the device that its person means, which means it,
/// is an existing one, and shared them for it; and they are those of the account that it is in. One
/// whose person was deceived can have them from the attacker, but not in the attacker's account, if
/// it asks its person for the account.
fn agreement(scenario: &Scenario, world: &World) -> bool {
    let roles = scenario.honest.iter().map(|honest| honest.role);
    let truthful = roles.zip(&world.parties).all(|(role, party)| {
        let done = match role {
            Role::New => party.past.imported.is_some(),
            Role::Existing => party.past.shared.is_some(),
        };
        done || party.end != Some(true)
    });
    truthful && agree_on_secrets(scenario, world)
}

fn agree_on_secrets(scenario: &Scenario, world: &World) -> bool {
    all(scenario, world).all(|(me, meant, peer, party)| {
        let Some(account) = party.past.imported else {
            return true;
        };
        let Some(device) = world.devices.iter().find(|device| device.owner == me) else {
            return false;
        };
        if device.account != account {
            return false;
        }
        let Some(Agent::Party(other)) = peer else {
            return meant == Agent::Attacker && account == AccountOf::Victim;
        };
        let existing = &world.parties[usize::from(other)];
        peer == Some(meant)
            && scenario.honest[usize::from(other)].role == Role::Existing
            && existing.channel == party.channel
            && existing.past.shared == Some(device.id)
            && (device.server, account) == (ServerOf::Home, AccountOf::Victim)
    })
}

fn signed(_: &Scenario, world: &World) -> bool {
    world
        .devices
        .iter()
        .all(|device| device.published != Some(false))
}

fn silent(_: &Scenario, world: &World) -> bool {
    !world.parties.iter().any(|party| party.past.spoke_after_end)
}

fn heeded(_: &Scenario, world: &World) -> bool {
    let mut parties = world.parties.iter();
    parties.all(|party| !party.past.spoke_after_failure)
}

/// Whatever the others withhold: a device that has not ended still has its clock, or waits for its
/// own store or homeserver, each of which answers in bounded time. And it takes no more than so many
/// inputs.
fn ends(scenario: &Scenario, world: &World) -> bool {
    let mut running = world
        .parties
        .iter()
        .filter(|party| !party.is_over(scenario));
    running.all(|party| {
        let clock = !party.expired && !scenario.lacks(Check::Clock);
        let own = matches!(party.asked, Some(Question::Import(_) | Question::Verify(_)));
        (clock || own) && party.inputs <= MOST_INPUTS
    })
}

fn authentic(_: &Scenario, world: &World) -> bool {
    !world.parties.iter().any(|party| party.past.misled)
}

fn in_step(_: &Scenario, world: &World) -> bool {
    !world.parties.iter().any(|party| party.past.out_of_step)
}

/// All new devices whose people are not deceived have succeeded, and those who signed them in.
fn signed_in(scenario: &Scenario, world: &World) -> bool {
    all(scenario, world)
        .all(|(_, meant, _, party)| meant == Agent::Attacker || party.end == Some(true))
}

fn phished(scenario: &Scenario, world: &World) -> bool {
    all(scenario, world)
        .any(|(_, _, peer, party)| party.past.shared.is_some() && peer == Some(Agent::Attacker))
}
