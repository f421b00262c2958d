//! One test for each row of the tables.

use super::TokenCertainty::{Lost, Refused};
use super::*;

const UNCHANGED: [TokenCertainty; 4] = [
    TokenCertainty::Certain,
    TokenCertainty::Unanswered,
    Refused,
    Lost,
];

/// The row of the first table: what `event` makes of either. The tokens are those after `Certain`,
/// `Unanswered`, `Refused` and `Lost`.
fn row(event: Event<'_>, write: WriteCertainty, tokens: [TokenCertainty; 4]) {
    let outcomes = tokens.map(|token| (write, token));
    assert_eq!(UNCHANGED.map(|token| after(event, token)), outcomes);
}

#[test]
fn a_write_begins() {
    let unanswered = TokenCertainty::Unanswered;
    let tokens = [unanswered, Lost, unanswered, Lost];
    row(Event::WriteBegins, WriteCertainty::Unanswered, tokens);
}

#[test]
fn it_is_accepted() {
    let tokens = [TokenCertainty::Certain; 4];
    row(
        Event::Answer(&Ok(Sent::Accepted)),
        WriteCertainty::Certain,
        tokens,
    );
}

#[test]
fn it_meets_a_conflict() {
    let tokens = [TokenCertainty::Certain, Refused, Refused, Lost];
    row(
        Event::Answer(&Ok(Sent::Conflict)),
        WriteCertainty::Conflict,
        tokens,
    );
}

#[test]
fn it_is_rate_limited() {
    let certain = TokenCertainty::Certain;
    let answer = Err(RendezvousApiError::RateLimited { retry_after: None });
    let tokens = [certain, certain, Refused, Lost];
    row(Event::Answer(&answer), WriteCertainty::Deferred, tokens);
}

#[test]
fn the_server_is_unavailable() {
    let answer = Err(RendezvousApiError::Unavailable { status: 503 });
    row(Event::Answer(&answer), WriteCertainty::Deferred, UNCHANGED);
}

#[test]
fn any_other_answer() {
    for other in [
        RendezvousApiError::Gone,
        RendezvousApiError::Malformed { what: "it is not" },
        RendezvousApiError::TooLarge,
    ] {
        row(
            Event::Answer(&Err(other)),
            WriteCertainty::Unanswered,
            UNCHANGED,
        );
    }
}

#[test]
fn a_read_finds_nothing_new() {
    row(Event::NothingNew, WriteCertainty::Certain, UNCHANGED);
}

#[test]
fn a_read_finds_a_payload() {
    let tokens = [TokenCertainty::Certain; 4];
    row(Event::Payload, WriteCertainty::Certain, tokens);
}

/// After an attempt to write "ours" that has come this far.
fn writes_after(write: WriteCertainty) -> OwnWrites {
    let mut writes = OwnWrites::joined();
    writes.begin(&"ours".into());
    writes.write = write;
    writes
}

/// The row of the second table: whether the session must be read before the same payload (in
/// MSC4108 and in MSC4388), and before another one.
fn must_read(write: WriteCertainty, [msc4108, msc4388]: [bool; 2], another: bool) {
    let writes = writes_after(write);
    assert_eq!(writes.must_read(&"ours".into(), false), msc4108);
    assert_eq!(writes.must_read(&"ours".into(), true), msc4388);
    for repeatable in [false, true] {
        assert_eq!(writes.must_read(&"another".into(), repeatable), another);
    }
}

#[test]
fn what_is_certain_is_written() {
    must_read(WriteCertainty::Certain, [false, false], false);
}

#[test]
fn without_an_answer_only_msc4388_repeats() {
    must_read(WriteCertainty::Unanswered, [true, false], true);
}

#[test]
fn a_deferred_write_is_repeated() {
    must_read(WriteCertainty::Deferred, [false, false], true);
}

#[test]
fn a_conflict_is_read() {
    must_read(WriteCertainty::Conflict, [true, true], true);
}

/// The row of the third table: whether the server's statement counts, and whether the binding is a
/// guess without it.
fn binding(token: TokenCertainty, statement: bool, guess: bool) {
    assert_eq!(token.needs_statement(), statement);
    assert_eq!(token.leaves_guess(), guess);
}

#[test]
fn a_certain_token_needs_no_statement() {
    binding(TokenCertainty::Certain, false, false);
}

#[test]
fn a_missing_token_leaves_a_guess() {
    binding(TokenCertainty::Unanswered, true, true);
    binding(Lost, true, true);
}

#[test]
fn a_refused_write_leaves_no_guess() {
    binding(Refused, true, false);
}

#[test]
fn a_write_has_landed_only_if_it_was_uncertain_and_is_reported_once() {
    for (write, landed) in [
        (WriteCertainty::Certain, false),
        (WriteCertainty::Unanswered, true),
        (WriteCertainty::Deferred, true),
        (WriteCertainty::Conflict, true),
    ] {
        let mut writes = writes_after(write);
        assert!(writes.found(&"ours".into(), false), "its own");
        assert_eq!(writes.take_landed(&"ours".into()), landed, "{write:?}");
        assert!(!writes.take_landed(&"ours".into()));
    }
    let mut writes = writes_after(WriteCertainty::Unanswered);
    writes.found(&"ours".into(), false);
    assert!(!writes.take_landed(&"another".into()));
}

#[test]
fn the_predecessor_may_be_missing_unless_a_conflict_shows_that_something_is_stored() {
    for (write, missing) in [
        (WriteCertainty::Certain, false),
        (WriteCertainty::Unanswered, true),
        (WriteCertainty::Deferred, true),
        (WriteCertainty::Conflict, false),
    ] {
        let writes = writes_after(write);
        assert_eq!(writes.may_lack_predecessor(&"another".into()), missing);
        assert!(!writes.may_lack_predecessor(&"ours".into()));
    }
}

#[test]
fn the_track_stays_lost_until_the_other_device_writes_again() {
    let mut writes = writes_after(WriteCertainty::Unanswered);
    assert!(!writes.found(&"theirs".into(), true));
    assert!(writes.lost_track);
    writes.begin(&"farewell".into());
    writes.answered(&Ok(Sent::Accepted));
    assert!(writes.found(&"farewell".into(), false), "its own");
    assert!(writes.lost_track);
    assert!(!writes.found(&"theirs again".into(), false));
    assert!(!writes.lost_track);
}

#[test]
fn what_was_written_before_the_other_device_wrote_is_no_longer_ours() {
    let mut writes = writes_after(WriteCertainty::Unanswered);
    assert!(!writes.found(&"theirs".into(), false));
    assert!(!writes.found(&"ours".into(), false), "a replay");
}
