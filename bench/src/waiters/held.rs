//! Connections of HTTP/2 with hundreds of readers on each.

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

use crate::{error::BenchError, fill::Session};

/// How many readers share a connection, if the server allows it.
const SHARING: usize = 500;

/// Readers that wait. All end when this is dropped.
pub(super) struct Held {
    connections: Vec<SendRequest<Bytes>>,
    readers: usize,
    sharing: usize,
    tasks: JoinSet<()>,
    release: UnboundedSender<Release>,
    releases: UnboundedReceiver<Release>,
}

/// A reader has its answer.
pub(super) struct Release {
    pub(super) number: usize,
    pub(super) at: Instant,
    /// 0 when the connection failed instead.
    pub(super) status: u16,
}

impl Held {
    /// As many connections as so many readers need.
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

    /// One request tells whether the server speaks HTTP/2, and how much of it.
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
        let (answer, _) = requests
            .send_request(request, true)
            .map_err(BenchError::NoHttp2)?;
        answer.await.map_err(BenchError::NoHttp2)?;
        self.sharing = SHARING.min(requests.current_max_send_streams()).max(1);
        self.connections.push(requests);
        Ok(())
    }

    /// One more reader.
    pub(super) async fn wait(
        &mut self,
        number: usize,
        session: &Session,
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
        let (answer, _) = connection.send_request(request, true)?;
        self.tasks
            .spawn(report(number, answer, self.release.clone()));
        Ok(())
    }

    /// Those who were released since this was last asked.
    pub(super) fn released(&mut self) -> Vec<Release> {
        std::iter::from_fn(|| self.releases.try_recv().ok()).collect()
    }

    /// The release of this reader, and how many others came before.
    pub(super) async fn release_of(
        &mut self,
        number: usize,
    ) -> Result<(Release, usize), BenchError> {
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

async fn report(number: usize, answer: ResponseFuture, release: UnboundedSender<Release>) {
    let status = answer.await.map_or(0, |answer| answer.status().as_u16());
    let _ = release.send(Release {
        number,
        at: Instant::now(),
        status,
    });
}
