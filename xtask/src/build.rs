//! How the programs are built: for this machine, or for others.

use std::{fs, process::Command};

use crate::{
    files::{bytes, copy, here, make},
    python,
    run::{TaskResult, command, run, said},
};

pub(crate) const COMMAND: &str = "matrix-qr";
pub(crate) const SERVER: &str = "matrix-qr-rendezvous";
pub(crate) const PROGRAMS: [&str; 2] = [COMMAND, SERVER];

/// What builds for others, from PyPI.
const TOOLS: &str = "target/dist/tools";
const TOOL_PACKAGES: [&str; 3] = [
    "cargo-zigbuild==0.24.1",
    "maturin==1.16.0",
    "ziglang==0.17.1",
];

/// Where `cargo deb` finds a program.
const STAGED: &str = "target/package/staged";
const RELEASE: &str = "target/package/staged/release";

/// Of glibc 2.17, the oldest C library with which Rust's standard library works. Programs that are
/// linked with this machine's own need one that is as new.
pub(crate) const GLIBC_MINOR: u32 = 17;

/// A way to build.
pub(crate) struct Build {
    /// The platform, if the build names one. Its directory then has that name.
    pub(crate) target: Option<String>,
    environment: Vec<(&'static str, String)>,
}

impl Build {
    /// For this machine and its tests, as `cargo run` does: it compiles in a third of the time.
    pub(crate) fn here() -> Self {
        Self {
            target: None,
            environment: vec![],
        }
    }

    /// For others: optimised across crates, for an old C library, and without the directories of
    /// this machine.
    pub(crate) fn dist(flags: &BuildFlags) -> Result<Self, String> {
        let python = here(Self::tools()?)?;
        let tools = python.parent().ok_or("no directory")?.display();
        let path = std::env::var("PATH").unwrap_or_default();
        let target = host()?;
        let mut environment = vec![
            ("PATH", format!("{tools}:{path}")),
            ("RUSTFLAGS", flags.rustflags.clone()),
            ("CFLAGS", flags.cflags.clone()),
        ];
        if target.starts_with("aarch64") {
            // jemalloc does not start where pages are larger than those that it was built for.
            // Kernels for ARM have pages of up to 64 KiB, 2 to the 16.
            environment.push(("JEMALLOC_SYS_WITH_LG_PAGE", "16".to_owned()));
        }
        Ok(Self {
            target: Some(target),
            environment,
        })
    }

    /// The Python that has the tools for it.
    pub(crate) fn tools() -> Result<String, String> {
        let python = python::environment(TOOLS)?;
        python::install(&python, TOOL_PACKAGES)?;
        Ok(python)
    }

    /// Builds these programs in the checkout in this directory.
    pub(crate) fn run(&self, directory: &str, programs: &[&str]) -> TaskResult {
        programs.iter().try_for_each(|program| {
            let mut words = match &self.target {
                None => vec!["build".to_owned()],
                Some(target) => {
                    let target = format!("{target}.2.{GLIBC_MINOR}");
                    vec!["zigbuild".to_owned(), "--target".to_owned(), target]
                }
            };
            let profile = self.profile(program);
            words.extend(["--locked", "--bin", program, "--profile", profile].map(str::to_owned));
            words.extend(self.packages(program));
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let mut build = self.command(&words);
            run(
                build.current_dir(directory),
                &format!("cargo {}", words.join(" ")),
            )
        })
    }

    /// The options that select the packages with a program. A program has only what it needs, but for
    /// this machine the server's libraries have the features of the command's, which are there: the
    /// README's first command builds it.
    pub(crate) fn packages(&self, program: &str) -> Vec<String> {
        let selected = match (&self.target, program) {
            (None, SERVER) => PROGRAMS.to_vec(),
            _ => vec![program],
        };
        let options = selected.iter().flat_map(|name| ["--package", name]);
        options.map(str::to_owned).collect()
    }

