#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::*;

fn request(line: &str) -> CallerRequest {
    match read(line).unwrap() {
        CallerMessage::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn answer(line: &str) -> (Option<u64>, CallerAnswer) {
    match read(line).unwrap() {
        CallerMessage::Answer { id, answer } => (id, answer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_has_an_id_and_may_have_parameters() {
    let read = request(r#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"n":1}}"#);
    assert_eq!((read.id.clone(), read.method.as_str()), (json!("a"), "m"));
    assert_eq!(read.params::<Value>().unwrap(), json!({ "n": 1 }));
    let read = request(r#"{"method":"m","id":1,"jsonrpc":"2.0"}"#);
    assert_eq!(read.params::<Value>().unwrap(), json!({}));
}

#[test]
fn an_array_is_not_an_object() {
    #[derive(Debug, Deserialize)]
    struct Params {
        _n: u64,
    }
    let read = request(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}"#);
    assert!(read.params::<Params>().is_err());
}

#[test]
fn an_answer_has_a_result_or_an_error() {
    let null = r#"{"jsonrpc":"2.0","id":7,"result":null}"#;
    assert!(
        matches!(answer(null), (Some(7), CallerAnswer::Result(json)) if json.read::<()>().is_ok())
    );
    let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"m"}}"#;
    assert!(matches!(answer(error), (Some(7), CallerAnswer::Error)));
    for neither in [
        r#"{"jsonrpc":"2.0","id":7}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":null,"error":null}"#,
    ] {
        assert!(
            matches!(answer(neither), (Some(7), CallerAnswer::Malformed)),
            "{neither}"
        );
    }
    let about_a_line = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}"#;
    assert!(matches!(answer(about_a_line), (None, CallerAnswer::Error)));
}

#[test]
fn an_error_quotes_nothing() {
    for line in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"key":"secret"#,
        r#"{"jsonrpc":"2.0","id":1,"secret":1}"#,
        r#"{"jsonrpc":"secret","id":1,"result":1}"#,
        r#"{"jsonrpc":"2.0","id":"secret","result":1}"#,
        r#"{"jsonrpc":"2.0","id":{"secret":1},"method":"m"}"#,
        r#""secret""#,
        "secret",
    ] {
        let error = format!("{:?}", read(line).unwrap_err());
        assert!(!error.contains("secret"), "{error}");
    }
    let read = request(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"key":"secret"}}"#);
    assert!(!format!("{read:?}").contains("secret"));
}

/// serde quotes names and values, and JSON does not escape all characters that drive a terminal.
#[test]
fn what_the_caller_wrote_is_harmless_in_an_error() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Params {}
    let message = |error: RpcError| {
        let error = serde_json::to_value(error).unwrap();
        error["message"].as_str().unwrap().to_owned()
    };
    let line =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"a\u{9b}2J\u{202e}\":1}}";
    let unknown = message(request(line).params::<Params>().unwrap_err());
    assert!(
        unknown.starts_with("unknown field `a\u{fffd}2J\u{fffd}`"),
        "{unknown}"
    );
    let method = message(RpcError::no_such_method(&"\u{9b}m".repeat(1000)));
    assert!(
        method.chars().count() < 150 && !method.contains(char::is_control),
        "{method}"
    );
}
