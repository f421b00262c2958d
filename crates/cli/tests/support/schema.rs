//! Checks each line that the program prints with `--json` against docs/json-events.schema.json.

use std::sync::OnceLock;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../../docs/json-events.schema.json");

pub(crate) fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Panics if a line is not a known event.
pub(crate) fn check(line: &str) {
    static COMPILED: OnceLock<(Schemas, SchemaIndex)> = OnceLock::new();
    let Ok(event) = serde_json::from_str::<Value>(line) else {
        return;
    };
    let (schemas, index) = COMPILED.get_or_init(compile);
    if schemas.validate(&event, *index).is_err() {
        panic!(
            "docs/json-events.schema.json does not know this line:\n{line}{}",
            why(&event)
        );
    }
}

fn compile() -> (Schemas, SchemaIndex) {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.enable_format_assertions();
    compiler
        .add_resource("file:///json-events.schema.json", schema())
        .unwrap();
    let index = compiler
        .compile("file:///json-events.schema.json", &mut schemas)
        .unwrap();
    (schemas, index)
}

/// What is wrong with the event, according to its own definition.
fn why(event: &Value) -> String {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler
        .add_resource("file:///json-events.schema.json", schema())
        .unwrap();
    let own = format!(
        "file:///json-events.schema.json#/$defs/{}",
        event["event"].as_str().unwrap_or_default()
    );
    let Ok(index) = compiler.compile(&own, &mut schemas) else {
        return "\nThere is no such event.".to_owned();
    };
    schemas
        .validate(event, index)
        .err()
        .map(|error| format!("\n{error:#}"))
        .unwrap_or_default()
}
