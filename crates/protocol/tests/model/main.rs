//! The sign-in in a hostile world: every state that an attacker can bring about, within bounds.
//!
//! | module | what it has |
//! |---|---|
//! | `symbols` | keys, channels, messages and device IDs as symbols |
//! | `login` | the real logins of `matrix_qr_protocol`, spoken to in symbols |
//! | `scenario` | who takes part, what the attacker can do, which check is taken out |
//! | `state` | the state of the world |
//! | `moves`, `step` | what can happen next, and what it does |
//! | `properties` | what must be true in every state |
//! | `diagram` | a run as a message diagram |
//!
//! `docs/verification.md` says what is modelled, what is assumed and what is not proved.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod diagram;
mod login;
mod moves;
mod properties;
mod scenario;
mod state;
mod step;
mod symbols;

use std::time::Instant;

use matrix_qr_protocol::revision::{
    Revision::{self, Msc4108, Msc4388},
    Role::{self, Existing, New},
};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::{
    diagram::diagram,
    moves::Move,
    properties::*,
    scenario::{Check, Scenario},
};

/// Both revisions, and either device showing the code.
const WAYS: [(Revision, Role); 4] = [
    (Msc4108, New),
    (Msc4108, Existing),
    (Msc4388, New),
    (Msc4388, Existing),
];

/// Every state is looked at. Panics with a message diagram where a property does not hold.
fn holds(scenario: &Scenario) {
    let begun = Instant::now();
    let checker = scenario.clone().checker().spawn_bfs().join();
    let shown_by: Vec<_> = scenario
        .honest
        .iter()
        .filter(|it| it.shows)
        .map(|it| it.role)
        .collect();
    println!(
        "{}, {:?}, shown by {shown_by:?}: {} states, {} deep, {:.1} s",
        scenario.name,
        scenario.revision,
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed().as_secs_f32(),
    );
    for property in scenario.properties() {
        let found = checker.discovery(property.name);
        let run = found.map(|path| diagram(scenario, &path.into_actions()));
        match (property.expectation, run) {
            (Expectation::Sometimes, None) => panic!("it never comes that {}", property.name),
            (Expectation::Always, Some(run)) => panic!("not always: {}\n{run}", property.name),
            _ => {}
        }
    }
}

/// The shortest run in which a property does not hold.
fn counterexample(scenario: &Scenario, property: &'static str) -> String {
    let mut run = violation(scenario, property, usize::MAX);
    while let Some(shorter) = run
        .as_ref()
        .and_then(|run| violation(scenario, property, run.len()))
    {
        run = Some(shorter);
    }
    let Some(run) = run else {
        panic!(
            "{}, without {:?}: always {property}",
            scenario.name, scenario.without
        );
    };
    let run = diagram(scenario, &run);
    println!(
        "{}, without {:?}, not always: {property}\n{run}\n",
        scenario.name, scenario.without
    );
    run
}

/// A run of fewer moves than these in which it does not hold. The checker gives one, not the
/// shortest.
fn violation(scenario: &Scenario, property: &'static str, moves: usize) -> Option<Vec<Move>> {
    let until = HasDiscoveries::AnyOf([property].into());
    let checker = scenario.clone().checker().finish_when(until);
    // The first state is one deep, and that depth itself is left out.
    let checker = checker
        .target_max_depth(moves.saturating_add(1))
        .spawn_bfs()
        .join();
    Some(checker.discovery(property)?.into_actions())
}

#[test]
fn an_attacker_who_has_the_network() {
    for (revision, shown_by) in WAYS {
        holds(&Scenario::network(revision, shown_by));
    }
}

/// The session is honest about what was written against what: then payloads are in step as well.
#[test]
fn an_attacker_who_only_writes_to_the_session() {
    for shown_by in [New, Existing] {
        holds(&Scenario::network(Msc4388, shown_by).with_honest_tokens());
        holds(&Scenario::shoulder_surfing(Msc4388, shown_by).with_honest_tokens());
    }
}

#[test]
fn an_attacker_who_looks_over_the_shoulder() {
    for (revision, shown_by) in WAYS {
        holds(&Scenario::shoulder_surfing(revision, shown_by));
    }
}

#[test]
fn an_attacker_whose_device_is_signed_in_by_the_person() {
    for (revision, shown_by) in WAYS {
        holds(&Scenario::phishing(revision, shown_by));
        holds(&Scenario::phishing(revision, shown_by).bound());
    }
}

#[test]
fn an_attacker_whose_device_is_signed_in_by_the_person_at_its_own_homeserver() {
    for (revision, shown_by) in WAYS {
        let phishing = Scenario::phishing(revision, shown_by);
        holds(&Scenario {
            name: "phishing, hostile homeserver",
            is_homeserver: true,
            ..phishing
        });
    }
}

