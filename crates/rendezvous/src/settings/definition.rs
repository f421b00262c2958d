//! All settings, as flags, environment variables and lines of a file.

use std::{path::Path, time::Duration};

use clap::{
    ArgMatches, Args,
    builder::{OsStringValueParser, TypedValueParser},
    parser::ValueSource,
};
use matrix_qr_rendezvous::{Proxies, Timeouts};
use serde::{Deserialize, Serialize};

use super::{
    creation::CreationSetting,
    field::either,
    limits::LimitSettings,
    listen::{ListenAddress, SocketMode},
    log_format::LogFormat,
    origin::SettingSource,
    store::{StoreFile, StoreSetting},
    values::{BaseUrlSetting, ClientHeader, CreatePath, Net},
};

/// All settings; each may be unset. In the file a setting has the name of its flag.
#[derive(Args, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The address to listen on: an address with a port, :PORT for all addresses, or unix:PATH.
    /// With port 0 the system chooses a free port, and the log says which. A socket passed by
    /// systemd takes precedence. [default: 127.0.0.1:8090]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LISTEN", value_name = "ADDR")]
    pub(super) listen: Option<ListenAddress>,

    /// Who may connect to a Unix socket that the server listens on, as chmod takes it. Whoever may
    /// connect is trusted like a proxy. [default: 0660]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LISTEN_MODE", value_name = "MODE")]
    pub(super) listen_mode: Option<SocketMode>,

    /// The URL under which clients reach this server; session URLs start with it. It must be https.
    /// If it has a path, the proxy must strip that path.
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_PUBLIC_URL", value_name = "URL")]
    pub(super) public_url: Option<BaseUrlSetting>,

    /// Accepts plain http for the public URL and the homeserver, for testing: clients refuse such a
    /// public URL unless it is on their own machine
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_ALLOW_HTTP", num_args = 0..=1, default_missing_value = "true")]
    pub(super) allow_http: Option<bool>,

    /// One more path that creates sessions, for clients that a homeserver redirects here. [default:
    /// /]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_CREATE_PATH", value_name = "PATH")]
    pub(super) create_path: Option<CreatePath>,

    /// The base URL of the homeserver whose users may create sessions through MSC4388's API. The
    /// server asks it who owns an access token. It must be https, or on this machine. [default:
    /// none]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_HOMESERVER", value_name = "URL")]
    pub(super) homeserver: Option<BaseUrlSetting>,

    /// Who may create sessions through MSC4388's API. Through MSC4108's everybody may: its clients
    /// send no access token. [default: authenticated with --homeserver, else open]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_CREATION", value_name = "WHO")]
    pub(super) creation: Option<CreationSetting>,

    /// Where sessions are kept: `memory`, or the `redis://` URL of a Redis or Valkey that several
    /// instances share. A URL with a password belongs in a file (--store-file) or in the
    /// environment. [default: memory]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE",
        value_name = "STORE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreSetting::from_argument))]
    pub(super) store: Option<StoreSetting>,

    /// A file that contains the value of --store, in one line, and that only this server can read.
    /// [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    pub(super) store_file: Option<StoreFile>,

    /// The certificate authorities to trust for a Redis with TLS, in PEM. [default: those that the
    /// system trusts]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_CA_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    pub(super) store_ca_file: Option<StoreFile>,

    /// The client certificate for a Redis with TLS that requires one, in PEM. [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_CERT_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    pub(super) store_cert_file: Option<StoreFile>,

    /// The private key of that certificate, in PEM. [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_KEY_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    pub(super) store_key_file: Option<StoreFile>,

    /// How long a session lives, in seconds. Writes do not extend it. [default: 300]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LIFETIME", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(super) lifetime: Option<u32>,

    /// The address for the operator: /health, /ready and /metrics. Do not expose it to the public.
    /// [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_METRICS_LISTEN",
        value_name = "ADDR",
        global = true
    )]
    pub(crate) metrics_listen: Option<ListenAddress>,

    /// The format of the log on standard error. [default: text]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// The networks of the proxies that are trusted to report a client's address. [default:
    /// 127.0.0.0/8,::1/128]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_TRUSTED_PROXIES",
        value_name = "NETS",
        value_delimiter = ','
    )]
    pub(super) trusted_proxies: Option<Vec<Net>>,

    /// The header that contains the client's address: x-forwarded-for, forwarded, or any header
    /// with a single address, such as CF-Connecting-IP. All other headers are ignored. [default:
    /// x-forwarded-for]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_CLIENT_HEADER",
        value_name = "HEADER"
    )]
    pub(super) client_header: Option<ClientHeader>,

    /// Every connection starts with a header of the PROXY protocol (version 1 or 2), and only
    /// trusted proxies may connect. The address in it replaces that of the proxy. [default: false]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_PROXY_PROTOCOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) proxy_protocol: Option<bool>,

    /// The time limit for the headers of a request, in seconds. [default: 10]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_HEADER_TIMEOUT",
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) header_timeout: Option<u32>,

    /// The time limit for the body of a request, in seconds. [default: 10]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_BODY_TIMEOUT",
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) body_timeout: Option<u32>,

    /// How long a connection may be idle between requests, in seconds. [default: 60]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_IDLE_TIMEOUT",
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) idle_timeout: Option<u32>,

    /// How many connections may be open at the same time. [default: as many as the system allows
    /// open files, at most 60000]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_MAX_CONNECTIONS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,

    /// How long the server accepts connections after SIGTERM, in seconds, so that load balancers
    /// notice. [default: 5]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_DRAIN", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=3600))]
    pub(super) drain: Option<u32>,

    #[command(flatten)]
    #[serde(default)]
    pub(super) limits: LimitSettings,
}

