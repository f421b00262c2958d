//! The loads and checks, with a real server in this process.
#![allow(clippy::unwrap_used)]

use std::{net::SocketAddr, process::Command, time::Duration};

use matrix_qr_rendezvous::{Config, Limits, Rendezvous, serve};
use tokio::net::TcpListener;

use crate::{
    bare,
    fill::fill,
    load::Load,
    process::{ChildProcess, ServerProcess},
    responses::{ConstantResponse, Responses},
};

/// Starts a server of ours that ends with the test.
pub(crate) async fn start_ours() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = Config::new("http://127.0.0.1:1/".parse().unwrap());
    config.limits = Limits {
        creates: None,
        requests: None,
        sessions_per_network: None,
        ..Limits::default()
    };
    tokio::spawn(serve(
        listener,
        Rendezvous::new(config),
        std::future::pending(),
    ));
    address
}

/// Describes it as if it were a process of its own.
fn server(address: SocketAddr, constant: bool) -> ServerProcess {
    ServerProcess {
        process: ChildProcess::start(Command::new("sleep").arg("60")).unwrap(),
        address,
        constant,
    }
}

#[tokio::test]
async fn each_load_runs_against_ours_and_against_the_bare_server() {
    let ours = start_ours().await;
    for load in Load::ALL {
        let responses = Responses::of(ours, load).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bare = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, bare::router(&responses, false)).await });
        for server in [server(ours, false), server(bare, true)] {
            let result = load
                .put_on(&server, Duration::from_millis(20))
                .await
                .unwrap();
            assert!(
                result.rate > 0.0 && !result.latencies.is_empty(),
                "{load:?}"
            );
        }
    }
}

/// A bare server that sent less than ours would seem faster than it is.
#[tokio::test]
async fn the_bare_server_sends_what_ours_does() {
    let ours = start_ours().await;
    for load in Load::ALL {
        let responses = Responses::of(ours, load).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (bare, said) = (listener.local_addr().unwrap(), responses.clone());
        tokio::spawn(async move { axum::serve(listener, bare::router(&said, false)).await });
        let repeated = Responses::of(bare, load).await.unwrap();
        let sorted = |constant: &ConstantResponse| {
            let mut headers = constant.headers.clone();
            headers.sort();
            (constant.status, headers, constant.body.clone())
        };
        for (ours, theirs) in [
            (&responses.post, &repeated.post),
            (&responses.get, &repeated.get),
            (&responses.put, &repeated.put),
            (&responses.delete, &repeated.delete),
        ] {
            assert_eq!(sorted(ours), sorted(theirs));
            assert!(ours.headers.len() > 5, "{:?}", ours.headers);
        }
    }
}

#[tokio::test]
async fn a_fill_makes_as_many_as_were_asked_for() {
    let sessions = fill(start_ours().await, 1000, 16).await.unwrap();
    assert_eq!(sessions.len(), 1000);
    assert!(
        sessions
            .iter()
            .all(|session| session.path.starts_with(b"/rendezvous/") && !session.etag.is_empty())
    );
}
