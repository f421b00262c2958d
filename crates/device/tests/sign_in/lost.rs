//! A lost connection is not a failure: whatever is lost on the way, the end is that of a good
//! sign-in.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use futures_util::stream;
use matrix_qr_device::{Showing, session::SessionDir};
use matrix_qr_protocol::{
    error::Error,
    login::DeviceLookup::Present,
    revision::{Revision, Role},
};
use matrix_qr_sandbox::{Fault, LateServer, Method};
use tokio::time::Instant;

use crate::{
    attacker::leaping,
    failures::{BOTH, Row, assert_no_new_device, assert_told, was_told},
    fault_proxy::{Fate, is_rendezvous},
    meeting::{Meeting, Plan, When},
    paths::assert_complete,
    revision::SHOWING,
    sign_out::{REFRESH, refreshes},
    test_env::{FIRST, SignInEnd, TestEnv},
};

/// In a sign-in each, the first, the second, .. request of that method is struck, until one has
/// fewer.
async fn each_request(shown_by: Role, method: Method, fault: fn(Method, u32) -> Fault) {
    let world = TestEnv::start().await;
    for nth in 1.. {
        let before = requests(&world, &method);
        let fault = fault(method.clone(), nth);
        world.sandbox.faults().set(fault.clone());
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        world.sandbox.faults().unset(&fault);
        assert_complete(&world, &end).await;
        world.reopen_new().await.log_out().await.unwrap();
        if requests(&world, &method) - before < nth {
            assert!(
                nth > if method == Method::POST { 1 } else { 6 },
                "{nth} requests"
            );
            break;
        }
    }
}

fn requests(world: &TestEnv, method: &Method) -> u32 {
    world
        .sandbox
        .record()
        .rendezvous_requests
        .get(method.as_str())
        .copied()
        .unwrap_or_default()
}

async fn each_request_each_way(method: Method) {
    let lost = |method, nth| Fault::DropRequest { method, nth };
    let unanswered = |method, nth| Fault::LoseAnswer { method, nth };
    tokio::join!(
        Box::pin(each_request(Role::New, method.clone(), lost)),
        Box::pin(each_request(Role::New, method.clone(), unanswered)),
        Box::pin(each_request(Role::Existing, method.clone(), lost)),
        Box::pin(each_request(Role::Existing, method, unanswered)),
    );
}

async fn each_get_may_be_lost() {
    each_request_each_way(Method::GET).await;
}

async fn each_put_may_be_lost() {
    each_request_each_way(Method::PUT).await;
}

async fn the_creation_may_be_lost() {
    each_request_each_way(Method::POST).await;
}

/// The answer to this write of the session is lost, and the other device writes on before anybody
/// knows. Returns the count of writes.
fn lose_the_answer_to(world: &TestEnv, nth: usize) -> Arc<AtomicUsize> {
    let writes = Arc::new(AtomicUsize::new(0));
    let count = writes.clone();
    world.fault_proxy.as_ref().unwrap().judge(move |request| {
        let is_write = request.starts_with("PUT ") && is_rendezvous(request);
        if is_write && count.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            Fate::AnswerLostLate
        } else {
            Fate::Answered
        }
    });
    writes
}

async fn the_other_device_may_be_quicker() {
    let world = TestEnv::with_fault_proxy().await;
    for shown_by in BOTH {
        lose_the_answer_to(&world, 1);
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        assert_complete(&world, &end).await;
        world.reopen_new().await.log_out().await.unwrap();
    }
}

/// MSC4388 binds each payload to a token that the answer to a write has. Where the server does not
/// say it again, as ours does, what the other device says cannot be opened: it ends, on both sides,
/// with nothing left, and nobody is accused of anything.
#[tokio::test]
async fn an_answer_that_nobody_gives_again() {
    SHOWING
        .scope(
            Showing::Only(Revision::Msc4388),
            Box::pin(nobody_gives_it_again()),
        )
        .await;
}

async fn nobody_gives_it_again() {
    tokio::join!(
        Box::pin(nobody_gives_any_again(Role::New)),
        Box::pin(nobody_gives_any_again(Role::Existing)),
    );
}

