//! Each thing that a server can do wrong, as the shortest history that shows it.

use super::*;

/// An event that takes one moment of its own.
fn at(moment: u64, what: What) -> Event {
    Event {
        start: 10 * moment,
        end: 10 * moment + 5,
        what,
    }
}

fn tag(name: u8) -> Tag {
    [name].into()
}

fn created() -> Event {
    at(
        0,
        What::Created {
            tag: tag(0),
            payload: 0,
        },
    )
}

/// The payload's number is the ETag's.
fn written(moment: u64, against: u8, name: u8) -> Event {
    at(
        moment,
        What::Written {
            against: tag(against),
            tag: tag(name),
            payload: name.into(),
        },
    )
}

fn read(moment: u64, name: u8) -> Event {
    at(
        moment,
        What::Read {
            tag: tag(name),
            payload: name.into(),
        },
    )
}

/// From the start of the one to the end of the other.
fn while_between(from: &Event, to: &Event, event: Event) -> Event {
    Event {
        start: from.start,
        end: to.end,
        ..event
    }
}

#[test]
fn one_copy_passes() {
    let refused = at(4, What::Refused { against: tag(0) });
    let history = [
        created(),
        at(1, What::Unchanged { tag: tag(0) }),
        written(2, 0, 1),
        read(3, 1),
        refused,
        written(5, 1, 2),
        at(6, What::Deleted),
        at(7, What::Gone),
    ];
    assert_eq!(check(&history), Ok(()));
    let mut shuffled = history.to_vec();
    shuffled.reverse();
    assert_eq!(
        check(&shuffled),
        Ok(()),
        "the order of the list says nothing"
    );
    assert_eq!(check(&[]), Ok(()));
}

#[test]
fn a_read_during_a_write_may_show_either() {
    for seen in [0, 1] {
        let write = written(5, 0, 1);
        let reading = while_between(&write, &write, read(5, seen));
        assert_eq!(check(&[created(), write, reading]), Ok(()), "{seen}");
    }
}

#[test]
fn a_read_during_a_deletion_may_find_it_or_not() {
    let deletion = at(5, What::Deleted);
    for what in [
        What::Read {
            tag: tag(0),
            payload: 0,
        },
        What::Gone,
    ] {
        let reading = while_between(&deletion, &deletion, at(5, what));
        assert_eq!(check(&[created(), deletion.clone(), reading]), Ok(()));
    }
}

#[test]
fn a_lost_update_is_seen() {
    // Both are told that they replaced the first payload. The first of them is lost.
    assert_eq!(
        check(&[created(), written(1, 0, 1), written(2, 0, 2)]),
        Err(Violation::ReplacedTwice)
    );
    // The write is acknowledged, and what it replaced is still there.
    assert_eq!(
        check(&[created(), written(1, 0, 1), read(2, 0)]),
        Err(Violation::Stale)
    );
}

#[test]
fn a_doubled_update_is_seen() {
    // Acknowledged twice, or to two clients.
    assert_eq!(
        check(&[created(), written(1, 0, 1), written(2, 0, 1)]),
        Err(Violation::ReplacedTwice)
    );
    // Done twice: the second time under an ETag that nobody was told.
    let again = at(
        2,
        What::Read {
            tag: tag(9),
            payload: 1,
        },
    );
    assert_eq!(
        check(&[created(), written(1, 0, 1), again]),
        Err(Violation::UnknownTag)
    );
}

#[test]
fn a_stale_read_is_seen_in_each_of_its_forms() {
    let writes = [created(), written(1, 0, 1), written(2, 1, 2)];
    for what in [
        What::Read {
            tag: tag(1),
            payload: 1,
        },
        What::Unchanged { tag: tag(1) },
    ] {
        assert_eq!(
            check(&[&writes[..], &[at(3, what)]].concat()),
            Err(Violation::Stale)
        );
    }
}

#[test]
fn a_step_back_during_a_long_write_is_seen() {
    let write = Event {
        end: 100,
        ..written(1, 0, 1)
    };
    let history = [created(), write, read(2, 1), read(3, 0)];
    assert_eq!(
        check(&history),
        Err(Violation::Stale),
        "one reader saw it, so the next one must"
    );
}

#[test]
fn a_resurrected_session_is_seen() {
    let deleted = [created(), at(1, What::Deleted)];
    for what in [
        What::Read {
            tag: tag(0),
            payload: 0,
        },
        What::Unchanged { tag: tag(0) },
    ] {
        assert_eq!(
            check(&[&deleted[..], &[at(2, what)]].concat()),
            Err(Violation::Resurrected)
        );
    }
    let written = [&deleted[..], &[written(2, 0, 1)]].concat();
    assert_eq!(check(&written), Err(Violation::Resurrected));
    // Somebody learnt that it is gone while the deletion was still under way.
    let long = Event {
        end: 100,
        ..at(1, What::Deleted)
    };
    let history = [created(), long, at(2, What::Gone), read(3, 0)];
    assert_eq!(check(&history), Err(Violation::Resurrected));
}

#[test]
fn a_lost_session_is_seen() {
    assert_eq!(check(&[created(), at(1, What::Gone)]), Err(Violation::Lost));
    let early = [created(), at(1, What::Gone), at(2, What::Deleted)];
    assert_eq!(
        check(&early),
        Err(Violation::Resurrected),
        "gone before anybody asked for that"
    );
    let twice = [created(), at(1, What::Deleted), at(2, What::Deleted)];
    assert_eq!(check(&twice), Err(Violation::DeletedTwice));
}

#[test]
fn what_nobody_wrote_is_seen() {
    let wrong = at(
        1,
        What::Read {
            tag: tag(0),
            payload: 7,
        },
    );
    assert_eq!(check(&[created(), wrong]), Err(Violation::WrongPayload));
    assert_eq!(
        check(&[created(), written(1, 8, 1)]),
        Err(Violation::NoChain)
    );
    assert_eq!(
        check(&[created(), written(1, 0, 0)]),
        Err(Violation::SameTag)
    );
    assert_eq!(
        check(&[created(), written(1, 0, 1), written(2, 1, 0)]),
        Err(Violation::SameTag)
    );
    let refused = at(1, What::Refused { against: tag(0) });
    assert_eq!(
        check(&[created(), refused.clone()]),
        Err(Violation::WronglyRefused)
    );
    assert_eq!(
        check(&[created(), refused, written(2, 0, 1)]),
        Err(Violation::OutOfOrder)
    );
    assert_eq!(
        check(&[
            read(1, 1),
            at(
                2,
                What::Created {
                    tag: tag(1),
                    payload: 1
                }
            )
        ]),
        Err(Violation::OutOfOrder)
    );
}
