//! Two instances over one store behind a real nginx, with docs/nginx-instances.conf. They share a
//! store in memory, as they would share a Redis. Also the other nginx files of the guides.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "proxies/program.rs"]
mod program;

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_qr_rendezvous::{
    Config, Memory, NewSession, Rate, ReadOutcome, Rendezvous, SessionId, SessionSnapshot, Store,
    StoreChange, Unavailable, Write, WriteOutcome, WriteTag, serve,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{broadcast, oneshot},
};

use crate::program::{ProxyProcess, ProxyProgram, free_address};

const DOCUMENTED: &str = include_str!("../../../docs/nginx-instances.conf");
const GUIDE: &str = include_str!("../../../docs/operate.md");
const SET_UP: &str = include_str!("../../../docs/deploy.md");

/// Shares sessions between instances, as Redis does between processes.
struct SharedStore {
    memory: Arc<Memory>,
    changes: broadcast::Sender<StoreChange>,
}

impl Store for SharedStore {
    async fn create(&self, id: SessionId, new: NewSession) -> Result<SessionSnapshot, Unavailable> {
        self.memory.create(id, new).await
    }

    async fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        self.memory.read(id, seen, now).await
    }

    async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        let written = self.memory.write(id, expected, write).await;
        let _ = self.changes.send(StoreChange::One(id));
        written
    }

    async fn delete(&self, id: SessionId, now: Instant) -> Result<bool, Unavailable> {
        let deleted = self.memory.delete(id, now).await;
        let _ = self.changes.send(StoreChange::One(id));
        deleted
    }

    fn sweep(&self, now: Instant) {
        self.memory.sweep(now);
    }

    fn expired(&self) -> u64 {
        self.memory.expired()
    }

    async fn check(&self) -> Result<(), Unavailable> {
        self.memory.check().await
    }

    async fn watch(&self, changed: impl Fn(StoreChange) + Send + Sync) -> Infallible {
        let mut changes = self.changes.subscribe();
        loop {
            changed(changes.recv().await.unwrap_or(StoreChange::Any));
        }
    }
}

struct Instance {
    rendezvous: Rendezvous<SharedStore>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
}

impl Instance {
    /// Only 127.0.0.1 is a proxy, so that other addresses of this machine are clients. Each client
    /// may create three sessions.
    async fn start(memory: &Arc<Memory>, changes: &broadcast::Sender<StoreChange>) -> Self {
        let store = SharedStore {
            memory: memory.clone(),
            changes: changes.clone(),
        };
        let mut config = Config::new("https://rendezvous.example.org".parse().unwrap());
        config.proxies.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.creates = Rate::new(1, 3);
        let rendezvous = Rendezvous::with_store(store, config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, rendezvous.clone(), async {
            drop(stopped.await)
        }));
        Self {
            rendezvous,
            address,
            stop,
        }
    }
}

/// nginx with the documented file, in front of both instances.
async fn nginx_before(instances: &[Instance; 2]) -> ProxyProcess {
    let mut file = DOCUMENTED.to_owned();
    let mut put = |old: &str, new: &str| {
        assert_eq!(file.matches(old).count(), 1, "{old}");
        file = file.replace(old, new);
    };
    put("10.0.0.11:8090", &instances[0].address.to_string());
    put("10.0.0.12:8090", &instances[1].address.to_string());
    // Not every machine that runs the tests has IPv6.
    put("listen [::]:443 ssl;", "");
    put("ssl_certificate ", "# ");
    put("ssl_certificate_key ", "# ");
    nginx(&file).await
}

/// nginx with a file that listens as the documented ones do.
async fn nginx(file: &str) -> ProxyProcess {
    assert_eq!(file.matches("listen 443 ssl;").count(), 1);
    let site = file.replace("listen 443 ssl;", "listen LISTEN;");
    ProxyProcess::start_at(ProxyProgram::Nginx, &site, free_address()).await
}

/// A device with an address of its own.
struct Device {
    client: Client,
    nginx: String,
}

impl Device {
    fn new(nginx: &ProxyProcess, last: u8) -> Self {
        let client = Client::builder()
            .no_proxy()
            .local_address(Some([127, 0, 0, last].into()));
        Self {
            client: client.build().unwrap(),
            nginx: nginx.url.clone(),
        }
    }

