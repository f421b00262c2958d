//! Creates many sessions, as fast as the server can.

use std::net::SocketAddr;

use tokio::task::JoinSet;

use crate::{client::RawClient, error::BenchError, load::CONNECTIONS, requests::RequestBuffer};

/// What a client knows of a session that it created.
pub(crate) struct CreatedSession {
    pub(crate) path: Vec<u8>,
    pub(crate) etag: Vec<u8>,
}

/// Creates `count` sessions with payloads of `size` bytes.
pub(crate) async fn fill(
    address: SocketAddr,
    count: usize,
    size: usize,
) -> Result<Vec<CreatedSession>, BenchError> {
    let mut work = JoinSet::new();
    for place in 0..CONNECTIONS {
        // The shares add up to the count.
        let share = (count + place) / CONNECTIONS;
        work.spawn(some(address, share, size));
    }
    let mut all = Vec::with_capacity(count);
    while let Some(sessions) = work.join_next().await {
        all.extend(sessions??);
    }
    Ok(all)
}

async fn some(
    address: SocketAddr,
    count: usize,
    size: usize,
) -> Result<Vec<CreatedSession>, BenchError> {
    let (mut client, mut request) = (RawClient::connect(address).await?, RequestBuffer::default());
    let payload = vec![b'x'; size];
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        let response = client
            .ask(request.create(&payload))
            .await?
            .expect("create", 201)?;
        sessions.push(CreatedSession {
            path: response.path()?.to_vec(),
            etag: response.etag.to_vec(),
        });
    }
    Ok(sessions)
}
