//! Two whole devices in one test: the driver, the login and the channel on both sides, over a session in memory and in
//! virtual time. Only what touches the world (HTTP, OAuth, the store, the person) is played.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod world;

use matrix_qr_protocol::{
    error::Error,
    login::{
        Answer, Ended, NoAuthorization, NoToken, NotImported, NotOpened, Presence,
        message::{Message, Reason, Unreadable},
    },
    revision::{Dialect, Role},
};
use world::{Pair, Side, trouble};

const WAYS: [(Role, Dialect); 4] = [
    (Role::New, Dialect::AsDeployed),
    (Role::New, Dialect::AsWritten),
    (Role::Existing, Dialect::AsDeployed),
    (Role::Existing, Dialect::AsWritten),
];

#[test]
fn both_ways_in_both_dialects() {
    for (shown_by, dialect) in WAYS {
        let end = Pair::new(shown_by).dialect(dialect).run();
        assert_eq!((end.new, end.existing), (Ok(()), Ok(())), "shown by {shown_by:?}, {dialect:?}");
        assert!(end.imported && end.session_deleted);
    }
}

#[test]
fn each_device_says_what_the_text_says_and_no_more() {
    let common = ["m.login.protocol", "m.login.success"];
    for (shown_by, existing) in [
        (Role::New, vec!["m.login.protocols", "m.login.protocol_accepted", "m.login.secrets"]),
        (Role::Existing, vec!["m.login.protocol_accepted", "m.login.secrets"]),
    ] {
        let end = Pair::new(shown_by).run();
        assert_eq!(end.sent_by_new, common);
        assert_eq!(end.sent_by_existing, existing);
    }
}

/// The other side of a failure hears of it by message once there is a channel, before that by the end of the session.
fn heard(result: &Result<(), Error>, reason: &Reason) -> bool {
    match result {
        Err(Error::Peer(heard)) => heard == reason,
        Err(Error::Declined) => *reason == Reason::UserCancelled,
        Err(Error::Gone) => true,
        _ => false,
    }
}

#[test]
fn a_person_who_gives_up_at_any_step_is_heard_on_the_other_side() {
    for (shown_by, dialect) in WAYS {
        for side in [Side::New, Side::Existing] {
            let mut cancelled = 0;
            for moment in 0.. {
                let end = Pair::new(shown_by).dialect(dialect).cancel(side, moment).run();
                let (here, there) = end.of(side);
                if here.is_ok() {
                    assert_eq!(there, &Ok(()), "too late to cancel, moment {moment}");
                    break;
                }
                cancelled += 1;
                assert_eq!(here, &Err(Error::Cancelled));
                // The existing device may have seen everything by then: it is not told that it failed.
                let all_was_over = there.is_ok() && end.secrets_sent;
                assert!(
                    all_was_over || heard(there, &Reason::UserCancelled),
                    "{shown_by:?} {side:?} {moment}: {there:?}"
                );
            }
            assert!(cancelled > 5, "{cancelled} moments were tried");
        }
    }
}

#[test]
fn a_third_party_that_writes_at_any_step_only_ever_ends_it() {
    for (shown_by, dialect) in WAYS {
        for write in 0.. {
            let end = Pair::new(shown_by).dialect(dialect).intrude(write, b"nonsense").run();
            if !end.intruded {
                assert!(write > 5, "{write} moments were tried");
                break;
            }
            for result in [&end.new, &end.existing] {
                let as_what_it_is = matches!(
                    result,
                    Ok(())
                        | Err(Error::Tampered
                            | Error::Channel(_)
                            | Error::Gone
                            | Error::Peer(_)
                            | Error::Declined)
                );
                assert!(as_what_it_is, "{shown_by:?} {write}: {result:?}");
            }
            // After the secrets are read, there is nothing left to disturb.
            if end.new.is_ok() {
                assert!(end.secrets_sent, "{shown_by:?} {write}");
                continue;
            }
            assert!(!end.imported, "{shown_by:?} {write}: a sign-in that failed left nothing");
            assert!(
                end.new.is_err() && (end.existing.is_err() || end.secrets_sent),
                "{:?} {:?}",
                end.new,
                end.existing
            );
        }
    }
}

#[test]
fn a_replayed_payload_ends_it() {
    for (shown_by, dialect) in WAYS {
        for write in 3..=6 {
            let end = Pair::new(shown_by).dialect(dialect).replay(write).run();
            assert!(end.intruded && (end.new.is_err() || end.secrets_sent), "{shown_by:?} {write}");
        }
    }
}

#[test]
fn wrong_digits_end_it_on_both_sides() {
    for (shown_by, _) in WAYS {
        let end = Pair::new(shown_by).wrong_digits().run();
        let (shower, scanner) = match shown_by {
            Role::New => (end.new, end.existing),
            Role::Existing => (end.existing, end.new),
        };
        assert_eq!(shower, Err(Error::WrongCheckCode));
        assert_eq!(scanner, Err(Error::Peer(Reason::UserCancelled)));
        assert!(!end.secrets_sent && !end.exported);
    }
}

#[test]
fn both_devices_of_one_role_never_meet() {
    for role in [Role::New, Role::Existing] {
        let end = Pair::new(role).both_are(role).run();
        assert_eq!(end.scanner_alone, Some(Err(Error::SameRole(role))));
        assert_eq!(end.requests_by_scanner, 0);
    }
}

