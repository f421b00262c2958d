//! The program prints the events that the documents about `--json` describe.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/schema.rs"]
mod schema;

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/json-events.md");

/// The values of `"event":` in the program's source code.
fn events_of(directory: &Path, events: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() {
            events_of(&entry, events);
        } else {
            let source = fs::read_to_string(entry).unwrap();
            let values = source
                .split("\"event\": \"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            events.extend(values.map(str::to_owned));
        }
    }
}

/// The events that the schema defines. Each definition has the name of its event.
fn defined() -> BTreeSet<String> {
    let schema = schema::schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    definitions
        .filter_map(|of| {
            of["properties"]["event"]["const"]
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn the_schema_knows_the_programs_events_and_no_others() {
    let mut printed = BTreeSet::new();
    events_of(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut printed,
    );
    assert!(printed.len() > 30, "{printed:?}");
    assert_eq!(printed, defined());
}

#[test]
fn each_definition_is_one_that_a_line_can_be() {
    let schema = schema::schema();
    let choices: BTreeSet<_> = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["$ref"].as_str().unwrap())
        .collect();
    let names = schema["$defs"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| *name != "in_the_demonstration");
    assert_eq!(
        choices,
        names
            .map(|name| format!("#/$defs/{name}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect()
    );
}

#[test]
fn the_document_has_an_example_of_each_that_is_one() {
    let mut shown = BTreeSet::new();
    for example in DOCUMENT
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with('{'))
    {
        schema::check(example);
        let example: Value = serde_json::from_str(example).unwrap();
        shown.extend(example["event"].as_str().map(str::to_owned));
    }
    assert_eq!(shown, defined());
}

#[test]
fn a_line_that_is_none_of_them_is_found() {
    let refused = |line: &'static str| std::panic::catch_unwind(|| schema::check(line)).is_err();
    assert!(!refused(r#"{"event":"session","seconds_left":1}"#));
    assert!(!refused(
        r#"{"event":"session","seconds_left":1,"device":"new","at_ms":1}"#
    ));
    assert!(!refused("a log line"));
    for none in [
        r#"{"event":"unheard_of"}"#,
        r#"{"event":"session"}"#,
        r#"{"event":"session","seconds_left":"1"}"#,
        r#"{"event":"session","seconds_left":1,"more":1}"#,
        r#"{"event":"check_code","digits":"7"}"#,
        r#"{"user_id":"@a:b.example"}"#,
    ] {
        assert!(refused(none), "{none}");
    }
}
