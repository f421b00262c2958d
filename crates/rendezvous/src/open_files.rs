//! Each connection is an open file to the system: when the limit is reached, it accepts no more.

use crate::settings::LoadedSettings;

/// Open files that are not connections of clients: listeners, the store, the log, the runtime's
/// own.
const OTHER_FILES: usize = 32;

/// Lowers the limit of connections to what the system allows.
pub(crate) fn cap_connections(
    LoadedSettings {
        settings, config, ..
    }: &mut LoadedSettings,
) {
    let Some(max) = open_files().map(|files| files.saturating_sub(OTHER_FILES).max(1)) else {
        return;
    };
    if settings.max_connections.is_some() && max < config.max_connections {
        tracing::warn!(
            max_connections = max,
            "the system allows fewer open files than max-connections needs: raise LimitNOFILE (ulimit -n)"
        );
    }
    config.max_connections = config.max_connections.min(max);
}

/// How many files this process may have open. `None`: no limit.
#[cfg(unix)]
fn open_files() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current;
    limit.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn open_files() -> Option<usize> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_limit_is_that_of_the_system() {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .unwrap();
        let soft = line.split_whitespace().next().unwrap();
        assert_eq!(super::open_files(), soft.parse().ok());
    }
}
