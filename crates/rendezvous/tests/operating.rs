//! The operator's files agree with the program: docs/operate.md, the dashboard, the alerts, the
//! configuration of the package.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{collections::BTreeSet, fs, process::Command};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use matrix_qr_rendezvous::{Config, Creation, Redis, Rendezvous, WhoamiClient};
use serde_json::Value;
use toml::Table;
use tower::ServiceExt;

const GUIDE: &str = include_str!("../../../docs/operate.md");
const DASHBOARD: &str = include_str!("../../../packaging/grafana.json");
const ALERTS: &str = include_str!("../../../packaging/prometheus-rules.yml");
const CONFIG: &str = include_str!("../../../packaging/debian/matrix-qr-rendezvous.toml");
const UNIT: &str = include_str!("../../../packaging/debian/matrix-qr-rendezvous.service");
const COMPOSE: &str = include_str!("../../../packaging/compose.yaml");
const KUBERNETES: &str = include_str!("../../../packaging/kubernetes.yaml");
const DOCKERFILE: &str = include_str!("../../../packaging/Dockerfile");

async fn ask(router: &Router, method: &str, path: &str) -> String {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-length", "0");
    let request = request.header("authorization", "Bearer x");
    let request = request
        .header("content-type", "text/plain")
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    String::from_utf8(
        to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap()
            .to_vec(),
    )
    .unwrap()
}

/// The metrics of a server after one event of each kind. Its store and its homeserver are not
/// reachable, which takes time, too.
async fn exported() -> String {
    let store = Redis::new("redis://127.0.0.1:1/").unwrap();
    let homeserver = WhoamiClient::new("http://127.0.0.1:1/".parse().unwrap()).unwrap();
    let config = Config::new("https://a.example".parse().unwrap());
    let creation = Creation::Authenticated(homeserver);
    let rendezvous = Rendezvous::with_store(store, Config { creation, ..config });
    ask(&rendezvous.router(), "POST", "/").await;
    ask(&rendezvous.router(), "GET", "/nowhere").await;
    ask(&rendezvous.router(), "GET", "/_matrix/client/v1/rendezvous").await;
    ask(&rendezvous.operations(), "GET", "/metrics").await
}

/// The names in queries: `_total` on counters, `_bucket` on histograms.
fn samples(exported: &str) -> BTreeSet<&str> {
    let lines = exported.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect()
}

/// The names of the server's metrics.
fn families(exported: &str) -> BTreeSet<&str> {
    exported
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect()
}

/// Every word of a text with this prefix.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|other| !letter(other))
        .filter(|word| word.starts_with(start) && *word != start)
        .collect()
}

/// Every text in a JSON value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_ask_for_what_there_is() {
    let exported = exported().await;
    let samples = samples(&exported);
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let queries = texts(&dashboard).join("\n");
    for (what, text) in [("the dashboard", queries.as_str()), ("the alerts", ALERTS)] {
        let asked = words(text, "rendezvous_");
        assert!(asked.len() > 4, "{what}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&samples).collect();
        assert!(unknown.is_empty(), "{what} asks for {unknown:?}");
    }
}

#[tokio::test]
async fn the_guide_explains_each_metric_and_no_other() {
    let exported = exported().await;
    let (samples, families) = (samples(&exported), families(&exported));
    let explained = words(GUIDE, "rendezvous_");
    let known: BTreeSet<_> = samples.union(&families).copied().collect();
    let unknown: Vec<_> = explained.difference(&known).collect();
    assert!(unknown.is_empty(), "the guide has {unknown:?}");
    for family in families {
        let row = ["", "_total"]
            .iter()
            .any(|suffix| GUIDE.contains(&format!("\n| `{family}{suffix}` |")));
        assert!(row, "the guide lacks {family}");
    }
}

/// All exist from the start, at 0, because an alert looks at an increase.
#[tokio::test]
async fn the_guide_explains_each_code_of_a_failure_and_no_other() {
    let exported = exported().await;
    let lines = exported
        .lines()
        .filter_map(|line| line.strip_prefix("rendezvous_store_failures_total{code=\""));
    let there: BTreeSet<_> = lines.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(there.len() > 10, "{there:?}");
    let (_, rest) = GUIDE.split_once("| code | what it means |").unwrap();
    let rows = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let names: Vec<_> = rows.map(|row| row.split('|').nth(1).unwrap()).collect();
    let explained = names
        .iter()
        .flat_map(|name| name.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(there, explained);
}

/// The values of a label of a metric. Each exists from the start.
fn values<'a>(exported: &'a str, metric: &str, label: &str) -> BTreeSet<&'a str> {
    let lines = exported
        .lines()
        .filter(|line| line.starts_with(&format!("{metric}{{")));
    lines
        .filter_map(|line| line.split_once(&format!("{label}=\""))?.1.split('"').next())
        .collect()
}

