//! What the parts of the task share: directories, `dpkg`, files, comparisons.

use std::process::Command;

use crate::run::{TaskResult, said};

/// Where it all is, from the root of the checkout.
pub(super) const PLACE: &str = "target/package";
/// Where the package is installed, as if it were `/`.
pub(crate) const ROOT: &str = "target/package/root";
/// What the maintainer scripts call instead of the machine's systemd, and what they called.
pub(super) const STUBS: &str = "target/package/stubs";
pub(super) const CALLS: &str = "target/package/calls";

/// Into the directory. The scripts find the stubs before the machine's own programs.
pub(crate) fn dpkg(arguments: &[&str]) -> TaskResult {
    let path = std::env::var("PATH").unwrap_or_default();
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", here.join(ROOT).display()));
    dpkg.arg(format!(
        "--log={}",
        here.join(PLACE).join("dpkg.log").display()
    ));
    // Not chrooted, because there is no shell; without what it depends on, which is not installed
    // there.
    dpkg.args([
        "--force-not-root",
        "--force-script-chrootless",
        "--force-depends",
        "--force-bad-path",
    ]);
    dpkg.env(
        "PATH",
        format!("{}:{path}:/usr/sbin:/sbin", here.join(STUBS).display()),
    );
    said(
        dpkg.args(arguments),
        &format!("dpkg {}", arguments.join(" ")),
    )
    .map(|_| ())
}

/// Of `tar`'s line: mode, owner, name.
pub(super) fn file(line: &str) -> String {
    let fields: Vec<_> = line.split_whitespace().collect();
    [0, 1, 5]
        .map(|place| fields.get(place).copied().unwrap_or_default())
        .join(" ")
}

/// A file of a package, as text.
pub(super) fn read_packed(package: &str, name: &str) -> Result<String, String> {
    let script = format!("dpkg-deb --fsys-tarfile {package} | tar -xO {name}");
    said(Command::new("sh").args(["-c", &script]), name)
}

pub(super) fn has(what: &str, text: &str, part: &str) -> TaskResult {
    if text.contains(part) {
        Ok(())
    } else {
        Err(format!("{what} lacks “{part}”:\n{text}"))
    }
}

pub(super) fn same(what: &str, is: &str, should: &str) -> TaskResult {
    if is == should {
        Ok(())
    } else {
        Err(format!("{what}:\n{is}\nshould be:\n{should}"))
    }
}
