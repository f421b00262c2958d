//! A whole sign-in between two devices of ours over our server, by `matrix-qr demo`: how many
//! requests the server gets while the person takes a minute, and how long it takes when the person
//! takes no time.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{
    error::BenchError,
    options::BenchOptions,
    report::{BenchReport, BenchRow},
};

pub(crate) const ROWS: [&str; 2] = ["sign-in: requests in 60 s", "sign-in: machine time"];

/// In seconds, three times: for the warning, the digits and the consent.
const PERSON_TAKES: &str = "20";

/// Steps of the demonstration that are not part of a sign-in.
const NOT_COUNTED: [&str; 2] = ["servers and account", "old messages"];

const RUNS: usize = 5;

pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let [requests, machine_time] = ROWS;
    if options.quick {
        report.add(BenchRow::without(
            requests,
            "not in a quick run: it takes a minute".to_owned(),
        ));
    } else {
        let events = demo(options, &["--person-takes", PERSON_TAKES]).await?;
        let asked = count(summary(&events)?)?;
        report.add(BenchRow::new(requests, asked, "requests").at_most(25.0));
    }
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let events = demo(options, &[]).await?;
        times.push(seconds(summary(&events)?)? - until_token(&events)?);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(RUNS / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    report.add(
        BenchRow::new(machine_time, median, "s")
            .at_most(0.15)
            .with("slowest", slowest),
    );
    Ok(())
}

/// Runs the demonstration, and returns what it prints.
pub(crate) async fn demo(options: &BenchOptions, more: &[&str]) -> Result<Vec<Value>, BenchError> {
    let mut command = Command::new(options.server.with_file_name("matrix-qr"));
    command
        .args(["demo", "--auto", "--json"])
        .args(more)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let events = lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).ok());
    let events: Option<_> = events.collect();
    events
        .filter(|_| output.status.success())
        .ok_or(BenchError::NoSignIn)
}

/// The summary at its end.
pub(crate) fn summary(events: &[Value]) -> Result<&Value, BenchError> {
    events.last().ok_or(BenchError::NoSignIn)
}

fn count(summary: &Value) -> Result<f64, BenchError> {
    summary
        .get("rendezvous_requests")
        .and_then(Value::as_f64)
        .ok_or(BenchError::NoSignIn)
}

/// How long the sign-in took.
pub(crate) fn seconds(summary: &Value) -> Result<f64, BenchError> {
    let steps = summary
        .get("steps")
        .and_then(Value::as_array)
        .ok_or(BenchError::NoSignIn)?;
    let of_sign_in = steps.iter().filter(|step| {
        step.get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| !NOT_COUNTED.contains(&name))
    });
    let milliseconds: Option<f64> = of_sign_in
        .map(|step| step.get("ms").and_then(Value::as_f64))
        .sum();
    milliseconds
        .map(|milliseconds| milliseconds / 1000.0)
        .ok_or(BenchError::NoSignIn)
}

/// How long the new device waited for its token after the other one had opened the page: until it
/// may poll, and for the answer.
pub(crate) fn until_token(events: &[Value]) -> Result<f64, BenchError> {
    let text = |event: &Value, name: &str| Some(event.get(name)?.as_str()?.to_owned());
    let at = |is: &dyn Fn(&Value) -> bool| {
        let event = events.iter().find(|event| is(event))?;
        event.get("at_ms")?.as_f64()
    };
    let accepted = at(&|event| {
        text(event, "message").as_deref() == Some("m.login.protocol_accepted")
            && text(event, "event").as_deref() == Some("received")
    });
    let token = at(&|event| text(event, "event").as_deref() == Some("token"));
    let waited = token
        .zip(accepted)
        .map(|(token, accepted)| token - accepted);
    Ok(waited.ok_or(BenchError::NoSignIn)? / 1000.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_is_read_without_other_steps() {
        let steps = json!([
            { "name": "servers and account", "ms": 900 },
            { "name": "rendezvous session", "ms": 10 },
            { "name": "verified", "ms": 240 },
            { "name": "old messages", "ms": 70 },
        ]);
        let summary = json!({ "rendezvous_requests": 18, "steps": steps });
        assert_eq!(
            (count(&summary).unwrap(), seconds(&summary).unwrap()),
            (18.0, 0.25)
        );
        assert!(seconds(&json!({ "steps": [{ "name": "verified" }] })).is_err());
    }

    #[test]
    fn the_wait_for_the_token_begins_with_the_other_devices_consent() {
        let events = [
            json!({ "event": "sent", "message": "m.login.protocol_accepted", "at_ms": 90 }),
            json!({ "event": "received", "message": "m.login.protocol_accepted", "at_ms": 100 }),
            json!({ "event": "token", "at_ms": 1100 }),
        ];
        assert_eq!(until_token(&events).unwrap(), 1.0);
        assert!(until_token(&events[..2]).is_err());
    }
}
