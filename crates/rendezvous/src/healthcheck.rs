//! Asks the server that runs with the same settings for its health: for containers, in which no
//! other program could ask.

use std::{io, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use crate::settings::ListenAddress;

/// The time limit for everything. `/ready` asks the store, for at most one second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest response that is read, in bytes.
const MAX_RESPONSE: usize = 4096;

/// The arguments of the health check.
#[derive(clap::Args)]
pub(crate) struct Healthcheck {
    /// Asks whether the server can work (/ready), not only whether it is alive (/health)
    #[arg(long)]
    ready: bool,
}

impl Healthcheck {
    /// The first line of the server's response, if it is healthy.
    pub(crate) async fn run(&self, address: &ListenAddress) -> Result<String, Unhealthy> {
        let path = if self.ready { "/ready" } else { "/health" };
        match timeout(TIMEOUT, ask(address, path)).await {
            Err(_) => Err(Unhealthy::Silent(address.clone())),
            Ok(answer) => answer,
        }
    }
}

async fn ask(address: &ListenAddress, path: &str) -> Result<String, Unhealthy> {
    let no_connection = |source| Unhealthy::NoConnection {
        address: address.clone(),
        source,
    };
    match address {
        #[cfg(unix)]
        ListenAddress::Unix(socket) => {
            let stream = tokio::net::UnixStream::connect(socket)
                .await
                .map_err(no_connection)?;
            exchange(stream, address, path).await
        }
        _ => {
            let addresses = address.to_connect().await.map_err(no_connection)?;
            let stream = TcpStream::connect(&addresses[..])
                .await
                .map_err(no_connection)?;
            exchange(stream, address, path).await
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: &ListenAddress,
    path: &str,
) -> Result<String, Unhealthy> {
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(Body::empty());
    let answered = async {
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        sender.send_request(request.unwrap_or_default()).await
    };
    let response = answered.await.map_err(|error| Unhealthy::NoHttp {
        address: address.clone(),
        error,
    })?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), MAX_RESPONSE)
        .await
        .unwrap_or_default();
    let message: String = String::from_utf8_lossy(&body)
        .lines()
        .next()
        .unwrap_or_default()
        .escape_debug()
        .collect();
    if status == StatusCode::OK {
        Ok(message)
    } else {
        Err(Unhealthy::Unready {
            address: address.clone(),
            status,
            message,
        })
    }
}

/// Why the server is not healthy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealthy {
    #[error("unhealthy: cannot connect to {address}: {source}")]
    NoConnection {
        address: ListenAddress,
        source: io::Error,
    },
    #[error("unhealthy: what listens on {address} does not speak HTTP: {error}")]
    NoHttp {
        address: ListenAddress,
        error: hyper::Error,
    },
    #[error("unhealthy: no answer from {0} within 5 seconds")]
    Silent(ListenAddress),
    #[error("unhealthy: {address} answers {status}: {message}")]
    Unready {
        address: ListenAddress,
        status: StatusCode,
        message: String,
    },
}
