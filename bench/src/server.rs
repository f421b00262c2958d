//! Starts our server and the bare one.

use std::process::Command;

use crate::{
    error::BenchError, options::BenchOptions, process::ServerProcess, responses::Responses,
};

/// The configuration of our server.
#[derive(Clone, Copy)]
pub(crate) enum Setting {
    /// The defaults.
    Default,
    /// No limits that a load could reach, and sessions that live longer than a measurement.
    Wide,
    /// The same, with the Redis at this port as the store.
    Redis(u16),
}

/// Starts our server.
pub(crate) fn ours(options: &BenchOptions, setting: Setting) -> Result<ServerProcess, BenchError> {
    ServerProgram::ours(options, setting).start()
}

/// Starts the bare server with these responses.
pub(crate) fn bare(responses: &Responses, minimal: bool) -> Result<ServerProcess, BenchError> {
    ServerProgram::bare(responses, minimal)?.start()
}

/// How a server is started.
pub(crate) struct ServerProgram {
    pub(crate) command: Command,
    input: String,
    constant: bool,
}

impl ServerProgram {
    pub(crate) fn ours(options: &BenchOptions, setting: Setting) -> Self {
        let mut command = Command::new(&options.server);
        // Without the environment, which may contain settings of the server.
        command.args(arguments(setting)).env_clear();
        Self {
            command,
            input: String::new(),
            constant: false,
        }
    }

    pub(crate) fn bare(responses: &Responses, minimal: bool) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare").args(minimal.then_some("--minimal"));
        Ok(Self {
            command,
            input: format!("{}\n", serde_json::to_string(responses)?),
            constant: true,
        })
    }

    pub(crate) fn start(mut self) -> Result<ServerProcess, BenchError> {
        Ok(ServerProcess {
            constant: self.constant,
            ..ServerProcess::start(&mut self.command, self.input.as_bytes())?
        })
    }
}

/// The command line of our server. No client connects to the public URL: they only use its path.
fn arguments(setting: Setting) -> Vec<String> {
    let listen = "--listen 127.0.0.1:0 --public-url http://127.0.0.1:1/ --allow-http";
    let wide = "--max-sessions 4000000 --sessions-per-network 0 --creates-per-minute 0 --requests-per-minute 0 --lifetime 3600 --drain 0";
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
