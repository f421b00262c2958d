//! Where connections come from: a TCP address or a Unix socket.

use std::io;
#[cfg(unix)]
use std::{
    fs::{self, File},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use crate::peer::Peer;

/// How many connections may wait to be accepted on a Unix socket: as many as on tokio's other
/// listeners.
#[cfg(unix)]
const BACKLOG: u32 = 1024;

/// A socket that accepts connections. Created from tokio's listeners, or by
/// [`Listener::bind_unix`].
///
/// Whoever can connect to a Unix socket counts as a trusted proxy: the peer has no address, so the
/// forwarded header names the client.
pub struct Listener(ListenerKind);

enum ListenerKind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        // In front of the listener, so that it is dropped first: the file is gone before another
        // server can take its place.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(ListenerKind::Tcp(listener))
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    /// The file of the socket remains when the listener is closed.
    fn from(listener: UnixListener) -> Self {
        Self(ListenerKind::Unix {
            _file: None,
            listener,
        })
    }
}

impl Listener {
    /// Listens on a Unix socket. `mode` decides who may connect, which takes write permission. A
    /// socket that an earlier process has left there is replaced, and the file is removed when the
    /// listener is closed.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if another process listens there,
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the file is not a socket, or any error of
    /// the system.
    #[cfg(unix)]
    pub async fn bind_unix(path: &Path, mode: u32) -> io::Result<Self> {
        // Held until this one listens: of two that start at the same time, the second would remove
        // the socket of the first.
        let _turn = wait_for_turn(path).await?;
        remove_stale(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        let file = SocketFile {
            path: path.to_owned(),
            inode: fs::symlink_metadata(path)?.ino(),
        };
        // Set before listening: until then the umask of the process would decide who may connect.
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(Self(ListenerKind::Unix {
            _file: Some(file),
            listener: socket.listen(BACKLOG)?,
        }))
    }

    pub(super) async fn accept(&self) -> io::Result<(AcceptedStream, Peer)> {
        match &self.0 {
            ListenerKind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Responses are small and the other device waits for them. Without this option they
                // are only slower.
                let _ = stream.set_nodelay(true);
                Ok((AcceptedStream::Tcp(stream), Peer::At(address.ip())))
            }
            #[cfg(unix)]
            ListenerKind::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((AcceptedStream::Unix(stream), Peer::Proxy))
            }
        }
    }
}

/// An accepted connection.
pub(super) enum AcceptedStream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Locks the directory of a socket.
#[cfg(unix)]
async fn wait_for_turn(path: &Path) -> io::Result<File> {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let directory = File::open(directory)?;
    // A thread of its own: the one that has the lock may be a task of this one.
    tokio::task::spawn_blocking(move || directory.lock().map(|()| directory)).await?
}

/// Removes the socket of a process that has ended. Removes no other file, and no socket on which a
/// process listens.
#[cfg(unix)]
async fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        ));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // A socket whose queue is full is in use too.
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// The file of a socket. It is removed with this value, unless another process has replaced it.
#[cfg(unix)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        let Self { path, inode } = self;
        if !fs::symlink_metadata(&*path).is_ok_and(|found| found.ino() == *inode) {
            return;
        }
        if let Err(error) = fs::remove_file(&*path) {
            tracing::warn!(%error, path = %path.display(), "cannot remove the socket");
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_mode_is_set_and_the_file_is_removed_with_the_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        for wanted in [0o660, 0o600, 0o666] {
            let listener = Listener::bind_unix(&path, wanted).await.unwrap();
            assert_eq!(mode(&path), wanted);
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "this is what a crash leaves");
        let first = Listener::bind_unix(&path, 0o600).await.unwrap();
        let second = Listener::bind_unix(&path, 0o600).await.err().unwrap();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        assert!(
            UnixStream::connect(&path).await.is_ok(),
            "the first one listens on"
        );
        drop(first);
    }

    #[test]
    fn of_two_that_start_at_the_same_time_one_listens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        for _ in 0..200 {
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let both = [(); 2].map(|()| {
                let path = path.clone();
                runtime.spawn(async move { Listener::bind_unix(&path, 0o600).await })
            });
            let both = both.map(|one| runtime.block_on(one).unwrap());
            assert_eq!(both.iter().filter(|one| one.is_ok()).count(), 1);
        }
    }

    #[tokio::test]
    async fn the_socket_of_another_process_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let first = Listener::bind_unix(&path, 0o600).await.unwrap();
        fs::remove_file(&path).unwrap();
        let second = Listener::bind_unix(&path, 0o600).await.unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).await.is_ok());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn other_files_are_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "kept").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link] {
            let refused = Listener::bind_unix(path, 0o600).await.err().unwrap();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read_to_string(&link).unwrap(), "kept");
    }
}
