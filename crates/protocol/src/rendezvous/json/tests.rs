#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::homeserver::BaseUrl;
use crate::rendezvous::{Binding, Location, Payload, Received, Sent, SequenceToken};
use crate::revision::Prefix;

const COLLECTION: &str = "https://example.com/_matrix/client/v1/rendezvous";
const SESSION: &str = "https://example.com/_matrix/client/v1/rendezvous/abcdEFG12345";

fn api() -> ApiRoot {
    ApiRoot::new(
        BaseUrl::parse("https://example.com").unwrap(),
        Prefix::Stable,
    )
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Response {
        status,
        headers,
        body: body.as_ref().to_vec(),
    }
}

fn ok(body: Value) -> Response {
    answer(
        200,
        &[("Content-Type", "application/json")],
        body.to_string(),
    )
}

fn found(data: &str, token: &str) -> Response {
    ok(json!({ "data": data, "sequence_token": token, "expires_in_ms": 300_000 }))
}

fn id() -> SessionId {
    SessionId::parse(api(), "abcdEFG12345").unwrap()
}

fn joined() -> RendezvousSession {
    RendezvousSession::join(Location::Id(id()))
}

/// A session that has seen the payload with the token `one`.
fn session() -> RendezvousSession {
    let body = json!({ "id": "abcdEFG12345", "sequence_token": "one", "expires_in_ms": 60_000 });
    created(&api(), &ok(body)).unwrap()
}

fn at(token: &str) -> Binding {
    Binding::new(&id(), &SequenceToken::parse(token).unwrap())
}

