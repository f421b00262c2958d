#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use url::Url;

use super::*;
use crate::user_error::{Cause, UserError};

const SESSION: &str = "https://rz.example.com/abc-def-123-456";
const DATE: (&str, &str) = ("date", "Wed, 07 Sep 2022 14:27:51 GMT");
const EXPIRES: (&str, &str) = ("expires", "Wed, 07 Sep 2022 14:28:51 GMT");
const TEXT: (&str, &str) = ("content-type", "text/plain");
const ETAG: &str = "\"one\"";

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

fn endpoint() -> Url {
    Url::parse("https://example.com/_matrix/client/v1/rendezvous").unwrap()
}

fn body(url: &str) -> String {
    serde_json::json!({ "url": url }).to_string()
}

fn joined() -> RendezvousSession {
    RendezvousSession::join(Location::Url(SessionUrl::parse(SESSION).unwrap()))
}

/// A session that has seen the payload with the ETag `"one"`.
fn session() -> RendezvousSession {
    let created = created(
        &endpoint(),
        &answer(201, &[("ETag", ETAG), DATE, EXPIRES], body(SESSION)),
    );
    let Ok(Created::Session(session)) = created else {
        panic!("{created:?}")
    };
    session
}

/// The `If-Match` of the next send: what the session believes to have seen.
fn seen(session: &mut RendezvousSession) -> String {
    session
        .send(&Vec::new().into())
        .unwrap()
        .headers
        .into_iter()
        .find(|(name, _)| *name == "If-Match")
        .unwrap()
        .1
}

mod creating {
    use super::*;

    #[test]
    fn the_request_has_an_empty_text() {
        let request = create(&endpoint());
        assert_eq!(
            (request.method.as_str(), &request.url),
            ("POST", &endpoint())
        );
        assert_eq!(request.headers, [("Content-Type", "text/plain".to_owned())]);
        assert_eq!(request.body, b"");
    }

