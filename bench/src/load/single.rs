//! A client that asks the same again and again.

use super::Load;
use crate::{client::Timed, process::Server, requests::Request, trouble::Trouble};

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
    pub(super) async fn prepare(load: Load, server: &Server) -> Result<Self, Trouble> {
        let (mut client, mut request) = (Timed::connect(server.address).await?, Request::default());
        let payload = load.payload();
        let created = client.ask(request.create(&payload)).await?.expect("create", 201)?;
        let (path, etag) = (created.path()?.to_vec(), created.etag.to_vec());
        client.latencies.clear();
        Ok(Self { client, load, request, payload, path, etag })
    }

    pub(super) async fn ask(&mut self) -> Result<(), Trouble> {
        let request = match self.load {
            Load::Poll => self.request.read(&self.path, &self.etag),
            Load::Read => self.request.read(&self.path, b""),
            Load::Create | Load::Exchange => self.request.create(&self.payload),
        };
        let answer = self.client.ask(request).await?;
        match self.load {
            Load::Poll => answer.expect("poll", 304).map(drop),
            Load::Create | Load::Exchange => answer.expect("create", 201)?.path().map(drop),
            Load::Read => {
                let found = answer.expect("read", 200)?.body == self.payload;
                if found { Ok(()) } else { Err(Trouble::WrongPayload) }
            }
        }
    }
}
