//! Starts the proxies that operators use, each with a temporary directory. Tests of other crates
//! use this file, too.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

pub(crate) use self::free_port::free_port;

#[path = "../conformance/free_port.rs"]
mod free_port;

/// The longest time that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyProgram {
    Nginx,
    Apache,
    Haproxy,
    Caddy,
    Varnish,
}

impl ProxyProgram {
    /// Its path in Debian, and the package that has it.
    fn path_and_package(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx => ("/usr/sbin/nginx", "nginx-light"),
            Self::Apache => ("/usr/sbin/apache2", "apache2"),
            Self::Haproxy => ("/usr/sbin/haproxy", "haproxy"),
            Self::Caddy => ("/usr/bin/caddy", "caddy"),
            Self::Varnish => ("/usr/sbin/varnishd", "varnish"),
        }
    }

    fn command(self, directory: &Path, config: &Path, listen: &str) -> Command {
        let mut command = Command::new(self.path_and_package().0);
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
        // Caddy's directories for certificates and its state.
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

/// A proxy that ends when this value is dropped.
pub(crate) struct ProxyProcess {
    child: Child,
    pub(crate) url: String,
    _directory: TempDir,
}

/// None of the programs can choose one and report it.
pub(crate) fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

impl ProxyProcess {
    /// Starts it in front of this server, whose address replaces `BACKEND` in the site.
    pub(crate) async fn start(program: ProxyProgram, site: &str, backend: SocketAddr) -> Self {
        let site = site
            .replace("BACKEND_PORT", &backend.port().to_string())
            .replace("BACKEND", &backend.to_string());
        Self::start_at(program, &site, free_address()).await
    }

    /// Starts it at this address, which replaces `LISTEN` in the site.
    pub(crate) async fn start_at(program: ProxyProgram, site: &str, listen: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = around(program, site)
            .replace("PORT", &listen.port().to_string())
            .replace("LISTEN", &listen.to_string())
            .replace("DIRECTORY", directory.path().to_str().unwrap());
        let config = directory.path().join("config");
        std::fs::write(&config, &file).unwrap();
        let mut command = program.command(directory.path(), &config, &listen.to_string());
        let (path, package) = program.path_and_package();
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{path}: {error}; apt-get install {package}"));
        let mut this = Self {
            child,
            url: format!("http://{listen}"),
            _directory: directory,
        };
        this.wait(listen, &file).await;
        this
    }

    /// Waits until it listens.
    async fn wait(&mut self, listen: SocketAddr, file: &str) {
        let start = Instant::now();
        while TcpStream::connect(listen).await.is_err() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let mut errors = String::new();
                std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut errors)
                    .unwrap();
                panic!("it does not listen: {ended:?}\n{errors}\n{file}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Keeps reading, because the program blocks once the pipe is full.
        let mut stderr = self.child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    }
}

impl Drop for ProxyProcess {
    /// Ends it by a signal, so that it ends its own children first.
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

/// The site within a main configuration: one directory, one process, in the foreground.
fn around(program: ProxyProgram, site: &str) -> String {
    match program {
        ProxyProgram::Nginx => NGINX.replace("SITE", site),
        ProxyProgram::Apache => APACHE.replace("SITE", site),
        ProxyProgram::Haproxy => format!("global\n    maxconn 100\n{site}"),
        ProxyProgram::Caddy => format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}"),
        ProxyProgram::Varnish => site.to_owned(),
    }
}

const NGINX: &str = "
    daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {}
    http {
        access_log off;
        client_body_temp_path body; proxy_temp_path proxy;
        fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
        SITE
    }";

/// With Debian's user, for when root runs the tests.
const APACHE: &str = "
ServerName 127.0.0.1
PidFile DIRECTORY/apache.pid
DefaultRuntimeDir DIRECTORY
Mutex posixsem
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
SITE
";
