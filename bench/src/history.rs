//! What happened to one session, and whether that can be true of one copy of it that everybody uses
//! in turn (linearizability).
//!
//! A write is acknowledged only against the ETag that it replaces, so the acknowledged writes of a
//! session form a chain, and each has a place in it. Everything else that is answered shows a
//! place: a read that of the write that it saw, a 404 the place after the last. If one answer came
//! before another request was sent, the later one must not show an earlier place.

mod order;

use std::collections::HashMap;

/// One request about a session, and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Just before the request was sent, in nanoseconds of any clock that all clients share.
    pub(crate) start: u64,
    /// When its answer was there.
    pub(crate) end: u64,
    pub(crate) what: What,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Created {
        tag: Tag,
        payload: u64,
    },
    Written {
        against: Tag,
        tag: Tag,
        payload: u64,
    },
    /// A write that came too late. Nobody is told what stands there.
    Refused {
        against: Tag,
    },
    Read {
        tag: Tag,
        payload: u64,
    },
    /// A read of what the reader had seen.
    Unchanged {
        tag: Tag,
    },
    Deleted,
    /// There is no such session.
    Gone,
}

/// An ETag.
pub(crate) type Tag = Box<[u8]>;

/// What no history of one copy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// Two acknowledged writes replaced the same payload: one of them is lost, or was done twice.
    ReplacedTwice,
    /// Two acknowledged writes have one ETag.
    SameTag,
    /// A write replaced what nobody wrote.
    NoChain,
    /// An ETag was seen that no acknowledged write has.
    UnknownTag,
    /// A payload was read under the ETag of another.
    WrongPayload,
    /// A write was refused although it was against what stood there.
    WronglyRefused,
    /// The session was gone, and nobody deleted it.
    Lost,
    DeletedTwice,
    /// A session was seen after somebody had learnt that it is gone.
    Resurrected,
    /// A read showed what had been replaced before it began.
    Stale,
    /// A write was seen before it began, or began after a later one was seen.
    OutOfOrder,
}

/// The first thing that is wrong, by the order of the checks.
pub(crate) fn check(events: &[Event]) -> Result<(), Violation> {
    let chain = Chain::of(events)?;
    let deletions = events
        .iter()
        .filter(|event| matches!(event.what, What::Deleted))
        .count();
    if deletions > 1 {
        return Err(Violation::DeletedTwice);
    }
    let sights: Result<Vec<_>, _> = events
        .iter()
        .map(|event| chain.sight(event, deletions > 0))
        .collect();
    order::check(sights?, chain.end())
}

/// What an answer shows, and when.
#[derive(Clone, Copy)]
struct Sight {
    start: u64,
    end: u64,
    place: usize,
    how: How,
}

/// How an answer shows a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// It made it.
    Made,
    /// It saw it.
    Seen,
    /// It says that this place or a later one is there.
    Passed,
}

/// The acknowledged writes of a session, by ETag: the place, and the payload.
struct Chain<'a>(HashMap<&'a [u8], (usize, u64)>);

impl<'a> Chain<'a> {
    fn of(events: &'a [Event]) -> Result<Self, Violation> {
        let mut next: HashMap<Option<&[u8]>, (&[u8], u64)> = HashMap::new();
        for event in events {
            let (against, tag, payload) = match &event.what {
                What::Created { tag, payload } => (None, tag, *payload),
                What::Written {
                    against,
                    tag,
                    payload,
                } => (Some(&**against), tag, *payload),
                _ => continue,
            };
            if next.insert(against, (tag, payload)).is_some() {
                return Err(Violation::ReplacedTwice);
            }
        }
        let (mut places, mut last) = (HashMap::new(), None);
        while let Some((tag, payload)) = next.remove(&last) {
            if places.insert(tag, (places.len(), payload)).is_some() {
                return Err(Violation::SameTag);
            }
            last = Some(tag);
        }
        match next.values().any(|(tag, _)| places.contains_key(tag)) {
            true => Err(Violation::SameTag),
            false if next.is_empty() => Ok(Self(places)),
            false => Err(Violation::NoChain),
        }
    }

    /// The place of what comes after the last write.
    fn end(&self) -> usize {
        self.0.len()
    }

    fn sight(&self, event: &Event, deleted: bool) -> Result<Sight, Violation> {
        let how = match event.what {
            What::Created { .. } | What::Written { .. } | What::Deleted => How::Made,
            What::Refused { .. } => How::Passed,
            What::Read { .. } | What::Unchanged { .. } | What::Gone => How::Seen,
        };
        let place = match &event.what {
            What::Created { tag, .. } | What::Written { tag, .. } | What::Unchanged { tag } => {
                self.find(tag)?.0
            }
            What::Refused { against } => match self.find(against)?.0 + 1 {
                next if next < self.end() => next,
                _ => return Err(Violation::WronglyRefused),
            },
            What::Read { tag, payload } => match self.find(tag)? {
                (place, written) if written == *payload => place,
                _ => return Err(Violation::WrongPayload),
            },
            What::Gone if !deleted => return Err(Violation::Lost),
            What::Deleted | What::Gone => self.end(),
        };
        Ok(Sight {
            start: event.start,
            end: event.end,
            place,
            how,
        })
    }

    fn find(&self, tag: &[u8]) -> Result<(usize, u64), Violation> {
        self.0.get(tag).copied().ok_or(Violation::UnknownTag)
    }
}

#[cfg(test)]
mod tests;
