//! What two devices ask of the server in a sign-in: one makes a session, then they read and write in turn, and the
//! last to read deletes it.

use std::time::Duration;

use super::Load;
use crate::{client::Timed, process::Server, requests::Request, trouble::Trouble};

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
    /// What it has seen last.
    etag: Vec<u8>,
}

impl SignIn {
    pub(crate) async fn connect(server: &Server, request: Request) -> Result<Self, Trouble> {
        let device = async || Timed::connect(server.address).await;
        let devices = [device().await?, device().await?].map(|client| Device { client, etag: Vec::new() });
        let (path, payload) = (Vec::new(), Load::Exchange.payload());
        Ok(Self { devices, request, path, payload, varied: !server.constant })
    }

    /// One sign-in, with this pause before each turn.
    pub(crate) async fn go(&mut self, pause: Duration) -> Result<(), Trouble> {
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

    async fn create(&mut self) -> Result<(), Trouble> {
        let [device, other] = &mut self.devices;
        let created = device.client.ask(self.request.create(&self.payload)).await?.expect("create", 201)?;
        created.path()?.clone_into(&mut self.path);
        created.etag.clone_into(&mut device.etag);
        // It has the URL from the QR code, and has seen nothing yet.
        other.etag.clear();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Trouble> {
        let [device, _] = &mut self.devices;
        let request = self.request.read(&self.path, &device.etag);
        let answer = device.client.ask(request).await?.expect("read", 200)?;
        if answer.body != self.payload {
            return Err(Trouble::WrongPayload);
        }
        answer.etag.clone_into(&mut device.etag);
        Ok(())
    }

    async fn write(&mut self, turn: u8) -> Result<(), Trouble> {
        if self.varied {
            self.payload.fill(b'a' + turn);
        }
        let [device, _] = &mut self.devices;
        let request = self.request.write(&self.path, &device.etag, &self.payload);
        let answer = device.client.ask(request).await?.expect("write", 202)?;
        answer.etag.clone_into(&mut device.etag);
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), Trouble> {
        let [device, _] = &mut self.devices;
        device.client.ask(self.request.delete(&self.path)).await?.expect("delete", 204).map(drop)
    }
}
