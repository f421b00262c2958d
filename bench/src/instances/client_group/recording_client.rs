//! A client that sends random requests about a session, and records what happens.

use std::{net::SocketAddr, time::Instant};

use crate::{
    client::{RawClient, RawResponse},
    error::BenchError,
    history::{Effect, Etag, Moment, Operation},
    requests::RequestBuffer,
};

/// The size of a payload in bytes: about that of a short message of a sign-in.
const PAYLOAD: usize = 128;

pub(super) struct RecordingClient {
    client: RawClient,
    request: RequestBuffer,
    clock: Instant,
    random: Random,
    /// The last ETag that it has seen. Empty at first.
    seen: Etag,
    /// The number of the last payload. No other client uses it.
    payload: u64,
    pub(super) history: Vec<Operation>,
}

impl RecordingClient {
    pub(super) async fn connect(
        address: SocketAddr,
        number: usize,
        clock: Instant,
    ) -> Result<Self, BenchError> {
        let number = u64::try_from(number).unwrap_or_default() + 1;
        Ok(Self {
            client: RawClient::connect(address).await?,
            request: RequestBuffer::default(),
            clock,
            random: Random(number),
            seen: Etag::new(),
            payload: number << 32,
            history: Vec::new(),
        })
    }

    /// Creates a session, and returns its path.
    pub(super) async fn create(&mut self) -> Result<Vec<u8>, BenchError> {
        let (asked, payload) = (self.now(), self.next_payload());
        let response = self
            .client
            .ask(self.request.create(payload.as_bytes()))
            .await?
            .expect("create", 201)?;
        let (path, etag) = (response.path()?.to_vec(), etag_of(&response));
        self.seen = etag.clone();
        self.note(asked, Effect::Created { etag, payload });
        Ok(path)
    }

    /// With `delete` it deletes the session at a random moment in the last quarter of its requests.
    pub(super) async fn use_session(
        &mut self,
        path: &[u8],
        times: usize,
        delete: bool,
    ) -> Result<(), BenchError> {
        let deletion = delete.then(|| times - 1 - self.random.below(times / 4));
        for time in 0..times {
            match self.random.below(100) {
                _ if deletion == Some(time) => self.delete(path).await?,
                0..50 if !self.seen.is_empty() => self.write(path).await?,
                50..70 => self.poll(path).await?,
                _ => self.read(path).await?,
            }
        }
        self.seen = Etag::new();
        Ok(())
    }

    pub(super) async fn read(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let asked = self.now();
        let effect = read_effect(&self.client.ask(self.request.read(path, b"")).await?)?;
        self.saw(asked, effect);
        Ok(())
    }

    async fn poll(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let asked = self.now();
        let effect = read_effect(
            &self
                .client
                .ask(self.request.read(path, self.seen.as_bytes()))
                .await?,
        )?;
        self.saw(asked, effect);
        Ok(())
    }

    async fn write(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let (asked, payload) = (self.now(), self.next_payload());
        let response = self
            .client
            .ask(
                self.request
                    .write(path, self.seen.as_bytes(), payload.as_bytes()),
            )
            .await?;
        let (expected, etag) = (self.seen.clone(), etag_of(&response));
        let effect = match response.status {
            202 => Effect::Written {
                expected,
                etag,
                payload,
            },
            412 => Effect::TooLate { expected },
            404 => Effect::Gone,
            got => {
                return Err(BenchError::Status {
                    request: "write",
                    wanted: 202,
                    got,
                });
            }
        };
        self.saw(asked, effect);
        Ok(())
    }

    async fn delete(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let asked = self.now();
        let response = self.client.ask(self.request.delete(path)).await?;
        let effect = match response.status {
            204 => Effect::Deleted,
            404 => Effect::Gone,
            got => {
                return Err(BenchError::Status {
                    request: "delete",
                    wanted: 204,
                    got,
                });
            }
        };
        self.note(asked, effect);
        Ok(())
    }

    fn saw(&mut self, asked: Moment, effect: Effect) {
        match &effect {
            Effect::Written { etag, .. } | Effect::Read { etag, .. } => self.seen = etag.clone(),
            _ => {}
        }
        self.note(asked, effect);
    }

    fn note(&mut self, asked: Moment, effect: Effect) {
        self.history.push(Operation {
            asked,
            answered: self.now(),
            effect,
        });
    }

    fn now(&self) -> Moment {
        self.clock.elapsed().as_nanos()
    }

    /// Each payload is written once, so that the history shows which write a read saw.
    fn next_payload(&mut self) -> String {
        self.payload += 1;
        let number = self.payload;
        format!("{number:0PAYLOAD$}")
    }
}

fn etag_of(response: &RawResponse<'_>) -> Etag {
    String::from_utf8_lossy(response.etag).into_owned()
}

fn read_effect(response: &RawResponse<'_>) -> Result<Effect, BenchError> {
    let etag = etag_of(response);
    match response.status {
        200 => {
            let payload = String::from_utf8_lossy(response.body).into_owned();
            Ok(Effect::Read { etag, payload })
        }
        304 => Ok(Effect::Unchanged { etag }),
        404 => Ok(Effect::Gone),
        got => Err(BenchError::Status {
            request: "read",
            wanted: 200,
            got,
        }),
    }
}

/// The same numbers in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_spread() {
        let mut random = Random(1);
        let low = (0..1000).filter(|_| random.below(100) < 50).count();
        assert!((400..600).contains(&low), "{low}");
    }
}