    /// The path of a new session, or the status if there is none.
    async fn create(&self) -> Result<String, StatusCode> {
        let post = self
            .client
            .post(format!("{}/_matrix/client/v1/rendezvous", self.nginx));
        let response = post
            .header("content-type", "text/plain")
            .body("first")
            .send()
            .await
            .unwrap();
        if response.status() != StatusCode::CREATED {
            return Err(response.status());
        }
        let body: Value = response.json().await.unwrap();
        Ok(body["url"]
            .as_str()
            .unwrap()
            .strip_prefix("https://rendezvous.example.org")
            .unwrap()
            .to_owned())
    }

    async fn read(&self, path: &str) -> (String, String) {
        let response = self
            .client
            .get(format!("{}{path}", self.nginx))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        (etag, response.text().await.unwrap())
    }

    async fn wait(&self, path: &str, etag: &str) -> String {
        let get = self
            .client
            .get(format!("{}{path}", self.nginx))
            .header("if-none-match", etag);
        get.header("prefer", "wait=30")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    async fn write(&self, path: &str, etag: &str, payload: &str) {
        let put = self
            .client
            .put(format!("{}{path}", self.nginx))
            .header("if-match", etag);
        let put = put
            .header("content-type", "text/plain")
            .body(payload.to_owned());
        assert_eq!(put.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
}

async fn set_up() -> ([Instance; 2], ProxyProcess) {
    let (memory, changes) = (Arc::new(Memory::default()), broadcast::Sender::new(16));
    let instances = [
        Instance::start(&memory, &changes).await,
        Instance::start(&memory, &changes).await,
    ];
    let nginx = nginx_before(&instances).await;
    (instances, nginx)
}

/// How many requests each instance has answered.
async fn answered(instances: &[Instance; 2]) -> [bool; 2] {
    let mut answered = [false; 2];
    for (instance, answered) in instances.iter().zip(&mut answered) {
        use tower::ServiceExt;
        let request = axum::http::Request::get("/metrics")
            .body(axum::body::Body::empty())
            .unwrap();
        let response = instance
            .rendezvous
            .operations()
            .oneshot(request)
            .await
            .unwrap();
        let text = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        *answered = String::from_utf8_lossy(&text).contains("rendezvous_requests_total{");
    }
    answered
}

#[test]
fn the_guide_shows_the_file_itself() {
    let (_, rest) = GUIDE.split_once("```nginx\nupstream ").unwrap();
    let (upstream, _) = rest.split_once("```").unwrap();
    assert!(
        DOCUMENTED.contains(&format!("upstream {upstream}")),
        "{upstream}"
    );
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn two_devices_meet_whichever_instances_they_reach() {
    let (instances, nginx) = set_up().await;
    let (one, other) = (Device::new(&nginx, 2), Device::new(&nginx, 3));
    let path = one.create().await.unwrap();
    for turn in 0..10 {
        let (etag, _) = one.read(&path).await;
        let payload = format!("payload {turn}");
        let (heard, ()) = tokio::join!(other.wait(&path, &etag), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            one.write(&path, &etag, &payload).await;
        });
        assert_eq!(heard, payload);
    }
    assert_eq!(answered(&instances).await, [true, true], "nginx uses both");
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn one_instance_stops_and_nobody_notices() {
    let ([first, second], nginx) = set_up().await;
    let (one, other) = (Device::new(&nginx, 2), Device::new(&nginx, 3));
    let path = one.create().await.unwrap();
    let (etag, _) = one.read(&path).await;
    first.stop.send(()).unwrap();
    while TcpStream::connect(first.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for turn in 0..4 {
        let (etag, _) = other.read(&path).await;
        one.write(&path, &etag, &format!("payload {turn}")).await;
    }
    assert_ne!(other.read(&path).await.0, etag);
    drop(second);
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn each_instance_counts_a_network_for_itself() {
    let (_instances, nginx) = set_up().await;
    let (greedy, honest) = (Device::new(&nginx, 2), Device::new(&nginx, 3));
    let mut created = 0;
    while greedy.create().await.is_ok() {
        created += 1;
        assert!(created < 20, "nobody counts");
    }
    assert!(
        (3..=6).contains(&created),
        "three at each instance at most: {created}"
    );
    assert!(
        honest.create().await.is_ok(),
        "another network is not held to it"
    );
}

/// A server with a store of its own.
async fn alone(public_url: &str) -> (Rendezvous, SocketAddr) {
    let rendezvous = Rendezvous::new(Config::new(public_url.parse().unwrap()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, rendezvous.clone(), std::future::pending()));
    (rendezvous, address)
}

/// As in the guide under "Upgrades".
#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_new_server_takes_over_and_the_old_one_keeps_its_sessions() {
    let (_, rest) = GUIDE.split_once("In nginx, in place of the one").unwrap();
    let block = rest
        .split("```")
        .nth(1)
        .unwrap()
        .strip_prefix("nginx")
        .unwrap();
    let (old, old_address) = alone("https://rendezvous.example.org").await;
    let (new, new_address) = alone("https://rendezvous.example.org/next/").await;
    let block = block.replace("127.0.0.1:8090", &old_address.to_string());
    let block = block.replace("127.0.0.1:8092", &new_address.to_string());
    let nginx = nginx(&format!("server {{ listen 443 ssl; {block} }}")).await;
    let device = Device::new(&nginx, 2);
    let straight = Device {
        nginx: format!("http://{old_address}"),
        ..Device::new(&nginx, 2)
    };
    let before = straight.create().await.unwrap();
    let after = device.create().await.unwrap();
    assert!(
        before.starts_with("/rendezvous/") && after.starts_with("/next/rendezvous/"),
        "{before} {after}"
    );
    for path in [before, after] {
        let (etag, _) = device.read(&path).await;
        device.write(&path, &etag, "second").await;
        assert_eq!(device.read(&path).await.1, "second", "{path}");
    }
    assert_eq!((old.sessions(), new.sessions()), (1, 1));
}

/// The lines of docs/deploy.md for MSC4388, in front of Synapse's own location and next to it.
#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_homeservers_proxy_sends_the_coming_revision_here_and_no_more() {
    let (_, rest) = SET_UP.split_once("\n## 5. ").unwrap();
    let block = rest
        .split("```")
        .nth(1)
        .unwrap()
        .strip_prefix("nginx")
        .unwrap();
    let synapse = "location ~ ^(/_matrix|/_synapse/client) { ";
    assert!(SET_UP.contains(synapse.trim_end()));
    let synapse = format!("{synapse} return 418; }}");
    let (rendezvous, address) = alone("https://rendezvous.example.org").await;
    let block = block.replace("127.0.0.1:8090", &address.to_string());
    let nginx = nginx(&format!("server {{ listen 443 ssl; {block} {synapse} }}")).await;
    let device = Device::new(&nginx, 2);
    for below in ["v1", "unstable/io.element.msc4388"] {
        let collection = format!("{}/_matrix/client/{below}/rendezvous", nginx.url);
        let told: Value = device
            .client
            .get(&collection)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(told, json!({ "create_available": true }));
        let post = device
            .client
            .post(&collection)
            .json(&json!({ "data": "first" }))
            .send()
            .await
            .unwrap();
        let session: Value = post.json().await.unwrap();
        let url = format!("{collection}/{}", session["id"].as_str().unwrap());
        let token = session["sequence_token"].as_str().unwrap();
        let wait = device
            .client
            .get(format!("{url}?sequence_token={token}"))
            .header("prefer", "wait=30")
            .send();
        let (heard, ()) = tokio::join!(wait, async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let body = json!({ "sequence_token": token, "data": "second" });
            assert_eq!(
                device
                    .client
                    .put(&url)
                    .json(&body)
                    .send()
                    .await
                    .unwrap()
                    .status(),
                StatusCode::OK
            );
        });
        let heard = heard.unwrap();
        assert_eq!(heard.headers()["preference-applied"], "wait=30");
        assert_eq!(
            heard
                .headers()
                .get_all("access-control-allow-origin")
                .iter()
                .count(),
            1
        );
        assert_eq!(heard.json::<Value>().await.unwrap()["data"], "second");
        assert_eq!(
            device.client.delete(&url).send().await.unwrap().status(),
            StatusCode::OK
        );
    }
    assert!(
        device.create().await.unwrap().starts_with("/rendezvous/"),
        "MSC4108's, as from a 307"
    );
    assert_eq!(rendezvous.sessions(), 1);
    for path in [
        "versions",
        "v1/rendezvouses",
        "unstable/org.matrix.msc4108/rendezvous",
    ] {
        let url = format!("{}/_matrix/client/{path}", nginx.url);
        assert_eq!(
            device.client.get(url).send().await.unwrap().status(),
            StatusCode::IM_A_TEAPOT,
            "{path}"
        );
    }
}
