//! Connections to Redis: TLS, and a Unix socket.

use std::sync::Arc;

use matrix_qr_rendezvous::{ClientCertificate, Redis, RedisCertificates, RedisTlsError};
use reqwest::StatusCode;

use crate::{
    certificates::Certificates,
    redis::{assert_no_store, until_ready, until_whole},
    redis_server::RedisServer,
    support::*,
};

type TestServer = crate::support::TestServer<Redis>;

/// A store at this URL, with these certificates.
pub(crate) async fn over(
    engine: &Arc<RedisServer>,
    url: &str,
    certificates: &RedisCertificates,
) -> TestServer {
    let store = Redis::with_certificates(&url.parse().unwrap(), certificates).unwrap();
    TestServer::over((store, Some(engine.clone())), |_| {}).await
}

/// Two instances share sessions and notify each other: both the connection for commands and the one
/// for notifications work.
pub(crate) async fn assert_shared(a: &TestServer, b: &TestServer) {
    // A connection may take longer than a request waits for it, on a machine with much to do.
    until_ready(a).await;
    until_ready(b).await;
    let session = a.create("first").await;
    let waiting = held(b.poll(&session).header("prefer", "wait=30")).await;
    assert_eq!(
        a.put(&session, "second").send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
    assert_eq!(answer(waiting).await.text().await.unwrap(), "second");
    assert_eq!(ask(a, "/ready").await.0, 200);
}

async fn assert_none(server: &TestServer) {
    assert_no_store(server.post(STABLE, "x").send().await.unwrap()).await;
    assert_eq!(ask(server, "/ready").await.0, 503);
}

fn authority(certificates: &Certificates, name: &str) -> RedisCertificates {
    RedisCertificates::new(Some(certificates.pem(name)), None).unwrap()
}

fn client(certificates: &Certificates) -> RedisCertificates {
    let client = ClientCertificate {
        chain: certificates.pem("client.pem"),
        key: certificates.pem("client.key").into(),
    };
    RedisCertificates::new(Some(certificates.pem("ca.pem")), Some(client)).unwrap()
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_redis_with_tls_is_trusted_if_its_authority_is() {
    let certificates = Certificates::new();
    let (redis, port) = RedisServer::with_tls(&certificates, &["--tls-auth-clients", "no"]);
    let redis = Arc::new(redis);
    let url = format!("rediss://127.0.0.1:{port}/2");
    let right = authority(&certificates, "ca.pem");
    assert_shared(
        &over(&redis, &url, &right).await,
        &over(&redis, &url, &right).await,
    )
    .await;
    assert_none(&over(&redis, &url, &authority(&certificates, "other.pem")).await).await;
    assert_none(&over(&redis, &url, &RedisCertificates::default()).await).await;
    // The certificate is for the address, not for this name.
    let other_name = format!("rediss://localhost:{port}/2");
    assert_none(&over(&redis, &other_name, &right).await).await;
    // The other port has no TLS.
    let plain = format!("rediss://127.0.0.1:{}/2", redis.port());
    assert_none(&over(&redis, &plain, &right).await).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_redis_may_want_a_certificate() {
    let certificates = Certificates::new();
    let (redis, port) = RedisServer::with_tls(&certificates, &["--tls-auth-clients", "yes"]);
    let redis = Arc::new(redis);
    let url = format!("rediss://127.0.0.1:{port}");
    let right = client(&certificates);
    assert_shared(
        &over(&redis, &url, &right).await,
        &over(&redis, &url, &right).await,
    )
    .await;
    assert_none(&over(&redis, &url, &authority(&certificates, "ca.pem")).await).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_cluster_may_have_tls() {
    let certificates = Certificates::new();
    let cluster = [
        "--cluster-enabled",
        "yes",
        "--tls-cluster",
        "yes",
        "--tls-auth-clients",
        "yes",
    ];
    let (redis, port) = RedisServer::with_tls(&certificates, &cluster);
    redis.command("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    until_whole(&redis).await;
    let redis = Arc::new(redis);
    // The first node is down. Any other one is enough to find the cluster.
    let url = format!("rediss+cluster://127.0.0.1:1,127.0.0.1:{port}");
    let right = client(&certificates);
    assert_shared(
        &over(&redis, &url, &right).await,
        &over(&redis, &url, &right).await,
    )
    .await;
    assert_none(&over(&redis, &url, &authority(&certificates, "ca.pem")).await).await;
}

#[test]
#[ignore = "needs openssl: cargo xtask test"]
fn certificates_that_cannot_work_are_refused_at_once() {
    let certificates = Certificates::new();
    let client = |chain: &str, key: &str| {
        let client = ClientCertificate {
            chain: certificates.pem(chain),
            key: certificates.pem(key).into(),
        };
        RedisCertificates::new(None, Some(client)).map(drop)
    };
    assert_eq!(client("client.pem", "client.key"), Ok(()));
    assert_eq!(
        client("client.pem", "server.key"),
        Err(RedisTlsError::OtherKey)
    );
    assert_eq!(
        client("client.key", "client.key"),
        Err(RedisTlsError::Chain)
    );
    assert_eq!(client("client.pem", "client.pem"), Err(RedisTlsError::Key));
    let authorities = |pem: &[u8]| RedisCertificates::new(Some(pem.to_vec()), None);
    assert_eq!(authorities(b"").map(drop), Err(RedisTlsError::Authorities));
    assert_eq!(
        authorities(&certificates.pem("ca.key")).map(drop),
        Err(RedisTlsError::Authorities)
    );
    let right = authorities(&certificates.pem("ca.pem")).unwrap();
    let without_tls = Redis::with_certificates(&"redis://a.example".parse().unwrap(), &right);
    assert_eq!(without_tls.err(), Some(RedisTlsError::NoTls));
}

/// With a password and a database, which are in other places of such a URL.
#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_redis_may_be_at_a_socket() {
    let redis = Arc::new(RedisServer::start(&[
        "--unixsocket",
        "redis.sock",
        "--unixsocketperm",
        "700",
    ]));
    assert!(
        redis
            .command("ACL SETUSER u on >s%cret ~* &* +@all")
            .unwrap()
            .starts_with("+OK")
    );
    assert!(
        redis
            .command("ACL SETUSER default off")
            .unwrap()
            .starts_with("+OK")
    );
    let path = redis.directory().join("redis.sock");
    let url = |login: &str| format!("unix://{}?db=3{login}", path.display());
    let (default, right) = (RedisCertificates::default(), url("&user=u&pass=s%25cret"));
    assert_shared(
        &over(&redis, &right, &default).await,
        &over(&redis, &right, &default).await,
    )
    .await;
    let written_otherwise = format!("redis+unix://u:s%25cret@{}?db=3", path.display());
    assert_shared(
        &over(&redis, &right, &default).await,
        &over(&redis, &written_otherwise, &default).await,
    )
    .await;
    assert_none(&over(&redis, &url("&user=u&pass=wrong"), &default).await).await;
}
