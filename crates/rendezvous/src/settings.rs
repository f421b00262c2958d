//! What the person who runs the server chooses: by flags, by the environment, or in a file. A flag
//! goes before the environment, that before the file, that before the default.

mod creation;
pub(crate) mod environment;
mod error;
mod file;
mod limits;
mod listen;
mod log_format;
mod origin;
mod store;
mod values;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{
    ArgMatches, Args,
    builder::{OsStringValueParser, TypedValueParser},
    parser::ValueSource,
};
use matrix_qr_rendezvous::{Config, Proxies, Timeouts};
use serde::{Deserialize, Serialize};

use self::{
    creation::CreationSetting,
    limits::LimitSettings,
    origin::SettingSource,
    store::{StoreFile, StoreSetting},
    values::{BaseUrlSetting, ClientHeader, CreatePath, Net},
};
pub(crate) use self::{
    error::SettingsError,
    listen::{ListenAddress, SocketMode},
    log_format::LogFormat,
    store::{StoreChoice, StoreUrl},
};

/// Each field of the first, or else of the second.
macro_rules! either {
    ($first:ident, $second:ident, $($field:ident),*) => {
        Self { $($field: $first.$field.or($second.$field)),* }
    };
    ($first:ident, $second:ident, $($field:ident),*; $nested:ident) => {
        Self { $($field: $first.$field.or($second.$field)),*, $nested: $first.$nested.or($second.$nested) }
    };
}
use either;

/// Every setting, each perhaps not said. The names in the file are those of the flags.
#[derive(Args, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The address to listen on: with a port, :PORT for all addresses, or unix:PATH. Port 0 takes a
    /// free one, and the log says which. A socket that systemd passes goes before this. [default:
    /// 127.0.0.1:8090]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LISTEN", value_name = "ADDR")]
    listen: Option<ListenAddress>,

    /// Who may connect to a Unix socket that it listens on, as chmod takes it. They are trusted as
    /// proxies are. [default: 0660]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LISTEN_MODE", value_name = "MODE")]
    listen_mode: Option<SocketMode>,

    /// What clients call this server; session URLs start with it. https. If it has a path, the
    /// proxy must take that path off.
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_PUBLIC_URL", value_name = "URL")]
    public_url: Option<BaseUrlSetting>,

    /// Accepts plain http for the public URL and the homeserver, for trying it out: clients refuse
    /// such a public URL, except on their own machine
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_ALLOW_HTTP", num_args = 0..=1, default_missing_value = "true")]
    allow_http: Option<bool>,

    /// One more path that creates sessions, for clients that a homeserver sends here. [default: /]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_CREATE_PATH", value_name = "PATH")]
    create_path: Option<CreatePath>,

    /// The base URL of the homeserver whose users may create sessions through MSC4388's API. It is
    /// asked whose an access token is. https, or on this machine. [default: none]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_HOMESERVER", value_name = "URL")]
    homeserver: Option<BaseUrlSetting>,

    /// Who may create sessions through MSC4388's API. Through MSC4108's everybody may: its clients
    /// send no access token. [default: authenticated with --homeserver, else open]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_CREATION", value_name = "WHO")]
    creation: Option<CreationSetting>,

    /// Where sessions are kept: `memory`, or the `redis://` URL of a Redis or Valkey that several
    /// instances share. One with a password belongs in a file (--store-file) or the environment.
    /// [default: memory]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE",
        value_name = "STORE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreSetting::from_argument))]
    store: Option<StoreSetting>,

    /// A file that has what --store would say, in one line, and that only this server can read.
    /// [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    store_file: Option<StoreFile>,

    /// The authorities whose certificates a Redis with TLS may have, in PEM. [default: those that
    /// the system trusts]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_CA_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    store_ca_file: Option<StoreFile>,

    /// A certificate to show to a Redis with TLS that wants one, in PEM. [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_CERT_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    store_cert_file: Option<StoreFile>,

    /// The private key of that certificate, in PEM. [default: none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_STORE_KEY_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    #[arg(value_parser = OsStringValueParser::new().map(StoreFile::from_argument))]
    store_key_file: Option<StoreFile>,

    /// How long a session lives, in seconds. No write extends it. [default: 300]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LIFETIME", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    lifetime: Option<u32>,

    /// The address for the operator: /health, /ready and /metrics. Not for the public. [default:
    /// none]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_METRICS_LISTEN",
        value_name = "ADDR",
        global = true
    )]
    pub(crate) metrics_listen: Option<ListenAddress>,

    /// How the log is written to standard error. [default: text]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// Networks of the proxies whose word is taken for where a request comes from. [default:
    /// 127.0.0.0/8,::1/128]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_TRUSTED_PROXIES",
        value_name = "NETS",
        value_delimiter = ','
    )]
    trusted_proxies: Option<Vec<Net>>,

    /// The header in which they say it: x-forwarded-for, forwarded, or any that has one address,
    /// such as CF-Connecting-IP. No other is looked at. [default: x-forwarded-for]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_CLIENT_HEADER",
        value_name = "HEADER"
    )]
    client_header: Option<ClientHeader>,

    /// Every connection begins with a header of the PROXY protocol (version 1 or 2), and only
    /// trusted proxies may connect. The address in it takes the place of the proxy's. [default:
    /// false]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_PROXY_PROTOCOL", num_args = 0..=1, default_missing_value = "true")]
    proxy_protocol: Option<bool>,

    /// How long the headers of a request may take, in seconds. [default: 10]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_HEADER_TIMEOUT",
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    header_timeout: Option<u32>,

    /// How long the body of a request may take, in seconds. [default: 10]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_BODY_TIMEOUT",
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    body_timeout: Option<u32>,

    /// How long a connection may be silent between requests, in seconds. [default: 60]
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_IDLE_TIMEOUT",
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    idle_timeout: Option<u32>,

    /// How many connections may be open at once. [default: as many as the system lets it open
    /// files, at most 60000]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_MAX_CONNECTIONS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,

    /// How long it still takes connections after SIGTERM, in seconds, so that a load balancer can
    /// notice. [default: 5]
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_DRAIN", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=3600))]
    drain: Option<u32>,

    #[command(flatten)]
    #[serde(default)]
    limits: LimitSettings,
}

