//! Environment variables as container platforms set them: some are empty, and some are not meant
//! for this program.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use clap::{Command, builder::Resettable};

/// The prefix of the name of each setting.
pub(crate) const PREFIX: &str = "MATRIX_QR_RENDEZVOUS_";

/// The maximum number of unknown variables that are reported.
const MAX_REPORTED: usize = 20;

/// Treats an empty variable as one that is not set: Compose and Kubernetes create such variables.
pub(crate) fn without_empty(command: Command) -> Command {
    command.mut_args(|argument| match argument.get_env().map(env::var_os) {
        Some(Some(value)) if value.is_empty() => argument.env(Resettable::Reset),
        _ => argument,
    })
}

/// A warning for each variable that looks like a setting but is not one. Never contains its value.
pub(crate) fn unknown(command: &Command) -> Vec<String> {
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env())
        .collect();
    let ours =
        env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    let unknown = ours.filter(|(name, value)| {
        !value.is_empty() && !known.contains(&name.as_os_str()) && !of_kubernetes(name, value)
    });
    let named = unknown.map(|(name, _)| {
        format!("the environment variable {name:?} is not a setting: --help lists all settings")
    });
    named.take(MAX_REPORTED).collect()
}

/// Kubernetes sets variables for each service next to a container, and one of them may have our
/// name: `..._SERVICE_HOST`, `..._SERVICE_PORT`, `..._SERVICE_PORT_HTTP`, `..._PORT` (a URL),
/// `..._PORT_8090_TCP`, `..._PORT_8090_TCP_ADDR`.
fn of_kubernetes(name: &OsStr, value: &OsString) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let url = || {
        ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|scheme| value.as_encoded_bytes().starts_with(scheme.as_bytes()))
    };
    let numbered = |rest: &str| {
        let (port, rest) = rest.split_once('_').unwrap_or((rest, ""));
        let protocol = rest.split('_').next().unwrap_or_default();
        port.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(&protocol)
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && url())
        || name
            .rsplit_once("_PORT_")
            .is_some_and(|(_, rest)| numbered(rest))
        || name
            .match_indices("_PORT_")
            .any(|(at, found)| numbered(name.split_at(at + found.len()).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_kubernetes_are_recognized() {
        let made =
            |name: &str, value: &str| of_kubernetes(OsStr::new(name), &OsString::from(value));
        for (name, value) in [
            ("MATRIX_QR_RENDEZVOUS_SERVICE_HOST", "10.0.0.1"),
            ("MATRIX_QR_RENDEZVOUS_METRICS_SERVICE_HOST", "10.0.0.1"),
            ("MATRIX_QR_RENDEZVOUS_SERVICE_PORT", "8090"),
            ("MATRIX_QR_RENDEZVOUS_SERVICE_PORT_HTTP", "8090"),
            ("MATRIX_QR_RENDEZVOUS_PORT", "tcp://10.0.0.1:8090"),
            ("MATRIX_QR_RENDEZVOUS_PORT_8090_TCP", "tcp://10.0.0.1:8090"),
            ("MATRIX_QR_RENDEZVOUS_PORT_8090_TCP_PROTO", "tcp"),
            ("MATRIX_QR_RENDEZVOUS_PORT_8090_TCP_PORT", "8090"),
            ("MATRIX_QR_RENDEZVOUS_PORT_8090_UDP_ADDR", "10.0.0.1"),
        ] {
            assert!(made(name, value), "{name}");
        }
        for name in [
            "LISTEN_ADDR",
            "PORT",
            "PORT_X",
            "PORT_8090",
            "STORE_URL",
            "SERVICE",
        ] {
            assert!(!made(&format!("{PREFIX}{name}"), "8090"), "{name}");
        }
    }
}
