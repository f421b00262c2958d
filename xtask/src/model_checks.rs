//! `cargo xtask model-checks`: takes each check out of the login, in a copy of `crates/protocol`, and
//! demands that the model's test fails, with the property that depends on the check. The checks are in
//! `crates/protocol/tests/model/checks.txt`; the copy is in `target/model-checks`.

use std::{
    path::Path,
    process::{Command, Output},
    time::Instant,
};

use crate::{
    files::{copy, empty, here, make, read, write},
    run::{TaskResult, command, said},
};

/// Where it all is, from the root of the checkout.
const PLACE: &str = "target/model-checks";
const CHECKS: &str = "crates/protocol/tests/model/checks.txt";
const PROTOCOL: &str = "crates/protocol";

/// A change that takes a check out of the login, and what must notice.
#[derive(Default)]
struct RemovedCheck {
    name: String,
    file: String,
    test: String,
    property: String,
    before: String,
    after: String,
}

/// The whole task, or those whose names have one of these words. It is for a person: it takes minutes.
pub(crate) fn model_checks(words: &[String]) -> TaskResult {
    let mut checks = parse(&read(CHECKS)?)?;
    checks.retain(|check| words.is_empty() || words.iter().any(|word| check.name.contains(word)));
    let copy = ProtocolCopy::make()?;
    // Before anything is built: a check that has changed its text is to be looked for.
    let texts = checks.iter().map(|check| copy.without(check));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    copy.compile()?;
    let mut unnoticed = Vec::new();
    for (check, text) in checks.iter().zip(&texts) {
        let started = Instant::now();
        let path = copy.source(check);
        let honest = read(&path)?;
        write(&path, text)?;
        let noticed = copy.is_noticed(check);
        write(&path, &honest)?;
        let (how, seconds) = (noticed?, started.elapsed().as_secs());
        eprintln!("{}: {how} ({seconds} s)", check.name);
        if how != NOTICED {
            unnoticed.push(check.name.as_str());
        }
    }
    match unnoticed.as_slice() {
        [] => Ok(()),
        names => Err(format!("the model does not notice: {}", names.join(", "))),
    }
}

const NOTICED: &str = "the property fails";

/// `crates/protocol` as a workspace of its own.
struct ProtocolCopy;

impl ProtocolCopy {
    fn make() -> Result<Self, String> {
        empty(&format!("{PLACE}/{PROTOCOL}"))?;
        let tracked = said(
            Command::new("git").args(["ls-files", PROTOCOL]),
            "git ls-files",
        )?;
        for file in tracked.lines() {
            let directory = Path::new(file).parent().unwrap_or(Path::new(""));
            let directory = format!("{PLACE}/{}", directory.display());
            make(&directory)?;
            copy(file, &directory)?;
        }
        copy("Cargo.lock", PLACE)?;
        let (all, only) = (r#"members = ["crates/*", "bench", "xtask"]"#, PROTOCOL);
        let workspace = read("Cargo.toml")?;
        if !workspace.contains(all) {
            return Err(format!("Cargo.toml does not have: {all}"));
        }
        let workspace = workspace.replace(all, &format!("members = [\"{only}\"]"));
        write(format!("{PLACE}/Cargo.toml"), &workspace)?;
        Ok(Self)
    }

    fn source(&self, check: &RemovedCheck) -> String {
        format!("{PLACE}/{PROTOCOL}/src/{}", check.file)
    }

    /// The file's text without the check.
    fn without(&self, check: &RemovedCheck) -> Result<String, String> {
        let text = read(self.source(check))?;
        match text.matches(&check.before).count() {
            1 => Ok(text.replacen(&check.before, &check.after, 1)),
            count => Err(format!(
                "{}: {} has what is replaced {count} times, not once",
                check.name, check.file
            )),
        }
    }

    /// What is changed later compiles faster then; and nothing fails that has every check.
    fn compile(&self) -> TaskResult {
        let output = self.test(&["--no-run"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("the copy does not compile:\n{said}")),
        }
    }

    fn is_noticed(&self, check: &RemovedCheck) -> Result<&'static str, String> {
        self.compile()
            .map_err(|error| format!("{}: {error}", check.name))?;
        let output = self.test(&["--", "--exact", &check.test])?;
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        let property = format!("not always: {}\n", check.property);
        Ok(match output.status.success() {
            true => "NO TEST FAILS",
            false if told.contains(&property) => NOTICED,
            false => "ANOTHER PROPERTY FAILS",
        })
    }

    fn test(&self, arguments: &[&str]) -> Result<Output, String> {
        command(&[
            "test",
            "--quiet",
            "-p",
            "matrix-qr-protocol",
            "--test",
            "model",
        ])
        .args(arguments)
        .current_dir(PLACE)
        .env("CARGO_TARGET_DIR", here(format!("{PLACE}/target"))?)
        .output()
        .map_err(|error| format!("cargo test: {error}"))
    }
}

fn parse(text: &str) -> Result<Vec<RemovedCheck>, String> {
    let mut checks: Vec<RemovedCheck> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("= ") {
            let name = name.to_owned();
            checks.push(RemovedCheck {
                name,
                ..RemovedCheck::default()
            });
            continue;
        }
        // What comes before the first one says what this file is.
        let Some(check) = checks.last_mut() else {
            continue;
        };
        check.take(line)?;
    }
    Ok(checks)
}

impl RemovedCheck {
    fn take(&mut self, line: &str) -> TaskResult {
        let words = [
            ("in ", &mut self.file),
            ("test ", &mut self.test),
            ("property ", &mut self.property),
        ];
        for (word, field) in words {
            if let Some(value) = line.strip_prefix(word) {
                value.clone_into(field);
                return Ok(());
            }
        }
        match line.split_at_checked(1) {
            None => {}
            Some((" ", code)) => {
                self.before += &format!("{code}\n");
                self.after += &format!("{code}\n");
            }
            Some(("-", code)) => self.before += &format!("{code}\n"),
            Some(("+", code)) => self.after += &format!("{code}\n"),
            _ => return Err(format!("{CHECKS}: what is {line:?}?")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is run by hand; that it still can be is seen at each change.
    #[test]
    fn each_check_is_in_the_login_once() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let checks = parse(&read(format!("{root}/{CHECKS}")).unwrap()).unwrap();
        let model = read(format!("{root}/{PROTOCOL}/tests/model/main.rs")).unwrap();
        let properties = read(format!("{root}/{PROTOCOL}/tests/model/properties.rs")).unwrap();
        assert!(checks.len() >= 20, "{}", checks.len());
        for check in checks {
            let source = read(format!("{root}/{PROTOCOL}/src/{}", check.file)).unwrap();
            let (name, places) = (&check.name, source.matches(&check.before).count());
            assert_eq!(places, 1, "{name}");
            assert_ne!(check.before, check.after, "{name}");
            assert!(model.contains(&format!("fn {}()", check.test)), "{name}");
            let property = format!("\"{}\"", check.property);
            assert!(properties.contains(&property), "{name}");
        }
    }
}