#[tokio::test]
async fn the_guide_explains_each_reason_of_a_refusal_and_no_other() {
    let exported = exported().await;
    let requests = values(&exported, "rendezvous_refusals_total", "reason");
    assert!(
        requests.contains("full") && requests.contains("no_store"),
        "{requests:?}"
    );
    let connections = values(&exported, "rendezvous_connections_refused_total", "reason");
    assert!(connections.contains("too_many"), "{connections:?}");
    for (heading, there) in [
        ("| reason | status |", &requests),
        ("| reason | why a connection", &connections),
    ] {
        let (_, rest) = GUIDE.split_once(heading).unwrap();
        let rows = rest
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let names: Vec<_> = rows.map(|row| row.split('|').nth(1).unwrap()).collect();
        let explained = names
            .iter()
            .flat_map(|name| name.split('`').skip(1).step_by(2))
            .collect();
        assert_eq!(*there, explained);
    }
    let there: BTreeSet<_> = requests.union(&connections).collect();
    for text in [DASHBOARD, ALERTS] {
        for (_, rest) in text
            .match_indices("reason=")
            .map(|(at, found)| text.split_at(at + found.len()))
        {
            let value = rest
                .trim_start_matches(['~', '\\', '"'])
                .split(['\\', '"'])
                .next()
                .unwrap();
            assert!(
                value.split('|').all(|reason| there.contains(&reason)),
                "{value}"
            );
        }
    }
}

/// Prometheus sees the increase of a counter, but not its creation.
#[tokio::test]
async fn every_counter_is_there_before_anything_happens() {
    let config = Config::new("https://a.example".parse().unwrap());
    let rendezvous = Rendezvous::with_store(Redis::new("redis://127.0.0.1:1/").unwrap(), config);
    let before = ask(&rendezvous.operations(), "GET", "/metrics").await;
    let after = exported().await;
    let labelled = ["refusals", "connections_refused", "whoami"]
        .map(|name| format!("rendezvous_{name}_total{{"));
    let series = |text: &str| -> BTreeSet<String> {
        let lines = text
            .lines()
            .filter(|line| labelled.iter().any(|start| line.starts_with(start)));
        lines
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(series(&before), series(&after));
    for name in &labelled {
        assert!(
            before
                .lines()
                .any(|line| line.starts_with(name) && line.ends_with(" 0")),
            "{name}"
        );
    }
    for line in [
        "rendezvous_requests_total{method=\"GET\",revision=\"msc4108\",status=\"304\"} 0",
        "rendezvous_store_failures_total",
        "rendezvous_store_duration_seconds_count{operation=\"write\"} 0",
        "rendezvous_store_up 0",
        concat!(
            "rendezvous_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\",revision=\""
        ),
    ] {
        assert!(
            before.lines().any(|there| there.starts_with(line)),
            "{line} in {before}"
        );
    }
    let in_memory = Rendezvous::new(Config::new("https://a.example".parse().unwrap()));
    let numbers = ask(&in_memory.operations(), "GET", "/metrics").await;
    assert!(numbers.contains("\nrendezvous_store_up 1\n"), "{numbers}");
}

#[test]
fn the_guide_explains_each_alert_and_no_other() {
    let alerts: BTreeSet<_> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 3);
    let explained: BTreeSet<_> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let explained: BTreeSet<_> = explained
        .into_iter()
        .filter(|name| name.starts_with("Rendezvous"))
        .collect();
    assert_eq!(alerts, explained);
}

