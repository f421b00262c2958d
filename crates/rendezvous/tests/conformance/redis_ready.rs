//! `/ready` reports whether a sign-in would work.

use std::sync::Arc;

use matrix_qr_rendezvous::{Redis, RedisCertificates};

use crate::{
    redis::{until_ready, until_whole},
    redis_reached::{assert_shared, over},
    redis_sentinel::{Sentinel, replica_of},
    redis_server::RedisServer,
    support::*,
};

type TestServer = crate::support::TestServer<Redis>;

const GUIDE: &str = include_str!("../../../../docs/operate.md");

async fn instance(redis: &Arc<RedisServer>) -> TestServer {
    TestServer::over((redis.store(), Some(redis.clone())), |_| {}).await
}

/// Checks that the server is not ready, reports this reason, and counts it.
async fn assert_not_ready(server: &TestServer, code: &str) {
    let (status, text) = ask(server, "/ready").await;
    assert_eq!(
        (status, text.as_str()),
        (
            503,
            format!("the session store cannot be used ({code})\n").as_str()
        )
    );
    let failures = format!("rendezvous_store_failures_total{{code=\"{code}\"}}");
    assert!(metric(server, &failures).await > Some(0.0), "{code}");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_replica_is_not_ready() {
    let main = RedisServer::start(&[]);
    let replica = Arc::new(replica_of(&main));
    assert_not_ready(&instance(&replica).await, "READONLY").await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_full_redis_is_not_ready_until_there_is_room() {
    let redis = Arc::new(RedisServer::start(&["--maxmemory", "1"]));
    let server = instance(&redis).await;
    assert_not_ready(&server, "OOM").await;
    assert!(
        redis
            .command("CONFIG SET maxmemory 0")
            .unwrap()
            .starts_with("+OK")
    );
    until_ready(&server).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_redis_that_refuses_or_is_away_is_not_ready() {
    let redis = Arc::new(RedisServer::start(&["--min-replicas-to-write", "1"]));
    assert_not_ready(&instance(&redis).await, "NOREPLICAS").await;
    assert!(
        redis
            .command("CONFIG SET requirepass secret")
            .unwrap()
            .starts_with("+OK")
    );
    assert_not_ready(&instance(&redis).await, "NOAUTH").await;
    let wrong = redis.url().replace("//", "//:wrong@");
    assert_not_ready(
        &over(&redis, &wrong, &RedisCertificates::default()).await,
        "WRONGPASS",
    )
    .await;
    let away = Arc::new(RedisServer::not_yet(&[]));
    assert_not_ready(&instance(&away).await, "io").await;
    redis.signal("-STOP");
    assert_not_ready(&instance(&redis).await, "timeout").await;
    redis.signal("-CONT");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn who_asks_whether_it_is_ready_leaves_nothing_and_wakes_nobody() {
    let redis = Arc::new(RedisServer::start(&[]));
    let (a, b) = (instance(&redis).await, instance(&redis).await);
    let session = a.create("x").await;
    let _waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
    let reads = "rendezvous_store_duration_seconds_count{operation=\"read\"}";
    let before = metric(&b, reads).await;
    assert!(
        redis
            .command("CONFIG RESETSTAT")
            .unwrap()
            .starts_with("+OK")
    );
    let asked: Vec<_> = (0..50).map(|_| ask(&a, "/ready")).collect();
    for asked in asked {
        assert_eq!(asked.await.0, 200);
    }
    let stats = redis.command("INFO commandstats").unwrap();
    let sets = stats
        .split_once("cmdstat_set:calls=")
        .unwrap()
        .1
        .split(',')
        .next()
        .unwrap();
    // One for the creation and one for the write. On a slow machine the test may take longer than a
    // second.
    assert!(sets.parse::<u32>().unwrap() < 20, "{stats}");
    assert_eq!(redis.command("DBSIZE").unwrap().trim(), ":1");
    assert_eq!(metric(&b, reads).await, before);
}

/// The user from the guide, without one of its rights.
fn user(without: &str) -> String {
    let line = GUIDE
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("ACL SETUSER"))
        .unwrap();
    let words = line.split(' ').filter(|word| *word != without);
    words
        .collect::<Vec<_>>()
        .join(" ")
        .replace("PASSWORD", "secret")
        .replace("SETUSER matrix-qr", "SETUSER matrix-qr reset")
}

async fn as_user(redis: &Arc<RedisServer>, without: &str) -> TestServer {
    let answer = redis.command(&user(without)).unwrap();
    assert!(answer.starts_with("+OK"), "{without}: {answer}");
    let url = redis.url().replace("//", "//matrix-qr:secret@") + "3";
    over(redis, &url, &RedisCertificates::default()).await
}

/// A cluster needs one more right, which the guide names. Sentinels need none.
#[tokio::test]
#[ignore = "needs redis-server, redis-sentinel: cargo xtask test"]
async fn the_user_of_the_guide_can_do_what_is_needed_in_a_cluster_and_with_sentinels() {
    let node = Arc::new(RedisServer::start(&["--cluster-enabled", "yes"]));
    node.command("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    until_whole(&node).await;
    let more = "+cluster|slots";
    assert!(GUIDE.contains(&format!("`{more}`")));
    let url = node
        .url()
        .replace("redis://", "redis+cluster://matrix-qr:secret@");
    let default = RedisCertificates::default();
    assert!(node.command(&user("")).unwrap().starts_with("+OK"));
    assert_eq!(
        ask(&over(&node, &url, &default).await, "/ready").await.0,
        503
    );
    assert!(
        node.command(&format!("{} {more}", user("")))
            .unwrap()
            .starts_with("+OK")
    );
    assert_shared(
        &over(&node, &url, &default).await,
        &over(&node, &url, &default).await,
    )
    .await;

    let main = Arc::new(RedisServer::start(&[]));
    assert!(main.command(&user("")).unwrap().starts_with("+OK"));
    let sentinel = Sentinel::start(main.port(), "");
    let url = format!(
        "redis+sentinel://matrix-qr:secret@127.0.0.1:{}/main-one/3",
        sentinel.port
    );
    assert_shared(
        &over(&main, &url, &default).await,
        &over(&main, &url, &default).await,
    )
    .await;
}

/// With a database number. The rights in the guide are enough, and each one is needed.
#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn the_user_of_the_guide_can_do_what_is_needed_and_no_more() {
    let redis = Arc::new(RedisServer::start(&[]));
    let (a, b) = (as_user(&redis, "").await, as_user(&redis, "").await);
    assert_shared(&a, &b).await;
    let denied = redis.command("ACL LOG").unwrap();
    assert_eq!(denied.trim(), "*0", "it was denied something: {denied}");
    let line = user("");
    let rights: Vec<_> = line
        .split(' ')
        .filter(|word| word.starts_with(['+', '~', '&']))
        .collect();
    assert!(rights.len() > 10, "{line}");
    for right in rights {
        // What Redis 7 always allows, what is for the log and for Sentinels, for the channel that
        // another connection listens at, or for silence.
        if ["+hello", "+info", "+subscribe", "+ping"].contains(&right) {
            continue;
        }
        redis.command("SCRIPT FLUSH").unwrap();
        let server = as_user(&redis, right).await;
        let (status, text) = ask(&server, "/ready").await;
        assert_eq!(status, 503, "without {right}: {text}");
    }
}
