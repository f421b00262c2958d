//! A server that does exactly what a test says, down to closing the connection without an answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use matrix_qr_device::http::{Http, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A client that may speak to the servers of a test.
pub fn http() -> Http {
    Http::new(Policy::HttpsOrLoopback).unwrap()
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A field of a form.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(&self.body);
        fields
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The connection closes without an answer.
    Close,
    /// The connection stays open without an answer.
    Hang,
    /// The answer comes later.
    After(Duration, Box<Reply>),
}

impl Reply {
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::Answer {
            status,
            headers,
            body: body.into(),
        }
    }

    pub fn json(status: u16, body: serde_json::Value) -> Self {
        Self::new(
            status,
            &[("Content-Type", "application/json")],
            body.to_string(),
        )
    }

    pub fn html(status: u16) -> Self {
        Self::new(status, &[("Content-Type", "text/html")], "<html>no</html>")
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, &[("Location", location)], "")
    }

    pub fn unrecognized() -> Self {
        Self::json(
            404,
            serde_json::json!({ "errcode": "M_UNRECOGNIZED", "error": "no" }),
        )
    }
}

type Answer = Arc<Mutex<dyn FnMut(&Asked) -> Reply + Send>>;

/// A server on loopback.
pub struct Server {
    pub url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub async fn start(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(accept(
            listener,
            Arc::new(Mutex::new(answer)),
            asked.clone(),
        ));
        Self { url, asked }
    }

    /// An absolute URL on this server.
    pub fn at(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// `METHOD path` of every request so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked()
            .iter()
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }

    /// How many requests of this method there were.
    pub fn count(&self, method: &str) -> usize {
        self.asked()
            .iter()
            .filter(|asked| asked.method == method)
            .count()
    }
}

async fn accept(listener: TcpListener, answer: Answer, log: Arc<Mutex<Vec<Asked>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, log) = (answer.clone(), log.clone());
        tokio::spawn(async move {
            let mut stream = stream;
            if let Some(asked) = read(&mut stream).await {
                log.lock().unwrap().push(asked.clone());
                let reply = (answer.lock().unwrap())(&asked);
                write(stream, reply).await;
            }
        });
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(asked) = parse(&bytes) {
            return Some(asked);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Asked> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (
        first.next().unwrap().to_owned(),
        first.next().unwrap().to_owned(),
    );
    let header = |line: &str| {
        line.split_once(':')
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
    };
    let mut asked = Asked {
        method,
        path,
        headers: lines.filter_map(header).collect(),
        body: Vec::new(),
    };
    let length = asked
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    asked.body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(asked)
}

async fn write(mut stream: TcpStream, reply: Reply) {
    match reply {
        Reply::Answer {
            status,
            headers,
            body,
        } => {
            let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
            if status != 304 {
                head.push_str(&format!("Content-Length: {}\r\n", body.len()));
            }
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            // A client that has gone is part of some tests.
            let _ = stream
                .write_all(&[head.as_bytes(), b"\r\n", &body].concat())
                .await;
            let _ = stream.shutdown().await;
        }
        Reply::Close => {}
        Reply::Hang => std::future::pending().await,
        Reply::After(time, reply) => {
            tokio::time::sleep(time).await;
            Box::pin(write(stream, *reply)).await;
        }
    }
}
