//! A homeserver in Rust that contains a rendezvous service: no second process, no redirect, no
//! second host name.
//!
//! ```console
//! $ cargo run -p matrix-qr-rendezvous --example embed
//! $ curl -si -d hello -H 'Content-Type: text/plain' http://127.0.0.1:8008/_matrix/client/v1/rendezvous
//! $ curl -si -d hello -H 'Content-Type: text/plain' http://127.0.0.1:8008/neighbour/
//! $ curl -si -d '{"data":"hello"}' -H 'Content-Type: application/json' http://127.0.0.1:8008/_matrix/client/v1/rendezvous
//! ```
//!
//! Whoever embeds the service must take care of four things, which the server of this crate does by
//! itself:
//!
//! - Slow clients. axum's own server waits for them for ever; `serve_router` does not.
//! - The peer. Limits per network need its address (`ConnectInfo`) and the networks of the proxies
//!   (`Config::proxies`).
//! - Upkeep. It frees the memory of expired sessions, and listens to a store that several instances
//!   share.
//! - The stop. Readers wait for up to 30 s; `release_waiters` answers them at once.
//!
//! No layer around these routes may compress, cache or add CORS headers: the responses have their
//! own.

use std::{future::Future, io, pin::pin};

use axum::{
    Json, Router,
    routing::{any_service, get},
};
use matrix_qr_rendezvous::{Config, Limits, Memory, Rendezvous, Timeouts, serve_router};
use serde_json::{Value, json};
use tokio::{net::TcpListener, signal::ctrl_c, sync::Notify};
use url::Url;

/// The URL under which clients reach the homeserver. For a real one it is https.
const PUBLIC_URL: &str = "http://127.0.0.1:8008";

/// Two services in one process. They share nothing: no sessions, no limits, no metrics.
struct Homeserver {
    own: Rendezvous,
    /// For another homeserver, which redirects its clients here with a 307.
    neighbours: Rendezvous,
}

impl Homeserver {
    fn new(public_url: &Url) -> Self {
        let mut below = public_url.clone();
        below.set_path("/neighbour");
        let limits = Limits {
            max_sessions: 100,
            ..Limits::default()
        };
        Self {
            own: Rendezvous::with_store(Memory::default(), Config::new(public_url.clone())),
            neighbours: Rendezvous::with_store(
                Memory::default(),
                Config {
                    limits,
                    ..Config::new(below)
                },
            ),
        }
    }

    /// The routes of the homeserver, including those of the service. All other paths remain for the
    /// homeserver to answer.
    fn routes(&self) -> Router {
        // For any method: the service itself refuses those that it does not support.
        let rendezvous = any_service(self.own.router());
        Router::new()
            .route("/_matrix/client/versions", get(versions))
            .route("/_matrix/client/v1/rendezvous", rendezvous.clone())
            .route(
                "/_matrix/client/v1/rendezvous/{session}",
                rendezvous.clone(),
            )
            .route(
                "/_matrix/client/unstable/io.element.msc4388/rendezvous",
                rendezvous.clone(),
            )
            .route(
                "/_matrix/client/unstable/io.element.msc4388/rendezvous/{session}",
                rendezvous.clone(),
            )
            .route(
                "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
                rendezvous.clone(),
            )
            .route("/rendezvous/{session}", rendezvous)
            .nest_service("/neighbour", self.neighbours.router())
    }

    /// Serves until `stop`.
    async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
        let stopping = Notify::new();
        let served = serve_router(
            listener,
            self.routes(),
            Timeouts::default(),
            stopping.notified(),
        );
        let mut served = pin!(served);
        tokio::select! {
            served = &mut served => return served,
            never = self.own.upkeep() => match never {},
            never = self.neighbours.upkeep() => match never {},
            () = stop => {}
        }
        self.own.release_waiters();
        self.neighbours.release_waiters();
        stopping.notify_one();
        served.await
    }
}

