//! The requests that two devices send in a sign-in: one creates a session, both read and write in
//! turn, and the one that reads last deletes it.

use std::time::Duration;

use super::kind::Load;
use crate::{
    api::RendezvousApi, client::TimedClient, error::BenchError, process::ServerProcess,
    requests::RequestBuffer,
};

/// How many turns there are. In a turn a device reads what the other wrote, and writes.
const TURNS: u8 = 8;

/// How many requests a sign-in has, with the creation and the deletion.
pub(super) const REQUESTS: usize = 2 + 2 * TURNS as usize;

/// Two devices. Each payload that is read is compared with the one that was written.
pub(crate) struct DevicePair {
    /// The device whose turn it is comes first.
    devices: [Device; 2],
    request: RequestBuffer,
    path: Vec<u8>,
    /// The current payload of the session.
    payload: Vec<u8>,
    /// Whether the payloads differ. They do not where the responses are constant.
    varied: bool,
}

struct Device {
    client: TimedClient,
    /// The last write that it has seen.
    revision: Vec<u8>,
}

impl DevicePair {
    pub(crate) async fn connect(
        server: &ServerProcess,
        request: RequestBuffer,
    ) -> Result<Self, BenchError> {
        let device = async || TimedClient::connect(server.address).await;
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

    /// Performs one sign-in, with this pause before each turn.
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

    /// How long each request of both devices took, in nanoseconds.
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
        // The other device has the URL from the QR code, and has read nothing yet.
        other.revision.clear();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), BenchError> {
        let [device, _] = &mut self.devices;
        let api = self.request.api;
        let seen = if api == RendezvousApi::Text {
            &device.revision[..]
        } else {
            b""
        };
        let request = self.request.read(&self.path, seen);
        let response = device.client.ask(request).await?.expect("read", 200)?;
        if api.payload(&response) != self.payload {
            return Err(BenchError::WrongPayload);
        }
        api.revision(&response).clone_into(&mut device.revision);
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
        let response = device
            .client
            .ask(request)
            .await?
            .expect("write", api.written())?;
        api.revision(&response).clone_into(&mut device.revision);
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
