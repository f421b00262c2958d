//! `sandbox`: running servers with an account, to try `login` and `link`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use matrix_qr_device::session::SessionDir;
use matrix_qr_sandbox::{Options, Sandbox, Synapse};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    args,
    cancel::Cancel,
    demo_account::{DemoAccount, temporary_directory},
    exit::{Exit, Failure},
    output::{BOLD, Printer, paint, row},
};

pub(crate) async fn run(args: &args::SandboxArgs) -> Result<(), Failure> {
    let out = Printer::new(args.json);
    let on_signal = move || {
        out.say("\nStopping.");
        out.event(json!({ "event": "stopping" }));
    };
    let cancel = Cancel::on_signals(on_signal)?;
    let temporary;
    let directory = match &args.directory {
        Some(directory) => directory.as_path(),
        None => {
            temporary = temporary_directory()?;
            temporary.path()
        }
    };
    let existing = directory.join("existing");
    let synapse = synapse(args)?;
    let options = options(args, synapse.clone());
    let account = DemoAccount::start(options, &existing).await;
    let DemoAccount {
        sandbox,
        existing: device,
        room,
    } = account.map_err(|failure| match synapse {
        Some(_) => Failure {
            advice: SYNAPSE_ADVICE.to_owned(),
            ..failure
        },
        None => failure,
    })?;
    // `link` needs its directory now.
    drop(device);
    args.misbehave
        .iter()
        .for_each(|fault| sandbox.faults().set(fault.clone()));
    announce(out, &sandbox, &room, directory);
    cancel.cancelled().await;
    sandbox.stop().await;
    let left = |error| Failure::here(format!("{error}"), "Remove the directory by hand.");
    SessionDir::new(existing).wipe().map_err(left)
}

/// The Synapse for which the sandbox is the authorization server, if one is named. Refuses faults
/// that a Synapse cannot have.
fn synapse(args: &args::SandboxArgs) -> Result<Option<Synapse>, Failure> {
    let (Some(homeserver), Some(file)) = (&args.synapse, &args.synapse_secret_file) else {
        return Ok(None);
    };
    let refused = |what: String| Failure::new(Exit::Usage, what, SYNAPSE_ADVICE);
    if let Some(fault) = args
        .misbehave
        .iter()
        .find(|fault| !fault.acts_in_front_of_synapse())
    {
        let advice =
            "Leave this fault out, or leave out --synapse to use the sandbox's own homeserver.";
        return Err(Failure::new(
            Exit::Usage,
            format!("a Synapse cannot misbehave in this way: {fault}"),
            advice,
        ));
    }
    let secret = fs::read_to_string(file).map(Zeroizing::new);
    let secret =
        secret.map_err(|error| refused(format!("{} cannot be read: {error}", file.display())))?;
    let secret = Zeroizing::new(secret.trim().to_owned());
    Synapse::new(homeserver.clone(), secret)
        .map(Some)
        .map_err(|error| refused(error.to_string()))
}

const SYNAPSE_ADVICE: &str = "Check Synapse's configuration and log. \
    The account must not exist there: choose another name with --account.";

fn options(args: &args::SandboxArgs, synapse: Option<Synapse>) -> Options {
    Options {
        homeserver_port: args.port,
        oauth_port: args.oauth_port.unwrap_or_default(),
        localpart: args.account.clone(),
        access_token_lifetime: Duration::from_secs(args.token_lifetime),
        synapse,
        ..Options::default()
    }
}

