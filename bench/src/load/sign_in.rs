//! What two devices ask of the server in a sign-in: one makes a session, then they read and write
//! in turn, and the last to read deletes it.

use std::time::Duration;

use super::Load;
use crate::{api::Api, client::Timed, error::BenchError, process::Server, requests::Request};

/// How often a device has its turn: it reads what the other wrote, and writes.
const TURNS: u8 = 8;

/// How many requests that are, with the first and the last.
pub(super) const REQUESTS: usize = 2 + 2 * TURNS as usize;

/// Two devices. Everything read is compared with what was written.
pub(crate) struct SignIn {
    /// The one whose turn it is comes first.
    devices: [Device; 2],
    request: Request,
    path: Vec<u8>,
    /// What stands in the session.
    payload: Vec<u8>,
    /// Whether each payload is another. Not where the answers never change.
    varied: bool,
}

struct Device {
    client: Timed,
    /// Which write it has seen last.
    revision: Vec<u8>,
}

impl SignIn {
    pub(crate) async fn connect(server: &Server, request: Request) -> Result<Self, BenchError> {
        let device = async || Timed::connect(server.address).await;
        let devices = [device().await?, device().await?].map(|client| Device {
            client,
            revision: Vec::new(),
        });
        let (path, payload) = (Vec::new(), Load::Exchange.payload());
        Ok(Self {
            devices,
            request,
            path,
            payload,
            varied: !server.constant,
        })
    }

    /// One sign-in, with this pause before each turn.
    pub(crate) async fn go(&mut self, pause: Duration) -> Result<(), BenchError> {
        self.create().await?;
        for turn in 0..TURNS {
            self.devices.reverse();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            self.read().await?;
            self.write(turn).await?;
        }
        self.devices.reverse();
        self.delete().await
    }

    /// How long each request took, of both devices.
    pub(crate) fn latencies(self) -> Vec<u32> {
        self.devices.map(|device| device.client.latencies).concat()
    }

    async fn create(&mut self) -> Result<(), BenchError> {
        let [device, other] = &mut self.devices;
        let (api, request) = (self.request.api, self.request.create(&self.payload));
        let created = device
            .client
            .ask(request)
            .await?
            .expect("create", api.created())?;
        api.path(&created, &mut self.path)?;
        api.revision(&created).clone_into(&mut device.revision);
        // It has the URL from the QR code, and has seen nothing yet.
        other.revision.clear();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), BenchError> {
        let [device, _] = &mut self.devices;
        let api = self.request.api;
        let seen = if api == Api::Text {
            &device.revision[..]
        } else {
            b""
        };
        let request = self.request.read(&self.path, seen);
        let answer = device.client.ask(request).await?.expect("read", 200)?;
        if api.payload(&answer) != self.payload {
            return Err(BenchError::WrongPayload);
        }
        api.revision(&answer).clone_into(&mut device.revision);
        Ok(())
    }

    async fn write(&mut self, turn: u8) -> Result<(), BenchError> {
        if self.varied {
            self.payload.fill(b'a' + turn);
        }
        let [device, _] = &mut self.devices;
        let (api, request) = (
            self.request.api,
            self.request
                .write(&self.path, &device.revision, &self.payload),
        );
        let answer = device
            .client
            .ask(request)
            .await?
            .expect("write", api.written())?;
        api.revision(&answer).clone_into(&mut device.revision);
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), BenchError> {
        let [device, _] = &mut self.devices;
        let deleted = self.request.api.deleted();
        device
            .client
            .ask(self.request.delete(&self.path))
            .await?
            .expect("delete", deleted)
            .map(drop)
    }
}
