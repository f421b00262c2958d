//! The settings of the server: from flags, the environment, a file and the defaults. A setting is
//! taken from the first of these that has it.

mod choose_store;
mod config;
mod creation;
mod definition;
pub(crate) mod environment;
mod error;
mod field;
mod file;
mod limits;
mod listen;
mod log_format;
mod origin;
mod store;
mod values;

use std::path::PathBuf;

use matrix_qr_rendezvous::Config;

use self::creation::CreationSetting;
pub(crate) use self::{
    choose_store::StoreChoice,
    definition::Settings,
    error::SettingsError,
    listen::{ListenAddress, SocketMode},
    log_format::LogFormat,
    store::StoreUrl,
};

/// Checked settings.
#[derive(Clone, Debug)]
pub(crate) struct LoadedSettings {
    /// All settings in force.
    pub(crate) settings: Settings,
    /// Those of them that the library knows.
    pub(crate) config: Config,
    pub(crate) listen: ListenAddress,
    pub(crate) listen_mode: SocketMode,
    pub(crate) store: StoreChoice,
    /// What works but should be changed. Without secrets.
    pub(crate) warnings: Vec<String>,
}

/// The settings of the command line and the environment (`given`), completed by those of the file
/// and the defaults, and checked.
pub(crate) fn load(
    given: &Settings,
    file: Option<&PathBuf>,
) -> Result<LoadedSettings, SettingsError> {
    let in_file = file.map(file::read).transpose()?.unwrap_or_default();
    let mut settings = given.clone().or(in_file).or(Settings::defaults());
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
    let store = choose_store::choose_store(&mut settings, &mut warnings)?;
    Ok(LoadedSettings {
        settings,
        config,
        listen,
        listen_mode,
        store,
        warnings,
    })
}

/// The address for the operator. All other settings may be wrong.
pub(crate) fn metrics_listen(
    given: &Settings,
    file: Option<&PathBuf>,
) -> Result<ListenAddress, SettingsError> {
    let in_file = file.map(file::read).transpose()?.unwrap_or_default();
    let address = given.clone().or(in_file).metrics_listen;
    address.ok_or(SettingsError::NoMetricsListen)
}

#[cfg(test)]
mod tests;
