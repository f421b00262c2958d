//! What happens to a client that begins with plain `http`. The one request past [`matrix_qr_device::http`],
//! which refuses plain `http`: a fixed one without a secret, whose answer only says where it was
//! sent.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::probe::{Probe, Silence};
use crate::{Check, Finding};

const PORT: u16 = 80;
const PATIENCE: Duration = Duration::from_secs(5);
/// A status line and a `Location` are within that.
const ENOUGH: u64 = 8 << 10;

pub(crate) async fn check(probe: &Probe<'_>, base: &Url) -> Finding {
    let check = Check::PlainHttp;
    let usual = base.scheme() == "https" && base.port().is_none();
    let Some(host) = base.host_str().filter(|_| usual) else {
        return Finding::not_checked(check, "the homeserver is not at the usual port of https");
    };
    match probe.until_over(async { Ok(ask(host, PORT).await) }).await {
        Err(Silence::Over(why)) => Finding::not_checked(check, why),
        Err(Silence::Failed(_)) | Ok(None) => Finding::good(check, "nobody answers on port 80"),
        Ok(Some(head)) => judge(&head),
    }
}

/// The head of what answers there, if anything does.
async fn ask(host: &str, port: u16) -> Option<String> {
    let work = async {
        let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
            .await
            .ok()?;
        let request = format!(
            "GET /_matrix/client/versions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        // As much as came before a broken end is as good.
        let _ = stream.take(ENOUGH).read_to_end(&mut bytes).await;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    timeout(PATIENCE, work)
        .await
        .ok()
        .flatten()
        .filter(|head| !head.is_empty())
}

fn judge(answer: &str) -> Finding {
    let head = answer
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse::<u16>().ok())
        .unwrap_or_default();
    let to_https = head
        .lines()
        .any(|line| line.starts_with("location: https://"));
    let check = Check::PlainHttp;
    match status {
        300..=399 if to_https => {
            Finding::good(check, format!("port 80 sends on to https ({status})"))
        }
        400..=499 => Finding::good(check, format!("port 80 refuses ({status})")),
        _ => Finding::warning(
            check,
            format!("port 80 answers with {status} and does not send on to https"),
            (
                "Who types http:// signs in without TLS, and shows everyone on the way what they send.",
                "nginx: server { listen 80; return 301 https://$host$request_uri; }. Caddy does it by itself.",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::net::TcpListener;

    use super::*;
    use crate::Verdict;

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
        let (head, ()) = tokio::join!(ask("127.0.0.1", port), serve);
        head.map(|head| judge(&head).verdict)
    }

    #[tokio::test]
    async fn only_an_answer_is_a_fault() {
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
