//! From the settings to those of the library.

use std::time::Duration;

use matrix_qr_rendezvous::{Config, Proxies, Timeouts};

use super::{
    definition::Settings,
    error::SettingsError,
    field::{count, within},
    values::BaseUrlSetting,
};

impl Settings {
    /// Checks the ranges: the command line has checked its own values, the file has not.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
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

    /// The settings of the library, except who may create sessions.
    pub(super) fn config(&self, public_url: BaseUrlSetting) -> Config {
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
}
