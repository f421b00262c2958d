//! Connections that send a byte a second and never finish a request.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    error::BenchError,
    load::Load,
    options::BenchOptions,
    process::ServerProcess,
    report::{BenchReport, BenchRow},
    rounds::Runs,
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 5] = [
    "slow clients: closed after",
    "slow clients: poll 304",
    "slow clients: read 1 KiB",
    "slow clients: create 1 KiB",
    "slow clients: exchange",
];

const SLOW: usize = 1000;
const BETWEEN_BYTES: Duration = Duration::from_secs(1);

/// The server's time limit for request headers, and some more for a busy machine, in seconds.
const CLOSED_WITHIN: f64 = 10.0 + 3.0;

/// When to stop waiting for the server to close them.
const LONGEST: Duration = Duration::from_secs(40);

/// The time for the server to accept a thousand connections, and later to remove them.
const RESPITE: Duration = Duration::from_millis(200);

/// Measures when the server closes them, and how much they slow others down.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let server = ours(options, Setting::Wide)?;
    let [closed, rates @ ..] = ROWS;
    report.add(closing(closed, &server).await?);
    for (name, load) in rates.into_iter().zip(Load::ALL) {
        report.add(compare(name, load, &server, options).await?);
    }
    Ok(())
}

async fn closing(name: &str, server: &ServerProcess) -> Result<BenchRow, BenchError> {
    let mut slow = open(server.address).await?;
    let mut times = Vec::new();
    let all = async {
        while let Some(time) = slow.join_next().await {
            times.push(time?);
        }
        Ok::<_, BenchError>(())
    };
    let finished = timeout(LONGEST, all).await;
    let slowest = times.iter().max().map_or(0.0, Duration::as_secs_f64);
    let row = BenchRow::new(name, slowest, "s")
        .at_most(CLOSED_WITHIN)
        .with("connections", times.len());
    match finished {
        Ok(result) => result.map(|()| row),
        Err(_) => Err(BenchError::TooSlow("closing slow connections")),
    }
}

/// Measures the same load without slow connections and with them, in turn.
async fn compare(
    name: &str,
    load: Load,
    server: &ServerProcess,
    options: &BenchOptions,
) -> Result<BenchRow, BenchError> {
    let (mut without, mut with) = (Runs::default(), Runs::default());
    let rounds = options.rounds();
    load.put_on(server, rounds.time / 4).await?;
    // Half as many rounds: each also opens and closes a thousand connections.
    for _ in 0..rounds.count.div_ceil(2) {
        without.push(load.put_on(server, rounds.time).await?);
        let slow = open(server.address).await?;
        sleep(RESPITE).await;
        with.push(load.put_on(server, rounds.time).await?);
        drop(slow);
        sleep(RESPITE).await;
    }
    let row = BenchRow::new(name, with.over(&without), "of the rate without").at_least(0.9);
    Ok(row
        .with("with", with.rate())
        .with("without", without.rate())
        .with("p99_ms", with.p99_ms()))
}

/// Opens all slow connections. They end when the result is dropped.
async fn open(address: SocketAddr) -> Result<JoinSet<Duration>, BenchError> {
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(dribble(TcpStream::connect(address).await?));
    }
    Ok(slow)
}

/// Sends a byte at a time, and returns how long the server kept the connection.
async fn dribble(mut stream: TcpStream) -> Duration {
    let (start, mut response) = (Instant::now(), [0; 512]);
    for byte in b"GET / HTTP/1.1\r\nx: "
        .iter()
        .chain(std::iter::repeat(&b'y'))
    {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        // The server may send an error before it closes.
        let read = timeout(BETWEEN_BYTES, stream.read(&mut response)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
    }
    start.elapsed()
}
