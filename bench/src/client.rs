//! A client of HTTP/1.1 that does as little as it can: it takes processor time from the server that
//! it measures. It sends what was prepared and reads one answer, with a length, at a time.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use memchr::{memchr_iter, memmem};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::error::BenchError;

/// More than any answer has, with a payload of the full size.
const ROOM: usize = 16 * 1024;

/// How long any answer may take that is not held on purpose.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept alive.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// With its quotes. Empty when there is none.
    pub(crate) etag: &'a [u8],
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(ROOM),
        })
    }

    /// Sends a request and waits for its answer. No time limit of its own: a timer for each would
    /// be felt.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, BenchError> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let head = loop {
            self.receive().await?;
            if let Some(end) = memmem::find(&self.received, b"\r\n\r\n") {
                break Head::parse(&self.received, end + 4)?;
            }
        };
        while self.received.len() < head.length + head.body {
            self.receive().await?;
        }
        Ok(head.answer(&self.received))
    }

    async fn receive(&mut self) -> Result<(), BenchError> {
        let room = self.received.len() < ROOM;
        let count = if room {
            self.stream.read_buf(&mut self.received).await?
        } else {
            0
        };
        if count > 0 {
            Ok(())
        } else {
            Err(BenchError::Closed)
        }
    }
}

/// A client that remembers how long each answer took, in nanoseconds.
pub(crate) struct Timed {
    client: Client,
    pub(crate) latencies: Vec<u32>,
}

impl Timed {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        Ok(Self {
            client: Client::connect(address).await?,
            latencies: Vec::new(),
        })
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, BenchError> {
        let start = Instant::now();
        let answer = self.client.ask(request).await?;
        self.latencies
            .push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
        Ok(answer)
    }
}

/// What must be known of an answer's head: where it ends, and what it says.
struct Head {
    status: u16,
    /// In bytes, with the empty line.
    length: usize,
    /// Of the body, in bytes.
    body: usize,
    etag: (usize, usize),
}

impl Head {
    fn parse(received: &[u8], length: usize) -> Result<Self, BenchError> {
        let no_http =
            || BenchError::NoHttp(String::from_utf8_lossy(received).chars().take(80).collect());
        let digits = received
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = digits.and_then(number).ok_or_else(no_http)?;
        let mut head = Self {
            status: u16::try_from(status).unwrap_or_default(),
            length,
            body: 0,
            etag: (0, 0),
        };
        let mut start = 0;
        for end in memchr_iter(b'\n', received.get(..length).unwrap_or_default()) {
            head.line(received.get(start..end).unwrap_or_default(), start);
            start = end + 1;
        }
        if matches!(head.status, 204 | 304) {
            head.body = 0;
        }
        Ok(head)
    }

    fn line(&mut self, line: &[u8], start: usize) {
        if let Some(value) = value_of(line, b"content-length:") {
            self.body = number(value).unwrap_or_default();
        } else if let Some(value) = value_of(line, b"etag:") {
            let end = start + line.trim_ascii_end().len();
            self.etag = (end - value.len(), end);
        }
    }

    fn answer<'a>(&self, received: &'a [u8]) -> Answer<'a> {
        let part = |from, to| received.get(from..to).unwrap_or_default();
        Answer {
            status: self.status,
            etag: part(self.etag.0, self.etag.1),
            head: part(0, self.length),
            body: part(self.length, self.length + self.body),
        }
    }
}

/// The value of a header, if that is the header's name.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_at_its_length() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"a b\" \r\nx: y\r\n\r\nabc";
        let head = Head::parse(text, text.len() - 3).unwrap();
        let answer = head.answer(text);
        assert_eq!(
            (answer.status, answer.etag, answer.body),
            (200, &b"\"a b\""[..], &b"abc"[..])
        );
    }

    #[test]
    fn an_answer_without_a_body_has_none_whatever_it_says() {
        let text = b"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n";
        let head = Head::parse(text, text.len()).unwrap();
        assert_eq!((head.status, head.body), (304, 0));
        assert!(Head::parse(b"SSH-2.0\r\n\r\n", 11).is_err());
    }
}
