//! Starts a Redis, and measures the exchange over it.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    error::BenchError,
    free_port::free_port,
    load::Load,
    options::BenchOptions,
    process::ChildProcess,
    report::{BenchReport, BenchRow},
    rounds::interleave,
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 2] = ["exchange over Redis", "exchange over Redis: processor time"];

/// The path in Debian.
const SERVER: &str = "/usr/bin/redis-server";

const BETWEEN_TRIES: Duration = Duration::from_millis(50);
const TRIES: usize = 200;

/// Measures the rate and the processor time over Redis, relative to those over memory.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let redis = RedisProcess::start().await?;
    let (memory, shared) = (
        ours(options, Setting::Wide)?,
        ours(options, Setting::Redis(redis.port))?,
    );
    let [memory, shared] = interleave([&memory, &shared], Load::Exchange, options.rounds()).await?;
    let row = BenchRow::new(ROWS[0], shared.over(&memory), "of the rate over memory").at_least(0.4);
    let row = row
        .with("over_redis", shared.rate())
        .with("over_memory", memory.rate());
    let row = row
        .with("cpu_us_per_request", shared.cpu_us())
        .with("p99_ms", shared.p99_ms());
    report.add(row);
    // Ours alone, without that of Redis.
    let ratio = memory.cpu_us() / shared.cpu_us();
    let row = BenchRow::new(ROWS[1], ratio, "of that over memory").at_least(0.65);
    report.add(row.with("memory_us_per_request", memory.cpu_us()));
    Ok(())
}

/// A Redis that ends when this value is dropped, and stores nothing.
pub(crate) struct RedisProcess {
    pub(crate) port: u16,
    /// Dropped first, so that it ends before its directory is removed.
    _process: ChildProcess,
    _directory: TempDir,
}

impl RedisProcess {
    pub(crate) async fn start() -> Result<Self, BenchError> {
        if !Path::new(SERVER).exists() {
            return Err(BenchError::NoRedis(SERVER));
        }
        let (directory, port) = (TempDir::new()?, free_port());
        let mut command = Command::new(SERVER);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command
            .arg("--dir")
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let redis = Self {
            port,
            _process: ChildProcess::start(&mut command)?,
            _directory: directory,
        };
        for _ in 0..TRIES {
            if redis.responses().await.is_ok_and(|responses| responses) {
                return Ok(redis);
            }
            sleep(BETWEEN_TRIES).await;
        }
        Err(BenchError::TooSlow("starting Redis"))
    }

    async fn responses(&self) -> Result<bool, BenchError> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut response = [0; 5];
        stream.read_exact(&mut response).await?;
        Ok(&response == b"+PONG")
    }
}
