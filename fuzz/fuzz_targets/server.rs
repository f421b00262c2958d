//! Any bytes on up to four connections of the rendezvous server as `serve` runs it: both APIs, both
//! versions of HTTP, with and without the PROXY protocol.
//!
//! An input is one byte with the settings and then pieces, with 0xFF between them. The first byte of
//! a piece says on which connection the rest is sent. `{id}`, `{tag}` and `{old}` in it become the ID
//! of the newest session, its newest tag and the one before: a client would send what it was given.
//! Time stands still unless everybody waits, and then jumps: no input takes longer because of a
//! timeout.
#![no_main]

use std::{
    io,
    os::linux::net::SocketAddrExt,
    os::unix::net::{SocketAddr, UnixListener as StdListener},
    sync::LazyLock,
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use matrix_qr_rendezvous::{Config, ForwardedHeader, Limits, Memory, Rate, Rendezvous, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::oneshot,
    time::timeout,
};

const PUBLIC: &str = "https://rendezvous.example.org/";

/// What every response of the service has, exactly once.
const ALWAYS: [&str; 10] = [
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
    "cache-control",
    "pragma",
    "x-content-type-options",
    "content-security-policy",
    "date",
];

/// A socket of this process without a file.
static SOCKET: LazyLock<(StdListener, SocketAddr)> = LazyLock::new(|| {
    let name = format!("matrix-qr-fuzz-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).expect("a name");
    let listener = StdListener::bind_addr(&address).expect("a socket");
    listener.set_nonblocking(true).expect("a mode");
    (listener, address)
});

fn connect() -> UnixStream {
    let stream = std::os::unix::net::UnixStream::connect_addr(&SOCKET.1).expect("a connection");
    stream.set_nonblocking(true).expect("a mode");
    UnixStream::from_std(stream).expect("a runtime")
}

#[derive(Clone, Copy)]
struct Setting(u8);

impl Setting {
    fn proxy_protocol(self) -> bool {
        self.0 & 1 > 0
    }

    fn few(self) -> bool {
        self.0 & 2 > 0
    }

    fn config(self) -> Config {
        let mut config = Config::new(PUBLIC.parse().expect("a URL"));
        config.proxy_protocol = self.proxy_protocol();
        config.drain = Duration::ZERO;
        if self.0 & 4 > 0 {
            config.create_path = "/make".to_owned();
            config.proxies.header = ForwardedHeader::Forwarded;
        }
        if self.few() {
            config.limits = Limits {
                max_sessions: 2,
                sessions_per_network: Some(1),
                creates: Rate::new(1, 2),
                requests: Rate::new(1, 5),
                deny: vec!["203.0.113.0/24".parse().expect("a network")],
                ..config.limits
            };
        }
        config
    }
}

/// A connection, and what came on it.
struct Connection {
    stream: Option<UnixStream>,
    received: Vec<u8>,
}

impl Connection {
    fn open() -> Self {
        Self {
            stream: Some(connect()),
            received: Vec::new(),
        }
    }

    /// Sends it all, unless the server closes the connection or stops reading.
    async fn send(&mut self, bytes: &[u8]) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let sent = timeout(Duration::from_millis(1), stream.write_all(bytes)).await;
        if let Ok(Err(_)) = sent {
            self.receive(Duration::from_millis(1)).await;
            self.stream = None;
        }
    }

    /// Reads until the server has nothing more to send, or closes the connection.
    async fn receive(&mut self, patience: Duration) {
        while let Some(stream) = &mut self.stream {
            match timeout(patience, stream.read_buf(&mut self.received)).await {
                Ok(Ok(1..)) => assert!(self.received.len() < 1 << 20, "there is no end to it"),
                Ok(Ok(0) | Err(_)) => self.stream = None,
                Err(_) => return,
            }
        }
    }
}

/// What a client has been given.
#[derive(Default)]
struct Given {
    id: Vec<u8>,
    tag: Vec<u8>,
    old: Vec<u8>,
}

impl Given {
    fn learn(&mut self, received: &[u8]) {
        for start in ["/rendezvous/", "\"id\":\""] {
            self.id = after(received, start.as_bytes())
                .unwrap_or(&self.id)
                .to_vec();
        }
        for start in ["etag: \"", "\"sequence_token\":\""] {
            let found = after(received, start.as_bytes())
                .unwrap_or(&self.tag)
                .to_vec();
            if found != self.tag {
                self.old = std::mem::replace(&mut self.tag, found);
            }
        }
    }

    fn fill_in(&self, piece: &[u8]) -> Vec<u8> {
        let mut filled = Vec::new();
        let mut rest = piece;
        while let Some((first, others)) = rest.split_first() {
            let names = [
                (&b"{id}"[..], &self.id),
                (b"{tag}", &self.tag),
                (b"{old}", &self.old),
            ];
            match names.into_iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, value)) => {
                    filled.extend_from_slice(value);
                    rest = &rest[name.len()..];
                }
                None => {
                    filled.push(*first);
                    rest = others;
                }
            }
        }
        filled
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The last text in quotes that begins after `start`.
fn after<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let at = text
        .windows(start.len())
        .rposition(|window| window == start)?;
    let rest = &text[at + start.len()..];
    Some(&rest[..rest.iter().position(|byte| *byte == b'"')?])
}