impl Settings {
    /// Records whether each setting comes from a flag or from the environment.
    pub(crate) fn with_command_line_sources(mut self, matches: &ArgMatches) -> Self {
        self.set_sources(|name| match matches.value_source(name) {
            Some(ValueSource::EnvVariable) => SettingSource::Environment,
            _ => SettingSource::Flag,
        });
        self
    }

    /// Records that each setting comes from this file.
    pub(super) fn with_file_source(mut self, path: &Path) -> Self {
        self.set_sources(|_| SettingSource::File(path.to_owned()));
        self
    }

    fn set_sources(&mut self, source: impl Fn(&str) -> SettingSource) {
        if let Some(store) = &mut self.store {
            store.set_source(source("store"));
        }
        for (name, file) in [
            ("store_file", &mut self.store_file),
            ("store_ca_file", &mut self.store_ca_file),
            ("store_cert_file", &mut self.store_cert_file),
            ("store_key_file", &mut self.store_key_file),
        ] {
            if let Some(file) = file {
                file.set_source(source(name));
            }
        }
    }

    /// Every setting of `self`, or of `other` where it is not set.
    pub(super) fn or(self, other: Self) -> Self {
        either!(
            self, other, listen, listen_mode, public_url, allow_http, create_path, homeserver, creation, store, store_file, store_ca_file,
            store_cert_file, store_key_file, lifetime, metrics_listen, log_format, trusted_proxies, client_header, proxy_protocol,
            header_timeout, body_timeout, idle_timeout, max_connections, drain; limits
        )
    }

    /// The defaults of the library.
    pub(super) fn defaults() -> Self {
        let proxies = Proxies::default();
        let timeouts = Timeouts::default();
        Self {
            listen: Some(ListenAddress::DEFAULT),
            listen_mode: Some(SocketMode::default()),
            public_url: None,
            allow_http: Some(false),
            create_path: Some(CreatePath::default()),
            homeserver: None,
            creation: None,
            store: None,
            store_file: None,
            store_ca_file: None,
            store_cert_file: None,
            store_key_file: None,
            lifetime: Some(300),
            metrics_listen: None,
            log_format: Some(LogFormat::Text),
            trusted_proxies: Some(proxies.trusted.into_iter().map(Net).collect()),
            client_header: Some(ClientHeader::default()),
            proxy_protocol: Some(false),
            header_timeout: seconds(timeouts.header),
            body_timeout: seconds(timeouts.body),
            idle_timeout: seconds(timeouts.idle),
            max_connections: None,
            drain: Some(5),
            limits: LimitSettings::defaults(),
        }
    }

    /// These settings with the limits of others, to see what else differs.
    pub(crate) fn with_limits_of(&self, other: &Self) -> Self {
        Self {
            limits: other.limits.clone(),
            ..self.clone()
        }
    }
}

fn seconds(time: Duration) -> Option<u32> {
    u32::try_from(time.as_secs()).ok()
}