/// Settings to run with.
#[derive(Clone, Debug)]
pub(crate) struct LoadedSettings {
    /// All of them, as they are in force.
    pub(crate) settings: Settings,
    /// What the library knows of them.
    pub(crate) config: Config,
    pub(crate) listen: ListenAddress,
    pub(crate) listen_mode: SocketMode,
    pub(crate) store: StoreChoice,
    /// What is not wrong and should be otherwise. Without secrets.
    pub(crate) warnings: Vec<String>,
}

/// Those of the command line and the environment, completed by those of the file and the defaults,
/// and checked.
pub(crate) fn load(
    said: &Settings,
    file: Option<&PathBuf>,
) -> Result<LoadedSettings, SettingsError> {
    let in_file = file.map(file::read).transpose()?.unwrap_or_default();
    let mut settings = said.clone().or(in_file).or(Settings::defaults());
    settings.check()?;
    let public_url = settings
        .public_url
        .clone()
        .ok_or(SettingsError::NoPublicUrl)?;
    if !public_url.is_https() && settings.allow_http != Some(true) {
        return Err(SettingsError::NotHttps(public_url.to_string()));
    }
    let homeserver = settings.homeserver.as_ref();
    let who = CreationSetting::or_default(settings.creation, homeserver);
    let creation = who.creation(homeserver, settings.allow_http == Some(true))?;
    let config = Config {
        creation,
        ..settings.config(public_url)
    };
    settings.creation = Some(who);
    let listen = settings.listen.clone().unwrap_or(ListenAddress::DEFAULT);
    let listen_mode = settings.listen_mode.unwrap_or_default();
    let mut warnings = Vec::new();
    let store = settings.choose_store(&mut warnings)?;
    Ok(LoadedSettings {
        settings,
        config,
        listen,
        listen_mode,
        store,
        warnings,
    })
}

