//! Two whole devices in one test: the driver, the login and the channel on both sides, over a
//! session in memory and in virtual time. Only what touches the world (HTTP, OAuth, the store, the
//! person) is played.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod test_env;

use matrix_qr_protocol::{
    channel::ChannelError,
    error::{Cause, Error, UserError},
    login::{
        DeviceLookup, Ended, ExistingDeviceAnswer, NewDeviceAnswer, NoAuthorization, NoToken,
        NotImported, NotLookedUp, NotOpened,
        message::{Message, Protocol, Protocols, Reason, Unreadable},
    },
    rendezvous::Binding,
    revision::{Dialect, Revision, Role},
};
use test_env::{Pair, PlannedAnswer, Variant, user_error};

const VARIANTS: [Variant; 4] = [
    variant(Revision::Msc4108, Dialect::AsDeployed),
    variant(Revision::Msc4108, Dialect::AsWritten),
    variant(Revision::Msc4388, Dialect::AsDeployed),
    variant(Revision::Msc4388, Dialect::AsWritten),
];

const fn variant(revision: Revision, dialect: Dialect) -> Variant {
    Variant { revision, dialect }
}

/// Who shows the code, and in which of the four ways it is done.
fn ways() -> impl Iterator<Item = (Role, Variant)> {
    [Role::New, Role::Existing]
        .into_iter()
        .flat_map(|shown_by| VARIANTS.into_iter().map(move |variant| (shown_by, variant)))
}

#[test]
fn both_ways_in_both_dialects_of_both_revisions() {
    for (shown_by, variant) in ways() {
        let end = Pair::new(shown_by).variant(variant).run();
        assert_eq!(
            (end.new, end.existing),
            (Ok(()), Ok(())),
            "shown by {shown_by:?}, {variant:?}"
        );
        assert!(end.imported && end.session_deleted);
    }
}

#[test]
fn each_device_says_what_the_text_says_and_no_more() {
    let common = ["m.login.protocol", "m.login.success"];
    for (shown_by, variant) in ways() {
        let existing = match shown_by {
            Role::New => vec![
                "m.login.protocols",
                "m.login.protocol_accepted",
                "m.login.secrets",
            ],
            Role::Existing => vec!["m.login.protocol_accepted", "m.login.secrets"],
        };
        let end = Pair::new(shown_by).variant(variant).run();
        assert_eq!(end.sent_by_new, common);
        assert_eq!(end.sent_by_existing, existing);
    }
}

/// The other side of a failure hears of it by message once there is a channel, before that by the
/// end of the session.
fn heard(result: &Result<(), Error>, reason: &Reason) -> bool {
    match result {
        Err(Error::Peer(heard)) => heard == reason,
        Err(Error::Declined | Error::CancelledOrDeclined) => *reason == Reason::UserCancelled,
        Err(Error::Gone) => true,
        _ => false,
    }
}

#[test]
fn a_person_who_gives_up_at_any_step_is_heard_on_the_other_side() {
    for (shown_by, variant) in ways() {
        for role in [Role::New, Role::Existing] {
            let mut cancelled = 0;
            for moment in 0.. {
                let end = Pair::new(shown_by)
                    .variant(variant)
                    .cancel(role, moment)
                    .run();
                let (here, there) = end.of(role);
                if here.is_ok() {
                    assert_eq!(there, &Ok(()), "too late to cancel, moment {moment}");
                    break;
                }
                cancelled += 1;
                assert!(
                    matches!(here, Err(Error::Cancelled | Error::CancelledTooLate(_))),
                    "{here:?}"
                );
                // The existing device may have seen everything by then: it is not told that it
                // failed.
                let all_was_over = there.is_ok() && end.secrets_sent;
                assert!(
                    all_was_over || heard(there, &Reason::UserCancelled),
                    "{shown_by:?} {role:?} {moment}: {there:?}"
                );
            }
            assert!(cancelled > 5, "{cancelled} moments were tried");
        }
    }
}