    /// Makes a Debian package of a program that was built. `cargo deb` takes it from where a release
    /// build would have put it.
    pub(crate) fn deb(&self, package: &str, options: &[&str], output: &str) -> TaskResult {
        make(RELEASE)?;
        copy(self.program(package), RELEASE)?;
        let words = [
            "deb",
            "--locked",
            "--no-build",
            "--package",
            package,
            "--output",
            output,
        ];
        // What only this machine gets may be large.
        let fast: &[_] = if self.target.is_none() {
            &["--fast", "--strip"]
        } else {
            &[]
        };
        let words = [&words[..], options, fast].concat();
        let mut deb = self.command(&words);
        deb.env("CARGO_TARGET_DIR", here(STAGED)?);
        run(&mut deb, &format!("cargo {}", words.join(" ")))
    }

    /// A cargo command in this build's environment.
    fn command(&self, arguments: &[&str]) -> Command {
        self.in_environment(command(arguments))
    }

    /// What a build for others is told comes from nowhere else.
    pub(crate) fn in_environment(&self, mut command: Command) -> Command {
        if self.target.is_some() {
            for name in [
                "CARGO_TARGET_DIR",
                "CARGO_ENCODED_RUSTFLAGS",
                "CARGO_BUILD_RUSTFLAGS",
            ] {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The profile for a program, in `Cargo.toml`.
    pub(crate) fn profile(&self, program: &str) -> &'static str {
        match (&self.target, program) {
            (None, _) => "dev",
            (Some(_), COMMAND) => "dist-small",
            (Some(_), _) => "dist",
        }
    }

    /// Where it puts a program, from the root of the checkout.
    pub(crate) fn program(&self, name: &str) -> String {
        match &self.target {
            None => format!("target/debug/{name}"),
            Some(target) => format!("target/{target}/{}/{name}", self.profile(name)),
        }
    }
}

/// What a build must be told so that no directory of this machine gets into the program.
pub(crate) struct BuildFlags {
    rustflags: String,
    cflags: String,
    /// What must not be found in the program.
    directories: Vec<String>,
}

impl BuildFlags {
    /// The sources of dependencies are in cargo's home; what build scripts write is in the
    /// directory; with the component `rust-src`, the compiler names its own source where that is
    /// installed.
    pub(crate) fn of(directory: &str) -> Result<Self, String> {
        let directory = fs::canonicalize(directory)
            .map_err(|error| format!("{directory}: {error}"))?
            .display()
            .to_string();
        let home = std::env::var("HOME").map_err(|_| "HOME is not set".to_owned())?;
        let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
        let sysroot = rustc(&["--print", "sysroot"])?;
        let library = format!("{}/lib/rustlib/src/rust", sysroot.trim());
        let version = rustc(&["-vV"])?;
        let commit = line(&version, "commit-hash: ")?;
        let maps = [
            (&directory, "/build".to_owned()),
            (&cargo, "/cargo".to_owned()),
            (&library, format!("/rustc/{commit}")),
        ];
        let all = |flag: &str| {
            maps.each_ref()
                .map(|(from, to)| format!("{flag}={from}={to}"))
                .join(" ")
        };
        Ok(Self {
            rustflags: all("--remap-path-prefix"),
            cflags: all("-ffile-prefix-map"),
            directories: vec![directory, cargo, sysroot.trim().to_owned()],
        })
    }

    /// Checks that a program names none of the directories.
    pub(crate) fn kept_out_of(&self, program: &str) -> TaskResult {
        let bytes = bytes(program)?;
        let is_in = |path: &&String| {
            let mut windows = bytes.windows(path.len());
            windows.any(|window| window == path.as_bytes())
        };
        match self.directories.iter().find(is_in) {
            None => Ok(()),
            Some(path) => Err(format!(
                "{program} names {path}, a directory of this machine"
            )),
        }
    }
}

/// This machine's platform, as Rust names it.
pub(crate) fn host() -> Result<String, String> {
    line(&rustc(&["-vV"])?, "host: ").map(str::to_owned)
}

fn rustc(arguments: &[&str]) -> Result<String, String> {
    said(Command::new("rustc").args(arguments), "rustc")
}

/// What follows these words at the beginning of a line.
fn line<'a>(text: &'a str, words: &str) -> Result<&'a str, String> {
    text.lines()
        .find_map(|line| line.strip_prefix(words))
        .ok_or_else(|| format!("rustc -vV has no line “{words}”"))
}
