//! What is special about Redis: it can be unavailable, and others use it, too.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::Request};
use matrix_qr_rendezvous::{Config, Redis};
use reqwest::{Method, Response, StatusCode};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::{redis_server::RedisServer, support::*};

type TestServer = crate::support::TestServer<Redis>;

async fn instance(redis: &Arc<RedisServer>) -> TestServer {
    instance_with(redis, |_| {}).await
}

async fn instance_with(redis: &Arc<RedisServer>, change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::over((redis.store(), Some(redis.clone())), change).await
}

/// The number is read at most once a second, so it may be slightly old.
pub(crate) async fn until_ready(server: &TestServer) {
    for _ in 0..200 {
        if ready(server).await == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not become ready");
}

async fn ready(server: &TestServer) -> u16 {
    let request = Request::get("/ready").body(Body::empty()).unwrap();
    server
        .rendezvous
        .operations()
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

pub(crate) async fn assert_no_store(response: Response) {
    assert_eq!(header(&response, "retry-after"), "1");
    let (status, errcode, body) = error(response).await;
    assert_eq!((status, errcode.as_str()), (503, "M_UNKNOWN"));
    assert_eq!(body["retry_after_ms"], 1000);
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_server_may_start_before_its_redis() {
    let redis = Arc::new(RedisServer::not_yet(&[]));
    let server = instance(&redis).await;
    assert_no_store(server.post(STABLE, "x").send().await.unwrap()).await;
    assert_eq!(ready(&server).await, 503);
    redis.run();
    server.create("x").await;
    until_ready(&server).await;
}

/// Changes of unknown sessions must cause no requests to Redis, even if they share a shard with a
/// session that a reader waits for.
#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn the_deletion_of_what_is_not_there_wakes_nobody() {
    let server = instance(&RedisServer::shared()).await;
    let session = server.create("x").await;
    let waiting = held(server.poll(&session).header("prefer", "wait=30")).await;
    let reads = "rendezvous_store_duration_seconds_count{operation=\"read\"}";
    let before = metric(&server, reads).await;
    let name = session.path.strip_prefix("/rendezvous/").unwrap();
    for made_up in 0..20 {
        let other = format!("/rendezvous/{}{made_up:A>18}A", &name[..3]);
        assert_error(
            server.request(Method::DELETE, &other).send().await.unwrap(),
            404,
            "M_NOT_FOUND",
        )
        .await;
    }
    assert_eq!(metric(&server, reads).await, before);
    server.delete(&session).await;
    assert_eq!(answer(waiting).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn sessions_survive_a_kill_of_redis() {
    let redis = RedisServer::durable();
    let server = instance(&redis).await;
    let mut session = server.create("first").await;
    session.etag = header(
        &server.put(&session, "second").send().await.unwrap(),
        "etag",
    );
    redis.kill();
    assert_no_store(server.get(&session).await).await;
    assert_no_store(server.put(&session, "lost").send().await.unwrap()).await;
    assert_no_store(server.delete(&session).await).await;
    assert_no_store(server.post(STABLE, "x").send().await.unwrap()).await;
    redis.run();
    let response = server.get(&session).await;
    assert_eq!(
        response.status(),
        StatusCode::OK,
        "the very next request is answered"
    );
    assert_session_headers(&response);
    assert_eq!(header(&response, "etag"), session.etag);
    assert_eq!(response.text().await.unwrap(), "second");
    // Redis has lost the scripts, so the server sends them again.
    assert_eq!(
        server.put(&session, "third").send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_restart_that_nobody_asked_in_is_not_noticed() {
    let redis = RedisServer::durable();
    let server = instance(&redis).await;
    let session = server.create("first").await;
    redis.kill();
    redis.run();
    assert_eq!(
        server
            .put(&session, "second")
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_redis_that_does_not_answer_is_away() {
    let redis = RedisServer::durable();
    let server = instance(&redis).await;
    let session = server.create("first").await;
    redis.signal("-STOP");
    assert_no_store(timeout(SOON, server.get(&session)).await.unwrap()).await;
    assert_eq!(ready(&server).await, 503);
    redis.signal("-CONT");
    assert_eq!(server.get(&session).await.status(), StatusCode::OK);
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_full_redis_takes_nothing_new_and_gives_what_it_has() {
    let redis = Arc::new(RedisServer::start(&[]));
    let server = instance(&redis).await;
    let session = server.create("kept").await;
    assert!(
        redis
            .command("CONFIG SET maxmemory 1")
            .unwrap()
            .starts_with("+OK")
    );
    assert_no_store(server.post(STABLE, "x").send().await.unwrap()).await;
    assert_eq!(server.get(&session).await.text().await.unwrap(), "kept");
    assert!(
        redis
            .command("CONFIG SET maxmemory 0")
            .unwrap()
            .starts_with("+OK")
    );
    server.create("x").await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_redis_may_want_a_password() {
    let redis = Arc::new(RedisServer::start(&[]));
    assert!(
        redis
            .command("CONFIG SET requirepass secret")
            .unwrap()
            .starts_with("+OK")
    );
    let with =
        |url: String| TestServer::over((Redis::new(&url).unwrap(), Some(redis.clone())), |_| {});
    let (right, wrong) = (
        with(redis.url().replace("//", "//:secret@")).await,
        with(redis.url().replace("//", "//:other@")).await,
    );
    right.create("x").await;
    assert_no_store(wrong.post(STABLE, "x").send().await.unwrap()).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn two_instances_have_the_same_sessions() {
    let redis = RedisServer::shared();
    let (a, b) = (instance(&redis).await, instance(&redis).await);
    for path in CREATE_PATHS {
        let stale = a.create_at(path, "first").await;
        let mut session = stale.clone();
        let read = b.get(&session).await;
        assert_session_headers(&read);
        assert_eq!(header(&read, "etag"), session.etag);
        assert_eq!(read.text().await.unwrap(), "first");
        session.etag = header(&b.put(&session, "second").send().await.unwrap(), "etag");
        let answers = [a.put(&stale, "third"), b.put(&stale, "third")];
        let [from_a, from_b] =
            answers.map(|request| async { error(request.send().await.unwrap()).await });
        assert_eq!(
            from_a.await,
            from_b.await,
            "of the form that the session was made with"
        );
        let poll = a.poll(&session).send().await.unwrap();
        assert_eq!(poll.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(a.delete(&session).await.status(), StatusCode::NO_CONTENT);
        assert_error(b.get(&session).await, 404, "M_NOT_FOUND").await;
        assert_error(b.delete(&session).await, 404, "M_NOT_FOUND").await;
    }
}

/// All requests share one: Redis allows so many clients.
#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn no_request_opens_a_connection_of_its_own() {
    let redis = Arc::new(RedisServer::start(&[]));
    let server = instance(&redis).await;
    until_ready(&server).await;
    let connections = || {
        let stats = redis.command("INFO stats").unwrap();
        let count = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().trim().parse::<usize>().unwrap()
    };
    let before = connections();
    let session = server.create("x").await;
    for _ in 0..10 {
        server.get(&session).await;
    }
    // Those of `command` itself.
    assert!(connections() - before < 4);
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn another_prefix_is_another_world() {
    let redis = RedisServer::shared();
    let (a, b) = (instance(&redis).await, TestServer::start().await);
    let session = a.create("x").await;
    assert_error(b.get(&session).await, 404, "M_NOT_FOUND").await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn sessions_outlive_the_instance_that_made_them() {
    let redis = RedisServer::shared();
    let before = instance(&redis).await;
    let session = before.create("first").await;
    before.stop().await;
    let after = instance(&redis).await;
    assert_eq!(
        after.put(&session, "second").send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_reader_is_let_go_by_what_happens_at_another_instance() {
    let redis = RedisServer::shared();
    let (a, b) = (instance(&redis).await, instance(&redis).await);
    let mut session = a.create("first").await;
    let waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
    let written = a.put(&session, "second").send().await.unwrap();
    session.etag = header(&written, "etag");
    let read = answer(waiting).await;
    assert_eq!(header(&read, "etag"), session.etag);
    assert_eq!(read.text().await.unwrap(), "second");
    let waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
    a.delete(&session).await;
    assert_error(answer(waiting).await, 404, "M_NOT_FOUND").await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_reader_is_let_go_by_the_end_of_another_instances_session() {
    let redis = RedisServer::shared();
    let short = |config: &mut Config| config.lifetime = Duration::from_secs(1);
    let (a, b) = (instance_with(&redis, short).await, instance(&redis).await);
    let session = a.create("first").await;
    let waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
    assert_error(answer(waiting).await, 404, "M_NOT_FOUND").await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn who_waits_while_redis_restarts_gets_what_comes_after() {
    let redis = RedisServer::durable();
    let (a, b) = (instance(&redis).await, instance(&redis).await);
    let session = a.create("first").await;
    let waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
    redis.kill();
    redis.run();
    let written = a.put(&session, "second").send().await.unwrap();
    assert_eq!(written.status(), StatusCode::ACCEPTED);
    assert_eq!(answer(waiting).await.text().await.unwrap(), "second");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_place_is_given_back_when_another_instance_ends_the_session() {
    let redis = RedisServer::durable();
    let (a, b) = (instance(&redis).await, instance(&redis).await);
    let session = a.create("x").await;
    assert_eq!((a.rendezvous.sessions(), b.rendezvous.sessions()), (1, 0));
    b.delete(&session).await;
    a.until_empty().await;
}

/// A cluster of one node, which has all slots.
#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_cluster_will_do() {
    let redis = Arc::new(RedisServer::start(&[
        "--cluster-enabled",
        "yes",
        "--appendonly",
        "yes",
    ]));
    redis.command("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    until_whole(&redis).await;
    let url = redis.url().replace("redis://", "redis+cluster://");
    let instance = || TestServer::over((Redis::new(&url).unwrap(), Some(redis.clone())), |_| {});
    let (a, b) = (instance().await, instance().await);
    let mut session = a.create("first").await;
    for payload in ["second", "third"] {
        let waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
        let written = a.put(&session, payload).send().await.unwrap();
        assert_eq!(
            a.put(&session, "stale").send().await.unwrap().status(),
            StatusCode::PRECONDITION_FAILED
        );
        session.etag = header(&written, "etag");
        assert_eq!(answer(waiting).await.text().await.unwrap(), payload);
        redis.kill();
        assert_no_store(a.get(&session).await).await;
        redis.run();
        until_whole(&redis).await;
    }
    assert_eq!(b.delete(&session).await.status(), StatusCode::NO_CONTENT);
    assert_error(a.get(&session).await, 404, "M_NOT_FOUND").await;
}

/// Each node has half of the slots, and both instances have the address of the first.
#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_cluster_of_two_nodes_will_do() {
    let nodes = [(); 2].map(|()| Arc::new(RedisServer::start(&["--cluster-enabled", "yes"])));
    nodes[0].command("CLUSTER ADDSLOTSRANGE 0 8191").unwrap();
    nodes[1]
        .command("CLUSTER ADDSLOTSRANGE 8192 16383")
        .unwrap();
    nodes[1]
        .command(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port()))
        .unwrap();
    for node in &nodes {
        until_whole(node).await;
    }
    let url = nodes[0].url().replace("redis://", "redis+cluster://");
    let instance = || TestServer::over((Redis::new(&url).unwrap(), Some(nodes[0].clone())), |_| {});
    let (a, b) = (instance().await, instance().await);
    for _ in 0..10 {
        let session = a.create("first").await;
        let waiting = tokio::spawn(b.poll(&session).header("prefer", "wait=30").send());
        assert_eq!(
            a.put(&session, "second").send().await.unwrap().status(),
            StatusCode::ACCEPTED
        );
        let read = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
        assert_eq!(read.text().await.unwrap(), "second");
    }
    for node in nodes {
        let keys = node.command("DBSIZE").unwrap();
        assert_ne!(keys.trim(), ":0", "all sessions are on the other node");
    }
}

/// Waits until a node knows all slots.
pub(crate) async fn until_whole(node: &RedisServer) {
    for _ in 0..200 {
        let info = node.command("CLUSTER INFO").unwrap();
        if info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the cluster does not come up");
}
