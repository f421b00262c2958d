//! What docs/helper.md and the schema say is what the program does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    caller::TestCaller,
    meet::{HelperAccount, New},
    schema::{check, problem, schema},
};

const DOCUMENT: &str = include_str!("../../../../docs/helper.md");
const SCRIPT: &str = include_str!("../helper.sh");

/// The lines of a conversation in the document, from the caller (`>`) or from the helper (`<`).
fn conversation(title: &str, direction: &str) -> Vec<Value> {
    let (_, section) = DOCUMENT.split_once(&format!("\n## {title}\n")).unwrap();
    let (section, _) = section.split_once("\n## ").unwrap_or((section, ""));
    let lines = section
        .lines()
        .filter_map(|line| line.strip_prefix(direction));
    lines
        .map(|line| whole(serde_json::from_str(line).unwrap()))
        .collect()
}

/// With a value in place of each one that is abridged.
fn whole(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('…') => {
            let text = text.replace('…', "");
            json!(format!("{text:A<43}"))
        }
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, whole(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(whole).collect(),
        value => value,
    }
}

/// The names and kinds of everything in it; of IDs, the place where they are.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let name = match name.split_once(':') {
                    Some(_) if name.starts_with('@') => "@",
                    Some((kind, _)) => kind,
                    None => name.as_str(),
                };
                match (name, value) {
                    ("method" | "event" | "message", value) => format!("{name}={value}"),
                    (name, value) => format!("{name}:{}", shape(value)),
                }
            };
            let fields: BTreeSet<_> = fields.iter().map(field).collect();
            format!("{fields:?}")
        }
        Value::Array(_) => "[]".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Null => "null".to_owned(),
    }
}

/// Requests and answers in order, then the progress: the order of its events depends on which
/// device is faster, and one of them (`trouble`) on the time that something takes.
fn shapes(lines: impl IntoIterator<Item = Value>) -> [Vec<String>; 2] {
    let shapes = lines.into_iter().map(|line| shape(&line));
    let shapes = shapes.filter(|shape| !shape.contains("trouble"));
    let (mut progress, others): (Vec<_>, Vec<_>) =
        shapes.partition(|shape| shape.contains("progress"));
    progress.sort();
    [others, progress]
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_conversation_in_the_document_is_a_real_one() {
    let account = HelperAccount::start();
    let mut meeting = account.meeting("msc4108", New);
    meeting
        .new_params
        .as_object_mut()
        .unwrap()
        .remove("revision");
    let [_, _] = meeting.run().map(|end| end.unwrap());
    for (title, caller) in [
        ("A conversation, line by line", &meeting.new),
        ("The same at the existing device", &meeting.existing),
    ] {
        compare(title, caller);
    }
}

fn compare(title: &str, caller: &TestCaller) {
    let (to, from) = (conversation(title, "> "), conversation(title, "< "));
    for line in &to {
        check(line, "to_helper");
    }
    for line in &from {
        check(line, "from_helper");
    }
    assert_eq!(shapes(to), shapes(parsed(&caller.said)), "{title}");
    assert_eq!(shapes(from), shapes(parsed(&caller.heard)), "{title}");
}

#[test]
fn the_document_shows_the_script_and_names_every_method() {
    assert!(DOCUMENT.contains(SCRIPT.trim_end()));
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap();
    let methods: Vec<_> = definitions
        .values()
        .filter_map(|of| of["properties"]["method"]["const"].as_str())
        .collect();
    assert_eq!(methods.len(), 20, "{methods:?}");
    for method in &methods {
        let named = DOCUMENT.contains(&format!("`{method}`"))
            || DOCUMENT.contains(&format!("### {method}\n"));
        assert!(named, "{method}");
        let with_result = definitions.contains_key(&format!("result_of_{method}"));
        assert_eq!(
            with_result,
            !["progress", "cancel_request"].contains(method),
            "{method}"
        );
    }
    let mut caller = TestCaller::start();
    let id = caller.request("initialize", json!({ "protocol": 1 }));
    let requests = caller.result(id).unwrap()["capabilities"]["requests"].clone();
    for request in requests.as_array().unwrap() {
        assert!(methods.contains(&request.as_str().unwrap()), "{request}");
    }
}

#[test]
fn the_schema_refuses_what_is_not_in_it() {
    let refused = [
        (
            "to_helper",
            json!({ "jsonrpc": "2.0", "method": "cancel", "params": {} }),
        ),
        (
            "to_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "show_code", "params": {} }),
        ),
        (
            "to_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "cancel", "params": { "a": 1 } }),
        ),
        (
            "to_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "login", "params": {} }),
        ),
        (
            "to_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "result": {}, "error": {} }),
        ),
        (
            "from_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "login", "params": {} }),
        ),
        (
            "from_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "secrets" }),
        ),
        (
            "from_helper",
            json!({ "jsonrpc": "2.0", "method": "progress",
                    "params": { "event": "check_code", "digits": "07" } }),
        ),
        (
            "from_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 3, "message": "m" } }),
        ),
        (
            "to_helper",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "link",
                    "params": { "directory": "d", "scan": "TUFU" } }),
        ),
        ("result_of_scan_code", json!("TUFU")),
        ("result_of_enter_check_code", json!({ "digits": "7" })),
        ("result_of_keep", json!({})),
        (
            "result_of_secrets",
            json!({ "cross_signing": { "master_key": "" } }),
        ),
    ];
    for (definition, value) in refused {
        assert!(
            problem(&value, definition).is_some(),
            "{definition}: {value}"
        );
    }
}
