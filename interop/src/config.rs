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
    /// The Python that has the bots' libraries.
    pub(crate) bots: PathBuf,
    /// The directory of this run, for configurations, stores and logs. It is emptied at the start.
    pub(crate) run: PathBuf,
    /// Whether times are compared. `--untimed` turns that off, for a machine that is busy.
    pub(crate) timed: bool,
    /// The one group of cells that runs, or the one library's bots, if not all of them do.
    pub(crate) only: Option<String>,
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
        bots: place("--bots")?,
        run: place("--run")?,
        only: options
            .iter()
            .skip_while(|word| *word != "--only")
            .nth(1)
            .cloned(),
        timed: !options.iter().any(|word| word == "--untimed"),
    })
}