/// A response. The body, if there is one, has the stated length.
struct Answer<'a> {
    status: u16,
    headers: Vec<(String, &'a str)>,
    body: &'a [u8],
}

impl Answer<'_> {
    fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| *value).collect()
    }
}

/// The first of several responses, and the others.
fn answer(bytes: &[u8]) -> Option<(Answer<'_>, &[u8])> {
    let end = find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let rest = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.get(9..12)?.parse().expect("a status");
    let headers = lines.map(|line| line.split_once(": ").expect("a header"));
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: b"",
    };
    let length = answer
        .all("content-length")
        .first()
        .map_or(0, |text| text.parse().expect("a length"));
    // A HEAD has none, and what it is an answer to is not known here.
    match rest.split_at_checked(length) {
        Some((body, others)) if others.is_empty() || others.starts_with(b"HTTP/1.") => {
            answer.body = body;
            Some((answer, others))
        }
        _ if rest.is_empty() || rest.starts_with(b"HTTP/1.") => Some((answer, rest)),
        _ => panic!("what follows is no response: {}", rest.escape_ascii()),
    }
}

/// hyper's own answer to what is not HTTP: no service was asked.
fn is_of_the_server(answer: &Answer<'_>) -> bool {
    answer.all("access-control-allow-origin").is_empty()
        && matches!(answer.status, 400 | 414 | 431)
        && answer.all("content-length") == ["0"]
}

fn check(answer: &Answer<'_>) {
    let Answer { status, body, .. } = answer;
    assert!((200..500).contains(status), "{status}");
    for name in ALWAYS {
        let values = answer.all(name);
        assert!(
            values.len() == 1 && !values[0].is_empty(),
            "{status}: {name} is {values:?}"
        );
    }
    assert_eq!(answer.all("access-control-allow-origin"), ["*"]);
    assert_eq!(answer.all("x-content-type-options"), ["nosniff"]);
    assert!(answer.all("cache-control")[0].contains("no-store"));
    for (name, value) in &answer.headers {
        assert!(!value.contains(char::is_control), "{name}: {value:?}");
        assert_eq!(answer.all(name).len(), 1, "{name}");
    }
    match answer.all("content-type")[..] {
        ["text/plain"] => {
            assert!(
                body.is_empty() || (*status == 200 && body.len() <= 4096),
                "{status}"
            );
        }
        ["application/json"] => check_json(answer),
        [] => assert!(body.is_empty()),
        ref other => panic!("{other:?}"),
    }
}

