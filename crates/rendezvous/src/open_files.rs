//! Each connection is an open file to the system, and when there are no more it takes none.

use std::fs;

use crate::settings::LoadedSettings;

/// Lowers the most that there may be of connections to what the system allows.
pub(crate) fn cap_connections(
    LoadedSettings {
        settings, config, ..
    }: &mut LoadedSettings,
) {
    let files = fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| open_files(&limits));
    let Some(most) = files.map(|files| files.saturating_sub(OTHER_FILES).max(1)) else {
        return;
    };
    if settings.max_connections.is_some() && most < config.max_connections {
        tracing::warn!(
            max_connections = most,
            "the system allows no more connections than that: raise LimitNOFILE (ulimit -n)"
        );
    }
    config.max_connections = config.max_connections.min(most);
}

/// What is not a connection of a client: listeners, the store, the log, the runtime's own.
const OTHER_FILES: usize = 32;

fn open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_bound_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(
            open_files("Max open files            unlimited            unlimited            files"),
            None
        );
    }
}
