//! Where a setting comes from, so that an error can say that without the value.

use std::{fmt, path::PathBuf};

/// The origin of the setting with this name.
#[derive(Clone, Debug)]
pub(crate) struct SettingOrigin {
    pub(super) name: &'static str,
    pub(super) source: SettingSource,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum SettingSource {
    /// The command line, which everybody on the machine can read.
    #[default]
    Flag,
    Environment,
    File(PathBuf),
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            SettingSource::Flag => write!(f, "--{}", self.name),
            SettingSource::Environment => f.write_str(&variable(self.name)),
            SettingSource::File(path) => write!(f, "`{}` in {}", self.name, path.display()),
        }
    }
}

/// The environment variable of a setting.
fn variable(name: &str) -> String {
    format!(
        "{}{}",
        super::environment::PREFIX,
        name.replace('-', "_").to_ascii_uppercase()
    )
}
