//! A client that asks the same again and again.

use super::Load;
use crate::{client::Timed, error::BenchError, process::Server, requests::Request};

pub(super) struct Single {
    pub(super) client: Timed,
    load: Load,
    request: Request,
    payload: Vec<u8>,
    path: Vec<u8>,
    etag: Vec<u8>,
}

impl Single {
    /// Connected, and with a session of its own to read.
    pub(super) async fn prepare(load: Load, server: &Server) -> Result<Self, BenchError> {
        let (api, mut path) = (load.api(), Vec::new());
        let (mut client, mut request) = (Timed::connect(server.address).await?, Request::of(api));
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
        let (answer, api) = (self.client.ask(request).await?, self.load.api());
        match self.load {
            Load::Poll => answer.expect("poll", 304).map(drop),
            Load::Read | Load::JsonRead => {
                let found = api.payload(&answer.expect("read", 200)?) == self.payload;
                if found {
                    Ok(())
                } else {
                    Err(BenchError::WrongPayload)
                }
            }
            _ => api.path(&answer.expect("create", api.created())?, &mut self.path),
        }
    }
}
