//! docs/attacks.md: how each attack ends, as the tests saw it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use matrix_qr_protocol::{
    error::Error,
    revision::{Revision, Role},
};

use super::{
    attack::{ATTACKS, Attack, SessionStep},
    case::CaseEnd,
};

/// Where the tables begin in the document.
const BEGIN: &str = "<!-- What follows is written by the test `each_attack_at_each_step`. -->\n";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/attacks.md");
/// With this variable set, the test writes the tables instead of comparing them.
const UPDATE: &str = "UPDATE_ATTACKS";

/// One case, as the table has it.
pub(crate) struct SeenEnd {
    attack: usize,
    place: Place,
    is_msc4388: bool,
    /// What the device says that the request belongs to, and the other one.
    says: [Said; 2],
    latest: &'static str,
}

/// A step as the table names it. Messages are counted in both directions alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(char, usize);

/// Where, and whether with MSC4388.
type Places = BTreeSet<(Place, bool)>;

/// What happened, and what to do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    what: String,
    advice: String,
}

impl SeenEnd {
    pub(crate) fn new(
        (attack, step): (&'static Attack, SessionStep),
        (revision, shown_by, attacked): (Revision, Role, Role),
        end: &CaseEnd,
    ) -> Self {
        let new = said(end.new.result.as_ref().map(|_| "signed in"));
        let existing = end.existing.result.as_ref();
        let existing = said(existing.map(|granted| match granted.verified {
            true => "signed in",
            false => "signed in, but not seen to be verified",
        }));
        let says = match attacked {
            Role::New => [new, existing],
            Role::Existing => [existing, new],
        };
        Self {
            attack: ATTACKS
                .iter()
                .position(|one| one.name == attack.name)
                .unwrap(),
            place: Place::of(step, shown_by),
            is_msc4388: revision == Revision::Msc4388,
            says,
            latest: latest(end.new.after.max(end.existing.after)),
        }
    }
}

impl Place {
    fn of(step: SessionStep, shown_by: Role) -> Self {
        let number = step.number(shown_by);
        match step {
            SessionStep::Create => Self('C', 0),
            SessionStep::Join => Self('J', 0),
            SessionStep::Write(_) => Self('W', number),
            SessionStep::Read(_) => Self('R', number),
            SessionStep::Delete(_) => Self('X', 0),
        }
    }
}

fn said(result: Result<&str, &Error>) -> Said {
    let (what, advice) = match result {
        Ok(good) => (good.to_owned(), String::new()),
        // It does not even begin.
        Err(Error::Cancelled) => ("has no code to scan".to_owned(), String::new()),
        Err(error) => {
            let what = error.to_string().replace("127.0.0.1", "HOST");
            let what = match error {
                Error::DeviceGone(id) | Error::DeviceNotFound(id) => {
                    what.replace(id.as_str(), "DEVICE")
                }
                _ => what,
            };
            (what, error.advice().to_owned())
        }
    };
    Said { what, advice }
}

/// Coarse, so that a pause more or less does not change it.
fn latest(after: Duration) -> &'static str {
    match after.as_secs() {
        0..5 => "5 s",
        5..20 => "20 s",
        20..50 => "50 s",
        _ => "its end",
    }
}

/// Compares with the document, or writes it.
pub(crate) fn compare(seen: &[SeenEnd]) {
    let document = std::fs::read_to_string(FILE).unwrap();
    let (prose, tables) = document
        .split_once(BEGIN)
        .expect("docs/attacks.md has no tables");
    let made = made(seen);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(FILE, format!("{prose}{BEGIN}{made}")).unwrap();
        return;
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (said, found) = (lines(tables), lines(&made));
    let gone: Vec<_> = said.difference(&found).collect();
    let new: Vec<_> = found.difference(&said).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "docs/attacks.md says\n{gone:#?}\nand the tests saw\n{new:#?}\n\
         If that is right, run this test again with {UPDATE}=1."
    );
}

fn made(seen: &[SeenEnd]) -> String {
    let mut text = "\n## Each attack\n\n\
        | Attack | Where | The device whose request it is says | The other device says | Within |\n\
        |---|---|---|---|---|\n"
        .to_owned();
    for (number, attack) in ATTACKS.iter().enumerate() {
        let mut rows: BTreeMap<(&[Said; 2], &str), Places> = BTreeMap::new();
        let all: Vec<_> = seen.iter().filter(|one| one.attack == number).collect();
        for one in &all {
            let places = rows.entry((&one.says, one.latest)).or_default();
            places.insert((one.place, one.is_msc4388));
        }
        let everywhere: Places = all.iter().map(|one| (one.place, one.is_msc4388)).collect();
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by_key(|(_, places)| places.iter().next().copied());
        for (([this, other], latest), places) in rows {
            let places = whereabouts(&places, &everywhere);
            let (name, this, other) = (attack.name, &this.what, &other.what);
            writeln!(text, "| {name} | {places} | {this} | {other} | {latest} |").unwrap();
        }
    }
    text.push_str("\n## Each sentence\n\n| The device says | It advises |\n|---|---|\n");
    let said: BTreeSet<_> = seen.iter().flat_map(|one| &one.says).collect();
    for Said { what, advice } in said.into_iter().filter(|said| !said.advice.is_empty()) {
        writeln!(text, "| {what} | {advice} |").unwrap();
    }
    text
}

/// `C, W1-7`; where the revisions differ, after their names.
fn whereabouts(places: &Places, everywhere: &Places) -> String {
    let mut groups: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    for place in places
        .iter()
        .map(|(place, _)| *place)
        .collect::<BTreeSet<_>>()
    {
        let of = |set: &Places, is_msc4388| set.contains(&(place, is_msc4388));
        let name = if [false, true]
            .iter()
            .all(|one| of(places, *one) == of(everywhere, *one))
        {
            ""
        } else if of(places, false) {
            "MSC4108: "
        } else {
            "MSC4388: "
        };
        groups.entry(name).or_default().push(place);
    }
    let groups = groups
        .iter()
        .map(|(name, places)| format!("{name}{}", ranges(places)));
    groups.collect::<Vec<_>>().join("; ")
}

fn ranges(places: &[Place]) -> String {
    let mut ranges: Vec<(Place, usize)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((first, last)) if first.0 == place.0 && *last + 1 == place.1 => *last = place.1,
            _ => ranges.push((*place, place.1)),
        }
    }
    let written = ranges
        .iter()
        .map(|(Place(kind, first), last)| match (first, last) {
            (0, _) => kind.to_string(),
            (first, last) if first == last => format!("{kind}{first}"),
            (first, last) => format!("{kind}{first}–{last}"),
        });
    written.collect::<Vec<_>>().join(", ")
}
