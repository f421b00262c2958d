//! `cargo xtask advisories`: whether `Cargo.lock` has a version with a known vulnerability, or one
//! that was yanked. The list of vulnerabilities is a repository on GitHub, which not every machine
//! can reach.
#![allow(clippy::print_stderr, reason = "it says what was not checked")]

use crate::run::{TaskResult, cargo, command, said};

/// Fails too if the list cannot be fetched.
pub(crate) fn advisories() -> TaskResult {
    fetch()?;
    check()
}

/// For `cargo xtask test`: if the list cannot be fetched, says so, and returns the words, so that
/// they can be said again at the end. A list that was fetched earlier is not used: it may be old.
pub(crate) fn advisories_where_reachable() -> Result<Option<String>, String> {
    let Err(error) = fetch() else {
        check()?;
        return Ok(None);
    };
    let words = format!(
        "NOT CHECKED: whether dependencies have known vulnerabilities. {}\n\
         Run `cargo xtask advisories` where github.com can be reached; \
         .github/workflows/advisories.yml does so each day.",
        error.trim()
    );
    eprintln!("{words}");
    Ok(Some(words))
}

/// Gives up on a slow network after a minute.
fn fetch() -> TaskResult {
    let mut fetch = command(&["deny", "--log-level", "error", "fetch", "db"]);
    fetch.env("GIT_TERMINAL_PROMPT", "0");
    fetch.env("GIT_HTTP_LOW_SPEED_LIMIT", "1000");
    fetch.env("GIT_HTTP_LOW_SPEED_TIME", "60");
    said(&mut fetch, "cargo deny fetch db").map(|_| ())
}

fn check() -> TaskResult {
    cargo(&[
        "deny",
        "--locked",
        "--log-level",
        "error",
        "check",
        "advisories",
    ])
}