#[test]
fn an_attacker_who_signs_in_the_device_of_the_person() {
    for (revision, shown_by) in WAYS {
        holds(&Scenario::lured(revision, shown_by));
    }
}

#[test]
fn an_attacker_who_controls_the_homeserver() {
    for (revision, shown_by) in WAYS {
        holds(&Scenario::hostile_homeserver(revision, shown_by));
    }
}

#[test]
fn two_sign_ins_at_once() {
    for revision in [Msc4108, Msc4388] {
        for shown_by in [[New, New], [New, Existing], [Existing, Existing]] {
            holds(&Scenario::two_sign_ins(revision, shown_by));
        }
    }
}

#[test]
fn device_id_confusion_is_possible_where_ids_are_chosen() {
    for (revision, shown_by) in WAYS {
        for deceived in [New, Existing] {
            let scenario = Scenario::device_id_confusion(revision, shown_by, deceived);
            let run = counterexample(&scenario, AUTHENTICATED);
            assert!(run.contains("device CHOSEN1)"), "{run}");
            assert!(run.contains("m.login.secrets (of the Victim)"), "{run}");
            assert!(
                !run.contains("the token of link"),
                "the attacker has no token: {run}"
            );
        }
    }
}

/// Genuine devices that derive their IDs do not help a device that serves others, too: the person
/// has to mind that the ID is not bound.
#[test]
fn device_id_confusion_is_possible_where_unbound_ids_are_served() {
    for (revision, shown_by) in WAYS {
        let scenario = Scenario::device_id_confusion(revision, shown_by, New).bound();
        let serving = Scenario {
            requires_bound: false,
            ..scenario
        };
        let run = counterexample(&serving, AUTHENTICATED);
        assert!(!run.contains("the token of link"), "{run}");
    }
}

#[test]
fn device_id_confusion_is_impossible_where_ids_are_derived() {
    for (revision, shown_by) in WAYS {
        for deceived in [New, Existing] {
            holds(&Scenario::device_id_confusion(revision, shown_by, deceived).bound());
        }
    }
}

/// Without a check, a property that depends on it does not hold.
#[test]
fn every_property_can_fail() {
    for (revision, shown_by) in WAYS {
        println!("in {revision:?}, shown by the {shown_by:?} device:");
        let network = Scenario::network(revision, shown_by);
        let shoulder = Scenario::shoulder_surfing(revision, shown_by);
        let phishing = Scenario::phishing(revision, shown_by);
        let hostile = Scenario::hostile_homeserver(revision, shown_by);
        let lured = Scenario::lured(revision, shown_by);
        let two = Scenario::two_sign_ins(revision, [shown_by; 2]);
        let fails = |scenario: &Scenario, check, property| {
            counterexample(&scenario.clone().without(check), property);
        };
        fails(&two, Check::Keys, AUTHENTIC);
        fails(&network, Check::Direction, AUTHENTIC);
        fails(&network, Check::Counter, AUTHENTIC);
        if revision == Msc4388 {
            // A token that nobody looks at is worth as much as one that the attacker chooses.
            let honest = network.clone().with_honest_tokens();
            fails(&honest, Check::SequenceToken, IN_STEP);
        }
        fails(&hostile, Check::SecretsOfAccount, AGREEMENT);
        fails(&network, Check::Signature, SIGNED);
        let stolen = if shown_by == New {
            AGREEMENT
        } else {
            CONFIRMED
        };
        fails(&shoulder, Check::Digits, stolen);
        fails(&phishing, Check::FreeId, AUTHENTICATED);
        fails(&phishing, Check::Presence, AUTHENTICATED);
        fails(&hostile, Check::Agreement, AGREED);
        fails(&network, Check::Tampering, UNTAMPERED);
        fails(&network, Check::End, SILENT);
        fails(&network, Check::End, HEEDED);
        fails(&network, Check::Clock, ENDS);
        let trusting = Scenario {
            confirms_account: false,
            ..lured
        };
        counterexample(&trusting, AGREEMENT);
    }
}

/// More than CI has time for: `cargo test -p matrix-qr-protocol --test model -- --ignored`.
#[test]
#[ignore = "takes long"]
fn all_at_once() {
    for (revision, shown_by) in WAYS {
        for other in [New, Existing] {
            let two = Scenario::two_sign_ins(revision, [shown_by, other]);
            holds(&Scenario {
                has_account: true,
                has_device: true,
                failures: true,
                ..two.bound()
            });
            let confusion = Scenario::device_id_confusion(revision, shown_by, other).bound();
            holds(&Scenario {
                sees_codes: true,
                has_account: true,
                failures: true,
                ..confusion
            });
        }
    }
}
