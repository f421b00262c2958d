//! How the servers are started.

use std::process::Command;

use crate::{answers::Answers, error::BenchError, options::Options, process::Server};

/// How our server is set.
#[derive(Clone, Copy)]
pub(crate) enum Setting {
    /// As it comes.
    Default,
    /// With room for whatever a load creates, as long as the measuring may take.
    Wide,
    /// The same over the Redis at this port.
    Redis(u16),
}

/// Starts our server.
pub(crate) fn ours(options: &Options, setting: Setting) -> Result<Server, BenchError> {
    // No environment: it may hold settings of the server.
    Server::start(
        Command::new(&options.server)
            .args(arguments(setting))
            .env_clear(),
        b"",
    )
}

/// Starts the bare server with these answers.
pub(crate) fn bare(answers: &Answers, minimal: bool) -> Result<Server, BenchError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").args(minimal.then_some("--minimal"));
    let input = format!("{}\n", serde_json::to_string(answers)?);
    Ok(Server {
        constant: true,
        ..Server::start(&mut command, input.as_bytes())?
    })
}

/// The command line of our server. The public URL leads nowhere: the clients take the path of it.
fn arguments(setting: Setting) -> Vec<String> {
    let listen = "--listen 127.0.0.1:0 --public-url http://127.0.0.1:1/ --allow-http";
    let wide = "--max-sessions 4000000 --sessions-per-network 0 --creates-per-minute 0 --requests-per-minute 0 --lifetime 3600";
    let line = match setting {
        Setting::Default => listen.to_owned(),
        Setting::Wide => format!("{listen} {wide}"),
        Setting::Redis(port) => format!("{listen} {wide} --store redis://127.0.0.1:{port}/"),
    };
    line.split(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_a_flood_are_those_that_the_server_comes_with() {
        let limits = |setting| {
            arguments(setting)
                .iter()
                .any(|argument| argument.contains("sessions"))
        };
        assert!(!limits(Setting::Default));
        assert!(limits(Setting::Wide) && limits(Setting::Redis(1)));
    }
}
