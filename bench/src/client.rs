//! An HTTP/1.1 client that does as little as possible, because it takes processor time from the
//! server that it measures. It sends prepared bytes and reads one response, which has a length, at
//! a time.

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

/// More bytes than any response has, with a payload of the full size.
const ROOM: usize = 16 * 1024;

/// How long a response may take, unless the request waits on purpose.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept alive.
pub(crate) struct RawClient {
    stream: TcpStream,
    received: Vec<u8>,
}

/// The bytes of a response.
pub(crate) struct RawResponse<'a> {
    pub(crate) status: u16,
    /// With its quotes. Empty if there is none.
    pub(crate) etag: &'a [u8],
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(ROOM),
        })
    }

    /// Sends a request and waits for the response. There is no time limit here: a timer for each
    /// request would slow the load down.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<RawResponse<'_>, BenchError> {
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
        Ok(head.response(&self.received))
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

/// A client that records how long each response took, in nanoseconds.
pub(crate) struct TimedClient {
    client: RawClient,
    pub(crate) latencies: Vec<u32>,
}

impl TimedClient {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        Ok(Self {
            client: RawClient::connect(address).await?,
            latencies: Vec::new(),
        })
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<RawResponse<'_>, BenchError> {
        let start = Instant::now();
        let response = self.client.ask(request).await?;
        self.latencies
            .push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
        Ok(response)
    }
}

/// The head of a response: its length and the headers that matter here.
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

    fn response<'a>(&self, received: &'a [u8]) -> RawResponse<'a> {
        let part = |from, to| received.get(from..to).unwrap_or_default();
        RawResponse {
            status: self.status,
            etag: part(self.etag.0, self.etag.1),
            head: part(0, self.length),
            body: part(self.length, self.length + self.body),
        }
    }
}

/// The value of a header line, if the header has this name.
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
        let response = head.response(text);
        assert_eq!(
            (response.status, response.etag, response.body),
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
