//! What happens to a client that starts with plain `http`. This is the one request that does not go
//! through [`matrix_qr_device::http`], which refuses plain `http`: it is always the same and holds
//! no secret, and of its response only the status and the redirect are read.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::probe::{NoResponse, Probe};

const PORT: u16 = 80;
const TIMEOUT: Duration = Duration::from_secs(5);
/// In bytes. A status line and a `Location` are shorter.
const MAX_HEAD: u64 = 8 << 10;

pub(crate) async fn check(probe: &Probe<'_>, base: &Url) -> Finding {
    let check = Check::PlainHttp;
    let usual = base.scheme() == "https" && base.port().is_none();
    let Some(host) = base.host_str().filter(|_| usual) else {
        return Finding::not_checked(
            check,
            "the homeserver does not use the default port of https",
        );
    };
    match probe
        .until_stopped(async { Ok(request_head(host, PORT).await) })
        .await
    {
        Err(NoResponse::Stopped(why)) => Finding::not_checked(check, why),
        Err(NoResponse::Failed(_)) | Ok(None) => {
            Finding::good(check, "nothing responds on port 80")
        }
        Ok(Some(head)) => judge(&head),
    }
}

/// The head of the response, if there is one.
async fn request_head(host: &str, port: u16) -> Option<String> {
    let work = async {
        let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
            .await
            .ok()?;
        let request = format!(
            "GET /_matrix/client/versions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        // If the connection breaks, what came before is enough.
        let _ = stream.take(MAX_HEAD).read_to_end(&mut bytes).await;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    timeout(TIMEOUT, work)
        .await
        .ok()
        .flatten()
        .filter(|head| !head.is_empty())
}

fn judge(response: &str) -> Finding {
    let head = response
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse::<u16>().ok());
    let to_https = head
        .lines()
        .any(|line| line.starts_with("location: https://"));
    let check = Check::PlainHttp;
    match status.unwrap_or_default() {
        status @ 300..=399 if to_https => {
            Finding::good(check, format!("port 80 redirects to https ({status})"))
        }
        status @ 400..=499 => Finding::good(check, format!("port 80 refuses ({status})")),
        status => Finding::warning(
            check,
            format!("port 80 answers {status} and does not redirect to https"),
            Advice {
                effect: "People who type http:// sign in without TLS, and everyone on the way sees \
                    what they send.",
                remedy: "nginx: server { listen 80; return 301 https://$host$request_uri; }. Caddy \
                    does it by itself.",
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::net::TcpListener;

    use super::*;
    use crate::finding::Verdict;

    async fn found(answer: &'static str) -> Option<Verdict> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await.unwrap();
            assert!(request.get(..count).unwrap().ends_with(b"\r\n\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (head, ()) = tokio::join!(request_head("127.0.0.1", port), serve);
        head.map(|head| judge(&head).verdict)
    }

    #[tokio::test]
    async fn only_a_response_can_be_a_fault() {
        let moved = "HTTP/1.1 301 Moved\r\nLocation: https://m.example/\r\n\r\n";
        assert_eq!(found(moved).await, Some(Verdict::Good));
        assert_eq!(
            found("HTTP/1.1 403 Forbidden\r\n\r\n").await,
            Some(Verdict::Good)
        );
        assert_eq!(found("").await, None);
        for bad in [
            "HTTP/1.1 200 OK\r\n\r\n{}",
            "HTTP/1.1 301 Moved\r\nLocation: http://m.example/\r\n\r\n",
            "nonsense",
        ] {
            assert_eq!(found(bad).await, Some(Verdict::Warning), "{bad}");
        }
    }
}