#[test]
fn a_third_party_that_writes_at_any_step_only_ever_ends_it() {
    for (shown_by, variant) in ways() {
        for write in 0.. {
            let end = Pair::new(shown_by)
                .variant(variant)
                .intrude(write, b"nonsense")
                .run();
            if !end.intruded {
                assert!(write > 5, "{write} moments were tried");
                break;
            }
            for result in [&end.new, &end.existing] {
                let as_what_it_is = matches!(
                    result,
                    Ok(())
                        | Err(Error::Tampered
                            | Error::TamperedWithSecrets
                            | Error::TamperedAfterSecrets
                            | Error::Channel(_)
                            | Error::Gone
                            | Error::Peer(_)
                            | Error::Declined
                            | Error::CancelledOrDeclined)
                );
                assert!(as_what_it_is, "{shown_by:?} {write}: {result:?}");
                if let (Err(error), true) = (result, end.secrets_sent) {
                    let denied = error.advice().contains("No secrets were sent");
                    assert!(!denied, "{shown_by:?} {write}: {error:?}");
                }
            }
            // After the secrets are read, there is nothing left to disturb.
            if end.new.is_ok() {
                assert!(end.secrets_sent, "{shown_by:?} {write}");
                continue;
            }
            assert!(
                !end.imported,
                "{shown_by:?} {write}: a sign-in that failed left nothing"
            );
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
    for (shown_by, variant) in ways() {
        for write in 3..=6 {
            let end = Pair::new(shown_by).variant(variant).replay(write).run();
            assert!(
                end.intruded && (end.new.is_err() || end.secrets_sent),
                "{shown_by:?} {write}"
            );
        }
    }
}

/// What a payload must not be found as: at another homeserver, in another session, after another
/// payload.
fn misplaced(write: usize) -> [Binding; 4] {
    let homeserver = "https://matrix.example.org";
    [
        test_env::binding("https://matrix.example.org/", "abc", write),
        test_env::binding("https://matrix.example.net", "abc", write),
        test_env::binding(homeserver, "abd", write),
        test_env::binding(homeserver, "abc", write - 1),
    ]
}

#[test]
fn a_payload_that_is_found_elsewhere_than_it_was_written_ends_it() {
    for (shown_by, variant) in ways().filter(|(_, variant)| variant.revision == Revision::Msc4388) {
        for write in 1..=6 {
            for binding in misplaced(write) {
                let end = Pair::new(shown_by)
                    .variant(variant)
                    .misplace(write, binding)
                    .run();
                assert!(
                    end.new.is_err() && !end.imported,
                    "{shown_by:?} {write}: {:?}",
                    end.new
                );
                assert!(
                    end.existing.is_err() || end.secrets_sent,
                    "{shown_by:?} {write}: {:?}",
                    end.existing
                );
                let heard = [&end.new, &end.existing];
                let as_what_it_is = |result: &Result<(), Error>| {
                    matches!(
                        result,
                        Err(Error::Tampered
                            | Error::TamperedWithSecrets
                            | Error::Channel(ChannelError::NotAuthentic))
                    )
                };
                assert!(
                    heard.into_iter().any(as_what_it_is),
                    "{shown_by:?} {write}: {heard:?}"
                );
            }
        }
    }
}

#[test]
fn wrong_digits_end_it_on_both_sides() {
    for (shown_by, variant) in ways() {
        for slow in [false, true] {
            let plan = Pair::new(shown_by).variant(variant).wrong_digits();
            let end = if slow { plan.slow_person() } else { plan }.run();
            let (shower, scanner) = match shown_by {
                Role::New => (&end.new, &end.existing),
                Role::Existing => (&end.existing, &end.new),
            };
            assert_eq!(shower, &Err(Error::WrongCheckCode));
            // A last word that meets the scanner's first one cannot follow it in msc4388: the
            // session's end says it then.
            let met =
                !slow && variant.revision == Revision::Msc4388 && scanner == &Err(Error::Gone);
            assert!(
                met || scanner == &Err(Error::Peer(Reason::UserCancelled)),
                "{scanner:?}"
            );
            assert!(!end.secrets_sent && !end.exported);
        }
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

/// Both ends of a channel derive one ID, and no other is taken for it.
#[test]
fn the_existing_device_knows_whether_the_id_is_bound_to_the_channel() {
    for (shown_by, variant) in ways() {
        let plan = Pair::new(shown_by).variant(variant);
        for (plan, bound) in [(plan.clone().binds_id(), true), (plan, false)] {
            let end = plan.run();
            assert_eq!((end.new, end.existing), (Ok(()), Ok(())), "{variant:?}");
            assert_eq!(end.bound, Some(bound), "{shown_by:?} {variant:?}");
        }
    }
}

/// An answer of one side that ends it, what that side makes of it, and what the other hears.
fn failing_answers(revision: Revision) -> Vec<(PlannedAnswer, Error, Reason)> {
    use {
        ExistingDeviceAnswer::{ExportSecrets, FindDevice, OpenUri},
        NewDeviceAnswer::{AwaitToken, ImportSecrets, RequestAuthorization},
        PlannedAnswer::{Existing, New},
    };
    let id = || test_env::wanted().device_id;
    vec![
        (
            New(RequestAuthorization(Err(NoAuthorization::Unsupported(
                user_error(),
            )))),
            Error::UnsupportedProtocol(user_error()),
            Reason::UnsupportedProtocol,
        ),
        (
            New(RequestAuthorization(Err(NoAuthorization::Failed(
                user_error(),
            )))),
            Error::NotAuthorized(user_error()),
            Reason::UserCancelled,
        ),
        (
            New(AwaitToken(Err(NoToken::Expired))),
            Error::AuthorizationExpired,
            Reason::AuthorizationExpired,
        ),
        (
            New(AwaitToken(Err(NoToken::Denied))),
            Error::Declined,
            Reason::UserCancelled,
        ),
        (
            New(AwaitToken(Err(NoToken::Failed(user_error())))),
            Error::NotAuthorized(user_error()),
            Reason::UserCancelled,
        ),
        (
            New(AwaitToken(Err(NoToken::WrongAccount(user_error())))),
            Error::WrongAccount(user_error()),
            Reason::UserCancelled,
        ),
        (
            New(ImportSecrets(Err(NotImported::Refused(user_error())))),
            Error::SecretsRefused(user_error()),
            Reason::UnexpectedMessageReceived,
        ),
        (
            New(ImportSecrets(Err(NotImported::Failed(user_error())))),
            Error::NotSetUp(user_error()),
            Reason::UserCancelled,
        ),
        (
            Existing(FindDevice(Ok(DeviceLookup::Present))),
            Error::DeviceAlreadyExists(id()),
            Reason::DeviceAlreadyExists,
        ),
        (
            Existing(FindDevice(Err(NotLookedUp::Unbound))),
            Error::DeviceUnbound(id()),
            Reason::UserCancelled,
        ),
        (
            Existing(FindDevice(Err(NotLookedUp::Failed(user_error())))),
            Error::DeviceUnknown(user_error()),
            Reason::UserCancelled,
        ),
        (
            Existing(OpenUri(Err(NotOpened::Refused))),
            Error::LinkRefused,
            Reason::UserCancelled,
        ),
        (
            Existing(OpenUri(Err(NotOpened::Unusable(user_error())))),
            Error::LinkUnusable(user_error()),
            match revision {
                Revision::Msc4108 => Reason::UserCancelled,
                Revision::Msc4388 => Reason::UnableToOpenVerificationUri,
            },
        ),
        (
            Existing(ExportSecrets(Err(user_error()))),
            Error::NoSecrets(user_error()),
            Reason::UserCancelled,
        ),
    ]
}

#[test]
fn what_fails_on_one_side_is_heard_on_the_other() {
    for (shown_by, variant) in ways() {
        for (answer, error, reason) in failing_answers(variant.revision) {
            let end = Pair::new(shown_by)
                .variant(variant)
                .answer(answer.clone())
                .run();
            let (here, there) = end.of(answer.role());
            assert_eq!(here, &Err(error), "{answer:?}");
            assert!(heard(there, &reason), "{answer:?}: {there:?}");
            assert!(
                end.session_deleted,
                "the receiver of a failure deletes the session: {answer:?}"
            );
        }
    }
}

/// The proposal has a message of its own for it.
#[test]
fn what_the_person_declines_is_told_as_declined() {
    for (shown_by, variant) in ways() {
        let end = Pair::new(shown_by)
            .variant(variant)
            .answer(PlannedAnswer::New(NewDeviceAnswer::AwaitToken(Err(
                NoToken::Denied,
            ))))
            .run();
        assert_eq!(end.sent_by_new, ["m.login.protocol", "m.login.declined"]);
        assert_eq!(end.existing, Err(Error::Declined));
        assert!(
            !end.awaited_reader.contains(&Role::Existing),
            "it has said nothing that is unread"
        );
    }
}

/// matrix-js-sdk says `user_cancelled` for both.
#[test]
fn a_cancel_while_the_person_decides_may_be_a_refusal() {
    for (shown_by, variant) in ways() {
        let end = Pair::new(shown_by)
            .variant(variant)
            .answer(PlannedAnswer::New(NewDeviceAnswer::AwaitToken(Err(
                NoToken::Failed(user_error()),
            ))))
            .run();
        assert_eq!(end.sent_by_new, ["m.login.protocol", "m.login.failure"]);
        assert_eq!(end.existing, Err(Error::CancelledOrDeclined));
    }
}

#[test]
fn a_device_that_is_not_there_after_success_gets_nothing() {
    for (shown_by, variant) in ways() {
        let end = Pair::new(shown_by).variant(variant).never_appears().run();
        assert_eq!(
            end.existing,
            Err(Error::DeviceNotFound(test_env::wanted().device_id))
        );
        assert_eq!(end.new, Err(Error::Peer(Reason::DeviceNotFound)));
        assert!(!end.exported);
    }
}

#[test]
fn the_end_of_the_session_ends_both() {
    for (shown_by, variant) in ways() {
        for write in 1..7 {
            for ended in [Ended::Expired, Ended::Gone, Ended::Unusable(user_error())] {
                let end = Pair::new(shown_by)
                    .variant(variant)
                    .end_session(write, ended.clone())
                    .run();
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
    for (shown_by, variant) in ways() {
        let end = Pair::new(shown_by).variant(variant).slow_person().run();
        assert_eq!((end.new, end.existing), (Ok(()), Ok(())));
    }
}

#[test]
fn a_peer_that_says_what_it_should_not_is_told_so() {
    let unknown = br#"{"type":"m.login.telepathy"}"#;
    for (said, error) in [
        (
            &unknown[..],
            Error::Unreadable(Unreadable::UnknownType("m.login.telepathy".into())),
        ),
        (b"not json", Error::Unreadable(Unreadable::NotAMessage)),
        (
            br#"{"type":"m.login.secrets"}"#,
            Error::Unreadable(Unreadable::Malformed("m.login.secrets")),
        ),
        (
            &Message::Success.encode(Revision::Msc4108),
            Error::UnexpectedMessage("m.login.success"),
        ),
    ] {
        for variant in VARIANTS {
            let (result, reply) = Pair::new(Role::New).variant(variant).against(async |peer| {
                peer.say(said).await.unwrap();
                peer.hear().await
            });
            assert_eq!(result, Err(error.clone()));
            assert_eq!(reply, Message::Failure(Reason::UnexpectedMessageReceived));
        }
    }
}

#[test]
fn a_device_that_wants_another_protocol_is_told_that_there_is_none() {
    let wish = br#"{"type":"m.login.protocol","protocol":"telepathy"}"#;
    for variant in VARIANTS {
        let (result, reply) = Pair::new(Role::Existing)
            .variant(variant)
            .against(async |peer| {
                peer.say(wish).await.unwrap();
                peer.hear().await
            });
        let what =
            "the new device wants to sign in by telepathy, which this device does not support";
        let advice = "Update this app, then start again.";
        let error = UserError::new(Cause::OtherDevice, what, advice);
        assert_eq!(result, Err(Error::UnsupportedProtocol(error)));
        assert_eq!(reply, Message::Failure(Reason::UnsupportedProtocol));
    }
}

/// It looks once a second: the reason stands there long enough for it.
#[test]
fn a_last_word_is_read_by_a_device_that_polls() {
    for (shown_by, variant) in ways() {
        for role in [Role::New, Role::Existing] {
            let mut said = 0;
            for moment in 0.. {
                let end = Pair::new(shown_by)
                    .variant(variant)
                    .polls()
                    .cancel(role, moment)
                    .run();
                let (here, there) = end.of(role);
                if here.is_ok() {
                    break;
                }
                let sent = if role == Role::New {
                    &end.sent_by_new
                } else {
                    &end.sent_by_existing
                };
                if sent.last() == Some(&"m.login.failure") {
                    said += 1;
                    let heard = matches!(
                        there,
                        Err(Error::Peer(Reason::UserCancelled) | Error::CancelledOrDeclined)
                    );
                    assert!(heard, "{shown_by:?} {role:?} {moment}: {there:?}");
                }
                assert!(end.session_deleted, "{shown_by:?} {role:?} {moment}");
            }
            assert!(said > 3, "{said} words were said");
        }
    }
}

/// The other device could not open a last word that replaced a message which it has not read.
#[test]
fn a_last_word_waits_until_the_message_before_it_is_read() {
    for (shown_by, variant) in ways() {
        let said = last_words(shown_by, variant.revision).0;
        // What the device has been told and asked when its first message is sent, and for how long
        // the other one has waited for that by then, plus one second.
        let (sent, seconds, kind) = match shown_by {
            Role::New => (7, 4, "m.login.protocol"),
            Role::Existing => (8, 6, "m.login.protocol_accepted"),
        };
        let (result, heard) = Pair::new(shown_by)
            .variant(variant)
            .cancel(shown_by, sent)
            .against(async |peer| {
                peer.say(&said).await.unwrap();
                peer.pause(seconds).await;
                (peer.hear().await.kind(), peer.hear().await)
            });
        assert_eq!(result, Err(Error::Cancelled));
        let last = Message::Failure(Reason::UserCancelled);
        assert_eq!(heard, (kind, last), "{shown_by:?} {variant:?}");
    }
}

/// What makes a device say a last word: this, after the peer has said that.
fn last_words(shown_by: Role, revision: Revision) -> (Vec<u8>, PlannedAnswer) {
    let offer = Protocols {
        device_authorization_grant: true,
        homeserver: test_env::homeserver(),
    };
    let wish = Protocol::DeviceAuthorizationGrant(test_env::wanted());
    match shown_by {
        Role::New => (
            Message::Protocols(offer).encode(revision).to_vec(),
            PlannedAnswer::New(NewDeviceAnswer::RequestAuthorization(Err(
                NoAuthorization::Failed(user_error()),
            ))),
        ),
        Role::Existing => (
            Message::Protocol(wish).encode(revision).to_vec(),
            PlannedAnswer::Existing(ExistingDeviceAnswer::FindDevice(Ok(DeviceLookup::Present))),
        ),
    }
}

/// matrix-js-sdk does not look while its user reads or types: its next step meets the end of the
/// session, not a conflict for minutes.
#[test]
fn a_last_word_lets_a_device_go_that_waits_for_its_user() {
    for (shown_by, variant) in ways().filter(|(_, variant)| variant.dialect == Dialect::AsDeployed)
    {
        let role = shown_by;
        let confirmed = 4;
        let (result, met) = Pair::new(shown_by)
            .variant(variant)
            .cancel(role, confirmed)
            .against(async |peer| {
                peer.think().await;
                peer.say(b"{}").await
            });
        assert_eq!(
            (result, met),
            (Err(Error::Cancelled), Err(Ended::Gone)),
            "{shown_by:?} {variant:?}"
        );

        let (said, answer) = last_words(shown_by, variant.revision);
        let (result, met) =
            Pair::new(shown_by)
                .variant(variant)
                .answer(answer)
                .against(async |peer| {
                    peer.say(&said).await.unwrap();
                    peer.think().await;
                    peer.say(b"{}").await
                });
        assert!(
            result.is_err() && met == Err(Ended::Gone),
            "{shown_by:?} {variant:?}: {result:?} {met:?}"
        );
    }
}

/// matrix-js-sdk writes its last word at once, also over a message that nobody has read yet. That
/// is no attack.
#[test]
fn a_last_word_over_an_unread_message_is_heard_as_what_it_is() {
    let offer = last_words(Role::New, Revision::Msc4108).0;
    let cancelled = Message::Failure(Reason::UserCancelled).encode(Revision::Msc4108);
    let cases: [(&[u8], Error); 2] = [
        (&cancelled, Error::Peer(Reason::UserCancelled)),
        (
            br#"{"type":"m.login.protocol_accepted"}"#,
            Error::Unreadable(Unreadable::Overwritten),
        ),
    ];
    for (last, error) in cases {
        let (result, ()) =
            Pair::new(Role::New).against(async |peer| peer.say_at_once(&[&offer, last]));
        assert_eq!(result, Err(error));
    }
    let (result, ()) =
        Pair::new(Role::New).against(async |peer| peer.say_at_once(&[&offer, &offer, &cancelled]));
    assert_eq!(result, Err(Error::Tampered), "one may be missing, not two");
}

#[test]
fn secrets_cannot_be_called_back_once_they_are_read() {
    for (shown_by, variant) in ways() {
        let plan = Pair::new(shown_by).variant(variant);
        let late = |end: &test_env::End| matches!(end.existing, Err(Error::CancelledTooLate(_)));
        let ends: Vec<_> = (0..40)
            .map(|moment| plan.clone().cancel(Role::Existing, moment).run())
            .collect();
        for end in ends
            .iter()
            .filter(|end| end.secrets_sent && end.existing.is_err())
        {
            assert!(late(end) && end.session_deleted, "{:?}", end.existing);
            assert_eq!(
                end.sent_by_existing.last(),
                Some(&"m.login.secrets"),
                "nothing is said after them"
            );
        }
        assert!(ends.iter().any(late));
    }
}