/// Where the operator asks. Nothing else need be right for that.
pub(crate) fn metrics_listen(
    said: &Settings,
    file: Option<&PathBuf>,
) -> Result<ListenAddress, SettingsError> {
    let in_file = file.map(file::read).transpose()?.unwrap_or_default();
    let address = said.clone().or(in_file).metrics_listen;
    address.ok_or(SettingsError::NoMetricsListen)
}

impl Settings {
    /// Those that the command line has from the environment know it.
    pub(crate) fn placed(mut self, matches: &ArgMatches) -> Self {
        self.origin(|name| match matches.value_source(name) {
            Some(ValueSource::EnvVariable) => SettingSource::Environment,
            _ => SettingSource::Flag,
        });
        self
    }

    fn from_file(mut self, path: &Path) -> Self {
        self.origin(|_| SettingSource::File(path.to_owned()));
        self
    }

    fn origin(&mut self, source: impl Fn(&str) -> SettingSource) {
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

    fn or(self, other: Self) -> Self {
        either!(
            self, other, listen, listen_mode, public_url, allow_http, create_path, homeserver, creation, store, store_file, store_ca_file,
            store_cert_file, store_key_file, lifetime, metrics_listen, log_format, trusted_proxies, client_header, proxy_protocol,
            header_timeout, body_timeout, idle_timeout, max_connections, drain; limits
        )
    }

    /// Those that have a default, as the library has it.
    fn defaults() -> Self {
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

    /// The file can say what the command line cannot.
    fn check(&self) -> Result<(), SettingsError> {
        within("lifetime", self.lifetime, 1..=86_400, "1 to 86400 seconds")?;
        let timeouts = [self.header_timeout, self.body_timeout, self.idle_timeout];
        for (what, value) in ["header-timeout", "body-timeout", "idle-timeout"]
            .into_iter()
            .zip(timeouts)
        {
            within(what, value, 1..=86_400, "1 to 86400 seconds")?;
        }
        within("drain", self.drain, 0..=3600, "0 to 3600 seconds")?;
        within(
            "max-connections",
            self.max_connections,
            1..=u32::MAX,
            "at least 1",
        )?;
        self.limits.check()
    }

    fn config(&self, public_url: BaseUrlSetting) -> Config {
        let default = Config::new(public_url.into());
        let duration = |seconds: Option<u32>, or| {
            seconds.map_or(or, |seconds| Duration::from_secs(seconds.into()))
        };
        let trusted = self.trusted_proxies.iter().flatten().map(|net| net.0);
        let header = self.client_header.clone().unwrap_or_default().0;
        Config {
            create_path: self.create_path.clone().unwrap_or_default().into(),
            lifetime: duration(self.lifetime, default.lifetime),
            limits: self.limits.limits(),
            proxies: Proxies {
                trusted: trusted.collect(),
                header,
            },
            proxy_protocol: self.proxy_protocol.unwrap_or(default.proxy_protocol),
            timeouts: Timeouts {
                header: duration(self.header_timeout, default.timeouts.header),
                body: duration(self.body_timeout, default.timeouts.body),
                idle: duration(self.idle_timeout, default.timeouts.idle),
            },
            max_connections: count(self.max_connections).unwrap_or(default.max_connections),
            drain: duration(self.drain, default.drain),
            ..default
        }
    }

    /// These, with the limits of others: to see what else differs.
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

fn count(count: Option<u32>) -> Option<usize> {
    usize::try_from(count?).ok()
}

fn within<T: PartialOrd + Into<u64> + Copy>(
    what: &'static str,
    value: Option<T>,
    allowed: std::ops::RangeInclusive<T>,
    range: &'static str,
) -> Result<(), SettingsError> {
    match value.filter(|value| !allowed.contains(value)) {
        None => Ok(()),
        Some(value) => Err(SettingsError::OutOfRange {
            what,
            value: value.into(),
            range,
        }),
    }
}

#[cfg(test)]
mod tests;
