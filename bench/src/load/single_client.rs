//! A client that repeats one request.

use super::kind::Load;
use crate::{
    client::TimedClient, error::BenchError, process::ServerProcess, requests::RequestBuffer,
};

pub(super) struct SingleClient {
    pub(super) client: TimedClient,
    load: Load,
    request: RequestBuffer,
    payload: Vec<u8>,
    path: Vec<u8>,
    etag: Vec<u8>,
}

impl SingleClient {
    /// Connects, and creates a session to read.
    pub(super) async fn prepare(load: Load, server: &ServerProcess) -> Result<Self, BenchError> {
        let (api, mut path) = (load.api(), Vec::new());
        let (mut client, mut request) = (
            TimedClient::connect(server.address).await?,
            RequestBuffer::of(api),
        );
        let payload = load.payload();
        let created = client
            .ask(request.create(&payload))
            .await?
            .expect("create", api.created())?;
        api.path(&created, &mut path)?;
        let etag = created.etag.to_vec();
        client.latencies.clear();
        Ok(Self {
            client,
            load,
            request,
            payload,
            path,
            etag,
        })
    }

    pub(super) async fn ask(&mut self) -> Result<(), BenchError> {
        let request = match self.load {
            Load::Poll => self.request.read(&self.path, &self.etag),
            Load::Read | Load::JsonRead => self.request.read(&self.path, b""),
            _ => self.request.create(&self.payload),
        };
        let (response, api) = (self.client.ask(request).await?, self.load.api());
        match self.load {
            Load::Poll => response.expect("poll", 304).map(drop),
            Load::Read | Load::JsonRead => {
                let found = api.payload(&response.expect("read", 200)?) == self.payload;
                if found {
                    Ok(())
                } else {
                    Err(BenchError::WrongPayload)
                }
            }
            _ => api.path(&response.expect("create", api.created())?, &mut self.path),
        }
    }
}