/// An answer of one side that ends it, what that side makes of it, and what the other hears.
fn failing_answers() -> Vec<(Side, Answer, Error, Reason)> {
    use Side::{Existing, New};
    let id = || world::wanted().device_id;
    vec![
        (
            New,
            Answer::Authorization(Err(NoAuthorization::Unsupported(trouble()))),
            Error::UnsupportedProtocol(trouble()),
            Reason::UnsupportedProtocol,
        ),
        (
            New,
            Answer::Authorization(Err(NoAuthorization::Failed(trouble()))),
            Error::NotAuthorized(trouble()),
            Reason::UserCancelled,
        ),
        (
            New,
            Answer::Token(Err(NoToken::Expired)),
            Error::AuthorizationExpired,
            Reason::AuthorizationExpired,
        ),
        (New, Answer::Token(Err(NoToken::Denied)), Error::Declined, Reason::UserCancelled),
        (
            New,
            Answer::Token(Err(NoToken::Failed(trouble()))),
            Error::NotAuthorized(trouble()),
            Reason::UserCancelled,
        ),
        (
            New,
            Answer::Imported(Err(NotImported::Refused(trouble()))),
            Error::SecretsRefused(trouble()),
            Reason::UnexpectedMessageReceived,
        ),
        (
            New,
            Answer::Imported(Err(NotImported::Failed(trouble()))),
            Error::NotSetUp(trouble()),
            Reason::UserCancelled,
        ),
        (
            Existing,
            Answer::Device(Ok(Presence::Present)),
            Error::DeviceAlreadyExists(id()),
            Reason::DeviceAlreadyExists,
        ),
        (Existing, Answer::Device(Err(trouble())), Error::DeviceUnknown(trouble()), Reason::UserCancelled),
        (Existing, Answer::Opened(Err(NotOpened::Refused)), Error::LinkRefused, Reason::UserCancelled),
        (
            Existing,
            Answer::Opened(Err(NotOpened::Unusable(trouble()))),
            Error::LinkUnusable(trouble()),
            Reason::UserCancelled,
        ),
        (Existing, Answer::Exported(Err(trouble())), Error::NoSecrets(trouble()), Reason::UserCancelled),
    ]
}

#[test]
fn what_fails_on_one_side_is_heard_on_the_other() {
    for shown_by in [Role::New, Role::Existing] {
        for (side, answer, error, reason) in failing_answers() {
            let end = Pair::new(shown_by).answer(side, answer.clone()).run();
            let (here, there) = end.of(side);
            assert_eq!(here, &Err(error), "{answer:?}");
            assert!(heard(there, &reason), "{answer:?}: {there:?}");
            assert!(end.session_deleted, "the receiver of a failure deletes the session: {answer:?}");
        }
    }
}

/// The proposal has a message of its own for it.
#[test]
fn what_the_person_declines_is_told_as_declined() {
    for shown_by in [Role::New, Role::Existing] {
        let end = Pair::new(shown_by).answer(Side::New, Answer::Token(Err(NoToken::Denied))).run();
        assert_eq!(end.sent_by_new, ["m.login.protocol", "m.login.declined"]);
        assert_eq!(end.existing, Err(Error::Declined));
    }
}

/// matrix-js-sdk says it with another message.
#[test]
fn a_cancel_while_the_person_decides_is_taken_as_declined() {
    for shown_by in [Role::New, Role::Existing] {
        let end = Pair::new(shown_by).answer(Side::New, Answer::Token(Err(NoToken::Failed(trouble())))).run();
        assert_eq!(end.sent_by_new, ["m.login.protocol", "m.login.failure"]);
        assert_eq!(end.existing, Err(Error::Declined));
    }
}

#[test]
fn a_device_that_is_not_there_after_success_gets_nothing() {
    for shown_by in [Role::New, Role::Existing] {
        let end = Pair::new(shown_by).never_appears().run();
        assert_eq!(end.existing, Err(Error::DeviceNotFound(world::wanted().device_id)));
        assert_eq!(end.new, Err(Error::Peer(Reason::DeviceNotFound)));
        assert!(!end.exported);
    }
}

#[test]
fn the_end_of_the_session_ends_both() {
    for (shown_by, _) in WAYS {
        for write in 1..7 {
            for ended in [Ended::Expired, Ended::Gone, Ended::Unusable(trouble())] {
                let end = Pair::new(shown_by).end_session(write, ended.clone()).run();
                let error = Error::from(ended);
                for result in [&end.new, &end.existing] {
                    assert!(
                        result.as_ref().err() == Some(&error) || end.secrets_sent,
                        "{shown_by:?} {write} {result:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn secrets_whose_answer_was_lost_are_believed_only_when_the_new_device_shows() {
    for seen in [true, false] {
        let end = Pair::new(Role::New).lose_secrets(seen).run();
        assert_eq!(end.existing, if seen { Ok(()) } else { Err(Error::Gone) });
    }
}

#[test]
fn a_message_that_comes_too_early_waits_for_the_digits() {
    for shown_by in [Role::New, Role::Existing] {
        let end = Pair::new(shown_by).slow_person().run();
        assert_eq!((end.new, end.existing), (Ok(()), Ok(())));
    }
}

#[test]
fn a_peer_that_says_what_it_should_not_is_told_so() {
    let unknown = br#"{"type":"m.login.telepathy"}"#;
    for (said, error) in [
        (&unknown[..], Error::Unreadable(Unreadable::UnknownType("m.login.telepathy".into()))),
        (b"not json", Error::Unreadable(Unreadable::NotAMessage)),
        (br#"{"type":"m.login.secrets"}"#, Error::Unreadable(Unreadable::Malformed("m.login.secrets"))),
        (&Message::Success.encode(), Error::UnexpectedMessage("m.login.success")),
    ] {
        let (result, reply) = world::against_a_peer_that_says(said);
        assert_eq!(result, Err(error));
        assert_eq!(reply, Message::Failure(Reason::UnexpectedMessageReceived));
    }
}
