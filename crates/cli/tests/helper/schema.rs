//! Checks each line against docs/helper.schema.json.

use boon::{Compiler, Schemas};
use serde_json::Value;

use crate::support::schema::schema as events;

const SCHEMA: &str = include_str!("../../../../docs/helper.schema.json");

pub(crate) fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// What is wrong with the value, according to this definition.
pub(crate) fn problem(value: &Value, definition: &str) -> Option<String> {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.enable_format_assertions();
    let resources = [
        ("file:///helper.schema.json", schema()),
        ("file:///json-events.schema.json", events()),
    ];
    for (name, resource) in resources {
        compiler.add_resource(name, resource).unwrap();
    }
    let place = format!("file:///helper.schema.json#/$defs/{definition}");
    let index = compiler.compile(&place, &mut schemas).unwrap();
    let error = schemas.validate(value, index).err()?;
    Some(format!("{error:#}"))
}

/// Panics if a line is none of these.
pub(crate) fn check(value: &Value, definition: &str) {
    if let Some(problem) = problem(value, definition) {
        // What is wrong with a request is said best by its own definition.
        let own = value["method"]
            .as_str()
            .and_then(|own| problem_of(value, own));
        panic!("{definition}: {value}\n{}", own.unwrap_or(problem));
    }
}

fn problem_of(value: &Value, method: &str) -> Option<String> {
    schema()["$defs"]
        .get(method)
        .and_then(|_| problem(value, method))
}
