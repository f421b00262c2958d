//! One client creates sessions as fast as it can, while others want to sign in.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::{Client, PATIENCE},
    error::BenchError,
    load::{CONNECTIONS, SignIn},
    options::Options,
    process::Server,
    report::{Report, Row},
    requests::Request,
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 1] = ["flood: sign-ins lost"];

/// Each from a network of its own.
const HONEST: u8 = 100;

/// What a person takes between two messages, and so several seconds for a sign-in.
const PAUSE: Duration = Duration::from_millis(400);

/// How long the flood goes before anybody else comes.
const HEAD_START: Duration = Duration::from_secs(2);

/// Between one sign-in's start and the next one's.
const APART: Duration = Duration::from_millis(20);

/// Where the flood comes from, as the proxy in front would say.
const FLOODER: &str = "198.51.100.7";

/// The server's limits are those that it comes with.
pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<(), BenchError> {
    let server = ours(options, Setting::Default)?;
    let (mut flood, seen, start) = (JoinSet::new(), Arc::new(Seen::default()), Instant::now());
    for _ in 0..CONNECTIONS {
        flood.spawn(create_for_ever(server.address, seen.clone()));
    }
    sleep(HEAD_START).await;
    let losses = sign_in(&server).await?;
    let (created, refused) = (
        seen.created.load(Ordering::Relaxed),
        seen.refused.load(Ordering::Relaxed),
    );
    let row = Row::new(ROWS[0], losses.len() as f64, "of 100").at_most(0.0);
    let row = row
        .with("flood_created", created)
        .with("flood_refused", refused);
    let rate = (created + refused) as f64 / start.elapsed().as_secs_f64();
    report.add(
        row.with("flood_per_second", rate)
            .note(losses.first().map(|loss| format!("a loss: {loss}"))),
    );
    Ok(())
}

/// What became of the flood.
#[derive(Default)]
struct Seen {
    created: AtomicUsize,
    refused: AtomicUsize,
}

/// Until the task is dropped. Whatever the server does to it, it comes again.
async fn create_for_ever(address: SocketAddr, seen: Arc<Seen>) {
    loop {
        let _ = create_while_connected(address, &seen).await;
        sleep(Duration::from_millis(10)).await;
    }
}

async fn create_while_connected(address: SocketAddr, seen: &Seen) -> Result<(), BenchError> {
    let (mut client, mut request) = (
        Client::connect(address).await?,
        Request::from_network(FLOODER),
    );
    loop {
        let status = client.ask(request.create(&[b'x'; 1024])).await?.status;
        let counter = if status == 201 {
            &seen.created
        } else {
            &seen.refused
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The reasons of those that were lost.
async fn sign_in(server: &Server) -> Result<Vec<BenchError>, BenchError> {
    let mut honest = JoinSet::new();
    for number in 1..=HONEST {
        let mut pair = SignIn::connect(
            server,
            Request::from_network(&format!("203.0.113.{number}")),
        )
        .await?;
        honest.spawn(async move {
            let gone = timeout(PATIENCE, pair.go(PAUSE)).await;
            gone.unwrap_or(Err(BenchError::TooSlow("a sign-in")))
        });
        sleep(APART).await;
    }
    let mut losses = Vec::new();
    while let Some(result) = honest.join_next().await {
        losses.extend(result?.err());
    }
    Ok(losses)
}
