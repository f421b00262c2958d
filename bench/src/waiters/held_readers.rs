//! HTTP/2 connections with hundreds of readers each.

use std::{net::SocketAddr, time::Instant};

use axum::{
    body::Bytes,
    http::{Request, header},
};
use h2::client::{ResponseFuture, SendRequest};
use tokio::{
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use crate::{error::BenchError, fill::CreatedSession};

/// How many readers share a connection, if the server allows so many.
const SHARING: usize = 500;

/// Readers that wait for a change. All end when this value is dropped.
pub(super) struct HeldReaders {
    connections: Vec<SendRequest<Bytes>>,
    readers: usize,
    sharing: usize,
    tasks: JoinSet<()>,
    release: UnboundedSender<ReleasedReader>,
    releases: UnboundedReceiver<ReleasedReader>,
}

/// A reader that got its response.
pub(super) struct ReleasedReader {
    pub(super) number: usize,
    pub(super) at: Instant,
    /// 0 if the connection failed.
    pub(super) status: u16,
}

impl HeldReaders {
    /// Opens as many connections as this number of readers needs.
    pub(super) async fn connect(address: SocketAddr, readers: usize) -> Result<Self, BenchError> {
        let (release, releases) = unbounded_channel();
        let (connections, tasks) = (Vec::new(), JoinSet::new());
        let mut held = Self {
            connections,
            readers: 0,
            sharing: SHARING,
            tasks,
            release,
            releases,
        };
        while held.connections.len() * held.sharing < readers {
            held.add_connection(address).await?;
        }
        Ok(held)
    }

    /// The first request shows whether the server speaks HTTP/2, and how many streams it allows.
    async fn add_connection(&mut self, address: SocketAddr) -> Result<(), BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut requests, connection) = h2::client::handshake(stream)
            .await
            .map_err(BenchError::NoHttp2)?;
        self.tasks.spawn(async move {
            let _ = connection.await;
        });
        let request = Request::get("http://127.0.0.1/").body(())?;
        let (response, _) = requests
            .send_request(request, true)
            .map_err(BenchError::NoHttp2)?;
        response.await.map_err(BenchError::NoHttp2)?;
        self.sharing = SHARING.min(requests.current_max_send_streams()).max(1);
        self.connections.push(requests);
        Ok(())
    }

    /// Starts one more reader.
    pub(super) async fn wait(
        &mut self,
        number: usize,
        session: &CreatedSession,
    ) -> Result<(), BenchError> {
        let place = self.readers / self.sharing;
        self.readers += 1;
        let connection = self
            .connections
            .get(place)
            .ok_or(BenchError::Closed)?
            .clone();
        let request = Request::get(format!(
            "http://127.0.0.1{}",
            String::from_utf8_lossy(&session.path)
        ))
        .header(header::IF_NONE_MATCH, session.etag.as_slice())
        .header("prefer", "wait=30")
        .body(())?;
        let mut connection = connection.ready().await?;
        let (response, _) = connection.send_request(request, true)?;
        self.tasks
            .spawn(report(number, response, self.release.clone()));
        Ok(())
    }

    /// The readers that were released since the last call.
    pub(super) fn released(&mut self) -> Vec<ReleasedReader> {
        std::iter::from_fn(|| self.releases.try_recv().ok()).collect()
    }

    /// Waits for the release of this reader. Also returns how many others were released before it.
    pub(super) async fn release_of(
        &mut self,
        number: usize,
    ) -> Result<(ReleasedReader, usize), BenchError> {
        let mut strays = 0;
        loop {
            let release = self.releases.recv().await.ok_or(BenchError::Closed)?;
            if release.number == number {
                return Ok((release, strays));
            }
            strays += 1;
        }
    }
}

async fn report(number: usize, response: ResponseFuture, release: UnboundedSender<ReleasedReader>) {
    let status = response
        .await
        .map_or(0, |response| response.status().as_u16());
    let _ = release.send(ReleasedReader {
        number,
        at: Instant::now(),
        status,
    });
}
