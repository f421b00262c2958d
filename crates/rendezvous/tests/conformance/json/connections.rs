//! Clients that take their time, a server that stops, and HTTP/2.

use std::time::Duration;

use matrix_qr_rendezvous::{Memory, Timeouts};
use reqwest::{Client, Version};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::*;

type TestServer = crate::support::TestServer<Memory>;

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_and_ends_the_connection() {
    let timeouts = Timeouts {
        header: LONG,
        body: SHORT,
        idle: LONG,
    };
    let server = TestServer::with(|config| config.timeouts = timeouts).await;
    let session = server.name("kept").await;
    let rest =
        "Host: x\r\nContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n{\"data\":\"";
    for start in [format!("PUT {}", session.path), format!("POST {STABLE}")] {
        let mut stream = server.connect().await;
        stream
            .write_all(format!("{start} HTTP/1.1\r\n{rest}").as_bytes())
            .await
            .unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("M_UNKNOWN"),
            "{answer}"
        );
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(server.data(&session).await, "kept");
    assert_eq!(server.rendezvous.sessions(), 1);
}

#[tokio::test]
async fn a_held_reader_is_neither_idle_nor_slow() {
    let all_short = Timeouts {
        header: SHORT,
        body: SHORT,
        idle: SHORT,
    };
    let server = TestServer::with(|config| config.timeouts = all_short).await;
    let session = server.name("first").await;
    let waiting = held(server.wait(&session, "30")).await;
    tokio::time::sleep(3 * SHORT).await;
    server.write(&session, "second").await;
    assert_eq!(granted(answer(waiting).await).await["data"], "second");
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_one() {
    let server = TestServer::start().await;
    let body = json!({ "data": "é".repeat(2048) }).to_string();
    let mut stream = server.connect().await;
    let head = format!(
        "POST {STABLE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // At arbitrary places, even within a character.
    for piece in body.as_bytes().chunks(999) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_stop_lets_a_write_under_way_finish() {
    let mut server = TestServer::start().await;
    let session = server.name("first").await;
    let body = json!({ "sequence_token": session.token, "data": "second" }).to_string();
    let (start, end) = body.split_at(20);
    let mut writing = server.connect().await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{start}",
        session.path,
        body.len()
    );
    writing.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    writing.write_all(end.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut writing).await.starts_with("HTTP/1.1 200 "));
    server.stop().await;
}

#[tokio::test]
async fn two_devices_exchange_payloads_over_http2() {
    let server = TestServer::start().await;
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let session = server.name("first").await;
    let url = format!("http://{}{}", server.address, session.path);
    let get = client
        .get(format!("{url}?sequence_token={}", session.token))
        .header("prefer", "wait=30");
    let waiting = held(get).await;
    let put = client
        .put(&url)
        .json(&json!({ "sequence_token": session.token, "data": "second" }));
    let response = put.send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let written = token(response).await;
    let heard = granted(answer(waiting).await).await;
    assert_eq!(
        (&heard["data"], &heard["sequence_token"]),
        (&json!("second"), &json!(written))
    );
    assert_eq!(
        granted(client.delete(&url).send().await.unwrap()).await,
        json!({})
    );
}
