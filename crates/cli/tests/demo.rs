//! The demonstration, run by a script: everything that it claims must be true.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/schema.rs"]
mod schema;

use std::process::{Command, Output};

use serde_json::Value;

fn demo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_matrix-qr"))
        .arg("demo")
        .args(args)
        .output()
        .unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .inspect(|line| schema::check(line))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn all_paths_end_in_a_verified_device() {
    all_paths("msc4108", &[]);
}

#[test]
fn all_paths_of_msc4388_end_in_a_verified_device() {
    all_paths("msc4388", &["--revision", "msc4388"]);
}

fn all_paths(revision: &str, args: &[&str]) {
    let output = demo(&[&["--auto", "--json", "--all-paths"], args].concat());
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(output.stderr.is_empty());
    let events = events(&output);
    let summaries: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "summary")
        .collect();
    assert_eq!(events.last().unwrap()["event"], "summary");
    let paths: Vec<_> = summaries
        .iter()
        .map(|s| {
            (
                s["shown_by"].as_str().unwrap(),
                s["dialect"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("new", "as-deployed"),
        ("new", "as-written"),
        ("existing", "as-deployed"),
        ("existing", "as-written"),
    ];
    assert_eq!(paths, expected);
    for summary in summaries {
        assert_eq!(summary["revision"], revision);
        check(summary);
    }
}

fn check(summary: &Value) {
    assert_eq!(summary["verified"], true);
    assert_eq!(summary["key_uploads"], 1);
    assert_eq!(summary["unsigned_moments"], 0);
    let own = format!("ed25519:{}", summary["device_id"].as_str().unwrap());
    let signatures = summary["signatures"].as_array().unwrap();
    assert!(
        signatures.len() == 2 && signatures.contains(&own.into()),
        "{signatures:?}"
    );
    assert_eq!(summary["backup_connected"], true);
    assert_eq!(summary["messages_restored"], 3);
    assert_eq!(summary["messages"][0], "Did you find the old photographs?");
    assert_eq!(summary["verified_by"].as_str().unwrap().len(), 43);
    let steps = summary["steps"].as_array().unwrap();
    let sum: u64 = steps.iter().map(|step| step["ms"].as_u64().unwrap()).sum();
    let total = summary["total_ms"].as_u64().unwrap();
    assert!(
        sum <= total && total - sum < 1000,
        "{sum} of {total}: {steps:?}"
    );
}

#[test]
fn both_devices_are_seen_in_80_columns() {
    let output = demo(&["--auto", "--shown-by", "existing"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
    let rows: Vec<&str> = text.lines().filter(|line| line.contains('│')).collect();
    assert!(rows.iter().all(|row| row.chars().count() <= 80), "{text}");
    let column = |row: &str, right: bool| {
        let (left_text, right_text) = row.split_once('│').unwrap();
        if right {
            right_text.trim().to_owned()
        } else {
            left_text
                .trim_start_matches(|c: char| c == ' ' || c == '.' || c.is_ascii_digit())
                .trim()
                .to_owned()
        }
    };
    let told =
        |right: bool, what: &str| rows.iter().any(|row| column(row, right).starts_with(what));
    assert!(
        told(true, "shows the QR code") && told(false, "shows the digits"),
        "{text}"
    );
    assert!(
        told(false, "uploads its signed keys") && told(true, "sees the new device verified"),
        "{text}"
    );
    assert_eq!(text.matches('✓').count(), 5, "{text}");
}