fn check_json(answer: &Answer<'_>) {
    // In the worst case each byte of a payload becomes six.
    assert!(answer.body.len() <= 6 * 4096 + 512, "{}", answer.body.len());
    if answer.body.is_empty() {
        return;
    }
    let value: serde_json::Value = serde_json::from_slice(answer.body).expect("JSON");
    let text = |name: &str| value[name].as_str();
    if answer.status >= 400 {
        // What a client sent is not given back.
        assert!(answer.body.is_ascii() && answer.body.len() < 300);
        assert!(text("errcode").is_some_and(|code| !code.is_empty()) && text("error").is_some());
        assert_eq!(
            answer.status == 429,
            value["retry_after_ms"]
                .as_u64()
                .is_some_and(|time| time > 0)
        );
    }
    if let Some(url) = text("url") {
        let id = url
            .strip_prefix(PUBLIC)
            .and_then(|path| path.strip_prefix("rendezvous/"));
        assert!(id.is_some_and(|id| id.len() >= 22), "{url}");
    }
    if let Some(data) = text("data") {
        assert!(data.len() <= 4096);
    }
}

fn check_all(mut bytes: &[u8]) {
    if !bytes.starts_with(b"HTTP/1.") {
        return check_frames(bytes);
    }
    while let Some(interim) = bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n") {
        bytes = interim;
    }
    while let Some((found, rest)) = answer(bytes) {
        bytes = rest;
        while let Some(interim) = bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n") {
            bytes = interim;
        }
        if is_of_the_server(&found) {
            assert!(bytes.is_empty(), "it is the last");
        } else {
            check(&found);
        }
    }
    assert!(bytes.is_empty(), "{}", bytes.escape_ascii());
}

/// HTTP/2: whole frames, none larger than every client takes (RFC 9113, section 4.2).
fn check_frames(mut bytes: &[u8]) {
    while let Some((&[a, b, c, kind, ..], _)) = bytes.split_first_chunk::<9>() {
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        assert!(length <= 16_384 && kind <= 9, "{}", bytes.escape_ascii());
        let Some(rest) = bytes.get(9 + length..) else {
            return;
        };
        bytes = rest;
    }
}

/// After all that, an ordinary client is served.
async fn ordinary(setting: Setting) {
    let mut connection = Connection::open();
    if setting.proxy_protocol() {
        connection.send(b"PROXY UNKNOWN\r\n").await;
    }
    let create = b"POST /_matrix/client/v1/rendezvous HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 1\r\n\r\na";
    connection.send(create).await;
    connection.receive(Duration::from_millis(1)).await;
    let (made, _) = answer(&connection.received).expect("an answer");
    check(&made);
    // Where there are few sessions, or networks that may not come, it may be told so.
    let refused = setting.few() && matches!(made.status, 403 | 429);
    assert!(made.status == 201 || refused, "{}", made.status);
}

async fn run(setting: Setting, pieces: &[u8]) {
    let listener = SOCKET
        .0
        .try_clone()
        .and_then(UnixListener::from_std)
        .expect("a listener");
    let rendezvous = Rendezvous::with_store(Memory::default(), setting.config());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, rendezvous, async { drop(stopped.await) }));
    let mut connections: [Option<Connection>; 4] = [const { None }; 4];
    let mut given = Given::default();
    for piece in pieces.split(|byte| *byte == 0xff).take(64) {
        let Some((which, piece)) = piece.split_first() else {
            continue;
        };
        let connection = connections[usize::from(which & 3)].get_or_insert_with(Connection::open);
        connection.send(&given.fill_in(piece)).await;
        for connection in connections.iter_mut().flatten() {
            let before = connection.received.len();
            connection.receive(Duration::from_millis(1)).await;
            given.learn(&connection.received[before..]);
        }
    }
    ordinary(setting).await;
    // Waiting for a payload is by another clock.
    let waits = pieces
        .to_ascii_lowercase()
        .windows(6)
        .any(|text| text == b"prefer");
    if !waits {
        // No bytes keep a connection open: whoever sends nothing more is let go.
        for connection in connections.iter_mut().flatten() {
            connection.receive(Duration::from_secs(200)).await;
            assert!(connection.stream.is_none(), "it is open for ever");
        }
    }
    drop(stop);
    let end = timeout(Duration::from_secs(25), server)
        .await
        .expect("the server stops");
    end.expect("no panic").expect("no error");
    for connection in connections.iter_mut().flatten() {
        connection.receive(Duration::from_millis(1)).await;
        check_all(&connection.received);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&setting, pieces)) = bytes.split_first() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let runtime: io::Result<_> = runtime;
    runtime
        .expect("a runtime")
        .block_on(run(Setting(setting), pieces));
});