/// In a sign-in each, the answer to the first, the second, .. write. Then the secrets' once more,
/// to a new device that refuses them.
async fn nobody_gives_any_again(shown_by: Role) {
    let world = TestEnv::with_fault_proxy().await;
    world
        .fault_proxy
        .as_ref()
        .unwrap()
        .hide("io.github.matrix-qr.previous_sequence_token");
    let row = Row::of("an_answer_that_nobody_gives_again");
    let plan = Plan::shown_by(shown_by);
    let mut failed = 0;
    let mut nth = 1;
    loop {
        let writes = lose_the_answer_to(&world, nth);
        let end = world.sign_in(&plan).await;
        if let Err(new) = &end.new {
            failed += 1;
            assert_told(&world, new, &row.new);
            assert_told(&world, end.existing.as_ref().unwrap_err(), &row.existing);
            assert_no_new_device(&world, &end);
        } else {
            assert_complete(&world, &end).await;
            world.reopen_new().await.log_out().await.unwrap();
        }
        if writes.load(Ordering::SeqCst) < nth {
            break;
        }
        nth += 1;
    }
    assert!(nth > 6 && failed > 2, "{failed} of {nth} failed");
    lose_the_answer_to(&world, nth - 1);
    let refuse = async |meeting: &Meeting| {
        meeting
            .until(&When::Told(Role::New, "ImportingSecrets"))
            .await;
        world.sandbox.faults().set(Fault::WrongIdentity);
    };
    let end = world.sign_in_while(&plan, refuse).await;
    world.sandbox.faults().clear();
    let refused = matches!(end.new, Err(Error::SecretsRefused(_)));
    assert!(refused, "{:?}", end.new);
    assert_told(&world, end.existing.as_ref().unwrap_err(), &row.existing);
    assert_no_new_device(&world, &end);
}

async fn survives(fault: Fault) {
    let one_way = async |shown_by| {
        let world = TestEnv::start().await;
        world.sandbox.faults().set(fault.clone());
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        assert_complete(&world, &end).await;
    };
    tokio::join!(
        Box::pin(one_way(Role::New)),
        Box::pin(one_way(Role::Existing))
    );
}

#[tokio::test]
async fn a_token_poll_may_meet_a_502() {
    survives(Fault::TokenPoll502 { times: 2 }).await;
}

#[tokio::test]
async fn a_token_poll_may_be_told_to_slow_down() {
    survives(Fault::SlowDown { times: 1 }).await;
}

#[tokio::test]
async fn the_homeserver_may_be_slow() {
    survives(Fault::LateAnswers {
        server: LateServer::Homeserver,
        delay: Duration::from_millis(400),
    })
    .await;
}

/// The homeserver learns of it from the authorization server, which may take a moment.
#[tokio::test]
async fn the_device_may_appear_late() {
    let world = TestEnv::with_fault_proxy().await;
    let looks = Arc::new(AtomicUsize::new(0));
    let count = looks.clone();
    world.fault_proxy.as_ref().unwrap().judge(move |request| {
        let looks = request.starts_with("GET /_matrix/client/v3/devices/")
            && count.fetch_add(1, Ordering::SeqCst) > 0;
        // The first is before the sign-in.
        if looks && count.load(Ordering::SeqCst) < 4 {
            Fate::NotThere
        } else {
            Fate::Answered
        }
    });
    let end = world.sign_in(&Plan::shown_by(Role::New)).await;
    assert_complete(&world, &end).await;
    assert!(looks.load(Ordering::SeqCst) > 3);
}

/// Its keys are published, and it is not in the list of devices any more.
#[tokio::test]
async fn a_device_that_is_removed_at_once_is_not_signed_in() {
    let world = TestEnv::with_fault_proxy().await;
    let mut uploaded = false;
    world.fault_proxy.as_ref().unwrap().judge(move |request| {
        uploaded |= request == "POST /_matrix/client/v3/keys/upload";
        if uploaded && request.starts_with("GET /_matrix/client/v3/devices/") {
            Fate::NotThere
        } else {
            Fate::Answered
        }
    });
    let end = world.sign_in(&Plan::shown_by(Role::New)).await;
    let existing = end.existing.unwrap_err();
    assert!(matches!(existing, Error::DeviceGone(_)), "{existing:?}");
}

/// What each request of the existing device meets, in a sign-in each: its token has ended, a moment
/// after another one was good. Met on Synapse 1.163 with short-lived tokens.
async fn the_existing_devices_token_may_end_at_any_request() {
    tokio::join!(
        Box::pin(the_token_ends_at_each_request(Role::New)),
        Box::pin(the_token_ends_at_each_request(Role::Existing)),
    );
}

async fn the_token_ends_at_each_request(shown_by: Role) {
    let world = TestEnv::with_fault_proxy().await;
    if shown_by == Role::Existing {
        world.sandbox.faults().set(Fault::RendezvousWantsToken);
    }
    let fault_proxy = world.fault_proxy.as_ref().unwrap();
    for nth in 1.. {
        fault_proxy.forget();
        let requests = end_token_at(&world, nth);
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        let ended = requests.load(Ordering::SeqCst) >= nth;
        assert_eq!(
            refreshes(&world),
            usize::from(ended),
            "of the {nth}th request"
        );
        assert_complete(&world, &end).await;
        world.reopen_new().await.log_out().await.unwrap();
        if !ended {
            assert!(nth > 8, "{nth} requests");
            break;
        }
    }
}

