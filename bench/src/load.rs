//! Puts a load on a server: 64 connections, each with one request under way at all times.

mod device_pair;
mod kind;
mod single_client;

use std::time::{Duration, Instant};

use tokio::{task::JoinSet, time::timeout};

use self::single_client::SingleClient;
pub(crate) use self::{device_pair::DevicePair, kind::Load};
use crate::{
    client::PATIENCE,
    error::BenchError,
    process::{ChildProcess, ServerProcess},
    requests::RequestBuffer,
};

/// How many connections a load has.
pub(crate) const CONNECTIONS: usize = 64;

/// How fast the server was.
pub(crate) struct LoadResult {
    /// Requests or exchanges per second.
    pub(crate) rate: f64,
    /// The processor time that the server used.
    pub(crate) cpu: Duration,
    /// How long each request took, in nanoseconds.
    pub(crate) latencies: Vec<u32>,
}

impl Load {
    /// How many requests count as one for the rate.
    fn requests(self) -> usize {
        if self.is_exchange() {
            device_pair::REQUESTS
        } else {
            1
        }
    }

    /// Puts this load on a server for this time.
    pub(crate) async fn put_on(
        self,
        server: &ServerProcess,
        time: Duration,
    ) -> Result<LoadResult, BenchError> {
        let mut workers = Vec::new();
        while workers.iter().map(Worker::connections).sum::<usize>() < CONNECTIONS {
            workers.push(Worker::prepare(self, server).await?);
        }
        let start = LoadStart {
            cpu: server.process.cpu()?,
            time: Instant::now(),
        };
        let mut work = JoinSet::new();
        for worker in workers {
            work.spawn(worker.work(start.time + time));
        }
        // One time limit for all requests: a timer for each would slow the load down.
        let latencies = timeout(time + PATIENCE, latencies_of(work)).await;
        let latencies = latencies.map_err(|_| BenchError::TooSlow("a request"))??;
        start.result(&server.process, self, latencies)
    }

    /// Has one client send its request `count` times, or two devices sign in as often. Returns how
    /// many requests these were.
    pub(crate) async fn repeat(
        self,
        server: &ServerProcess,
        count: usize,
    ) -> Result<usize, BenchError> {
        let mut worker = Worker::prepare(self, server).await?;
        for _ in 0..count {
            worker.ask().await?;
        }
        Ok(worker.latencies().len())
    }
}

async fn latencies_of(
    mut work: JoinSet<Result<Vec<u32>, BenchError>>,
) -> Result<Vec<u32>, BenchError> {
    let mut latencies = Vec::new();
    while let Some(result) = work.join_next().await {
        latencies.extend(result??);
    }
    Ok(latencies)
}

/// Sends requests without a pause until its time is over, and at least once.
enum Worker {
    Alone(SingleClient),
    Pair(DevicePair),
}

impl Worker {
    async fn prepare(load: Load, server: &ServerProcess) -> Result<Self, BenchError> {
        match load.is_exchange() {
            true => Ok(Self::Pair(
                DevicePair::connect(server, RequestBuffer::of(load.api())).await?,
            )),
            false => Ok(Self::Alone(SingleClient::prepare(load, server).await?)),
        }
    }

    fn connections(&self) -> usize {
        match self {
            Self::Alone(_) => 1,
            Self::Pair(_) => 2,
        }
    }

    /// How long each request took.
    async fn work(mut self, until: Instant) -> Result<Vec<u32>, BenchError> {
        self.ask().await?;
        while Instant::now() < until {
            self.ask().await?;
        }
        Ok(self.latencies())
    }

    async fn ask(&mut self) -> Result<(), BenchError> {
        match self {
            Self::Alone(single) => single.ask().await,
            Self::Pair(pair) => pair.go(Duration::ZERO).await,
        }
    }

    fn latencies(self) -> Vec<u32> {
        match self {
            Self::Alone(single) => single.client.latencies,
            Self::Pair(pair) => pair.latencies(),
        }
    }
}

struct LoadStart {
    cpu: Duration,
    time: Instant,
}

impl LoadStart {
    fn result(
        self,
        server: &ChildProcess,
        load: Load,
        latencies: Vec<u32>,
    ) -> Result<LoadResult, BenchError> {
        let seconds = self.time.elapsed().as_secs_f64();
        let cpu = server.cpu()?.saturating_sub(self.cpu);
        let rate = (latencies.len() / load.requests()) as f64 / seconds;
        Ok(LoadResult {
            rate,
            cpu,
            latencies,
        })
    }
}
