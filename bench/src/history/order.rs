//! Places in time: a later request shows no earlier place.

use super::{How, Sight, Violation};

/// `gone` is the place of a deletion.
pub(super) fn check(sights: Vec<Sight>, gone: usize) -> Result<(), Violation> {
    let (mut by_start, mut by_end) = (sights.clone(), sights);
    by_start.sort_unstable_by_key(|sight| sight.start);
    by_end.sort_unstable_by_key(|sight| sight.end);
    let (mut ended, mut furthest) = (by_end.iter().peekable(), None);
    for sight in &by_start {
        // All answers that were there before this request was sent.
        while let Some(before) = ended.next_if(|before| before.end < sight.start) {
            furthest = furthest.max(Some(before.place));
        }
        let late = furthest.is_some_and(|furthest| match sight.how {
            How::Made => sight.place <= furthest,
            How::Seen => sight.place < furthest,
            How::Passed => false,
        });
        if late {
            return Err(violation(*sight, furthest == Some(gone)));
        }
    }
    Ok(())
}

fn violation(sight: Sight, gone: bool) -> Violation {
    match (gone, sight.how == How::Made) {
        (true, _) => Violation::Resurrected,
        (false, true) => Violation::OutOfOrder,
        (false, false) => Violation::Stale,
    }
}
