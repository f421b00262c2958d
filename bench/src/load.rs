//! The load: 64 connections that are kept alive, each with one request under way at all times.

mod sign_in;
mod single;

use std::time::{Duration, Instant};

use tokio::{task::JoinSet, time::timeout};

pub(crate) use self::sign_in::SignIn;
use self::single::Single;
use crate::{
    api::Api,
    client::PATIENCE,
    error::BenchError,
    process::{Running, Server},
    requests::Request,
};

/// How many connections there are.
pub(crate) const CONNECTIONS: usize = 64;

/// What is asked, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// A read of what the reader has already seen.
    Poll,
    Read,
    Create,
    /// A whole sign-in: a session is made, two clients read and write in turn, one deletes it.
    Exchange,
    /// The same in MSC4388's API. There a poll is a read.
    JsonRead,
    JsonCreate,
    JsonExchange,
}

/// How fast that was.
pub(crate) struct Pace {
    /// Requests or exchanges per second.
    pub(crate) rate: f64,
    pub(crate) cpu: Duration,
    /// Of each request, in nanoseconds.
    pub(crate) latencies: Vec<u32>,
}

impl Load {
    pub(crate) const TEXT: [Self; 4] = [Self::Poll, Self::Read, Self::Create, Self::Exchange];
    pub(crate) const JSON: [Self; 3] = [Self::JsonRead, Self::JsonCreate, Self::JsonExchange];

    pub(crate) fn api(self) -> Api {
        if Self::JSON.contains(&self) {
            Api::Json
        } else {
            Api::Text
        }
    }

    fn is_exchange(self) -> bool {
        matches!(self, Self::Exchange | Self::JsonExchange)
    }

    /// The messages of a sign-in are smaller than what a session may hold: its secrets alone come
    /// near 1 KiB.
    pub(crate) fn payload(self) -> Vec<u8> {
        vec![b'x'; if self.is_exchange() { 256 } else { 1024 }]
    }

    /// The status of its reads.
    pub(crate) fn found(self) -> u16 {
        if self == Self::Poll { 304 } else { 200 }
    }

    /// How many requests make one of what is counted.
    fn requests(self) -> usize {
        if self.is_exchange() {
            sign_in::REQUESTS
        } else {
            1
        }
    }

    /// Puts this load on a server for a time.
    pub(crate) async fn put_on(self, server: &Server, time: Duration) -> Result<Pace, BenchError> {
        let mut workers = Vec::new();
        while workers.iter().map(Worker::connections).sum::<usize>() < CONNECTIONS {
            workers.push(Worker::prepare(self, server).await?);
        }
        let start = Start {
            cpu: server.process.cpu()?,
            time: Instant::now(),
        };
        let mut work = JoinSet::new();
        for worker in workers {
            work.spawn(worker.work(start.time + time));
        }
        // One time limit for all: one for each request would be felt.
        let latencies = timeout(time + PATIENCE, latencies_of(work)).await;
        let latencies = latencies.map_err(|_| BenchError::TooSlow("a request"))??;
        start.pace(&server.process, self, latencies)
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

/// Asks without a pause until its time is over, and once in any case.
enum Worker {
    Alone(Single),
    Pair(SignIn),
}

impl Worker {
    async fn prepare(load: Load, server: &Server) -> Result<Self, BenchError> {
        match load.is_exchange() {
            true => Ok(Self::Pair(
                SignIn::connect(server, Request::of(load.api())).await?,
            )),
            false => Ok(Self::Alone(Single::prepare(load, server).await?)),
        }
    }

    fn connections(&self) -> usize {
        match self {
            Self::Alone(_) => 1,
            Self::Pair(_) => 2,
        }
    }

    /// How long each request took.
    async fn work(self, until: Instant) -> Result<Vec<u32>, BenchError> {
        match self {
            Self::Alone(mut single) => {
                single.ask().await?;
                while Instant::now() < until {
                    single.ask().await?;
                }
                Ok(single.client.latencies)
            }
            Self::Pair(mut pair) => {
                pair.go(Duration::ZERO).await?;
                while Instant::now() < until {
                    pair.go(Duration::ZERO).await?;
                }
                Ok(pair.latencies())
            }
        }
    }
}

struct Start {
    cpu: Duration,
    time: Instant,
}

impl Start {
    fn pace(self, server: &Running, load: Load, latencies: Vec<u32>) -> Result<Pace, BenchError> {
        let seconds = self.time.elapsed().as_secs_f64();
        let cpu = server.cpu()?.saturating_sub(self.cpu);
        let rate = (latencies.len() / load.requests()) as f64 / seconds;
        Ok(Pace {
            rate,
            cpu,
            latencies,
        })
    }
}
