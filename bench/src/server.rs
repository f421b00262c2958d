//! How our server is started.

use std::{ffi::OsString, process::Command};

use crate::{answers::Answers, options::Options, process::Server, trouble::Trouble};

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
pub(crate) fn ours(options: &Options, setting: Setting) -> Result<Server, Trouble> {
    let help = Command::new(&options.server).arg("--help").output()?;
    let arguments = arguments(setting, &String::from_utf8_lossy(&help.stdout))?;
    // No environment: it may hold settings of the server.
    Server::start(Command::new(&options.server).args(arguments).env_clear(), b"")
}

/// Starts the bare server with these answers.
pub(crate) fn bare(answers: &Answers, minimal: bool) -> Result<Server, Trouble> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").args(minimal.then_some("--minimal"));
    let input = format!("{}\n", serde_json::to_string(answers)?);
    Ok(Server { constant: true, ..Server::start(&mut command, input.as_bytes())? })
}

/// The command line of our server. What an older one does not know is left out, so that it can be compared, unless
/// something else would be measured without it.
fn arguments(setting: Setting, help: &str) -> Result<Vec<OsString>, Trouble> {
    let plenty = "4000000";
    let mut wanted = vec![("--listen", "127.0.0.1:0"), ("--public-url", "http://127.0.0.1:1/")];
    wanted.push(("--metrics-listen", "127.0.0.1:0"));
    if !matches!(setting, Setting::Default) {
        wanted.extend([
            ("--max-sessions", plenty),
            ("--sessions-per-network", plenty),
            ("--lifetime", "3600"),
        ]);
    }
    let known = wanted.into_iter().filter(|(name, _)| help.contains(name));
    let mut arguments: Vec<OsString> = known.flat_map(|(name, value)| [name.into(), value.into()]).collect();
    if help.contains("--allow-http") {
        arguments.push("--allow-http".into());
    }
    if let Setting::Redis(port) = setting {
        if !help.contains("--store") {
            return Err(Trouble::Unable("--store"));
        }
        arguments.extend(["--store".into(), format!("redis://127.0.0.1:{port}/").into()]);
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_the_server_does_not_know_is_left_out_but_for_the_store() {
        let help = "--listen --public-url --max-sessions --lifetime";
        let few = arguments(Setting::Wide, help).unwrap();
        assert_eq!(few.len(), 8, "{few:?}");
        assert!(!few.contains(&"--metrics-listen".into()) && !few.contains(&"--allow-http".into()));
        assert!(arguments(Setting::Redis(1), help).is_err());
        let all = arguments(Setting::Redis(1), &format!("{help} --store --allow-http")).unwrap();
        assert!(all.contains(&"redis://127.0.0.1:1/".into()) && all.contains(&"--allow-http".into()));
    }

    #[test]
    fn limits_are_measured_as_they_come() {
        let arguments = arguments(Setting::Default, "--listen --public-url --max-sessions").unwrap();
        assert!(!arguments.contains(&"--max-sessions".into()));
    }
}
