//! What clients saw of one session, and whether it can be what one memory would have shown that
//! does one thing at a time ("linearizable": each operation happens at one moment between its
//! question and its answer).
//!
//! A write names the payload that it replaces, and each payload is written once. So the payloads
//! form a chain, and all that is to be found is a moment for each link: after everything that was
//! asked when the one before had been seen, before everything that had been answered with the one
//! after.

use std::collections::{HashMap, HashSet};

/// Of one clock. An operation without an answer may yet happen, at any time: it ends at [`NEVER`].
pub(crate) type Moment = u128;

pub(crate) const NEVER: Moment = Moment::MAX;

/// The name of a payload, as the server gives it.
pub(crate) type Etag = String;

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) asked: Moment,
    pub(crate) answered: Moment,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Created {
        payload: String,
        etag: Etag,
    },
    Read {
        payload: String,
        etag: Etag,
    },
    Unchanged {
        etag: Etag,
    },
    Written {
        expected: Etag,
        payload: String,
        etag: Etag,
    },
    /// Refused, and not told what stands there.
    TooLate {
        expected: Etag,
    },
    /// There was no answer.
    MaybeWritten {
        expected: Etag,
        payload: String,
    },
    Deleted,
    /// There was no answer.
    MaybeDeleted,
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    /// Two writes replaced the same payload: one update is lost.
    ReplacedTwice(Etag),
    /// One payload became current twice: its update is doubled.
    WrittenTwice(String),
    /// Two payloads have the same name.
    Ambiguous(Etag),
    /// Nobody has written what somebody saw.
    FromNowhere(Etag),
    /// There is no moment at which it can have become current: it was seen before it was written,
    /// or after it had been replaced, or something older was.
    OutOfOrder(Etag),
    /// The write was refused, and what it expected was there.
    RefusedForNothing(Etag),
    EndedTwice,
    EndedByNobody,
    /// It was seen after its end, or missed before.
    EndOutOfOrder,
}

/// What is wrong with a session's history, which begins with [`What::Created`].
pub(crate) fn check(history: &[Operation]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let names = names(history, &mut violations);
    let links = links(history, &names, &mut violations);
    let chain = chain(history, &links);
    violations.extend(strangers(history, &links, &chain));
    violations.extend(too_early(history, &links));
    let end = end(history, &mut violations);
    violations.extend(out_of_order(history, &chain, end));
    violations
}

/// Refused as too late, and nobody came before.
fn too_early(history: &[Operation], links: &HashMap<Etag, Link>) -> HashSet<Violation> {
    let replaced = |etag: &Etag| {
        let maybe =
            |what: &What| matches!(what, What::MaybeWritten { expected, .. } if expected == etag);
        links.contains_key(etag) || history.iter().any(|operation| maybe(&operation.what))
    };
    let refused = history
        .iter()
        .filter_map(|operation| match &operation.what {
            What::TooLate { expected } if !replaced(expected) => Some(expected.clone()),
            _ => None,
        });
    refused.map(Violation::RefusedForNothing).collect()
}

/// Which payload has which name.
fn names<'a>(
    history: &'a [Operation],
    violations: &mut Vec<Violation>,
) -> HashMap<&'a str, &'a Etag> {
    let (mut etags, mut payloads) = (HashMap::new(), HashMap::new());
    for operation in history {
        let (What::Created { payload, etag }
        | What::Read { payload, etag }
        | What::Written { payload, etag, .. }) = &operation.what
        else {
            continue;
        };
        if *etags.entry(payload.as_str()).or_insert(etag) != etag {
            violations.push(Violation::WrittenTwice(payload.clone()));
        }
        if *payloads.entry(etag).or_insert(payload) != payload {
            violations.push(Violation::Ambiguous(etag.clone()));
        }
    }
    etags
}

/// A payload in its place: what it is called, and between which moments it became current.
#[derive(Clone, Debug)]
struct Link {
    etag: Etag,
    asked: Moment,
    answered: Moment,
}

