//! Checks each line against docs/helper.schema.json.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::support::schema::schema as events;

const SCHEMA: &str = include_str!("../../../../docs/helper.schema.json");

pub(crate) fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// A definition, ready to be compared with.
type Definition = Arc<(Schemas, SchemaIndex)>;

/// What is wrong with the value, according to this definition.
pub(crate) fn problem(value: &Value, definition: &str) -> Option<String> {
    // To compile one takes longer than a sign-in.
    static COMPILED: Mutex<BTreeMap<String, Definition>> = Mutex::new(BTreeMap::new());
    let compiled = COMPILED
        .lock()
        .unwrap()
        .entry(definition.to_owned())
        .or_insert_with(|| compile(definition))
        .clone();
    let (schemas, index) = &*compiled;
    let error = schemas.validate(value, *index).err()?;
    Some(format!("{error:#}"))
}

fn compile(definition: &str) -> Definition {
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
    Arc::new((schemas, index))
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
