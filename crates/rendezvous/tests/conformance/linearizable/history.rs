//! Checks whether the history of a session is linearizable: whether there is one moment for each
//! operation, between its request and its response, such that a single copy of the session that
//! does one operation at a time would have given the same responses.
//!
//! A write names the payload that it replaces, and each payload is written once. So the payloads
//! form a chain, and it is enough to find a moment for each link: not before any operation started
//! that saw the link before it, and not after any operation ended that saw this link or a later
//! one.
//!
//! The benchmark (`bench/`) uses this file, too.

use std::collections::{HashMap, HashSet};

/// In nanoseconds of one clock. An operation without a response may happen at any later time: it
/// ends at [`NEVER`].
pub(crate) type Moment = u128;

pub(crate) const NEVER: Moment = Moment::MAX;

/// The name that the server gives to a payload: its ETag or sequence token.
pub(crate) type Etag = String;

/// One request about a session, and its response.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Just before the request was sent.
    pub(crate) asked: Moment,
    /// When the response had arrived.
    pub(crate) answered: Moment,
    pub(crate) effect: Effect,
}

/// What a response says about the session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
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
    /// The write was refused, because another payload is current.
    TooLate {
        expected: Etag,
    },
    /// There was no response.
    MaybeWritten {
        expected: Etag,
        payload: String,
    },
    Deleted,
    /// There was no response.
    MaybeDeleted,
    Gone,
}

/// What no linearizable history has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    /// Two writes replaced the same payload: one update is lost.
    ReplacedTwice(Etag),
    /// One payload became current twice: its update was done twice.
    WrittenTwice(String),
    /// Two payloads have the same name.
    Ambiguous(Etag),
    /// A client saw what no client wrote.
    FromNowhere(Etag),
    /// There is no moment at which it can have become current. It was seen before it was written or
    /// after it was replaced, or something older was seen after it.
    OutOfOrder(Etag),
    /// The write was refused, although the payload that it expected was current.
    RefusedForNothing(Etag),
    EndedTwice,
    EndedByNobody,
    /// The session was seen after its end, or was not found before.
    EndOutOfOrder,
}

/// Effect is wrong with a session's history, which begins with [`Effect::Created`].
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

/// Writes that were refused as too late, although no other write replaced the payload.
fn too_early(history: &[Operation], links: &HashMap<Etag, Link>) -> HashSet<Violation> {
    let replaced = |etag: &Etag| {
        let maybe = |effect: &Effect| matches!(effect, Effect::MaybeWritten { expected, .. } if expected == etag);
        links.contains_key(etag) || history.iter().any(|operation| maybe(&operation.effect))
    };
    let refused = history
        .iter()
        .filter_map(|operation| match &operation.effect {
            Effect::TooLate { expected } if !replaced(expected) => Some(expected.clone()),
            _ => None,
        });
    refused.map(Violation::RefusedForNothing).collect()
}