async fn versions() -> Json<Value> {
    Json(json!({ "versions": ["v1.15"], "unstable_features": { "org.matrix.msc4108": true } }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let homeserver = Homeserver::new(&PUBLIC_URL.parse()?);
    let listener = TcpListener::bind("127.0.0.1:8008").await?;
    homeserver
        .serve(listener, async { drop(ctrl_c().await) })
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use reqwest::{Client, Response, StatusCode};
    use tokio::sync::oneshot;

    use super::*;

    struct Running {
        client: Client,
        address: String,
        stop: oneshot::Sender<()>,
        task: tokio::task::JoinHandle<io::Result<()>>,
    }

    impl Running {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let homeserver = Homeserver::new(&address.parse().unwrap());
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(homeserver.serve(listener, async { drop(stopped.await) }));
            Self {
                client: Client::builder().no_proxy().build().unwrap(),
                address,
                stop,
                task,
            }
        }

        async fn get(&self, url: &str) -> Response {
            self.client.get(url).send().await.unwrap()
        }

        /// Creates a session. Returns its URL and its ETag.
        async fn create(&self, path: &str) -> (String, String) {
            let post = self
                .client
                .post(format!("{}{path}", self.address))
                .header("content-type", "text/plain");
            let response = post.body("hello").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::CREATED);
            let etag = response.headers()["etag"].to_str().unwrap().to_owned();
            let body: Value = response.json().await.unwrap();
            (body["url"].as_str().unwrap().to_owned(), etag)
        }
    }

    #[tokio::test]
    async fn a_homeserver_has_both_services_and_its_own_routes() {
        let running = Running::start().await;
        let (own, _) = running.create("/_matrix/client/v1/rendezvous").await;
        let (neighbours, _) = running.create("/neighbour/").await;
        for url in [&own, &neighbours] {
            assert_eq!(
                running.get(url).await.text().await.unwrap(),
                "hello",
                "{url}"
            );
        }
        let elsewhere = own.replace("/rendezvous/", "/neighbour/rendezvous/");
        assert_eq!(
            running.get(&elsewhere).await.status(),
            StatusCode::NOT_FOUND,
            "they share no sessions"
        );
        let versions = running
            .get(&format!("{}/_matrix/client/versions", running.address))
            .await;
        assert_eq!(versions.status(), StatusCode::OK);
        let other = running
            .get(&format!("{}/_matrix/client/v3/sync", running.address))
            .await;
        assert_eq!(
            other.text().await.unwrap(),
            "",
            "the homeserver answers for what is its own"
        );
    }

    #[tokio::test]
    async fn a_homeserver_offers_the_upcoming_revision_too() {
        let running = Running::start().await;
        for below in ["v1", "unstable/io.element.msc4388"] {
            let collection = format!("{}/_matrix/client/{below}/rendezvous", running.address);
            let post = running
                .client
                .post(&collection)
                .json(&json!({ "data": "hello" }));
            let body: Value = post.send().await.unwrap().json().await.unwrap();
            let session = running
                .get(&format!("{collection}/{}", body["id"].as_str().unwrap()))
                .await;
            assert_eq!(
                session.json::<Value>().await.unwrap()["data"],
                "hello",
                "{below}"
            );
        }
    }

    #[tokio::test]
    async fn a_stop_answers_waiting_readers() {
        let running = Running::start().await;
        let (url, etag) = running.create("/_matrix/client/v1/rendezvous").await;
        let get = running
            .client
            .get(&url)
            .header("if-none-match", etag)
            .header("prefer", "wait=30");
        let held = tokio::spawn(get.send());
        tokio::time::sleep(Duration::from_millis(200)).await;
        running.stop.send(()).unwrap();
        assert_eq!(
            held.await.unwrap().unwrap().status(),
            StatusCode::NOT_MODIFIED
        );
        running.task.await.unwrap().unwrap();
    }
}