impl Link {
    /// One of two that say the same has made it, and the other was told so when it was there.
    fn repeated(self, other: Self) -> Self {
        let (asked, answered) = (
            self.asked.min(other.asked),
            self.answered.min(other.answered),
        );
        Self {
            asked,
            answered,
            ..other
        }
    }
}

/// What replaced what.
fn links(
    history: &[Operation],
    names: &HashMap<&str, &Etag>,
    violations: &mut Vec<Violation>,
) -> HashMap<Etag, Link> {
    let mut links: HashMap<Etag, Link> = HashMap::new();
    for (expected, operation) in history
        .iter()
        .filter_map(|operation| Some((expected(operation)?, operation)))
    {
        let Some(etag) = written(operation, names) else {
            continue;
        };
        let link = Link {
            etag: etag.clone(),
            asked: operation.asked,
            answered: operation.answered,
        };
        let before = links.remove(expected);
        if before
            .as_ref()
            .is_some_and(|before| before.etag != link.etag)
        {
            violations.push(Violation::ReplacedTwice(expected.clone()));
        }
        links.insert(
            expected.clone(),
            before.map_or(link.clone(), |before| before.repeated(link)),
        );
    }
    let seen: HashSet<_> = history
        .iter()
        .filter_map(|operation| seen(&operation.what))
        .collect();
    let known: HashSet<_> = names.values().copied().collect();
    // Nobody writes upon what he has not read, so what nobody has read has been replaced by
    // nothing: it is the last.
    if let Some(unread) = seen.difference(&known).next() {
        link_last(history, names, &mut links, unread);
    }
    links
}

/// What was seen of a write without an answer is only that there was one. It is the earliest that
/// fits.
fn link_last(
    history: &[Operation],
    names: &HashMap<&str, &Etag>,
    links: &mut HashMap<Etag, Link>,
    unread: &Etag,
) {
    let fits = history.iter().filter(|operation| {
        expected(operation).is_some_and(|expected| !links.contains_key(expected))
            && written(operation, names).is_none()
    });
    if let Some(write) = fits.min_by_key(|write| write.asked) {
        let link = Link {
            etag: unread.clone(),
            asked: write.asked,
            answered: NEVER,
        };
        links.insert(expected(write).unwrap().clone(), link);
    }
}

fn expected(operation: &Operation) -> Option<&Etag> {
    match &operation.what {
        What::Written { expected, .. } | What::MaybeWritten { expected, .. } => Some(expected),
        _ => None,
    }
}

/// The name that a write's payload has got, if that is known.
fn written<'a>(operation: &'a Operation, names: &HashMap<&str, &'a Etag>) -> Option<&'a Etag> {
    match &operation.what {
        What::Written { etag, .. } => Some(etag),
        What::MaybeWritten { payload, .. } => names.get(payload.as_str()).copied(),
        _ => None,
    }
}

/// The payload that an operation has seen as the current one. A write that is repeated sees its
/// own.
fn seen(what: &What) -> Option<&Etag> {
    match what {
        What::Read { etag, .. } | What::Unchanged { etag } | What::Written { etag, .. } => {
            Some(etag)
        }
        _ => None,
    }
}

/// All that was ever current, in order.
fn chain(history: &[Operation], links: &HashMap<Etag, Link>) -> Vec<Link> {
    let Some(Operation {
        asked,
        answered,
        what: What::Created { etag, .. },
    }) = history.first()
    else {
        panic!("a history begins with its session")
    };
    let mut chain = vec![Link {
        etag: etag.clone(),
        asked: *asked,
        answered: *answered,
    }];
    while let Some(next) = links.get(&chain[chain.len() - 1].etag)
        && chain.len() <= links.len()
    {
        chain.push(next.clone());
    }
    chain
}