/// The token that the existing device shows with its nth request has ended, then and after. Returns
/// how many requests it has made with the token that it has on disk.
fn end_token_at(world: &TestEnv, nth: usize) -> Arc<AtomicUsize> {
    let requests = Arc::new(AtomicUsize::new(0));
    let (count, session) = (requests.clone(), SessionDir::new(world.existing_dir()));
    let mut ended = String::new();
    world
        .fault_proxy
        .as_ref()
        .unwrap()
        .end_tokens(move |token| {
            let is_its_own = session.load().unwrap().user.access_token.expose() == token;
            if is_its_own && count.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                token.clone_into(&mut ended);
            }
            token == ended
        });
    requests
}

#[tokio::test]
async fn calls_whose_token_has_ended_renew_it_once() {
    let world = TestEnv::with_fault_proxy().await;
    world.fault_proxy.as_ref().unwrap().forget();
    end_token_at(&world, 1);
    let call = || world.existing.homeserver().device(FIRST.into());
    assert_eq!(
        tokio::join!(call(), call(), call()),
        (Ok(Present), Ok(Present), Ok(Present))
    );
    assert_eq!(refreshes(&world), 1);
}

/// The old refresh token is worth nothing any more, so whoever gives up does not lose the new one.
#[tokio::test]
async fn new_tokens_are_kept_though_nobody_waits_for_them() {
    let world = TestEnv::with_fault_proxy().await;
    let fault_proxy = world.fault_proxy.as_ref().unwrap();
    fault_proxy.forget();
    fault_proxy.judge(|request| {
        if request == REFRESH {
            Fate::AnsweredLate
        } else {
            Fate::Answered
        }
    });
    end_token_at(&world, 1);
    let call = || world.existing.homeserver().device(FIRST.into());
    assert!(
        tokio::time::timeout(Duration::from_millis(500), call())
            .await
            .is_err()
    );
    assert_eq!((call().await, refreshes(&world)), (Ok(Present), 1));
}

/// The same keys are uploaded again, to the byte: one device, signed from its first moment on.
#[tokio::test]
async fn the_keys_upload_may_be_unanswered() {
    let world = TestEnv::with_fault_proxy().await;
    for shown_by in BOTH {
        let mut struck = false;
        let fault_proxy = world.fault_proxy.as_ref().unwrap();
        fault_proxy.forget();
        fault_proxy.judge(move |request| {
            let first = request == "POST /_matrix/client/v3/keys/upload"
                && !std::mem::replace(&mut struck, true);
            if first {
                Fate::AnswerLost
            } else {
                Fate::Answered
            }
        });
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        assert_signed_in(&world, &end).await;
        let uploads = fault_proxy
            .seen()
            .into_iter()
            .filter(|seen| seen.name.ends_with("/keys/upload"));
        let uploads: Vec<_> = uploads.map(|seen| seen.request).collect();
        assert!(uploads.len() == 2 && uploads[0] == uploads[1]);
    }
}

/// The device is published by then, and its keys were compared with what was asked before.
#[test]
fn what_is_asked_during_the_upload_may_stay_unanswered() {
    leaping(Box::pin(async {
        let world = TestEnv::with_fault_proxy().await;
        let existing = SessionDir::new(world.existing_dir()).load().unwrap();
        let fault_proxy = world.fault_proxy.as_ref().unwrap();
        for (path, early) in [("keys/query", 1), ("room_keys/version", 1)] {
            let (token, mut asked) = (existing.user.access_token.clone(), 0);
            fault_proxy.forge(move |request| {
                let is_it = request.name.ends_with(path) && request.token != Some(token.expose());
                asked += usize::from(is_it);
                let unavailable = Response::builder().status(503).body(Body::empty());
                (is_it && asked > early).then(|| unavailable.unwrap())
            });
            let end = world.sign_in(&Plan::shown_by(Role::New)).await;
            fault_proxy.be_honest();
            assert_complete(&world, &end).await;
            world.reopen_new().await.log_out().await.unwrap();
        }
    }));
}

