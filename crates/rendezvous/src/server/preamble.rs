//! The PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2): a header in front of
//! everything else in which a proxy names the client of the connection.

use std::io;

use axum::body::Bytes;
use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::peer::Peer;

/// The maximum size of a header, in bytes. Version 1 needs 107; version 2 may carry what the proxy
/// knows about the client's TLS.
const LONGEST: usize = 4096;

/// The first bytes of a connection.
#[derive(Debug)]
pub(super) struct Preamble {
    /// The client of the connection.
    pub(super) peer: Peer,
    /// The bytes that arrived after the header.
    pub(super) rest: Bytes,
}

/// Reads the header, and the bytes that arrive with it. `None` if there is no valid header. An
/// error if the connection ends before its first byte: that is how load balancers check whether a
/// server is there.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Preamble>> {
    let mut buffer = Vec::new();
    while buffer.len() < LONGEST {
        let limit = LONGEST
            .saturating_sub(buffer.len())
            .try_into()
            .unwrap_or(u64::MAX);
        if stream.take(limit).read_buf(&mut buffer).await? == 0 {
            return if buffer.is_empty() {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(None)
            };
        }
        match ProxyHeader::parse(&buffer, CONFIG) {
            Ok((header, length)) => {
                let peer = peer(&header);
                return Ok(Some(Preamble {
                    peer,
                    rest: Bytes::from(buffer).split_off(length),
                }));
            }
            Err(Error::BufferTooShort) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

const CONFIG: ParseConfig = ParseConfig {
    include_tlvs: false,
    allow_v1: true,
    allow_v2: true,
};

/// `LOCAL` and `UNKNOWN` have no address: the connection is the proxy's own, or the proxy does not
/// know the client.
fn peer(header: &ProxyHeader<'_>) -> Peer {
    header
        .proxied_address()
        .map_or(Peer::Unknown, |address| Peer::At(address.source.ip()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio::io::ReadBuf;

    use super::*;

    /// Gives so many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (now, later) = self
                .0
                .split_at(self.0.len().min(self.1).min(buf.remaining()));
            buf.put_slice(now);
            self.0 = later;
            Poll::Ready(Ok(()))
        }
    }

    /// Whom it introduces and what is left, however it comes.
    async fn introduced(bytes: &[u8]) -> Option<(Peer, Vec<u8>)> {
        let mut seen = Vec::new();
        for size in [1, 7, usize::MAX] {
            let mut stream = Pieces(bytes, size);
            let read = read(&mut stream).await.unwrap();
            seen.push(read.map(|found| (found.peer, [&found.rest[..], stream.0].concat())));
        }
        assert!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:?}");
        seen.pop().unwrap()
    }

    fn at(address: &str) -> Peer {
        Peer::At(address.parse().unwrap())
    }

    /// As version 2 has it: command, family, and what follows the length.
    fn second(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [
            b"\r\n\r\n\0\r\nQUIT\n",
            &[command, family][..],
            &length,
            rest,
        ]
        .concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_what_follows_is_kept() {
        let four = [192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 3, 4];
        let six = [
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0; 20],
        ]
        .concat();
        let with_more = [&four[..], &[4, 0, 200], &[7; 200]].concat();
        for (header, peer) in [
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(),
                at("192.0.2.1"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 ::1 4711 443\r\n".to_vec(),
                at("2001:db8::1"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Peer::Unknown),
            (
                b"PROXY UNKNOWN 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(),
                Peer::Unknown,
            ),
            (second(0x21, 0x11, &four), at("192.0.2.1")),
            (second(0x21, 0x21, &six), at("2001:db8::1")),
            (second(0x21, 0x11, &with_more), at("192.0.2.1")),
            (second(0x20, 0x00, &[]), Peer::Unknown),
            (second(0x20, 0x11, &four), Peer::Unknown),
            (second(0x21, 0x31, &[0; 216]), Peer::Unknown),
        ] {
            let bytes = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let expected = Some((peer, b"GET / HTTP/1.1\r\n".to_vec()));
            assert_eq!(
                introduced(&bytes).await,
                expected,
                "{}",
                header.escape_ascii()
            );
        }
    }

    #[tokio::test]
    async fn other_bytes_are_not_a_header() {
        let four = [192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 3, 4];
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443".to_vec(),
            b"PROXY TCP4 192.0.2.300 10.0.0.1 4711 443\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 ::1 4711 443\r\n".to_vec(),
            [&b"PROXY UNKNOWN "[..], &[b'x'; 5000]].concat(),
            second(0x31, 0x11, &four),
            second(0x21, 0x11, &four[..8]),
            // Longer than we would keep.
            second(
                0x21,
                0x11,
                &[&four[..], &[4, 0x20, 0], &[7; 0x2000]].concat(),
            ),
        ] {
            assert_eq!(introduced(&bytes).await, None, "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn an_empty_connection_is_not_an_invalid_header() {
        let gone = read(&mut Pieces(b"", 1)).await.unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::UnexpectedEof);
    }

    /// Whatever is sent, it ends, keeps no more than it may, and loses no byte that it has taken
    /// for what follows.
    #[tokio::test]
    async fn random_bytes_do_not_panic() {
        let starts: [&[u8]; 4] = [b"", b"PROXY ", b"PROXY TCP4 1", b"\r\n\r\n\0\r\nQUIT\n\x21"];
        for round in 0_u32..4000 {
            let random: Vec<u8> = (0..rand::random_range(0..60))
                .map(|_| rand::random())
                .collect();
            let bytes = [starts[usize::try_from(round % 4).unwrap()], &random, b"."].concat();
            if let Some((_, rest)) = introduced(&bytes).await {
                assert!(bytes.ends_with(&rest), "{}", bytes.escape_ascii());
            }
        }
    }
}