/// What is not of the chain, and yet was seen or written.
fn strangers(
    history: &[Operation],
    links: &HashMap<Etag, Link>,
    chain: &[Link],
) -> HashSet<Violation> {
    let ours: HashSet<_> = chain.iter().map(|link| &link.etag).collect();
    let all = history.iter().filter_map(|operation| seen(&operation.what));
    let all = all.chain(links.values().map(|link| &link.etag));
    all.filter(|etag| !ours.contains(etag))
        .cloned()
        .map(Violation::FromNowhere)
        .collect()
}

/// Between which moments the session ended, if it did.
fn end(history: &[Operation], violations: &mut Vec<Violation>) -> Option<(Moment, Moment)> {
    let is = |wanted: What| {
        history
            .iter()
            .filter(move |operation| operation.what == wanted)
    };
    if is(What::Deleted).count() > 1 {
        violations.push(Violation::EndedTwice);
    }
    if let Some(delete) = is(What::Deleted).next() {
        return Some((delete.asked, delete.answered));
    }
    is(What::Gone).next()?;
    let maybe = is(What::MaybeDeleted).map(|delete| delete.asked).min();
    if maybe.is_none() {
        violations.push(Violation::EndedByNobody);
    }
    Some((maybe?, NEVER))
}

/// A moment for each link, if there is one for all.
fn out_of_order(
    history: &[Operation],
    chain: &[Link],
    end: Option<(Moment, Moment)>,
) -> Vec<Violation> {
    let places: HashMap<_, _> = chain
        .iter()
        .enumerate()
        .map(|(place, link)| (&link.etag, place))
        .collect();
    let mut bounds: Vec<_> = chain
        .iter()
        .map(|link| (link.asked, link.answered))
        .collect();
    bounds.extend(end);
    for operation in history {
        if let What::TooLate { expected } = &operation.what
            && let Some(next) = places
                .get(expected)
                .map(|place| place + 1)
                .filter(|next| *next < chain.len())
        {
            bounds[next].1 = bounds[next].1.min(operation.answered);
        }
        let place = match &operation.what {
            What::Gone => end.map(|_| chain.len()),
            what => seen(what).and_then(|etag| places.get(etag).copied()),
        };
        let Some(place) = place else { continue };
        // It was current by then, and the next was not when the question was asked.
        bounds[place].1 = bounds[place].1.min(operation.answered);
        if let Some(next) = bounds.get_mut(place + 1) {
            next.0 = next.0.max(operation.asked);
        }
    }
    for place in 1..bounds.len() {
        bounds[place].0 = bounds[place].0.max(bounds[place - 1].0);
    }
    for place in (1..bounds.len()).rev() {
        bounds[place - 1].1 = bounds[place - 1].1.min(bounds[place].1);
    }
    let impossible = bounds
        .iter()
        .enumerate()
        .filter(|(_, (earliest, latest))| earliest > latest);
    impossible
        .map(|(place, _)| match chain.get(place) {
            Some(link) => Violation::OutOfOrder(link.etag.clone()),
            None => Violation::EndOutOfOrder,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(asked: Moment, answered: Moment, what: What) -> Operation {
        Operation {
            asked,
            answered,
            what,
        }
    }

    /// The payload of `a` is `A`.
    fn created(etag: &str) -> What {
        What::Created {
            payload: etag.to_uppercase(),
            etag: etag.into(),
        }
    }

    fn read(etag: &str) -> What {
        What::Read {
            payload: etag.to_uppercase(),
            etag: etag.into(),
        }
    }

    fn written(expected: &str, etag: &str) -> What {
        What::Written {
            expected: expected.into(),
            payload: etag.to_uppercase(),
            etag: etag.into(),
        }
    }

    fn maybe(expected: &str, payload: &str) -> What {
        What::MaybeWritten {
            expected: expected.into(),
            payload: payload.into(),
        }
    }

    fn too_late(expected: &str) -> What {
        What::TooLate {
            expected: expected.into(),
        }
    }

    fn unchanged(etag: &str) -> What {
        What::Unchanged { etag: etag.into() }
    }

    /// After a session was made between 0 and 1.
    fn found(rest: &[Operation]) -> Vec<Violation> {
        check(&[&[at(0, 1, created("a"))], rest].concat())
    }

    #[test]
    fn what_one_memory_would_show_is_right() {
        for history in [
            vec![],
            vec![
                at(2, 3, read("a")),
                at(4, 5, written("a", "b")),
                at(6, 7, read("b")),
                at(8, 9, unchanged("b")),
            ],
            // While a write is under way, both are right, in this order.
            vec![
                at(2, 9, written("a", "b")),
                at(3, 4, read("a")),
                at(5, 6, read("b")),
            ],
            // As is a read that is under way for long.
            vec![at(2, 9, read("a")), at(3, 4, written("a", "b"))],
            vec![
                at(2, 3, written("a", "b")),
                at(4, 5, too_late("a")),
                at(6, 7, written("b", "c")),
            ],
            vec![at(2, 3, What::Deleted), at(4, 5, What::Gone)],
            vec![
                at(2, 9, What::Deleted),
                at(3, 4, What::Gone),
                at(3, 9, read("a")),
            ],
            // What has no answer has happened, at any time, or has not.
            vec![at(2, NEVER, maybe("a", "B")), at(3, 4, read("a"))],
            vec![
                at(2, NEVER, maybe("a", "B")),
                at(3, 4, read("a")),
                at(50, 60, read("b")),
            ],
            vec![
                at(2, NEVER, maybe("a", "B")),
                at(3, 4, written("a", "c")),
                at(5, 6, read("c")),
            ],
            vec![
                at(2, NEVER, What::MaybeDeleted),
                at(3, 4, read("a")),
                at(5, 6, What::Gone),
            ],
            vec![at(2, NEVER, What::MaybeDeleted), at(3, 4, read("a"))],
            // A write may be repeated, by whoever, as long as nothing follows it.
            vec![
                at(2, 3, written("a", "b")),
                at(4, 5, written("a", "b")),
                at(6, 7, written("b", "c")),
            ],
            vec![
                at(2, 9, written("a", "b")),
                at(3, 4, written("a", "b")),
                at(5, 6, written("b", "c")),
            ],
            vec![
                at(2, NEVER, maybe("a", "B")),
                at(3, 4, read("b")),
                at(5, 6, written("a", "b")),
            ],
            vec![
                at(2, 3, written("a", "b")),
                at(4, 5, too_late("a")),
                at(6, 7, too_late("a")),
            ],
            vec![at(2, NEVER, maybe("a", "B")), at(3, 4, too_late("a"))],
            vec![at(2, 9, written("a", "b")), at(3, 4, too_late("a"))],
        ] {
            assert_eq!(found(&history), [], "{history:?}");
        }
    }

    #[test]
    fn a_lost_update_is_found() {
        let history = [at(2, 3, written("a", "b")), at(2, 3, written("a", "c"))];
        assert!(found(&history).contains(&Violation::ReplacedTwice("a".into())));
        let history = [
            at(2, 3, written("a", "b")),
            at(2, NEVER, maybe("a", "C")),
            at(4, 5, read("c")),
        ];
        assert!(found(&history).contains(&Violation::ReplacedTwice("a".into())));
    }

    #[test]
    fn a_doubled_update_is_found() {
        let again = What::Read {
            payload: "B".into(),
            etag: "c".into(),
        };
        let history = [at(2, 3, written("a", "b")), at(4, 5, again)];
        assert!(found(&history).contains(&Violation::WrittenTwice("B".into())));
    }

    #[test]
    fn a_name_of_two_payloads_is_found() {
        let other = What::Read {
            payload: "X".into(),
            etag: "a".into(),
        };
        assert!(found(&[at(2, 3, other)]).contains(&Violation::Ambiguous("a".into())));
    }

    #[test]
    fn what_nobody_wrote_is_found() {
        assert_eq!(
            found(&[at(2, 3, read("x"))]),
            [Violation::FromNowhere("x".into())]
        );
        assert_eq!(
            found(&[at(2, 3, written("x", "y"))]),
            [Violation::FromNowhere("y".into())]
        );
    }

    #[test]
    fn a_stale_read_is_found() {
        for stale in [read("a"), unchanged("a")] {
            let history = [at(2, 3, written("a", "b")), at(4, 5, stale)];
            assert_eq!(found(&history), [Violation::OutOfOrder("b".into())]);
        }
        // Also when only another reader knew better.
        let history = [
            at(2, 9, written("a", "b")),
            at(3, 4, read("b")),
            at(5, 6, read("a")),
        ];
        assert_eq!(found(&history), [Violation::OutOfOrder("b".into())]);
    }

    #[test]
    fn what_is_seen_before_it_is_written_is_found() {
        let history = [at(2, 3, read("b")), at(4, 5, written("a", "b"))];
        assert_eq!(found(&history), [Violation::OutOfOrder("b".into())]);
        let history = [at(2, 3, read("b")), at(4, NEVER, maybe("a", "B"))];
        assert_eq!(found(&history), [Violation::OutOfOrder("b".into())]);
    }

    #[test]
    fn a_write_that_is_not_seen_afterwards_is_found() {
        let history = [
            at(2, 3, written("a", "b")),
            at(4, 5, written("b", "c")),
            at(6, 7, read("b")),
        ];
        assert_eq!(found(&history), [Violation::OutOfOrder("c".into())]);
    }

    #[test]
    fn a_refusal_before_anybody_wrote_is_found() {
        assert_eq!(
            found(&[at(2, 3, too_late("a"))]),
            [Violation::RefusedForNothing("a".into())]
        );
        let history = [at(2, 3, too_late("a")), at(4, 5, written("a", "b"))];
        assert_eq!(found(&history), [Violation::OutOfOrder("b".into())]);
    }

    #[test]
    fn a_repeat_that_is_no_repeat_is_found() {
        // It has a name of its own, so it was written twice.
        let again = What::Written {
            expected: "a".into(),
            payload: "B".into(),
            etag: "c".into(),
        };
        let violations = found(&[at(2, 3, written("a", "b")), at(4, 5, again)]);
        assert!(
            violations.contains(&Violation::ReplacedTwice("a".into())),
            "{violations:?}"
        );
        assert!(
            violations.contains(&Violation::WrittenTwice("B".into())),
            "{violations:?}"
        );
        // It was acknowledged once more when something else stood there.
        let history = [
            at(2, 3, written("a", "b")),
            at(4, 5, written("b", "c")),
            at(6, 7, written("a", "b")),
        ];
        assert_eq!(found(&history), [Violation::OutOfOrder("c".into())]);
    }

    #[test]
    fn what_comes_after_the_end_is_found() {
        for late in [read("a"), unchanged("a"), written("a", "b")] {
            let history = [at(2, 3, What::Deleted), at(4, 5, late.clone())];
            assert!(
                found(&history).contains(&Violation::EndOutOfOrder),
                "{late:?}"
            );
        }
        let history = [
            at(2, NEVER, What::MaybeDeleted),
            at(3, 4, What::Gone),
            at(5, 6, read("a")),
        ];
        assert_eq!(found(&history), [Violation::EndOutOfOrder]);
    }

    #[test]
    fn an_end_that_is_seen_before_it_comes_is_found() {
        assert_eq!(
            found(&[at(2, 3, What::Gone), at(4, 5, What::Deleted)]),
            [Violation::EndOutOfOrder]
        );
    }

    #[test]
    fn an_end_that_nobody_made_or_two_made_is_found() {
        assert_eq!(found(&[at(2, 3, What::Gone)]), [Violation::EndedByNobody]);
        assert!(
            found(&[at(2, 3, What::Deleted), at(2, 3, What::Deleted)])
                .contains(&Violation::EndedTwice)
        );
    }
}
