//! Two instances over one Redis, in this API; and a Redis that is away.

use std::sync::Arc;

use matrix_qr_rendezvous::Redis;
use reqwest::Method;

use super::*;
use crate::redis_server::RedisServer;

async fn instance(redis: &Arc<RedisServer>) -> TestServer<Redis> {
    TestServer::over((redis.store(), Some(redis.clone())), |_| {}).await
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn two_instances_have_the_same_sessions() {
    let redis = RedisServer::shared();
    let (a, b) = (instance(&redis).await, instance(&redis).await);
    for (collection, errcode) in COLLECTIONS {
        let stale = a.name_at(collection, "first").await;
        let waiting = held(a.wait(&stale, "30")).await;
        let written = b.write(&stale, "second").await;
        assert_eq!(
            granted(answer(waiting).await).await["sequence_token"],
            written
        );
        // Repeated at the other instance, which has not received it.
        assert_eq!(a.write(&stale, "second").await, written);
        for server in [&a, &b] {
            let response = server.put_json(&stale, "third").send().await.unwrap();
            assert_error(response, 409, errcode).await;
        }
        assert_eq!(a.look(&stale).await["sequence_token"], written);
        let waiting = held(b.wait(
            &SessionAtToken {
                token: written,
                ..stale.clone()
            },
            "30",
        ))
        .await;
        granted(a.request(Method::DELETE, &stale.path).send().await.unwrap()).await;
        assert_error(answer(waiting).await, 404, "M_NOT_FOUND").await;
        assert_error(
            b.put_json(&stale, "second").send().await.unwrap(),
            404,
            "M_NOT_FOUND",
        )
        .await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_session_is_of_one_api_at_each_instance() {
    let redis = RedisServer::shared();
    let (a, b) = (instance(&redis).await, instance(&redis).await);
    let (session, text) = (a.name("json").await, a.create("text").await);
    let as_text = TextSession {
        path: format!("/rendezvous/{}", session.id),
        ..text.clone()
    };
    assert_error(b.get(&as_text).await, 404, "M_NOT_FOUND").await;
    assert_error(b.delete(&as_text).await, 404, "M_NOT_FOUND").await;
    let path = format!("{STABLE}{}", text.path.replace("/rendezvous", ""));
    for method in [Method::GET, Method::DELETE] {
        assert_error(
            b.request(method, &path).send().await.unwrap(),
            404,
            "M_NOT_FOUND",
        )
        .await;
    }
    assert_eq!(b.data(&session).await, "json");
    assert_eq!(b.get(&text).await.text().await.unwrap(), "text");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn sessions_survive_a_kill_of_redis() {
    let redis = RedisServer::durable();
    let server = instance(&redis).await;
    let session = server.name("first").await;
    let written = server.write(&session, "second").await;
    redis.kill();
    for request in [
        server.post_json(STABLE, "x"),
        server.request(Method::GET, &session.path),
        server.put_json(&session, "second"),
        server.send(Method::PUT, &session.path, "no json"),
        server.request(Method::DELETE, &session.path),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(header(&response, "retry-after"), "1");
        let (status, errcode, body) = error(response).await;
        assert_eq!((status, errcode.as_str()), (503, "M_UNKNOWN"));
        assert_eq!(body["retry_after_ms"], 1000);
    }
    redis.run();
    // As a client does without a response.
    assert_eq!(server.write(&session, "second").await, written);
    assert_eq!(server.look(&session).await["sequence_token"], written);
}
