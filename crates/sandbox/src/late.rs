//! Answers that come late, as over a long way: each is ready at once, and held back.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio::time::{Instant, sleep};

use crate::{faults::LateServer, record::LateAnswer, state::SandboxState};

/// Wraps every request of a server. A request that is held until something happens is late from
/// that moment on.
pub(crate) async fn answer(
    State((server, state)): State<(LateServer, Arc<SandboxState>)>,
    request: Request,
    next: Next,
) -> Response {
    let request_line = format!("{} {}", request.method(), without_ids(request.uri().path()));
    let response = next.run(request).await;
    let delay = state.faults.delay(server);
    if !delay.is_zero() {
        let ready = Instant::now();
        sleep(delay).await;
        state.count_late(LateAnswer {
            server: server.name(),
            request: request_line,
            ready: ready.duration_since(state.began),
            sent: state.began.elapsed(),
        });
    }
    response
}

/// IDs of devices, sessions, users and rooms have other characters than lower case.
fn without_ids(path: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let segments = path
        .split('/')
        .map(|segment| match segment.chars().all(plain) {
            true => segment,
            false => "{id}",
        });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_recorded() {
        for (path, template) in [
            (
                "/_matrix/client/v3/devices/ABCDEFG",
                "/_matrix/client/v3/devices/{id}",
            ),
            ("/rz/x_Ab-9", "/rz/{id}"),
            ("/oauth2/token", "/oauth2/token"),
        ] {
            assert_eq!(without_ids(path), template);
        }
    }
}
