//! The command line: where programs and directories are.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// What `cargo xtask interop` has built and installed, and where.
pub(crate) struct InteropConfig {
    /// Our programs: `matrix-qr` and `matrix-qr-rendezvous`.
    pub(crate) ours: PathBuf,
    /// The programs of this workspace: the peer and the bot.
    pub(crate) theirs: PathBuf,
    /// The Python that has Synapse.
    pub(crate) python: PathBuf,
    /// The directory of this run, for configurations, stores and logs. It is emptied at the start.
    pub(crate) run: PathBuf,
    /// Whether times are compared. `--untimed` turns that off, for a machine that is busy.
    pub(crate) timed: bool,
}

pub(crate) fn parse(options: &[String]) -> Result<InteropConfig> {
    let place = |name: &str| {
        let at = options.iter().skip_while(|word| *word != name).nth(1);
        let at = at.with_context(|| format!("{name} is missing: run `cargo xtask interop`"))?;
        // Not canonical: the `python` of an environment is a link to another one. Not relative:
        // programs are started in other directories.
        anyhow::Ok(std::path::absolute(at)?)
    };
    Ok(InteropConfig {
        ours: place("--ours")?,
        theirs: place("--theirs")?,
        python: place("--python")?,
        run: place("--run")?,
        timed: !options.iter().any(|word| word == "--untimed"),
    })
}
