//! Prometheus itself evaluates when each alert fires, with samples every 15 seconds and every
//! minute.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
};
use matrix_qr_rendezvous::{Config, Rendezvous};
use tower::ServiceExt;

const RULES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../packaging/prometheus-rules.yml"
);
const PROMTOOL: &str = "/usr/bin/promtool";

/// The values of one series, and when its alert fires.
struct Case {
    alert: &'static str,
    series: &'static str,
    /// The value of each minute. The last one stays.
    values: &'static [u32],
    /// Whether the alert fires, minute by minute.
    fires: &'static [(u32, bool)],
}

const fn case(
    alert: &'static str,
    series: &'static str,
    values: &'static [u32],
    fires: &'static [(u32, bool)],
) -> Case {
    Case {
        alert,
        series,
        values,
        fires,
    }
}

/// Each alert once with a reason, and once without one or with one that passes by itself.
const CASES: [Case; 19] = [
    case(
        "RendezvousDown",
        "up{JOB}",
        &[1, 1, 0],
        &[(1, false), (6, true)],
    ),
    case(
        "RendezvousDown",
        "up{JOB}",
        &[1, 0, 1],
        &[(2, false), (6, false)],
    ),
    case(
        "RendezvousStoreAway",
        "rendezvous_store_up{JOB}",
        &[1, 1, 0],
        &[(1, false), (6, true), (20, true)],
    ),
    case(
        "RendezvousStoreAway",
        "rendezvous_store_up{JOB}",
        &[1, 0, 1],
        &[(2, false), (6, false)],
    ),
    // The first one counts, too.
    case(
        "RendezvousFull",
        "rendezvous_refusals_total{JOB,reason=\"full\"}",
        &[0, 0, 1],
        &[(1, false), (4, true), (12, false)],
    ),
    case(
        "RendezvousFull",
        "rendezvous_refusals_total{JOB,reason=\"no_session\"}",
        &[0, 0, 1],
        &[(4, false)],
    ),
    case(
        "RendezvousConnectionsRefused",
        "rendezvous_connections_refused_total{JOB,reason=\"too_many\"}",
        &[0, 0, 1],
        &[(1, false), (4, true), (12, false)],
    ),
    case(
        "RendezvousConnectionsRefused",
        "rendezvous_connections_refused_total{JOB,reason=\"not_a_proxy\"}",
        &[0, 0, 1],
        &[(4, false)],
    ),
    case(
        "RendezvousProxyProtocol",
        "rendezvous_connections_refused_total{JOB,reason=\"no_proxy_header\"}",
        &[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        &[(1, false), (12, true)],
    ),
    case(
        "RendezvousProxyProtocol",
        "rendezvous_connections_refused_total{JOB,reason=\"no_proxy_header\"}",
        &[0, 0, 1],
        &[(4, false), (12, false)],
    ),
    // A hundred per minute are more than one per second.
    case(
        "RendezvousFlood",
        "rendezvous_refusals_total{JOB,reason=\"rate\"}",
        &[
            0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200, 1300, 1400, 1500,
            1600,
        ],
        &[(1, false), (16, true)],
    ),
    case(
        "RendezvousFlood",
        "rendezvous_refusals_total{JOB,reason=\"network_full\"}",
        &[
            0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330, 360, 390, 420, 450, 480,
        ],
        &[(16, false)],
    ),
    case(
        "RendezvousHomeserverAway",
        "rendezvous_whoami_total{JOB,result=\"unavailable\"}",
        &[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        &[(1, false), (12, true)],
    ),
    case(
        "RendezvousHomeserverAway",
        "rendezvous_whoami_total{JOB,result=\"unavailable\"}",
        &[0, 0, 1],
        &[(4, false), (12, false)],
    ),
    case(
        "RendezvousHomeserverAway",
        "rendezvous_whoami_total{JOB,result=\"bad\"}",
        &[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        &[(12, false)],
    ),
    slow(
        "RendezvousSlowStore",
        "rendezvous_store_duration_seconds_bucket{JOB,le=\"0.8\"}",
        true,
    ),
    slow(
        "RendezvousSlowStore",
        "rendezvous_store_duration_seconds_bucket{JOB,le=\"0.05\"}",
        false,
    ),
    slow(
        "RendezvousSlow",
        "rendezvous_request_duration_seconds_bucket{JOB,le=\"0.8\"}",
        true,
    ),
    slow(
        "RendezvousSlow",
        "rendezvous_request_duration_seconds_bucket{JOB,le=\"0.05\"}",
        false,
    ),
];

/// Ten per minute, all in this bucket.
const fn slow(alert: &'static str, series: &'static str, fires: bool) -> Case {
    const VALUES: &[u32] = &[
        0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180, 190,
        200, 210,
    ];
    case(
        alert,
        series,
        VALUES,
        if fires {
            &[(1, false), (20, true)]
        } else {
            &[(20, false)]
        },
    )
}

const JOB: &str = "instance=\"a:1\",job=\"matrix-qr-rendezvous\"";

impl Case {
    /// The input of `promtool test rules`, with this number of samples per minute.
    fn written(&self, interval: &str, samples: usize) -> String {
        let series = self.series.replace("JOB", JOB);
        let mut all = vec![(series.clone(), self.values(samples))];
        if let Some((start, rest)) = series.split_once("le=\"") {
            let (_, end) = rest.split_once('"').unwrap();
            let with = |le: &str| format!("{start}le=\"{le}\"{end}");
            all.push((with("+Inf"), self.values(samples)));
            // The bucket below is empty.
            all.push((with("0.0001"), "0x150".to_owned()));
        }
        let mut text = format!("- interval: {interval}\n  input_series:\n");
        for (series, values) in all {
            writeln!(text, "  - series: '{series}'\n    values: '{values}'").unwrap();
        }
        text += "  alert_rule_test:\n";
        for &(minute, fires) in self.fires {
            writeln!(
                text,
                "  - eval_time: {minute}m\n    alertname: {}",
                self.alert
            )
            .unwrap();
            if fires {
                writeln!(text, "    exp_alerts: {}", self.fired()).unwrap();
            }
        }
        text
    }

    /// Each value for its minute, the last one from then on.
    fn values(&self, samples: usize) -> String {
        let last = self.values.last().unwrap();
        let values = self.values.iter().chain(std::iter::repeat_n(last, 15));
        values
            .flat_map(|value| std::iter::repeat_n(value.to_string(), samples))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The alert, with the labels and texts of the rule.
    fn fired(&self) -> String {
        let rules = fs::read_to_string(RULES).unwrap();
        let (_, rule) = rules
            .split_once(&format!("- alert: {}\n", self.alert))
            .unwrap();
        let after = |key: &str| {
            rule.split(key)
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .trim()
        };
        let severity = after("severity:").trim_end_matches('}');
        let summary = after("summary:").replace("{{ $labels.instance }}", "a:1");
        let mut labels = format!("severity: {severity}, instance: 'a:1'");
        // The labels that an aggregation keeps.
        if !rule
            .split("labels:")
            .next()
            .unwrap()
            .contains("sum by (instance")
        {
            labels += ", job: matrix-qr-rendezvous";
        }
        for label in ["reason", "result"] {
            if let Some((_, rest)) = self.series.split_once(&format!("{label}=\""))
                && labels.contains("job")
            {
                write!(labels, ", {label}: {}", rest.split('"').next().unwrap()).unwrap();
            }
        }
        format!("[{{exp_labels: {{{labels}}}, exp_annotations: {{summary: {summary}}}}}]")
    }
}

fn promtool(arguments: &[&str]) -> String {
    promtool_about(arguments, &[])
}

/// Its output for this standard input.
fn promtool_about(arguments: &[&str], input: &[u8]) -> String {
    assert!(
        Path::new(PROMTOOL).exists(),
        "{PROMTOOL} is missing: apt-get install prometheus"
    );
    let mut promtool = Command::new(PROMTOOL);
    promtool
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(input).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let says = [output.stdout, output.stderr]
        .map(|says| String::from_utf8(says).unwrap())
        .concat();
    assert!(output.status.success(), "{says}");
    says
}

#[tokio::test]
#[ignore = "needs prometheus: cargo xtask test"]
async fn prometheus_has_nothing_to_say_against_the_numbers() {
    let server = Rendezvous::new(Config::new(
        "https://rendezvous.example.org".parse().unwrap(),
    ));
    let request = Request::get("/metrics")
        .header(header::ACCEPT, "text/plain")
        .body(Body::empty())
        .unwrap();
    let response = server.operations().oneshot(request).await.unwrap();
    let numbers = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert!(numbers.starts_with(b"# HELP "));
    assert_eq!(promtool_about(&["check", "metrics"], &numbers), "");
}

#[test]
fn each_alert_is_tried_with_and_without_reason() {
    let rules = fs::read_to_string(RULES).unwrap();
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 6, "{alerts:?}");
    for alert in alerts {
        let tried = |fires: bool| {
            CASES.iter().any(|case| {
                let ever = case.fires.iter().any(|(_, fires)| *fires);
                case.alert == alert && ever == fires
            })
        };
        assert!(tried(true) && tried(false), "{alert}");
    }
}

#[test]
#[ignore = "needs prometheus: cargo xtask test"]
fn each_alert_fires_when_it_should_however_often_prometheus_asks() {
    promtool(&["check", "rules", RULES]);
    let directory = tempfile::tempdir().unwrap();
    for (interval, samples) in [("15s", 4), ("1m", 1)] {
        let mut text =
            format!("rule_files: ['{RULES}']\nevaluation_interval: {interval}\ntests:\n");
        CASES
            .iter()
            .for_each(|case| text += &case.written(interval, samples));
        let file = directory.path().join(format!("{interval}.yml"));
        fs::write(&file, text).unwrap();
        promtool(&["test", "rules", file.to_str().unwrap()]);
    }
}