fn printed(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"));
    let output = command.args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The packaged configuration with every default enabled: `# name = value` is a setting, `# Prose.`
/// is not.
fn everything_said() -> String {
    let setting = |line: &&str| {
        let name = line.split(" = ").next().unwrap();
        line.contains(" = ")
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"-46".contains(&byte))
    };
    let lines = CONFIG
        .lines()
        .map(|line| line.strip_prefix("# ").filter(setting).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_packaged_configuration_shows_each_default() {
    let shown: Table = everything_said().parse().unwrap();
    let defaults: Table = printed(&["--public-url", "https://a.example", "--print-config"])
        .parse()
        .unwrap();
    for (name, value) in defaults
        .iter()
        .filter(|(name, _)| *name != "public-url" && *name != "limits")
    {
        assert_eq!(shown.get(name), Some(value), "{name}");
    }
    assert_eq!(shown["limits"], defaults["limits"]);
}

#[test]
fn the_packaged_configuration_has_each_setting_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("everything.toml");
    // The files of the store do not exist here, and are tested elsewhere.
    let everything: Vec<_> = everything_said()
        .lines()
        .filter(|line| !line.starts_with("store-"))
        .map(str::to_owned)
        .collect();
    fs::write(&file, everything.join("\n")).unwrap();
    printed(&["--config", file.to_str().unwrap(), "--check-config"]);
    let shown: Table = everything_said().parse().unwrap();
    let limits = shown["limits"].as_table().unwrap();
    let help = printed(&["--help"]);
    let flags = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|line| {
            line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
                .next()
                .unwrap()
        });
    let flags: BTreeSet<_> = flags
        .filter(|flag| !["config", "print-config", "check-config"].contains(flag))
        .collect();
    assert!(flags.len() > 20, "{flags:?}");
    let shown: BTreeSet<_> = shown
        .keys()
        .filter(|name| *name != "limits")
        .chain(limits.keys())
        .map(String::as_str)
        .collect();
    assert_eq!(shown, flags);
}

/// A Redis may have a socket, and its URL may come from systemd. The guide shows both.
#[test]
fn the_unit_allows_what_the_program_offers() {
    let families = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("RestrictAddressFamilies="))
        .unwrap();
    let families: BTreeSet<_> = families.split(' ').collect();
    assert_eq!(families, BTreeSet::from(["AF_INET", "AF_INET6", "AF_UNIX"]));
    let help = printed(&["--help"]);
    for line in [
        "LoadCredential=store:/etc/matrix-qr-rendezvous.store",
        "Environment=MATRIX_QR_RENDEZVOUS_STORE_FILE=%d/store",
    ] {
        assert!(
            UNIT.contains(&format!("\n# {line}\n")) && GUIDE.contains(&format!("\n{line}\n")),
            "{line}"
        );
    }
    assert!(
        help.contains("[env: MATRIX_QR_RENDEZVOUS_STORE_FILE]"),
        "{help}"
    );
}

#[test]
fn the_guide_shows_settings_that_there_are() {
    let blocks: Vec<_> = GUIDE
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 3);
    let directory = tempfile::tempdir().unwrap();
    for block in blocks {
        let file = directory.path().join("shown.toml");
        let whole = block.contains("public-url");
        let start = "public-url = \"https://a.example\"\n";
        let table = if block.contains("homeserver") {
            ""
        } else {
            "[limits]\n"
        };
        let rest = if whole {
            String::new()
        } else {
            format!("{start}{table}")
        };
        fs::write(&file, format!("{rest}{block}")).unwrap();
        printed(&["--config", file.to_str().unwrap(), "--check-config"]);
    }
}

/// The name and value of each setting in a container file. The files of secrets do not exist here.
fn environment(text: &str) -> Vec<(&str, &str)> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let settings = lines.filter_map(|line| line.split_once("MATRIX_QR_RENDEZVOUS_"));
    let pairs = settings.filter_map(|(_, rest)| {
        let (name, value) = rest.split_once([':', '=', ','])?;
        let value = value.rsplit(": ").next()?;
        Some((name, value.trim_matches([' ', '"', '}', '\\'])))
    });
    pairs.filter(|(name, _)| !name.ends_with("_FILE")).collect()
}

#[test]
fn the_files_for_containers_have_settings_that_there_are() {
    let help = printed(&["--help"]);
    for (text, most) in [(COMPOSE, 4), (KUBERNETES, 3), (DOCKERFILE, 3)] {
        let environment = environment(text);
        assert_eq!(environment.len(), most, "{environment:?}");
        for (name, _) in &environment {
            // The help shows no value of a secret.
            let shown = ["=", "]"].map(|end| format!("[env: MATRIX_QR_RENDEZVOUS_{name}{end}"));
            assert!(shown.iter().any(|shown| help.contains(shown)), "{name}");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"));
        command
            .env("MATRIX_QR_RENDEZVOUS_PUBLIC_URL", "https://a.example")
            .arg("--check-config");
        let settings = environment
            .iter()
            .map(|(name, value)| (format!("MATRIX_QR_RENDEZVOUS_{name}"), value));
        let output = command.envs(settings).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    // Each waits as long as the program does: while it drains, and for requests under way.
    for (text, says) in [
        (COMPOSE, "stop_grace_period: 30s"),
        (KUBERNETES, "terminationGracePeriodSeconds: 30"),
    ] {
        assert!(text.contains(says), "{says}");
    }
}
