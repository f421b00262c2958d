//! One client creates sessions as fast as it can, while others sign in.

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
    client::{PATIENCE, RawClient},
    error::BenchError,
    load::{CONNECTIONS, DevicePair},
    options::BenchOptions,
    process::ServerProcess,
    report::{BenchReport, BenchRow},
    requests::RequestBuffer,
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 1] = ["flood: sign-ins lost"];

/// How many others sign in, each from a network of its own.
const HONEST: u8 = 100;

/// How long a person takes between two messages. A sign-in so takes several seconds.
const PAUSE: Duration = Duration::from_millis(400);

/// How long the flood runs before the first sign-in.
const HEAD_START: Duration = Duration::from_secs(2);

/// The time between the starts of two sign-ins.
const APART: Duration = Duration::from_millis(20);

/// The address of the flood, as a proxy in front of the server would report it.
const FLOODER: &str = "198.51.100.7";

/// Measures with the server's default limits.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let server = ours(options, Setting::Default)?;
    let (mut flood, counts, start) = (
        JoinSet::new(),
        Arc::new(FloodCounts::default()),
        Instant::now(),
    );
    for _ in 0..CONNECTIONS {
        flood.spawn(create_for_ever(server.address, counts.clone()));
    }
    sleep(HEAD_START).await;
    let losses = sign_in(&server).await?;
    let (created, refused) = (
        counts.created.load(Ordering::Relaxed),
        counts.refused.load(Ordering::Relaxed),
    );
    let row = BenchRow::new(ROWS[0], losses.len() as f64, "of 100").at_most(0.0);
    let row = row
        .with("flood_created", created)
        .with("flood_refused", refused);
    let rate = (created + refused) as f64 / start.elapsed().as_secs_f64();
    report.add(
        row.with("flood_per_second", rate)
            .note(losses.first().map(|loss| format!("one of them: {loss}"))),
    );
    Ok(())
}

/// The responses to the flood.
#[derive(Default)]
struct FloodCounts {
    created: AtomicUsize,
    refused: AtomicUsize,
}

/// Creates until the task is dropped, and connects again after any error.
async fn create_for_ever(address: SocketAddr, counts: Arc<FloodCounts>) {
    loop {
        let _ = create_while_connected(address, &counts).await;
        sleep(Duration::from_millis(10)).await;
    }
}

async fn create_while_connected(
    address: SocketAddr,
    counts: &FloodCounts,
) -> Result<(), BenchError> {
    let (mut client, mut request) = (
        RawClient::connect(address).await?,
        RequestBuffer::from_network(FLOODER),
    );
    loop {
        let status = client.ask(request.create(&[b'x'; 1024])).await?.status;
        let counter = if status == 201 {
            &counts.created
        } else {
            &counts.refused
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The errors of the sign-ins that failed.
async fn sign_in(server: &ServerProcess) -> Result<Vec<BenchError>, BenchError> {
    let mut honest = JoinSet::new();
    for number in 1..=HONEST {
        let mut pair = DevicePair::connect(
            server,
            RequestBuffer::from_network(&format!("203.0.113.{number}")),
        )
        .await?;
        honest.spawn(async move {
            let result = timeout(PATIENCE, pair.go(PAUSE)).await;
            result.unwrap_or(Err(BenchError::TooSlow("a sign-in")))
        });
        sleep(APART).await;
    }
    let mut losses = Vec::new();
    while let Some(result) = honest.join_next().await {
        losses.extend(result?.err());
    }
    Ok(losses)
}
