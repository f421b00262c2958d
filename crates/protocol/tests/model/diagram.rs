//! A run as a message diagram: one column for each who takes part, time from top to bottom.

use matrix_qr_protocol::revision::Role;

use crate::{moves::Move, scenario::Scenario, state::World, symbols::Agent};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Person,
    Party(u8),
    /// All that is sent goes through the attacker's hands.
    Attacker,
    Server,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub from: Who,
    pub to: Who,
    pub what: String,
}

const WIDTH: usize = 11;

pub fn diagram(scenario: &Scenario, moves: &[Move]) -> String {
    let parties = scenario.honest.len();
    let names = (0..)
        .zip(&scenario.honest)
        .map(|(place, honest)| match honest.role {
            Role::New => format!("new {place}"),
            Role::Existing => format!("existing {place}"),
        });
    let mut heads = vec!["person".to_owned()];
    heads.extend(names);
    heads.extend(["attacker".to_owned(), "server".to_owned()]);
    let heads = heads.iter().map(|head| format!("{head:^WIDTH$}"));
    let mut lines = vec![heads.collect::<String>().trim_end().to_owned()];
    let mut world = World::new(scenario);
    let first = world.payloads.iter().map(|payload| Event {
        from: match payload.by {
            Agent::Party(place) => Who::Party(place),
            Agent::Attacker => Who::Attacker,
        },
        to: Who::Attacker,
        what: payload.to_string(),
    });
    lines.extend(first.map(|event| row(&event, parties)));
    for taken in moves {
        let (next, events) = scenario.step(&world, *taken);
        lines.extend(events.iter().map(|event| row(event, parties)));
        world = next;
    }
    lines.join("\n")
}

fn row(event: &Event, parties: usize) -> String {
    let column = |who| match who {
        Who::Person => 0,
        Who::Party(place) => 1 + usize::from(place),
        Who::Attacker => 1 + parties,
        Who::Server => 2 + parties,
    };
    let middle = |column: usize| column * WIDTH + WIDTH / 2;
    let (from, to) = (middle(column(event.from)), middle(column(event.to)));
    let mut line = vec![' '; (parties + 3) * WIDTH];
    for column in 0..parties + 3 {
        line[middle(column)] = '|';
    }
    let (left, right) = (from.min(to), from.max(to));
    line[left..right].iter_mut().skip(1).for_each(|c| *c = '-');
    if from < to {
        line[right - 1] = '>';
    } else if to < from {
        line[left + 1] = '<';
    } else {
        line[from] = '*';
    }
    format!("{}  {}", line.into_iter().collect::<String>(), event.what)
}
