//! HTTP as it is on the wire, so that an attacker can also write what no HTTP library would.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A request as it came.
#[derive(Clone)]
pub(crate) struct RequestText {
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer, before its length is written in front of it.
#[derive(Clone, Default)]
pub(crate) struct AnswerText {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

impl RequestText {
    /// The next request of a connection, or `None` when there is no further one.
    pub(crate) async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            more(stream, &mut bytes).await?;
        };
        let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length = find(&headers, "content-length").map_or(0, |text| text.parse().unwrap());
        while bytes.len() < head + 4 + length {
            more(stream, &mut bytes).await?;
        }
        let body = bytes.split_off(head + 4);
        Some(Self {
            method,
            target,
            headers,
            body,
        })
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(bytes).await.ok()?;
    (read > 0).then_some(())
}

/// Ready when the other end has closed the connection: it does not send a second request before
/// the first one is answered.
pub(crate) async fn is_gone(stream: &TcpStream) {
    let _ = stream.peek(&mut [0]).await;
}

impl AnswerText {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Replaces a header, or removes it.
    pub(crate) fn set(&mut self, name: &str, value: Option<String>) {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        let value = value.map(|value| (name.to_owned(), value));
        self.headers.extend(value);
    }

    /// With the length of its body, or with another one.
    pub(crate) fn text(&self, length: usize) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} As It Is\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !matches!(self.status, 204 | 304) {
            text.push_str(&format!("content-length: {length}\r\n"));
        }
        text.push_str("\r\n");
        let mut text = text.into_bytes();
        if !matches!(self.status, 204 | 304) {
            text.extend(&self.body);
        }
        text
    }
}

/// What is written to a connection instead of, or as, an answer.
pub(crate) enum WireReply {
    Answer(AnswerText),
    /// The answer, and the same once more.
    Twice(AnswerText),
    /// With a length that is not that of its body; then nothing more, and the connection stays
    /// open or is closed.
    WrongLength {
        answer: AnswerText,
        length: usize,
        open: bool,
    },
    /// A byte each second.
    Drip(AnswerText),
    /// The connection is closed without an answer.
    Close,
    /// Never an answer.
    Silence,
}

impl WireReply {
    /// Whether the connection can be used again afterwards.
    pub(crate) async fn write(self, stream: &mut TcpStream) -> bool {
        match self {
            Self::Answer(answer) => {
                let text = answer.text(answer.body.len());
                stream.write_all(&text).await.is_ok()
            }
            Self::Twice(answer) => {
                let text = answer.text(answer.body.len()).repeat(2);
                let _ = stream.write_all(&text).await;
                false
            }
            Self::WrongLength {
                answer,
                length,
                open,
            } => {
                let _ = stream.write_all(&answer.text(length)).await;
                if open {
                    is_gone(stream).await;
                }
                false
            }
            Self::Drip(answer) => {
                for byte in answer.text(answer.body.len()) {
                    if stream.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    let second = std::time::Duration::from_secs(1);
                    if tokio::time::timeout(second, is_gone(stream)).await.is_ok() {
                        break;
                    }
                }
                false
            }
            Self::Close => false,
            Self::Silence => {
                is_gone(stream).await;
                false
            }
        }
    }
}
