//! The sockets that the server listens on: opened by the server, or passed by systemd.

use std::io;

use listenfd::ListenFd;
use matrix_qr_rendezvous::Listener;
use tokio::net::TcpListener;

use crate::settings::{ListenAddress, SocketMode};

/// A listening socket and its address.
pub(crate) struct OpenSocket {
    pub(crate) listener: Listener,
    pub(crate) address: String,
}

/// The socket for clients: the one that systemd passes, if there is one.
pub(crate) async fn for_clients(
    mut passed: ListenFd,
    address: &ListenAddress,
    mode: SocketMode,
) -> Result<OpenSocket, ListenError> {
    match passed.len() {
        0 => open(address, mode, "--listen").await,
        1 => take(&mut passed).map_err(ListenError::Passed),
        more => Err(ListenError::TooMany(more)),
    }
}

/// Opens a listening socket.
pub(crate) async fn open(
    address: &ListenAddress,
    mode: SocketMode,
    flag: &'static str,
) -> Result<OpenSocket, ListenError> {
    let opened = match address {
        #[cfg(unix)]
        ListenAddress::Unix(path) => Listener::bind_unix(path, mode.bits())
            .await
            .map(|listener| OpenSocket {
                listener,
                address: address.to_string(),
            }),
        _ => bind(address).await.and_then(tcp),
    };
    opened.map_err(|source| ListenError::Refused {
        address: address.clone(),
        source,
        flag,
    })
}

/// Binds the first address that is available. If an address is in use or forbidden, no other one is
/// tried: it is the one that was meant.
async fn bind(address: &ListenAddress) -> io::Result<TcpListener> {
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address.to_bind().await? {
        match TcpListener::bind(address).await {
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
                ) =>
            {
                refused = error;
            }
            bound => return bound,
        }
    }
    Err(refused)
}

fn tcp(listener: TcpListener) -> io::Result<OpenSocket> {
    let address = listener.local_addr()?.to_string();
    Ok(OpenSocket {
        listener: listener.into(),
        address,
    })
}

#[cfg(unix)]
fn take(passed: &mut ListenFd) -> io::Result<OpenSocket> {
    use tokio::net::UnixListener;
    let Ok(Some(listener)) = passed.take_unix_listener(0) else {
        return take_tcp(passed);
    };
    listener.set_nonblocking(true)?;
    let path = listener
        .local_addr()?
        .as_pathname()
        .map(|path| path.display().to_string());
    let listener = UnixListener::from_std(listener)?.into();
    Ok(OpenSocket {
        listener,
        address: format!("unix:{}", path.unwrap_or_default()),
    })
}

#[cfg(not(unix))]
fn take(passed: &mut ListenFd) -> io::Result<OpenSocket> {
    take_tcp(passed)
}

fn take_tcp(passed: &mut ListenFd) -> io::Result<OpenSocket> {
    let listener = passed
        .take_tcp_listener(0)?
        .ok_or(io::ErrorKind::NotFound)?;
    listener.set_nonblocking(true)?;
    tcp(TcpListener::from_std(listener)?)
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "cannot listen on {address}: {source}. If another server uses it, choose another address with {flag}"
    )]
    Refused {
        address: ListenAddress,
        source: io::Error,
        flag: &'static str,
    },
    #[error(
        "cannot listen on the socket that systemd passes: {0}. It must be a stream socket, with Accept=no"
    )]
    Passed(io::Error),
    #[error(
        "systemd passes {0} sockets, but it must be one: keep one ListenStream in the .socket unit"
    )]
    TooMany(usize),
}
