//! Asks the server that runs with the same settings how it is: for a container, where nothing else
//! could ask.

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

/// How long it may take, in all. `/ready` asks the store, for a second at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that is read of an answer, in bytes.
const LONGEST: usize = 4096;

/// What to ask.
#[derive(clap::Args)]
pub(crate) struct Healthcheck {
    /// Asks whether it can work (/ready), and not only whether it lives (/health).
    #[arg(long)]
    ready: bool,
}

impl Healthcheck {
    /// What the server says of itself, if it is well.
    pub(crate) async fn run(&self, address: &ListenAddress) -> Result<String, Unhealthy> {
        let path = if self.ready { "/ready" } else { "/health" };
        match timeout(PATIENCE, ask(address, path)).await {
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
    let body = to_bytes(Body::new(response.into_body()), LONGEST)
        .await
        .unwrap_or_default();
    let says: String = String::from_utf8_lossy(&body)
        .lines()
        .next()
        .unwrap_or_default()
        .escape_debug()
        .collect();
    if status == StatusCode::OK {
        Ok(says)
    } else {
        Err(Unhealthy::Says {
            address: address.clone(),
            status,
            says,
        })
    }
}

/// Why it is not well.
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
    #[error("unhealthy: {address} answers {status}: {says}")]
    Says {
        address: ListenAddress,
        status: StatusCode,
        says: String,
    },
}