fn announce(out: Printer, sandbox: &Sandbox, room: &str, directory: &Path) {
    let [login, link] = commands(sandbox, directory);
    let faults: Vec<String> = sandbox
        .faults()
        .active()
        .iter()
        .map(ToString::to_string)
        .collect();
    let rendezvous = sandbox.rendezvous();
    let is_synapse = rendezvous.origin() != sandbox.homeserver().origin();
    let what = if is_synapse {
        "An authorization server for a Synapse"
    } else {
        "A homeserver for trying things out"
    };
    let mut lines = vec![
        paint(
            BOLD,
            format!("{what}, on this machine only. Ctrl-C stops it."),
        ),
        row("homeserver", sandbox.homeserver().as_str()),
        row("account", &sandbox.user_id()),
    ];
    if is_synapse {
        lines.push(row("signs in at", sandbox.issuer().as_str()));
        lines.push(row(
            "rendezvous",
            &format!("the Synapse's own; or --rendezvous {rendezvous}"),
        ));
    }
    if !faults.is_empty() {
        lines.push(row("faults", &faults.join(", ")));
    }
    lines.extend([
        "\nIn a second terminal, the new device:\n".to_owned(),
        format!("  {login}"),
        "\nIn a third one, the device that is already signed in:\n".to_owned(),
        format!("  {link}\n"),
    ]);
    let json = json!({
        "event": "ready",
        "homeserver": sandbox.homeserver(),
        "issuer": sandbox.issuer(),
        "rendezvous": rendezvous,
        "user_id": sandbox.user_id(),
        "room_id": room,
        "existing_directory": directory.join("existing"),
        "misbehave": faults,
        "login": login,
        "link": link,
    });
    out.result(lines.join("\n"), json);
}

/// The two commands to paste, in this order.
fn commands(sandbox: &Sandbox, directory: &Path) -> [String; 2] {
    let (program, code) = (quoted(&program()), quoted(&directory.join("code.png")));
    let [new, existing] = ["new", "existing"].map(|name| quoted(&directory.join(name)));
    let homeserver = sandbox.homeserver();
    [
        format!(
            "{program} login --allow-loopback-http --homeserver {homeserver} \
             --directory {new} --qr {code}"
        ),
        format!("{program} link --allow-loopback-http --directory {existing} --scan {code}"),
    ]
}

/// The program as it was called if the shell finds it by name, otherwise its path.
fn program() -> PathBuf {
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if called.components().count() == 1 {
        called
    } else {
        env::current_exe().unwrap_or(called)
    }
}

/// Quotes a path for a POSIX shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use clap::Parser as _;

    use super::*;
    use crate::args::{Command, CommandLine};

    fn sandbox(args: &[&str]) -> Option<args::SandboxArgs> {
        let args = CommandLine::try_parse_from(["matrix-qr", "sandbox"].iter().chain(args)).ok()?;
        let Command::Sandbox(args) = args.command else {
            panic!("another command")
        };
        Some(args)
    }

    /// In front of this Synapse, with this secret in the file.
    fn in_front_of(url: &str, secret: &str, more: &[&str]) -> Result<Option<Synapse>, Failure> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, secret).unwrap();
        let file = file.path().to_str().unwrap();
        let args = [
            "--synapse",
            url,
            "--synapse-secret-file",
            file,
            "--oauth-port",
            "8090",
        ];
        synapse(&sandbox(&[&args, more].concat()).unwrap())
    }

    #[test]
    fn a_synapse_needs_its_secret_and_a_port_that_it_knows() {
        assert!(synapse(&sandbox(&[]).unwrap()).unwrap().is_none());
        let url = "http://localhost:8008";
        assert!(sandbox(&["--synapse", url]).is_none());
        assert!(sandbox(&["--synapse", url, "--synapse-secret-file", "secret"]).is_none());
        assert!(sandbox(&["--synapse", url, "--oauth-port", "8090"]).is_none());
        assert!(sandbox(&["--synapse-secret-file", "secret"]).is_none());

        let synapse = in_front_of(url, "secret\n", &[]).unwrap().unwrap();
        let same = Synapse::new(url.parse().unwrap(), Zeroizing::new("secret".to_owned())).unwrap();
        assert!(
            synapse == same,
            "a file's last line end is not part of the secret"
        );
        for (url, secret) in [("https://matrix.example", "secret"), (url, "\n")] {
            assert_eq!(in_front_of(url, secret, &[]).unwrap_err().exit, Exit::Usage);
        }
    }

    #[test]
    fn a_synapse_itself_does_not_misbehave() {
        let with_fault =
            |fault| in_front_of("http://localhost:8008", "secret", &["--misbehave", fault]);
        assert!(with_fault("consent-denied").is_ok());
        let refused = with_fault("devices-hang").unwrap_err();
        assert_eq!(
            refused.what,
            "a Synapse cannot misbehave in this way: devices-hang"
        );
    }

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b")), "/tmp/a-b");
        assert_eq!(quoted(Path::new("/my files/it's")), r"'/my files/it'\''s'");
        assert_eq!(quoted(Path::new("")), "''");
    }
}
