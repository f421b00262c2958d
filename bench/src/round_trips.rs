//! How many answers a sign-in waits for, one after the other: `matrix-qr demo` with answers that are
//! late, and how much longer it takes.

use serde_json::Value;

use crate::{
    error::BenchError,
    options::BenchOptions,
    report::{BenchReport, BenchRow},
    sign_in::{demo, seconds, summary, until_token},
};

pub(crate) const ROWS: [&str; 8] = [
    "round trips: msc4108, new shows",
    "round trips: msc4108, existing shows",
    "round trips: msc4388, new shows",
    "round trips: msc4388, existing shows",
    "of the homeserver: msc4108, new",
    "of the homeserver: msc4108, existing",
    "of the homeserver: msc4388, new",
    "of the homeserver: msc4388, existing",
];

/// The revision, and the device that shows the code, in the order of the rows.
const WAYS: [[&str; 2]; 4] = [
    ["msc4108", "new"],
    ["msc4108", "existing"],
    ["msc4388", "new"],
    ["msc4388", "existing"],
];

/// How late answers are, in milliseconds.
const LATE: u32 = 500;
const HALF_AS_LATE: u32 = LATE / 2;

pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    if options.quick {
        for row in ROWS {
            let note = "not in a quick run: it takes two minutes".to_owned();
            report.add(BenchRow::without(row, note));
        }
        return Ok(());
    }
    let (all_rows, homeserver_rows) = ROWS.split_at(WAYS.len());
    for ((way, in_all), of_homeserver) in WAYS.into_iter().zip(all_rows).zip(homeserver_rows) {
        let at_once = run(options, way, "all", 0).await?;
        let late = async |server, late| run(options, way, server, late).await;
        let all = late("all", LATE).await?;
        let slope =
            |late: &LateSignIn, ms| (late.seconds - at_once.seconds) * 1000.0 / f64::from(ms);
        let half = slope(&late("all", HALF_AS_LATE).await?, HALF_AS_LATE);
        let [homeserver, authorization, rendezvous] = [
            late("homeserver", LATE).await?,
            late("authorization", LATE).await?,
            late("rendezvous", LATE).await?,
        ]
        .map(|late| slope(&late, LATE));
        report.add(
            BenchRow::new(*in_all, slope(&all, LATE), "answers in a row")
                .at_most(16.0)
                .with("at_250_ms", half)
                .with("authorization", authorization)
                .with("rendezvous", rendezvous)
                .with("seconds_at_0_ms", at_once.seconds)
                .note(Some(all.answers.join("; "))),
        );
        report.add(BenchRow::new(*of_homeserver, homeserver, "answers in a row").at_most(9.0));
    }
    Ok(())
}

/// A sign-in with late answers.
struct LateSignIn {
    /// How long it took, without the wait between two polls for the token.
    seconds: f64,
    /// For which answers the devices waited, one after the other.
    answers: Vec<String>,
}

async fn run(
    options: &BenchOptions,
    [revision, shown_by]: [&str; 2],
    server: &str,
    late: u32,
) -> Result<LateSignIn, BenchError> {
    let fault = format!("late-answers={server}:{late}");
    let way = [
        "--revision",
        revision,
        "--shown-by",
        shown_by,
        "--misbehave",
    ];
    let events = demo(options, &[&way[..], &[fault.as_str()]].concat()).await?;
    let poll_is_late = matches!(server, "all" | "authorization");
    let poll = if poll_is_late {
        f64::from(late) / 1000.0
    } else {
        0.0
    };
    let summary = summary(&events)?;
    let answers = summary.get("answers_in_a_row").and_then(Value::as_array);
    let answers = answers.ok_or(BenchError::NoSignIn)?.iter();
    Ok(LateSignIn {
        seconds: seconds(summary)? - (until_token(&events)? - poll).max(0.0),
        answers: answers
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    })
}
