//! Only this machine reaches the sandbox: it binds to loopback, checks the peer's address, and
//! refuses a `Host` that is not loopback. The last check stops a web page that points its own name
//! at 127.0.0.1 (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header::HOST, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

/// Part of every page and of every response.
pub(crate) const BANNER: &str = "matrix-qr sandbox: for tests and demos only";
const BANNER_HEADER: HeaderName = HeaderName::from_static("x-sandbox");

/// Listens on 127.0.0.1; no option changes the address.
pub(crate) async fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

pub(crate) fn is_loopback(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

/// The outermost layer: refuses requests that do not name this machine, and adds the banner to
/// every response.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if names_loopback(&request) {
        next.run(request).await
    } else {
        (
            StatusCode::FORBIDDEN,
            "the sandbox answers on loopback only\n",
        )
            .into_response()
    };
    response
        .headers_mut()
        .insert(BANNER_HEADER, HeaderValue::from_static(BANNER));
    response
}

/// Whether there is exactly one `Host` header, and it names loopback. So must the authority of a
/// request in absolute form, which takes precedence over `Host`.
fn names_loopback(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| is_loopback_name(host.host()))
        && request.uri().host().is_none_or(is_loopback_name)
}

fn is_loopback_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_and_peers() {
        for good in ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "[::1]"] {
            assert!(is_loopback_name(good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "[::2]",
        ] {
            assert!(!is_loopback_name(bad), "{bad}");
        }
        assert!(is_loopback(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_loopback(IpAddr::from([192, 168, 0, 1])));
    }
}
