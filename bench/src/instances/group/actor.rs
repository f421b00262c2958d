//! A client that does this and that to a session, and takes down what happened.

use std::{net::SocketAddr, time::Instant};

use crate::{
    client::{Answer, Client},
    error::BenchError,
    history::{Event, Tag, What},
    requests::Request,
};

/// Nearest what is in a sign-in, and nothing that a bench of the store would need.
const PAYLOAD: usize = 128;

pub(super) struct Actor {
    client: Client,
    request: Request,
    clock: Instant,
    chance: Chance,
    /// What it has seen last. Empty at first.
    seen: Tag,
    /// Another for each payload of each actor.
    payload: u64,
    pub(super) events: Vec<Event>,
}

impl Actor {
    pub(super) async fn connect(
        address: SocketAddr,
        number: usize,
        clock: Instant,
    ) -> Result<Self, BenchError> {
        let number = u64::try_from(number).unwrap_or_default() + 1;
        Ok(Self {
            client: Client::connect(address).await?,
            request: Request::default(),
            clock,
            chance: Chance(number),
            seen: Tag::default(),
            payload: number << 32,
            events: Vec::new(),
        })
    }

    /// The path of the session.
    pub(super) async fn create(&mut self) -> Result<Vec<u8>, BenchError> {
        let (start, payload) = (self.now(), self.next_payload());
        let answer = self
            .client
            .ask(self.request.create(&text(payload)))
            .await?
            .expect("create", 201)?;
        let (path, tag) = (answer.path()?.to_vec(), Tag::from(answer.etag));
        self.seen = tag.clone();
        self.note(start, What::Created { tag, payload });
        Ok(path)
    }

    /// In the last quarter of its requests the one who is to delete the session may do it at any
    /// moment.
    pub(super) async fn use_session(
        &mut self,
        path: &[u8],
        times: usize,
        delete: bool,
    ) -> Result<(), BenchError> {
        let deletion = delete.then(|| times - 1 - self.chance.below(times / 4));
        for time in 0..times {
            match self.chance.below(100) {
                _ if deletion == Some(time) => self.delete(path).await?,
                0..50 if !self.seen.is_empty() => self.write(path).await?,
                50..70 => self.poll(path).await?,
                _ => self.read(path).await?,
            }
        }
        self.seen = Tag::default();
        Ok(())
    }

    pub(super) async fn read(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let start = self.now();
        let what = read_answer(&self.client.ask(self.request.read(path, b"")).await?)?;
        self.saw(start, what);
        Ok(())
    }

    async fn poll(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let start = self.now();
        let what = read_answer(&self.client.ask(self.request.read(path, &self.seen)).await?)?;
        self.saw(start, what);
        Ok(())
    }

    async fn write(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let (start, payload) = (self.now(), self.next_payload());
        let answer = self
            .client
            .ask(self.request.write(path, &self.seen, &text(payload)))
            .await?;
        let (against, tag) = (self.seen.clone(), Tag::from(answer.etag));
        let what = match answer.status {
            202 => What::Written {
                against,
                tag,
                payload,
            },
            412 => What::Refused { against },
            404 => What::Gone,
            got => {
                return Err(BenchError::Status {
                    request: "write",
                    wanted: 202,
                    got,
                });
            }
        };
        self.saw(start, what);
        Ok(())
    }

    async fn delete(&mut self, path: &[u8]) -> Result<(), BenchError> {
        let start = self.now();
        let answer = self.client.ask(self.request.delete(path)).await?;
        let what = match answer.status {
            204 => What::Deleted,
            404 => What::Gone,
            got => {
                return Err(BenchError::Status {
                    request: "delete",
                    wanted: 204,
                    got,
                });
            }
        };
        self.note(start, what);
        Ok(())
    }

    fn saw(&mut self, start: u64, what: What) {
        match &what {
            What::Written { tag, .. } | What::Read { tag, .. } => self.seen = tag.clone(),
            _ => {}
        }
        self.note(start, what);
    }

    fn note(&mut self, start: u64, what: What) {
        self.events.push(Event {
            start,
            end: self.now(),
            what,
        });
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn next_payload(&mut self) -> u64 {
        self.payload += 1;
        self.payload
    }
}

fn read_answer(answer: &Answer<'_>) -> Result<What, BenchError> {
    let tag = Tag::from(answer.etag);
    match answer.status {
        200 => number(answer.body)
            .map(|payload| What::Read { tag, payload })
            .ok_or(BenchError::WrongPayload),
        304 => Ok(What::Unchanged { tag }),
        404 => Ok(What::Gone),
        got => Err(BenchError::Status {
            request: "read",
            wanted: 200,
            got,
        }),
    }
}

/// A number as a payload.
fn text(number: u64) -> Vec<u8> {
    format!("{number:0PAYLOAD$}").into_bytes()
}

fn number(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload)
        .ok()
        .filter(|text| text.len() == PAYLOAD)?
        .parse()
        .ok()
}

/// The same choices in each run (xorshift).
struct Chance(u64);

impl Chance {
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
    fn a_payload_is_its_number() {
        for value in [0, 1 << 40, u64::MAX] {
            assert_eq!(number(&text(value)), Some(value));
        }
        assert_eq!(number(b"1"), None);
    }

    #[test]
    fn chances_are_spread() {
        let mut chance = Chance(1);
        let low = (0..1000).filter(|_| chance.below(100) < 50).count();
        assert!((400..600).contains(&low), "{low}");
    }
}
