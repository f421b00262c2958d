//! An attacker on the way to the rendezvous server, or that server itself: each attack at each step
//! of a whole sign-in, with two devices, real ciphers, real HTTP and the real store. Only the clock
//! is not real: when nothing is left to be done, it is later at once. docs/attacks.md has what both
//! devices say then.

mod attack;
mod case;
mod http_text;
mod table;
mod wire;

use std::{cell::RefCell, collections::VecDeque, thread, time::Duration};

use matrix_qr_protocol::revision::{Revision, Role};
use tokio::runtime;

use self::{
    attack::{ATTACKS, Attack, SessionStep},
    case::Scene,
    table::SeenEnd,
};

/// Each attack at each step, with both revisions. Which device shows the code alternates.
#[test]
fn each_attack_at_each_step() {
    table::compare(&all(true));
}

/// The same with both directions of each. It takes twice as long, so it is run by hand.
#[test]
#[ignore = "docs/verification.md says how to run it"]
fn every_attack_in_every_direction_all_at_once() {
    all(false);
}

/// Every case, and how it ended. Panics when one of them ended as none may.
fn all(alternating: bool) -> Vec<SeenEnd> {
    let mut threads = Vec::new();
    for revision in [Revision::Msc4108, Revision::Msc4388] {
        for shown_by in [Role::New, Role::Existing] {
            threads.push(thread::spawn(move || {
                each_of(revision, shown_by, alternating)
            }));
        }
    }
    let (mut seen, mut wrongs) = (Vec::new(), Vec::new());
    for thread in threads {
        let (more_seen, more_wrongs) = thread.join().unwrap();
        seen.extend(more_seen);
        wrongs.extend(more_wrongs);
    }
    assert!(
        wrongs.is_empty(),
        "{} of {} cases:\n{}",
        wrongs.len(),
        seen.len(),
        wrongs.join("\n")
    );
    seen
}

fn each_of(revision: Revision, shown_by: Role, alternating: bool) -> (Vec<SeenEnd>, Vec<String>) {
    leaping(async {
        let shared = Shared::default();
        let scene = || Box::pin(scene(revision, shown_by, alternating, &shared));
        tokio::join!(scene(), scene(), scene());
        shared.ends.into_inner()
    })
}

/// What the sign-ins that run at the same time share.
#[derive(Default)]
struct Shared {
    queue: RefCell<Option<VecDeque<(&'static Attack, SessionStep)>>>,
    ends: RefCell<(Vec<SeenEnd>, Vec<String>)>,
}

/// Runs it on a clock that leaps when there is nothing to do.
pub(crate) fn leaping<T>(work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::spawn(beat());
        Box::pin(work).await
    })
}

/// Makes the clock pause after each leap: what is on its way in the kernel arrives first.
async fn beat() {
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let pause = || thread::sleep(Duration::from_micros(200));
        tokio::task::spawn_blocking(pause).await.unwrap();
    }
}

fn cases(scene: &Scene, alternating: bool) -> VecDeque<(&'static Attack, SessionStep)> {
    let mut cases = VecDeque::new();
    for attack in ATTACKS {
        for step in scene.steps.iter().filter(|step| scene.has(attack, **step)) {
            if !alternating || is_turn(attack, *step, scene.shown_by) {
                cases.push_back((attack, *step));
            }
        }
    }
    cases
}

/// Whether the attack hits this step in this direction, if it does so in one only. The third message
/// is said only where the new device shows the code.
fn is_turn(attack: &Attack, step: SessionStep, shown_by: Role) -> bool {
    let number = step.number(shown_by);
    // Not by the attack's place in the list: one more would change the others.
    let turn = (attack.name.len() + number + usize::from(matches!(step, SessionStep::Read(_)))) % 2;
    number == 3 || turn == usize::from(shown_by == Role::New)
}

/// One sign-in after the other.
async fn scene(revision: Revision, shown_by: Role, alternating: bool, shared: &Shared) {
    let scene = Scene::start(revision, shown_by).await;
    let first = || cases(&scene, alternating);
    shared.queue.borrow_mut().get_or_insert_with(first);
    let next = || shared.queue.borrow_mut().as_mut()?.pop_front();
    while let Some((attack, step)) = next() {
        let end = scene.sign_in(Some((attack, step))).await;
        let wrongs = scene.wrongs(Some((attack, step)), &end).await;
        let name = format!(
            "{} at {step:?}, {revision:?}, shown by the {shown_by:?} one",
            attack.name
        );
        let (new, existing) = (&end.new.result, &end.existing.result);
        let mut ends = shared.ends.borrow_mut();
        for wrong in wrongs {
            let told = &end.told;
            ends.1
                .push(format!("{name}: {wrong}: {new:?}, {existing:?}, {told:?}"));
        }
        let whose = (revision, shown_by, scene.role(step.side()));
        ends.0.push(SeenEnd::new((attack, step), whose, &end));
    }
}
