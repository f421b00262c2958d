//! The settings file. Errors in it are reported with the line number and without the text of the
//! line: nobody can know which line contains a secret.

use std::{fs, path::PathBuf};

use clap::{Args, Command};

use super::{definition::Settings, error::SettingsError};

pub(super) fn read(path: &PathBuf) -> Result<Settings, SettingsError> {
    let text = fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        path: path.clone(),
        source,
    })?;
    let settings: Settings = toml::from_str(&text).map_err(|error| SettingsError::Malformed {
        path: path.clone(),
        problem: problem(&text, &error),
    })?;
    Ok(settings.with_file_source(path))
}

fn problem(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let name = setting_in(line)
        .map(|name| format!(", {name}"))
        .unwrap_or_default();
    format!("line {number}{name}: {}", without_value(error.message()))
}

/// The setting that a line starts with, if there is one of that name.
fn setting_in(line: &str) -> Option<String> {
    let (name, _) = line.split_once('=')?;
    let known = Settings::augment_args(Command::new(""));
    known
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .find(|long| *long == name.trim())
        .map(Into::into)
}

/// serde quotes values in messages of its own, which end with what was expected. All other messages
/// are constant texts of the parser, or those of our own types, which quote nothing.
fn without_value(message: &str) -> String {
    let quotes = [
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
        "unknown variant ",
    ];
    if let Some(rest) = message.strip_prefix("unknown field `") {
        return unknown_field(rest);
    }
    if !quotes.iter().any(|start| message.starts_with(start)) {
        return message.to_owned();
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("invalid value, expected {expected}"),
        None => "invalid value".to_owned(),
    }
}

/// A name that may be a misspelt setting is shown; a URL in place of a name is not.
fn unknown_field(rest: &str) -> String {
    let name = rest.split('`').next().unwrap_or_default();
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if plain && name.len() <= 40 {
        format!("unknown field `{name}`: --help lists all settings")
    } else {
        "unknown field: --help lists all settings".to_owned()
    }
}
