//! Many sessions, made as fast as the server can.

use std::net::SocketAddr;

use tokio::task::JoinSet;

use crate::{client::Client, error::BenchError, load::CONNECTIONS, requests::Request};

/// What its clients know of a session.
pub(crate) struct Session {
    pub(crate) path: Vec<u8>,
    pub(crate) etag: Vec<u8>,
}

/// Makes so many sessions with payloads of this size.
pub(crate) async fn fill(
    address: SocketAddr,
    count: usize,
    size: usize,
) -> Result<Vec<Session>, BenchError> {
    let mut work = JoinSet::new();
    for place in 0..CONNECTIONS {
        // Such that they add up to the count.
        let share = (count + place) / CONNECTIONS;
        work.spawn(some(address, share, size));
    }
    let mut all = Vec::with_capacity(count);
    while let Some(sessions) = work.join_next().await {
        all.extend(sessions??);
    }
    Ok(all)
}

async fn some(address: SocketAddr, count: usize, size: usize) -> Result<Vec<Session>, BenchError> {
    let (mut client, mut request) = (Client::connect(address).await?, Request::default());
    let payload = vec![b'x'; size];
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        let answer = client
            .ask(request.create(&payload))
            .await?
            .expect("create", 201)?;
        sessions.push(Session {
            path: answer.path()?.to_vec(),
            etag: answer.etag.to_vec(),
        });
    }
    Ok(sessions)
}