fn payload(bytes: impl AsRef<[u8]>, binding: Binding) -> Payload {
    Payload {
        bytes: bytes.as_ref().to_vec(),
        binding,
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

mod creating {
    use super::*;

    #[test]
    fn discovery_asks_with_the_access_token_if_there_is_one() {
        for token in [None, Some("secret")] {
            let request = discover(&api(), token);
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("GET", COLLECTION)
            );
            let expected: Vec<_> = token
                .map(|_| ("Authorization", "Bearer secret".to_owned()))
                .into_iter()
                .collect();
            assert_eq!((request.headers, request.body), (expected, vec![]));
        }
    }

    #[test]
    fn discovery_says_whether_a_session_can_be_created() {
        for available in [true, false] {
            let body = json!({ "create_available": available, "something": "new" });
            assert_eq!(discovered(&ok(body)), Ok(available));
        }
        for body in [
            "{}",
            "[]",
            "null",
            "<html>",
            r#"{"create_available":"yes"}"#,
        ] {
            assert!(
                matches!(
                    discovered(&answer(200, &[], body)),
                    Err(RendezvousApiError::Malformed { .. })
                ),
                "{body}"
            );
        }
    }

    #[test]
    fn the_request_has_an_empty_text() {
        let request = create(&api(), None);
        assert_eq!(
            (request.method.as_str(), request.url.as_str()),
            ("POST", COLLECTION)
        );
        assert_eq!(
            request.headers,
            [("Content-Type", "application/json".to_owned())]
        );
        assert_eq!(body(&request), json!({ "data": "" }));
    }

    #[test]
    fn no_access_token_is_ever_printed() {
        for request in [
            create(&api(), Some("secret")),
            discover(&api(), Some("secret")),
        ] {
            assert!(
                request
                    .headers
                    .contains(&("Authorization", "Bearer secret".to_owned()))
            );
            let shown = format!("{request:?}");
            assert!(
                shown.contains(r#"("Authorization", "[redacted]")"#) && !shown.contains("secret"),
                "{shown}"
            );
        }
    }

    #[test]
    fn the_unstable_path_is_that_of_the_text() {
        let api = ApiRoot::new(
            BaseUrl::parse("https://example.com/").unwrap(),
            Prefix::Unstable,
        );
        let path = "https://example.com/_matrix/client/unstable/io.element.msc4388/rendezvous";
        assert_eq!(create(&api, None).url.as_str(), path);
        assert_eq!(discover(&api, None).url.as_str(), path);
    }

    #[test]
    fn the_session_can_be_sent_to_at_once() {
        let session = session();
        assert_eq!(session.location(), Location::Id(id()));
        assert_eq!(session.binding(), at("one"));
        assert_eq!(session.time_left(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn answers_without_usable_names_are_refused() {
        let long = "x".repeat(256);
        let bodies = [
            json!({}),
            json!([]),
            json!({ "id": "a" }),
            json!({ "sequence_token": "a" }),
            json!({ "id": 1, "sequence_token": "a" }),
            json!({ "id": "", "sequence_token": "a" }),
            json!({ "id": "..", "sequence_token": "a" }),
            json!({ "id": "a/b", "sequence_token": "a" }),
            json!({ "id": long, "sequence_token": "a" }),
            json!({ "id": "a", "sequence_token": "" }),
            json!({ "id": "a", "sequence_token": "a b" }),
            json!({ "id": "a", "sequence_token": long }),
            json!({ "id": "a", "sequence_token": "a", "more": "x".repeat(MAX_ANSWER_BYTES) }),
        ];
        for body in bodies {
            let result = created(&api(), &ok(body.clone()));
            assert!(
                matches!(result, Err(RendezvousApiError::Malformed { .. })),
                "{body}: {result:?}"
            );
        }
    }

    #[test]
    fn a_lifetime_that_makes_no_sense_is_as_good_as_none() {
        for nonsense in [
            "-1",
            "1.5",
            "1e300",
            "18446744073709551616",
            r#""soon""#,
            "[1]",
            "null",
        ] {
            let body = |rest: &str| {
                let text = format!(r#"{{"sequence_token":"a","expires_in_ms":{nonsense}{rest}}}"#);
                answer(200, &[], text)
            };
            let mut session = created(&api(), &body(r#","id":"a""#)).unwrap();
            assert_eq!(session.time_left(), None, "{nonsense}");
            let nothing_new = session.received(&body(r#","data":"""#));
            assert!(
                matches!(nothing_new, Ok(Received::Nothing { .. })),
                "{nonsense}"
            );
            let sent = session.sent(&body(""));
            assert!(matches!(sent, Ok(Sent::Accepted)), "{nonsense}");
            assert_eq!(session.time_left(), None, "{nonsense}");
        }
    }

    #[test]
    fn a_server_says_who_may_create_a_session() {
        let body = r#"{"errcode":"M_FORBIDDEN","error":"no"}"#;
        for status in [401, 403] {
            assert_eq!(
                created(&api(), &answer(status, &[], body)),
                Err(RendezvousApiError::CreationForbidden)
            );
            assert_eq!(
                discovered(&answer(status, &[], body)),
                Err(RendezvousApiError::CreationForbidden)
            );
        }
    }

    #[test]
    fn other_refusals_are_as_in_the_other_api() {
        let unknown = r#"{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}"#;
        let refused = |status| match created(&api(), &answer(status, &[], unknown)) {
            Err(error) => error,
            Ok(session) => panic!("{session:?}"),
        };
        assert!(
            matches!(refused(404), RendezvousApiError::Refused { status: 404, errcode: Some(code), .. } if code == "M_UNRECOGNIZED")
        );
        assert_eq!(refused(413), RendezvousApiError::TooLarge);
        assert_eq!(
            refused(429),
            RendezvousApiError::RateLimited { retry_after: None }
        );
        assert_eq!(
            refused(503),
            RendezvousApiError::Unavailable { status: 503 }
        );
        assert!(matches!(
            refused(307),
            RendezvousApiError::Redirected { .. }
        ));
    }
}

mod receiving {
    use super::*;

    #[test]
    fn an_answer_of_32_kib_is_read_and_no_longer_one() {
        let of_length = |n| answer(200, &[], format!("{:n$}", r#"{"create_available":true}"#));
        assert_eq!(discovered(&of_length(MAX_ANSWER_BYTES)), Ok(true));
        assert_eq!(
            discovered(&of_length(MAX_ANSWER_BYTES + 1)),
            Err(RendezvousApiError::Malformed {
                what: "it is larger than a payload can be"
            })
        );
        assert_eq!(MAX_ANSWER_BYTES, 32_768);
    }

    #[test]
    fn the_same_session_has_two_names() {
        let other = Location::Id(id().under(Prefix::Unstable));
        assert_ne!(joined().location(), other);
        assert_eq!(joined().location().under_other_names(), Some(other));
    }

    #[test]
    fn only_a_request_that_may_wait_says_what_was_seen() {
        for (session, wait) in [(joined(), None), (joined(), Some(30)), (session(), None)] {
            let request = session.receive(wait);
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("GET", SESSION)
            );
            assert_eq!((request.headers, request.body), (vec![], vec![]));
        }
        let request = session().receive(Some(30));
        assert_eq!(
            request.url.as_str(),
            format!("{SESSION}?sequence_token=one")
        );
        assert_eq!(request.headers, [("Prefer", "wait=30".to_owned())]);
    }

    #[test]
    fn a_token_is_one_value_of_the_query_whatever_is_in_it() {
        let mut session = session();
        session.received(&found("x", "a+b/c=")).unwrap();
        let url = session.receive(Some(1)).url;
        assert_eq!(url.query(), Some("sequence_token=a%2Bb%2Fc%3D"));
    }

    #[test]
    fn a_payload_is_given_once_with_what_it_was_written_against() {
        let mut session = session();
        let received = session.received(&found("hello", "two"));
        assert_eq!(received, Ok(Received::Payload(payload("hello", at("one")))));
        assert_eq!(
            (session.binding(), session.time_left()),
            (at("two"), Some(Duration::from_secs(300)))
        );
        let again = session.received(&found("hello", "two"));
        assert_eq!(again, Ok(Received::Nothing { waited: false }));
    }

    #[test]
    fn the_first_payload_of_a_joined_session_was_written_against_nothing() {
        let mut session = joined();
        assert_eq!(session.binding(), Binding::default());
        assert_eq!(
            session.received(&found("", "one")),
            Ok(Received::Payload(Vec::new().into()))
        );
        assert_eq!(session.binding(), at("one"));
    }

    #[test]
    fn the_same_payload_written_again_is_another_one() {
        let mut session = session();
        session.received(&found("hello", "two")).unwrap();
        let replayed = session.received(&found("hello", "three"));
        assert_eq!(replayed, Ok(Received::Payload(payload("hello", at("two")))));
    }

    #[test]
    fn nothing_new_and_whether_the_server_waited() {
        for (headers, waited) in [
            (vec![], false),
            (vec![("Preference-Applied", "wait=30")], true),
        ] {
            let body =
                json!({ "data": "", "sequence_token": "one", "expires_in_ms": 1 }).to_string();
            let received = session().received(&answer(200, &headers, body));
            assert_eq!(received, Ok(Received::Nothing { waited }));
        }
    }

    #[test]
    fn the_time_that_is_left_may_be_missing() {
        let mut session = session();
        session
            .received(&ok(json!({ "data": "x", "sequence_token": "two" })))
            .unwrap();
        assert_eq!((session.binding(), session.time_left()), (at("two"), None));
    }

    #[test]
    fn what_is_not_an_answer_changes_nothing() {
        let escaped = format!(
            r#"{{"data":"{}","sequence_token":"two"}}"#,
            r"\u0041".repeat(6000)
        );
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"data":"x"}"#,
            r#"{"sequence_token":"two"}"#,
            r#"{"data":7,"sequence_token":"two"}"#,
            r#"{"data":"x","sequence_token":7}"#,
            r#"{"data":"x","sequence_token":""}"#,
            r#"{"data":"x","sequence_token":"t w o"}"#,
            &escaped,
        ] {
            let mut session = session();
            let received = session.received(&answer(200, &[], body));
            assert!(
                matches!(received, Err(RendezvousApiError::Malformed { .. })),
                "{body}: {received:?}"
            );
            assert_eq!(
                (session.binding(), session.time_left()),
                (at("one"), Some(Duration::from_secs(60)))
            );
        }
    }

    #[test]
    fn a_payload_of_4096_bytes_is_taken_and_of_4097_is_not() {
        // The bytes of the text count, not those of its escapes.
        let of = |n| {
            answer(
                200,
                &[],
                format!(r#"{{"data":"{}","sequence_token":"two"}}"#, r"\/".repeat(n)),
            )
        };
        let taken = session().received(&of(4096));
        assert_eq!(
            taken,
            Ok(Received::Payload(payload([b'/'; 4096], at("one"))))
        );
        let mut session = session();
        assert_eq!(
            session.received(&of(4097)),
            Err(RendezvousApiError::Oversized { size: 4097 })
        );
        assert_eq!(session.binding(), at("one"));
        let umlauts = found(&"ä".repeat(2049), "two");
        assert_eq!(
            session.received(&umlauts),
            Err(RendezvousApiError::Oversized { size: 4098 })
        );
    }
}

mod sending {
    use super::*;

    /// `certainty` has the rows.
    #[test]
    fn a_write_without_an_answer_is_repeated_and_another_is_not_written() {
        let (mut session, ours) = (session(), payload("ours", at("one")));
        let another = payload("another", at("one"));
        assert!(session.is_repeatable());
        assert!(!session.must_receive(&another) && !session.lacks_predecessor(&another));
        session.send(&ours).unwrap();
        assert!(!session.must_receive(&ours) && session.must_receive(&another));
        assert!(!session.lacks_predecessor(&ours) && session.lacks_predecessor(&another));
        assert!(!session.take_landed(&ours));
        session.found_nothing();
        assert!(!session.must_receive(&another) && !session.lacks_predecessor(&another));
    }

    #[test]
    fn the_request_names_what_the_payload_is_bound_to() {
        for token in ["one", "an-older.one~"] {
            let request = session().send(&payload("payload", at(token))).unwrap();
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("PUT", SESSION)
            );
            assert_eq!(
                request.headers,
                [("Content-Type", "application/json".to_owned())]
            );
            assert_eq!(
                body(&request),
                json!({ "sequence_token": token, "data": "payload" })
            );
        }
    }

    #[test]
    fn what_is_bound_to_nothing_is_not_written() {
        let unbound = payload("x", Binding::default());
        assert_eq!(joined().send(&unbound), Err(RendezvousApiError::NotReadYet));
        assert_eq!(
            session().send(&unbound),
            Err(RendezvousApiError::NotReadYet)
        );
    }

    #[test]
    fn only_text_of_4096_bytes_is_sent() {
        assert!(session().send(&payload([b'x'; 4096], at("one"))).is_ok());
        assert_eq!(
            session().send(&payload([b'x'; 4097], at("one"))),
            Err(RendezvousApiError::TooLarge)
        );
        assert_eq!(
            session().send(&payload(b"\xff", at("one"))),
            Err(RendezvousApiError::NotText)
        );
    }

    #[test]
    fn an_accepted_payload_is_the_one_we_have_seen() {
        for (status, body) in [
            (200, json!({ "sequence_token": "two" })),
            (202, json!({ "sequence_token": "two", "expires_in_ms": 5 })),
        ] {
            let mut session = session();
            assert_eq!(
                session.sent(&answer(status, &[], body.to_string())),
                Ok(Sent::Accepted)
            );
            assert_eq!(session.binding(), at("two"));
            assert_eq!(
                session.received(&found("ours", "two")),
                Ok(Received::Nothing { waited: false })
            );
        }
    }

    #[test]
    fn a_conflict_is_found_out_by_receiving() {
        for errcode in ["M_CONCURRENT_WRITE", "IO_ELEMENT_MSC4388_CONCURRENT_WRITE"] {
            let mut session = session();
            let conflict = answer(409, &[], json!({ "errcode": errcode }).to_string());
            assert_eq!(session.sent(&conflict), Ok(Sent::Conflict));
            assert_eq!(session.binding(), at("one"));
        }
    }

    #[test]
    fn an_accepted_payload_without_a_token_is_no_answer() {
        for body in ["", "{}", r#"{"sequence_token":""}"#] {
            let mut session = session();
            assert!(
                matches!(
                    session.sent(&answer(200, &[], body)),
                    Err(RendezvousApiError::Malformed { .. })
                ),
                "{body}"
            );
            assert_eq!(session.binding(), at("one"));
        }
    }

    #[test]
    fn cancelling_needs_no_token() {
        for session in [session(), joined()] {
            let request = session.delete();
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("DELETE", SESSION)
            );
            assert_eq!((request.headers, request.body), (vec![], vec![]));
        }
    }
}

mod refusals {
    use super::*;

    fn both(response: &Response) -> RendezvousApiError {
        let mut session = session();
        let received = session.received(response).unwrap_err();
        assert_eq!(received, session.sent(response).unwrap_err());
        assert_eq!(
            (session.binding(), session.time_left()),
            (at("one"), Some(Duration::from_secs(60)))
        );
        received
    }

    #[test]
    fn a_session_that_is_over_is_not_a_server_without_the_api() {
        for body in ["", "<html>", r#"{"errcode":"M_NOT_FOUND","error":"no"}"#] {
            assert_eq!(
                both(&answer(404, &[], body)),
                RendezvousApiError::Gone,
                "{body}"
            );
        }
        let unrecognized = both(&answer(404, &[], r#"{"errcode":"M_UNRECOGNIZED"}"#));
        assert!(matches!(
            unrecognized,
            RendezvousApiError::Refused { status: 404, .. }
        ));
    }

    #[test]
    fn each_status_has_its_meaning() {
        assert_eq!(both(&answer(413, &[], "")), RendezvousApiError::TooLarge);
        let limited = r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#;
        let retry_after = Some(Duration::from_millis(1500));
        assert_eq!(
            both(&answer(429, &[], limited)),
            RendezvousApiError::RateLimited { retry_after }
        );
        for status in [408, 500, 502, 599] {
            assert_eq!(
                both(&answer(status, &[], "<html>")),
                RendezvousApiError::Unavailable { status }
            );
        }
        for status in [301, 307] {
            assert!(matches!(
                both(&answer(status, &[], "")),
                RendezvousApiError::Redirected { .. }
            ));
        }
        for status in [400, 401, 403, 405, 410, 412] {
            assert_eq!(
                both(&answer(status, &[], "")),
                RendezvousApiError::Refused {
                    status,
                    errcode: None,
                    error: None
                }
            );
        }
        for status in [204, 206, 304] {
            assert!(
                session()
                    .received(&answer(status, &[], found("x", "two").body))
                    .is_err()
            );
        }
    }
}

/// After a write whose answer was lost.
mod certainty {
    use super::*;

    /// What the server says is there, and, if it is one that does, what that was written against.
    fn theirs(previous: Option<&str>) -> Response {
        let mut body =
            json!({ "data": "theirs", "sequence_token": "three", "expires_in_ms": 300_000 });
        if let Some(previous) = previous {
            body["io.github.matrix-qr.previous_sequence_token"] = previous.into();
        }
        ok(body)
    }

    fn binding_of(session: &mut RendezvousSession, response: &Response) -> Binding {
        let Received::Payload(payload) = session.received(response).unwrap() else {
            panic!("nothing")
        };
        payload.binding
    }

    fn conflict() -> Response {
        answer(
            409,
            &[],
            r#"{"errcode":"M_CONCURRENT_WRITE","error":"late"}"#,
        )
    }

    #[test]
    fn a_server_that_says_what_a_payload_was_written_against_is_believed() {
        for repeated in [false, true] {
            let mut session = session();
            session.send(&payload("ours", at("one"))).unwrap();
            if repeated {
                session.send(&payload("ours", at("one"))).unwrap();
                assert_eq!(session.sent(&conflict()), Ok(Sent::Conflict));
            }
            assert_eq!(binding_of(&mut session, &theirs(Some("two"))), at("two"));
            assert!(!session.has_lost_track());
            assert_eq!(session.binding(), at("three"));
        }
    }

    #[test]
    fn a_server_that_does_not_leaves_a_guess() {
        for previous in [None, Some("not a token")] {
            let mut session = session();
            session.send(&payload("ours", at("one"))).unwrap();
            session.send(&payload("ours", at("one"))).unwrap();
            assert_eq!(session.sent(&conflict()), Ok(Sent::Conflict));
            assert_eq!(binding_of(&mut session, &theirs(previous)), at("one"));
            assert!(session.has_lost_track());
        }
    }

    /// Where all is certain the text's rule holds, whatever a server says.
    #[test]
    fn what_is_certain_is_not_asked() {
        let mut fresh = session();
        assert_eq!(binding_of(&mut fresh, &theirs(Some("two"))), at("one"));

        let mut answered = session();
        answered.send(&payload("ours", at("one"))).unwrap();
        answered
            .sent(&ok(json!({ "sequence_token": "two" })))
            .unwrap();
        assert_eq!(
            binding_of(&mut answered, &theirs(Some("elsewhere"))),
            at("two")
        );

        assert!(
            ![fresh, answered]
                .iter()
                .any(RendezvousSession::has_lost_track)
        );
    }

    /// It may answer the second of two requests that a proxy made of one. A server that states the
    /// token is believed; without a statement the refusal is taken as it is.
    #[test]
    fn a_refusal_is_no_loss_and_still_uncertain() {
        for (previous, expected) in [(Some("two"), "two"), (Some("one"), "one"), (None, "one")] {
            let mut session = session();
            session.send(&payload("ours", at("one"))).unwrap();
            assert_eq!(session.sent(&conflict()), Ok(Sent::Conflict));
            assert_eq!(binding_of(&mut session, &theirs(previous)), at(expected));
            assert!(!session.has_lost_track());
        }
    }

    #[test]
    fn a_read_shows_that_a_write_without_an_answer_happened() {
        let (mut session, ours) = (session(), payload("ours", at("one")));
        session.send(&ours).unwrap();
        assert_eq!(session.received(&found("ours", "two")), Ok(Received::Ours));
        assert_eq!(session.binding(), at("two"));
        assert!(!session.has_lost_track(), "it is not their payload");
        assert!(session.take_landed(&ours));
    }

    #[test]
    fn what_follows_is_certain_again() {
        let mut session = session();
        session.send(&payload("ours", at("one"))).unwrap();
        assert_eq!(binding_of(&mut session, &theirs(None)), at("one"));
        assert!(session.has_lost_track());
        session.send(&payload("ours again", at("three"))).unwrap();
        session
            .sent(&ok(json!({ "sequence_token": "four" })))
            .unwrap();
        assert!(session.has_lost_track(), "their last payload is the same");
        assert_eq!(
            binding_of(&mut session, &found("theirs again", "five")),
            at("four")
        );
        assert!(!session.has_lost_track());
    }

    /// The repetition of a write that happened is as good as its answer.
    #[test]
    fn a_repetition_that_is_acknowledged_ends_it() {
        let mut session = session();
        for _ in 0..2 {
            session.send(&payload("ours", at("one"))).unwrap();
        }
        assert_eq!(
            session.sent(&ok(json!({ "sequence_token": "two" }))),
            Ok(Sent::Accepted)
        );
        assert_eq!(binding_of(&mut session, &theirs(None)), at("two"));
        assert!(!session.has_lost_track());
    }

    /// 429 is said before a request is looked at. A 5xx may be a proxy's, in place of an answer.
    #[test]
    fn a_write_that_was_sent_away_is_not_a_lost_one() {
        for (status, lost) in [(429, false), (503, true)] {
            let mut session = session();
            session.send(&payload("ours", at("one"))).unwrap();
            session.sent(&answer(status, &[], "{}")).unwrap_err();
            session.send(&payload("ours", at("one"))).unwrap();
            assert_eq!(session.sent(&conflict()), Ok(Sent::Conflict));
            assert_eq!(binding_of(&mut session, &theirs(None)), at("one"));
            assert_eq!(session.has_lost_track(), lost, "{status}");
        }
    }
}
