//! Proxies as processes: in the foreground, on a port of this machine, with a directory that goes
//! away with them.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{PATIENCE, sites::around};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Nginx,
    Apache,
    Haproxy,
    Caddy,
    Varnish,
}

impl Program {
    /// Where Debian has it, and how it is installed.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx => ("/usr/sbin/nginx", "nginx-light"),
            Self::Apache => ("/usr/sbin/apache2", "apache2"),
            Self::Haproxy => ("/usr/sbin/haproxy", "haproxy"),
            Self::Caddy => ("/usr/bin/caddy", "caddy"),
            Self::Varnish => ("/usr/sbin/varnishd", "varnish"),
        }
    }

    fn command(self, directory: &Path, config: &Path, listen: &str) -> Command {
        let mut command = Command::new(self.place().0);
        match self {
            Self::Nginx => command
                .arg("-p")
                .arg(directory)
                .arg("-c")
                .arg(config)
                .args(["-e", "stderr"]),
            Self::Apache => command
                .args(["-X", "-d"])
                .arg(directory)
                .arg("-f")
                .arg(config),
            Self::Haproxy => command.arg("-db").arg("-f").arg(config),
            Self::Caddy => command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(config),
            Self::Varnish => {
                let in_memory = ["-j", "none", "-s", "malloc,16m", "-a", listen];
                command
                    .arg("-F")
                    .args(in_memory)
                    .arg("-n")
                    .arg(directory)
                    .arg("-f")
                    .arg(config)
            }
        };
        // Where Caddy keeps what it has to keep.
        command
            .env("HOME", directory)
            .env("XDG_DATA_HOME", directory)
            .env("XDG_CONFIG_HOME", directory);
        command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

/// Ends with this value.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) url: String,
    _directory: TempDir,
}

impl Proxy {
    pub(crate) async fn start(program: Program, site: &str, backend: SocketAddr) -> Self {
        // Free a moment ago: none of them can be told to take any.
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ports = [
            ("BACKEND_PORT", backend.port().to_string()),
            ("PORT", listen.port().to_string()),
        ];
        let addresses = [
            ("BACKEND", backend.to_string()),
            ("LISTEN", listen.to_string()),
        ];
        let place = ("DIRECTORY", directory.path().to_str().unwrap().to_owned());
        let known = ports.into_iter().chain(addresses).chain([place]);
        let file = known.fold(around(program, site), |file, (name, value)| {
            file.replace(name, &value)
        });
        let config = directory.path().join("config");
        std::fs::write(&config, &file).unwrap();
        let mut command = program.command(directory.path(), &config, &listen.to_string());
        let (place, package) = program.place();
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{place}: {error}; apt-get install {package}"));
        let mut this = Self {
            child,
            url: format!("http://{listen}"),
            _directory: directory,
        };
        this.wait(listen, &file).await;
        this
    }

    /// Until it listens.
    async fn wait(&mut self, listen: SocketAddr, file: &str) {
        let start = Instant::now();
        while TcpStream::connect(listen).await.is_err() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let mut said = String::new();
                std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut said)
                    .unwrap();
                panic!("it does not listen: {ended:?}\n{said}\n{file}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Somebody must read on, or it would stand still once the pipe is full.
        let mut stderr = self.child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    }
}

impl Drop for Proxy {
    /// Asked, so that it ends its own children first.
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        for _ in 0..500 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
