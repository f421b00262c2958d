use std::net::TcpListener;

use reqwest::StatusCode;

use crate::common::{TestEnv, env};

const BANNER: &str = "matrix-qr sandbox: for tests and demos only";

async fn as_host(env: &TestEnv, url: &str, host: &str) -> (StatusCode, String) {
    let response = env.http.get(url).header("host", host).send().await.unwrap();
    let banner = response.headers()["x-sandbox"].to_str().unwrap().to_owned();
    (response.status(), banner)
}

#[tokio::test]
async fn a_name_that_is_not_loopback_is_refused_everywhere() {
    let env = env().await;
    let rendezvous = env.sandbox.rendezvous().to_string();
    for url in [
        env.hs("versions"),
        env.issuer("link"),
        env.issuer("nothing"),
        rendezvous,
    ] {
        for host in ["evil.example", "localhost.evil.example:80", "10.0.0.1"] {
            assert_eq!(
                as_host(&env, &url, host).await,
                (StatusCode::FORBIDDEN, BANNER.to_owned()),
                "{url} {host}"
            );
        }
    }
    for host in ["localhost:1234", "127.0.0.1", "[::1]:80"] {
        assert_eq!(
            as_host(&env, &env.hs("versions"), host).await,
            (StatusCode::OK, BANNER.to_owned())
        );
    }
}

#[tokio::test]
async fn the_absolute_form_is_looked_at_too() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let env = env().await;
    let address = env.sandbox.server_name();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET http://evil.example/_matrix/client/versions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn it_listens_on_loopback_and_stops_when_told() {
    let env = env().await;
    for url in [env.sandbox.homeserver(), env.sandbox.issuer()] {
        assert_eq!(url.host_str(), Some("127.0.0.1"));
    }
    let port = env.sandbox.homeserver().port().unwrap();
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
    env.sandbox.stop().await;
    assert!(
        env.http
            .get(format!("http://127.0.0.1:{port}/"))
            .send()
            .await
            .is_err()
    );
}