/// A device that was signed out meanwhile is none to keep.
#[test]
fn a_session_that_ends_during_the_upload_is_not_kept() {
    leaping(Box::pin(async {
        let world = TestEnv::with_fault_proxy().await;
        let existing = SessionDir::new(world.existing_dir()).load().unwrap();
        let (token, mut asked) = (existing.user.access_token, 0);
        world.fault_proxy.as_ref().unwrap().forge(move |request| {
            let is_it =
                request.name.ends_with("keys/query") && request.token != Some(token.expose());
            asked += usize::from(is_it);
            let ended = Body::from(r#"{"errcode":"M_UNKNOWN_TOKEN","error":"gone"}"#);
            let ended = Response::builder().status(401).body(ended);
            (is_it && asked > 1).then(|| ended.unwrap())
        });
        let end = world.sign_in(&Plan::shown_by(Role::New)).await;
        assert!(end.new.is_err(), "{:?}", end.new);
        assert_no_new_device(&world, &end);
    }));
}

/// Nothing waits for it: a device without a name is as good.
#[test]
fn the_name_of_the_device_may_stay_unanswered() {
    leaping(Box::pin(async {
        let world = TestEnv::with_fault_proxy().await;
        let times = Arc::new(Mutex::new([None; 2]));
        let noted = times.clone();
        world.fault_proxy.as_ref().unwrap().forge(move |request| {
            let is_naming = request.name.starts_with("PUT /_matrix/client/v3/devices/");
            let is_upload = request.name.ends_with("/keys/upload");
            for (time, is_it) in noted.lock().unwrap().iter_mut().zip([is_naming, is_upload]) {
                *time = time.or(is_it.then(Instant::now));
            }
            let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
            is_naming.then(|| Response::new(never))
        });
        let end = world.sign_in(&Plan::shown_by(Role::New)).await;
        assert!(end.existing.unwrap().verified && end.new.is_ok());
        let [named, uploaded] = times.lock().unwrap().map(Option::unwrap);
        assert!(
            uploaded - named < Duration::from_secs(4),
            "the upload waits"
        );
    }));
}

/// Each request to the homeserver and to its authorization server, in a sign-in each, is lost, or
/// its answer is.
#[tokio::test]
async fn each_request_to_the_servers_may_be_lost() {
    tokio::join!(
        Box::pin(each_request_to_the_servers(Role::New, Fate::Lost)),
        Box::pin(each_request_to_the_servers(Role::New, Fate::AnswerLost)),
        Box::pin(each_request_to_the_servers(Role::Existing, Fate::Lost)),
        Box::pin(each_request_to_the_servers(
            Role::Existing,
            Fate::AnswerLost
        )),
    );
}

async fn each_request_to_the_servers(shown_by: Role, fate: Fate) {
    let world = TestEnv::with_fault_proxy().await;
    let fault_proxy = world.fault_proxy.as_ref().unwrap();
    for nth in 1.. {
        let counted = Arc::new(AtomicUsize::new(0));
        let count = counted.clone();
        fault_proxy.judge(move |request| {
            let struck =
                may_be_lost(request, fate) && count.fetch_add(1, Ordering::SeqCst) + 1 == nth;
            if struck { fate } else { Fate::Answered }
        });
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        fault_proxy.judge(|_| Fate::Answered);
        assert_signed_in(&world, &end).await;
        if counted.load(Ordering::SeqCst) < nth {
            assert!(nth > 10, "{nth} requests");
            break;
        }
    }
}

/// The rendezvous session has tests of its own. A token whose answer is lost is lost: RFC 8628 has
/// no way to ask again.
fn may_be_lost(request: &str, fate: Fate) -> bool {
    !is_rendezvous(request) && (fate == Fate::Lost || request != "POST /oauth2/token")
}

/// As in a good sign-in; but the keys may have been uploaded twice.
async fn assert_signed_in(world: &TestEnv, end: &SignInEnd) {
    let id = &end.new.as_ref().unwrap().device_id;
    assert!(end.existing.as_ref().unwrap().verified && was_told(end, Role::New, "KeysUploaded"));
    let uploads: Vec<_> = end
        .record
        .key_uploads
        .iter()
        .filter(|upload| &upload.device_id == id)
        .collect();
    assert!((1..=2).contains(&uploads.len()), "{uploads:?}");
    assert!(
        uploads
            .iter()
            .all(|upload| upload.accepted && upload.has_self_signing_signature)
    );
    assert_eq!(end.record.unsigned_moments, 0);
    let new = world.reopen_new().await;
    assert!(new.verification().await.unwrap().verified);
    assert_eq!(new.restore_keys().await.unwrap().keys, 1);
    new.log_out().await.unwrap();
}

each_revision![
    each_get_may_be_lost,
    each_put_may_be_lost,
    the_creation_may_be_lost,
    the_other_device_may_be_quicker,
    the_existing_devices_token_may_end_at_any_request,
];