/// The name of each payload.
fn names<'a>(
    history: &'a [Operation],
    violations: &mut Vec<Violation>,
) -> HashMap<&'a str, &'a Etag> {
    let (mut etags, mut payloads) = (HashMap::new(), HashMap::new());
    for operation in history {
        let (Effect::Created { payload, etag }
        | Effect::Read { payload, etag }
        | Effect::Written { payload, etag, .. }) = &operation.effect
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

/// A payload in the chain: its name, and the moments between which it became current.
#[derive(Clone, Debug)]
struct Link {
    etag: Etag,
    asked: Moment,
    answered: Moment,
}

impl Link {
    /// Two writes with the same result: one has done it, and the other was acknowledged when the
    /// payload was current.
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

/// Which payload replaced which.
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
        .filter_map(|operation| seen(&operation.effect))
        .collect();
    let known: HashSet<_> = names.values().copied().collect();
    // A client only replaces what it has read. So a payload that no client has read was not
    // replaced: it is the last one.
    if let Some(unread) = seen.difference(&known).next() {
        link_last(history, names, &mut links, unread);
    }
    links
}

/// Effect was seen of a write without an answer is only that there was one. It is the earliest that
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
    match &operation.effect {
        Effect::Written { expected, .. } | Effect::MaybeWritten { expected, .. } => Some(expected),
        _ => None,
    }
}

/// The name of a write's payload, if it is known.
fn written<'a>(operation: &'a Operation, names: &HashMap<&str, &'a Etag>) -> Option<&'a Etag> {
    match &operation.effect {
        Effect::Written { etag, .. } => Some(etag),
        Effect::MaybeWritten { payload, .. } => names.get(payload.as_str()).copied(),
        _ => None,
    }
}

/// The payload that an operation saw as the current one. A repeated write sees its own.
fn seen(effect: &Effect) -> Option<&Etag> {
    match effect {
        Effect::Read { etag, .. } | Effect::Unchanged { etag } | Effect::Written { etag, .. } => {
            Some(etag)
        }
        _ => None,
    }
}

/// Every payload that was current, in order.
fn chain(history: &[Operation], links: &HashMap<Etag, Link>) -> Vec<Link> {
    let Some(Operation {
        asked,
        answered,
        effect: Effect::Created { etag, .. },
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

/// Effect is not of the chain, and yet was seen or written.
fn strangers(
    history: &[Operation],
    links: &HashMap<Etag, Link>,
    chain: &[Link],
) -> HashSet<Violation> {
    let ours: HashSet<_> = chain.iter().map(|link| &link.etag).collect();
    let all = history
        .iter()
        .filter_map(|operation| seen(&operation.effect));
    let all = all.chain(links.values().map(|link| &link.etag));
    all.filter(|etag| !ours.contains(etag))
        .cloned()
        .map(Violation::FromNowhere)
        .collect()
}

/// The moments between which the session ended, if it did.
fn end(history: &[Operation], violations: &mut Vec<Violation>) -> Option<(Moment, Moment)> {
    let is = |wanted: Effect| {
        history
            .iter()
            .filter(move |operation| operation.effect == wanted)
    };
    if is(Effect::Deleted).count() > 1 {
        violations.push(Violation::EndedTwice);
    }
    if let Some(delete) = is(Effect::Deleted).next() {
        return Some((delete.asked, delete.answered));
    }
    is(Effect::Gone).next()?;
    let maybe = is(Effect::MaybeDeleted).map(|delete| delete.asked).min();
    if maybe.is_none() {
        violations.push(Violation::EndedByNobody);
    }
    Some((maybe?, NEVER))
}

/// Looks for a moment for each link.
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
        if let Effect::TooLate { expected } = &operation.effect
            && let Some(next) = places
                .get(expected)
                .map(|place| place + 1)
                .filter(|next| *next < chain.len())
        {
            bounds[next].1 = bounds[next].1.min(operation.answered);
        }
        let place = match &operation.effect {
            Effect::Gone => end.map(|_| chain.len()),
            effect => seen(effect).and_then(|etag| places.get(etag).copied()),
        };
        let Some(place) = place else { continue };
        // It was current when the response arrived. The next was not when the request was sent.
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

    fn at(asked: Moment, answered: Moment, effect: Effect) -> Operation {
        Operation {
            asked,
            answered,
            effect,
        }
    }

    /// The payload of `a` is `A`.
    fn created(etag: &str) -> Effect {
        Effect::Created {
            payload: etag.to_uppercase(),
            etag: etag.into(),
        }
    }

    fn read(etag: &str) -> Effect {
        Effect::Read {
            payload: etag.to_uppercase(),
            etag: etag.into(),
        }
    }

    fn written(expected: &str, etag: &str) -> Effect {
        Effect::Written {
            expected: expected.into(),
            payload: etag.to_uppercase(),
            etag: etag.into(),
        }
    }

    fn maybe(expected: &str, payload: &str) -> Effect {
        Effect::MaybeWritten {
            expected: expected.into(),
            payload: payload.into(),
        }
    }

    fn too_late(expected: &str) -> Effect {
        Effect::TooLate {
            expected: expected.into(),
        }
    }

    fn unchanged(etag: &str) -> Effect {
        Effect::Unchanged { etag: etag.into() }
    }

    /// The violations of a session that was created between 0 and 1.
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
            // During a write a read may show either payload, in this order.
            vec![
                at(2, 9, written("a", "b")),
                at(3, 4, read("a")),
                at(5, 6, read("b")),
            ],
            // During a long read another client may write.
            vec![at(2, 9, read("a")), at(3, 4, written("a", "b"))],
            vec![
                at(2, 3, written("a", "b")),
                at(4, 5, too_late("a")),
                at(6, 7, written("b", "c")),
            ],
            vec![at(2, 3, Effect::Deleted), at(4, 5, Effect::Gone)],
            vec![
                at(2, 9, Effect::Deleted),
                at(3, 4, Effect::Gone),
                at(3, 9, read("a")),
            ],
            // Effect has no answer has happened, at any time, or has not.
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
                at(2, NEVER, Effect::MaybeDeleted),
                at(3, 4, read("a")),
                at(5, 6, Effect::Gone),
            ],
            vec![at(2, NEVER, Effect::MaybeDeleted), at(3, 4, read("a"))],
            // Any client may repeat a write, as long as no other write follows it.
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
        let again = Effect::Read {
            payload: "B".into(),
            etag: "c".into(),
        };
        let history = [at(2, 3, written("a", "b")), at(4, 5, again)];
        assert!(found(&history).contains(&Violation::WrittenTwice("B".into())));
    }

    #[test]
    fn a_name_of_two_payloads_is_found() {
        let other = Effect::Read {
            payload: "X".into(),
            etag: "a".into(),
        };
        assert!(found(&[at(2, 3, other)]).contains(&Violation::Ambiguous("a".into())));
    }

    #[test]
    fn a_name_that_is_given_again_is_found() {
        for history in [
            vec![at(
                2,
                3,
                Effect::Written {
                    expected: "a".into(),
                    payload: "B".into(),
                    etag: "a".into(),
                },
            )],
            vec![
                at(2, 3, written("a", "b")),
                at(
                    4,
                    5,
                    Effect::Written {
                        expected: "b".into(),
                        payload: "C".into(),
                        etag: "a".into(),
                    },
                ),
            ],
        ] {
            assert!(found(&history).contains(&Violation::Ambiguous("a".into())));
        }
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
        // Also when only another reader saw the new payload.
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
        // The repeat has a name of its own, so the payload was written twice.
        let again = Effect::Written {
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
        // The repeat was acknowledged although another payload was current.
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
            let history = [at(2, 3, Effect::Deleted), at(4, 5, late.clone())];
            assert!(
                found(&history).contains(&Violation::EndOutOfOrder),
                "{late:?}"
            );
        }
        // Also while the deletion is still under way.
        for (answered, deletion) in [(100, Effect::Deleted), (NEVER, Effect::MaybeDeleted)] {
            let history = [
                at(2, answered, deletion),
                at(3, 4, Effect::Gone),
                at(5, 6, read("a")),
            ];
            assert_eq!(found(&history), [Violation::EndOutOfOrder]);
        }
    }

    #[test]
    fn an_end_that_is_seen_before_it_comes_is_found() {
        assert_eq!(
            found(&[at(2, 3, Effect::Gone), at(4, 5, Effect::Deleted)]),
            [Violation::EndOutOfOrder]
        );
    }

    #[test]
    fn an_end_that_nobody_made_or_two_made_is_found() {
        assert_eq!(found(&[at(2, 3, Effect::Gone)]), [Violation::EndedByNobody]);
        assert!(
            found(&[at(2, 3, Effect::Deleted), at(2, 3, Effect::Deleted)])
                .contains(&Violation::EndedTwice)
        );
    }
}