    #[test]
    fn the_session_is_where_the_body_says_and_can_be_sent_to_at_once() {
        let mut session = session();
        let Location::Url(url) = session.location() else {
            panic!("{session:?}")
        };
        assert_eq!(url.as_str(), SESSION);
        assert_eq!(seen(&mut session), ETAG);
        assert_eq!(session.time_left(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn other_2xx_of_deployed_servers_are_taken() {
        let answer = answer(200, &[("ETag", "1")], body(SESSION));
        assert!(matches!(
            created(&endpoint(), &answer),
            Ok(Created::Session(_))
        ));
    }

    /// What is malformed in an answer with this body.
    fn said_of(body: &str) -> &'static str {
        match created(&endpoint(), &answer(201, &[("ETag", ETAG)], body)) {
            Err(RendezvousApiError::Malformed { what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bodies_without_a_usable_url_are_refused() {
        let long = body(&format!("https://a/{}", "x".repeat(2048)));
        let larger = body(&"x".repeat(5000));
        assert_eq!(
            said_of(&" ".repeat(4096)),
            "it is not a JSON object with the session's URL"
        );
        assert_eq!(
            said_of(&" ".repeat(4097)),
            "the answer is larger than a URL can be"
        );
        let bodies = [
            "",
            "{}",
            "[]",
            "{\"url\":1}",
            "not json",
            &body("/relative"),
            &body("file:///x"),
            &body("https://a:b@c/"),
            &body("http://rz.example.com/"),
            &long,
            &larger,
        ];
        for body in bodies {
            let result = created(&endpoint(), &answer(201, &[("ETag", ETAG)], body));
            assert!(
                matches!(result, Err(RendezvousApiError::Malformed { .. })),
                "{body}: {result:?}"
            );
        }
    }

    #[test]
    fn http_stays_possible_for_development() {
        let endpoint = Url::parse("http://127.0.0.1:8008/rendezvous").unwrap();
        let result = created(
            &endpoint,
            &answer(201, &[("ETag", ETAG)], body("http://127.0.0.1:8008/x")),
        );
        assert!(matches!(result, Ok(Created::Session(_))));
    }

    #[test]
    fn only_307_redirects_and_never_out_of_https() {
        let to = |status, target: &str| {
            created(&endpoint(), &answer(status, &[("location", target)], ""))
        };
        let url = |text| Ok(Created::Redirect(Url::parse(text).unwrap()));
        assert_eq!(
            to(307, "https://rz.example.com/foo"),
            url("https://rz.example.com/foo")
        );
        assert_eq!(to(307, "/foo"), url("https://example.com/foo"));
        for target in [
            "http://rz.example.com/foo",
            "ftp://rz.example.com/",
            "https://a:b@c/",
            "https://",
            "https://a/#b",
        ] {
            assert!(
                matches!(
                    to(307, target),
                    Err(RendezvousApiError::Redirected { status: 307, .. })
                ),
                "{target}"
            );
        }
        let longest = format!("/{}", "x".repeat(2047));
        assert!(matches!(to(307, &longest), Ok(Created::Redirect(_))));
        assert!(matches!(
            to(307, &format!("{longest}x")),
            Err(RendezvousApiError::Redirected { .. })
        ));
        for status in [300, 301, 302, 303, 304, 308] {
            let result = to(status, "https://rz.example.com/foo");
            assert!(
                matches!(result, Err(RendezvousApiError::Redirected { status: s, .. }) if s == status),
                "{status}"
            );
        }
        let nowhere = created(&endpoint(), &answer(307, &[], ""));
        assert!(matches!(
            nowhere,
            Err(RendezvousApiError::Redirected { .. })
        ));
    }

    #[test]
    fn from_http_a_redirect_may_lead_to_either() {
        let endpoint = Url::parse("http://127.0.0.1/rendezvous").unwrap();
        for target in ["http://127.0.0.1/x", "https://rz.example.com/x"] {
            let result = created(&endpoint, &answer(307, &[("Location", target)], ""));
            assert_eq!(result, Ok(Created::Redirect(Url::parse(target).unwrap())));
        }
    }

    #[test]
    fn a_server_without_the_api_is_not_a_session_that_is_over() {
        let body = r#"{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}"#;
        let result = created(&endpoint(), &answer(404, &[], body));
        let errcode = Some("M_UNRECOGNIZED".to_owned());
        assert_eq!(
            result,
            Err(RendezvousApiError::Refused {
                status: 404,
                errcode,
                error: Some("Unrecognized request".into())
            })
        );
    }
}

mod receiving {
    use super::*;

    #[test]
    fn the_first_request_of_a_joined_session_is_unconditional() {
        let request = joined().receive(Some(30));
        assert_eq!(
            (request.method.as_str(), request.url.as_str()),
            ("GET", SESSION)
        );
        assert_eq!(request.headers, []);
    }

    #[test]
    fn later_requests_are_conditional_and_may_wait() {
        let none_match = ("If-None-Match", ETAG.to_owned());
        assert_eq!(
            session().receive(None).headers,
            std::slice::from_ref(&none_match)
        );
        assert_eq!(
            session().receive(Some(30)).headers,
            [none_match, ("Prefer", "wait=30".to_owned())]
        );
    }

    #[test]
    fn a_payload_is_given_once_and_its_etag_adopted() {
        for content_type in [
            "text/plain",
            "text/plain; charset=utf-8",
            "TEXT/Plain;x=y",
            " text/plain ",
        ] {
            let mut session = session();
            let new = answer(
                200,
                &[
                    ("CONTENT-TYPE", content_type),
                    ("eTaG", " \"two\" "),
                    DATE,
                    EXPIRES,
                ],
                "hello",
            );
            assert_eq!(
                session.received(&new),
                Ok(Received::Payload(b"hello".to_vec().into()))
            );
            assert_eq!(seen(&mut session), "\"two\"");
            assert_eq!(
                session.received(&new),
                Ok(Received::Nothing { waited: false })
            );
        }
    }

    #[test]
    fn our_own_payload_is_not_the_peers_even_from_a_server_that_ignores_conditions() {
        let ours = answer(200, &[TEXT, ("ETag", ETAG)], "what we sent");
        assert_eq!(
            session().received(&ours),
            Ok(Received::Nothing { waited: false })
        );
    }

    #[test]
    fn a_read_shows_that_a_write_without_an_answer_happened() {
        let (mut session, ours) = (session(), "what we sent".into());
        session.send(&ours).unwrap();
        let read = answer(200, &[TEXT, ("ETag", "\"two\"")], "what we sent");
        assert_eq!(session.received(&read), Ok(Received::Ours));
        assert!(session.take_landed(&ours));
        assert_eq!(seen(&mut session), "\"two\"");
    }

    #[test]
    fn nothing_new_and_whether_the_server_waited() {
        let cases = [
            (vec![], false),
            (vec![("Preference-Applied", "wait=30")], true),
            (vec![("preference-applied", "respond-async, Wait")], true),
            (vec![("Preference-Applied", "waiting")], false),
            (vec![("Preference-Applied", "")], false),
        ];
        for (headers, waited) in cases {
            let mut session = session();
            assert_eq!(
                session.received(&answer(304, &headers, "")),
                Ok(Received::Nothing { waited }),
                "{headers:?}"
            );
            assert_eq!(seen(&mut session), ETAG);
        }
    }

    #[test]
    fn a_304_needs_something_that_it_is_equal_to() {
        assert!(matches!(
            joined().received(&answer(304, &[], "")),
            Err(RendezvousApiError::Malformed { .. })
        ));
    }

    #[test]
    fn etags_are_opaque_but_strong_single_and_there() {
        let longest = format!("\"{}\"", "x".repeat(510));
        for etag in [
            "\"a\"",
            "VmbxF13QDusTgOCt8aoa0d2PQcnBOXeIxEqhw5aQ03o=",
            "1",
            "\"a,b\"",
            &longest,
        ] {
            let mut session = session();
            session
                .received(&answer(200, &[TEXT, ("ETag", etag)], "x"))
                .unwrap();
            assert_eq!(seen(&mut session), etag);
        }
        let long = format!("\"{}\"", "x".repeat(511));
        for etag in [
            "W/\"one\"",
            "",
            "  ",
            "\"\"",
            "*",
            "\"a\" \"b\"",
            "\"\u{7f}\"",
            "\"ä\"",
            &long,
        ] {
            let mut session = session();
            let result = session.received(&answer(200, &[TEXT, ("ETag", etag)], "x"));
            assert!(
                matches!(result, Err(RendezvousApiError::BrokenProxy { .. })),
                "{etag:?}: {result:?}"
            );
            assert_eq!(seen(&mut session), ETAG);
        }
        let none = session().received(&answer(200, &[TEXT], "x"));
        assert_eq!(
            none,
            Err(RendezvousApiError::BrokenProxy {
                what: "has no ETag"
            })
        );
    }

    #[test]
    fn a_weak_etag_says_what_made_it_weak() {
        let error = session()
            .received(&answer(200, &[TEXT, ("ETag", "W/\"x\"")], "x"))
            .unwrap_err();
        assert!(
            error.to_string().contains("weak ETag (compression")
                && error.to_string().contains("proxy")
        );
    }

    #[test]
    fn other_content_is_refused() {
        for content_type in ["application/json", "text/plainer", "", "text"] {
            let mut session = session();
            let result = session.received(&answer(
                200,
                &[("Content-Type", content_type), ("ETag", "2")],
                "x",
            ));
            assert_eq!(
                result,
                Err(RendezvousApiError::WrongContentType {
                    found: content_type.to_owned()
                })
            );
            assert_eq!(seen(&mut session), ETAG);
        }
        let none = session().received(&answer(200, &[("ETag", "2")], "x"));
        assert_eq!(
            none,
            Err(RendezvousApiError::WrongContentType {
                found: "of no stated type".into()
            })
        );
    }

    /// As a network sends it that wants to be logged in to: no administrator of a server can mend
    /// that.
    #[test]
    fn a_web_page_is_called_one() {
        use crate::user_error::{Cause, ToUserError as _};
        let page = |etag| {
            let headers = [("Content-Type", "text/html; charset=utf-8"), etag];
            answer(200, &headers, "<!DOCTYPE html><title>Welcome</title>")
        };
        for page in [page(("Server", "portal")), page(("ETag", "\"p\""))] {
            let error = session().received(&page).unwrap_err();
            assert_eq!(error, RendezvousApiError::WebPage);
            assert_eq!(error.cause(), Cause::Network);
            assert_eq!(session().sent(&page), Err(RendezvousApiError::WebPage));
            assert_eq!(
                created(&endpoint(), &page),
                Err(RendezvousApiError::WebPage)
            );
        }
        // What Twisted says of an answer without a body.
        let accepted = answer(202, &[("Content-Type", "text/html"), ("ETag", "2")], "");
        assert_eq!(session().sent(&accepted), Ok(Sent::Accepted));
    }

    /// Whatever a proxy did to the tag: neither device wrote it.
    #[test]
    fn the_empty_payload_of_the_beginning_is_nobodys() {
        let mut session = session();
        let empty = answer(200, &[TEXT, ("ETag", "2")], "");
        assert_eq!(session.received(&empty), Ok(Received::Ours));
        assert_eq!(seen(&mut session), "2");
    }

    #[test]
    fn a_payload_of_4096_bytes_is_taken_and_of_4097_is_not() {
        let of = |n| answer(200, &[TEXT, ("ETag", "2")], vec![b'x'; n]);
        assert_eq!(
            session().received(&of(4096)),
            Ok(Received::Payload(vec![b'x'; 4096].into()))
        );
        let mut session = session();
        assert_eq!(
            session.received(&of(4097)),
            Err(RendezvousApiError::Oversized { size: 4097 })
        );
        assert_eq!(seen(&mut session), ETAG);
    }
}

mod sending {
    use super::*;

    #[test]
    fn the_request_names_what_it_replaces() {
        let request = session().send(&b"payload".to_vec().into()).unwrap();
        assert_eq!(
            (request.method.as_str(), request.url.as_str()),
            ("PUT", SESSION)
        );
        let headers = [
            ("Content-Type", "text/plain".to_owned()),
            ("If-Match", ETAG.to_owned()),
        ];
        assert_eq!(
            (request.headers.as_slice(), request.body.as_slice()),
            (headers.as_slice(), b"payload".as_slice())
        );
    }

    #[test]
    fn nothing_unseen_is_overwritten() {
        assert_eq!(
            joined().send(&b"x".to_vec().into()),
            Err(RendezvousApiError::NotReadYet)
        );
        // Servers may leave the ETag out of a 412: ours does.
        for headers in [&[("ETag", "\"theirs\"")][..], &[]] {
            let mut session = session();
            assert_eq!(session.sent(&answer(412, headers, "")), Ok(Sent::Conflict));
            assert_eq!(seen(&mut session), ETAG);
            session
                .received(&answer(200, &[TEXT, ("ETag", "\"theirs\"")], "hi"))
                .unwrap();
            assert_eq!(seen(&mut session), "\"theirs\"");
        }
    }

    #[test]
    fn what_is_too_large_stays_here() {
        assert!(session().send(&vec![0; 4096].into()).is_ok());
        assert_eq!(
            session().send(&vec![0; 4097].into()),
            Err(RendezvousApiError::TooLarge)
        );
    }

    #[test]
    fn an_accepted_payload_is_the_one_we_have_seen() {
        for status in [202, 200, 204] {
            let mut session = session();
            assert_eq!(
                session.sent(&answer(status, &[("ETag", "\"ours\"")], "")),
                Ok(Sent::Accepted)
            );
            assert_eq!(seen(&mut session), "\"ours\"");
        }
    }

    #[test]
    fn an_accepted_payload_without_a_strong_etag_is_a_broken_proxy() {
        for headers in [vec![], vec![("ETag", "W/\"x\"")]] {
            assert!(matches!(
                session().sent(&answer(202, &headers, "")),
                Err(RendezvousApiError::BrokenProxy { .. })
            ));
        }
    }

    #[test]
    fn cancelling_needs_no_etag() {
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

    /// What each status means on a session: the same for receiving and sending.
    fn both(response: &Response) -> RendezvousApiError {
        let mut session = session();
        let received = session.received(response).unwrap_err();
        assert_eq!(received, session.sent(response).unwrap_err());
        assert_eq!(
            (seen(&mut session), session.time_left()),
            (ETAG.to_owned(), Some(Duration::from_secs(60)))
        );
        received
    }

    #[test]
    fn each_status_has_its_meaning() {
        assert_eq!(both(&answer(404, &[], "")), RendezvousApiError::Gone);
        assert_eq!(both(&answer(413, &[], "")), RendezvousApiError::TooLarge);
        assert_eq!(
            both(&answer(429, &[], "")),
            RendezvousApiError::RateLimited { retry_after: None }
        );
        for status in [408, 500, 502, 503, 504, 599] {
            assert_eq!(
                both(&answer(status, &[], "<html>")),
                RendezvousApiError::Unavailable { status }
            );
        }
        for status in [301, 302, 307, 308] {
            assert!(matches!(
                both(&answer(status, &[("Location", SESSION)], "")),
                RendezvousApiError::Redirected { .. }
            ));
        }
        for status in [0, 100, 400, 401, 403, 405, 410, 418, 428, 600] {
            assert_eq!(
                both(&answer(status, &[], "")),
                RendezvousApiError::Refused {
                    status,
                    errcode: None,
                    error: None
                }
            );
        }
        assert!(matches!(
            session().received(&answer(206, &[], "")),
            Err(RendezvousApiError::Malformed { .. })
        ));
    }

    #[test]
    fn only_what_passes_is_transient() {
        for (status, transient) in [
            (404, false),
            (400, false),
            (403, false),
            (413, false),
            (429, true),
            (408, true),
            (502, true),
        ] {
            assert_eq!(
                both(&answer(status, &[], "")).is_transient(),
                transient,
                "{status}"
            );
        }
    }

    #[test]
    fn an_unknown_path_is_told_from_a_refusal() {
        for (status, errcode, unknown) in [
            (404, None, true),
            (404, Some("M_NOT_FOUND"), true),
            (400, Some("M_UNRECOGNIZED"), true),
            (405, Some("M_UNRECOGNIZED"), true),
            (403, Some("M_UNRECOGNIZED"), false),
            (400, Some("M_UNKNOWN"), false),
            (405, None, false),
        ] {
            let refused = RendezvousApiError::Refused {
                status,
                errcode: errcode.map(Into::into),
                error: None,
            };
            assert_eq!(refused.is_unrecognized(), unknown, "{refused:?}");
        }
        assert!(!RendezvousApiError::Gone.is_unrecognized());
    }

    #[test]
    fn whose_fault_it_is_and_what_to_do() {
        for (status, advice) in [
            (
                503,
                "Try again in a moment; if the problem persists, tell the server's administrator.",
            ),
            (403, "Tell the server's administrator."),
        ] {
            let error = both(&answer(status, &[], ""));
            let told = UserError::new(Cause::RendezvousServer, error.to_string(), advice);
            assert_eq!(UserError::from(error), told);
        }
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let after = |headers: &[(&str, &str)], body: &str| match both(&answer(429, headers, body)) {
            RendezvousApiError::RateLimited { retry_after } => retry_after,
            other => panic!("{other}"),
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(after(&[("retry-after", "7")], ""), seconds(7));
        assert_eq!(
            after(
                &[("Retry-After", "Wed, 07 Sep 2022 14:28:00 GMT"), DATE],
                ""
            ),
            seconds(9)
        );
        assert_eq!(
            after(&[("Retry-After", "Wed, 07 Sep 2022 14:28:00 GMT")], ""),
            None
        );
        assert_eq!(
            after(
                &[],
                r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#
            ),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(after(&[("Retry-After", "-1")], ""), None);
        assert_eq!(after(&[], "<html>"), None);
    }

    #[test]
    fn the_server_is_quoted_within_bounds() {
        let json = |body| match both(&answer(400, &[], body)) {
            RendezvousApiError::Refused { errcode, error, .. } => (errcode, error),
            other => panic!("{other}"),
        };
        let quoted = |code: &str, text: &str| (Some(code.to_owned()), Some(text.to_owned()));
        assert_eq!(
            json(r#"{"errcode":"M_MISSING_PARAM","error":"No\u001b[31m \nred\u009b"}"#.to_owned()),
            quoted("M_MISSING_PARAM", "No\u{fffd}[31m \u{fffd}red\u{fffd}")
        );
        let unstable = r#"{"errcode":"M_UNKNOWN","org.matrix.msc4108.errcode":"M_CONCURRENT_WRITE","error":""}"#;
        assert_eq!(json(unstable.to_owned()), quoted("M_CONCURRENT_WRITE", ""));
        let (errcode, error) = json(format!(
            r#"{{"errcode":"{0}","error":"{0}"}}"#,
            "é".repeat(1000)
        ));
        assert_eq!(
            (
                errcode.unwrap().chars().count(),
                error.unwrap().chars().count()
            ),
            (101, 101)
        );
        let of_length = |n: usize| format!(r#"{{"error":"{}"}}"#, "x".repeat(n - 12));
        assert!(matches!(json(of_length(4096)), (None, Some(_))));
        assert_eq!(json(of_length(4097)), (None, None));
        assert_eq!(json(r#"{"errcode":7}"#.to_owned()), (None, None));
    }

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        let error = |errcode: Option<&str>, error: Option<&str>| {
            RendezvousApiError::Refused {
                status: 403,
                errcode: errcode.map(Into::into),
                error: error.map(Into::into),
            }
            .to_string()
        };
        assert_eq!(
            error(None, None),
            "the rendezvous server refused with status 403"
        );
        assert_eq!(
            error(Some("M_X"), None),
            "the rendezvous server refused with status 403 and said: M_X"
        );
        assert_eq!(
            error(Some("M_X"), Some("no")),
            "the rendezvous server refused with status 403 and said: no (M_X)"
        );
    }
}

mod lifetime {
    use super::*;

    fn left(headers: &[(&str, &str)]) -> Option<Duration> {
        let mut session = session();
        let with_etag = [&[("ETag", "2"), TEXT], headers].concat();
        session.received(&answer(200, &with_etag, "")).unwrap();
        session.time_left()
    }

    #[test]
    fn it_is_expires_minus_the_servers_own_date() {
        assert_eq!(left(&[DATE, EXPIRES]), Some(Duration::from_secs(60)));
        assert_eq!(left(&[DATE, ("Expires", DATE.1)]), Some(Duration::ZERO));
        assert_eq!(
            left(&[("Date", EXPIRES.1), ("Expires", DATE.1)]),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn it_is_unknown_when_either_is_missing_or_no_date() {
        assert_eq!(joined().time_left(), None);
        for headers in [
            &[][..],
            &[DATE],
            &[EXPIRES],
            &[DATE, ("Expires", "0")],
            &[("Date", "now"), EXPIRES],
            &[DATE, ("Expires", "")],
        ] {
            assert_eq!(left(headers), None, "{headers:?}");
        }
    }

    #[test]
    fn every_answer_that_was_understood_says_it_anew() {
        let later = ("Date", "Wed, 07 Sep 2022 14:28:01 GMT");
        let left = Some(Duration::from_secs(50));
        let mut unchanged = session();
        unchanged
            .received(&answer(304, &[later, EXPIRES], ""))
            .unwrap();
        assert_eq!(unchanged.time_left(), left);
        let mut sent = session();
        sent.sent(&answer(202, &[("ETag", "2"), later, EXPIRES], ""))
            .unwrap();
        assert_eq!(sent.time_left(), left);
    }
}

/// `certainty` has the rows.
#[test]
fn a_write_without_an_answer_is_not_repeated() {
    let (mut session, ours, another) = (session(), b"ours".to_vec().into(), "another".into());
    assert!(!session.is_repeatable());
    session.send(&ours).unwrap();
    assert!(session.must_receive(&ours) && session.must_receive(&another));
    assert!(!session.lacks_predecessor(&another), "nothing is bound");
    session.found_nothing();
    assert!(!session.must_receive(&ours) && !session.must_receive(&another));
}

#[test]
fn debug_shows_no_session() {
    let shown = format!("{:?}", joined().location());
    let expected = "Url(SessionUrl(https://rz.example.com, [redacted]))";
    assert_eq!(shown, expected);
}

#[test]
fn debug_shows_no_body() {
    let request = session().send(&b"ciphertext".to_vec().into()).unwrap();
    let shown = r#"PUT https://rz.example.com/abc-def-123-456 [("Content-Type", "text/plain"), ("If-Match", "\"one\"")] (10 bytes)"#;
    assert_eq!(format!("{request:?}"), shown);
    assert_eq!(
        format!("{:?}", answer(200, &[TEXT], "payload")),
        r#"200 [("content-type", "text/plain")] (7 bytes)"#
    );
}

#[test]
fn a_header_is_found_in_any_case_and_the_first_counts() {
    let response = answer(200, &[("X-A", " 1 "), ("x-a", "2")], "");
    assert_eq!(
        (response.header("x-A"), response.header("x-b")),
        (Some("1"), None)
    );
}
