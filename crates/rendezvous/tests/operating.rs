//! What an operator is given beside the program says what is true of it: docs/operate.md, the dashboard, the alerts, the
//! configuration of the package.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeSet, fs, process::Command};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use matrix_qr_rendezvous::{Config, Creation, Homeserver, Redis, Rendezvous};
use serde_json::Value;
use toml::Table;
use tower::ServiceExt;

const GUIDE: &str = include_str!("../../../docs/operate.md");
const DASHBOARD: &str = include_str!("../../../packaging/grafana.json");
const ALERTS: &str = include_str!("../../../packaging/prometheus-rules.yml");
const CONFIG: &str = include_str!("../../../packaging/debian/matrix-qr-rendezvous.toml");
const UNIT: &str = include_str!("../../../packaging/debian/matrix-qr-rendezvous.service");
const REFUSALS: &str = include_str!("../src/refusal.rs");

async fn ask(router: &Router, method: &str, path: &str) -> String {
    let request = Request::builder().method(method).uri(path).header("content-length", "0");
    let request = request.header("authorization", "Bearer x");
    let request = request.header("content-type", "text/plain").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

/// What a server says of itself once there was one of everything. Its store is not there, which too takes time, and nor is its
/// homeserver.
async fn exported() -> String {
    let store = Redis::new("redis://127.0.0.1:1/").unwrap();
    let homeserver = Homeserver::new("http://127.0.0.1:1/".parse().unwrap()).unwrap();
    let config = Config::new("https://a.example".parse().unwrap());
    let creation = Creation::Authenticated(homeserver);
    let rendezvous = Rendezvous::with_store(store, Config { creation, ..config });
    ask(&rendezvous.router(), "POST", "/").await;
    ask(&rendezvous.router(), "GET", "/nowhere").await;
    ask(&rendezvous.router(), "GET", "/_matrix/client/v1/rendezvous").await;
    ask(&rendezvous.operations(), "GET", "/metrics").await
}

/// The names as a query has them: `_total` on counters, `_bucket` on histograms.
fn samples(exported: &str) -> BTreeSet<&str> {
    let lines = exported.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

/// The names as the server has them.
fn families(exported: &str) -> BTreeSet<&str> {
    exported.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

/// Every word of a text that begins so.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|other| !letter(other)).filter(|word| word.starts_with(start) && *word != start).collect()
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
        let row = ["", "_total"].iter().any(|suffix| GUIDE.contains(&format!("\n| `{family}{suffix}` |")));
        assert!(row, "the guide lacks {family}");
    }
}

/// All are there from the start, at 0: an alert counts an increase.
#[tokio::test]
async fn the_guide_explains_each_code_of_a_failure_and_no_other() {
    let exported = exported().await;
    let lines =
        exported.lines().filter_map(|line| line.strip_prefix("rendezvous_store_failures_total{code=\""));
    let there: BTreeSet<_> = lines.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(there.len() > 10, "{there:?}");
    let (_, rest) = GUIDE.split_once("| code | what it means |").unwrap();
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names: Vec<_> = rows.map(|row| row.split('|').nth(1).unwrap()).collect();
    let explained = names.iter().flat_map(|name| name.split('`').skip(1).step_by(2)).collect();
    assert_eq!(there, explained);
}

#[test]
fn the_guide_explains_each_reason_of_a_refusal_and_no_other() {
    let (_, rest) = REFUSALS.split_once("fn reason(").unwrap();
    let (body, _) = rest.split_once("\n    }\n").unwrap();
    let there: BTreeSet<_> = body.split('"').skip(1).step_by(2).collect();
    assert!(there.contains("full") && there.contains("no_store"), "{there:?}");
    let (_, rest) = GUIDE.split_once("| reason |").unwrap();
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names: Vec<_> = rows.map(|row| row.split('|').nth(1).unwrap()).collect();
    let explained = names.iter().flat_map(|name| name.split('`').skip(1).step_by(2)).collect();
    assert_eq!(there, explained);
    for text in [DASHBOARD, ALERTS] {
        for (_, rest) in text.match_indices("reason=").map(|(at, found)| text.split_at(at + found.len())) {
            let value = rest.trim_start_matches(['~', '\\', '"']).split(['\\', '"']).next().unwrap();
            assert!(value.split('|').all(|reason| there.contains(reason)), "{value}");
        }
    }
}

#[test]
fn the_guide_explains_each_alert_and_no_other() {
    let alerts: BTreeSet<_> =
        ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 3);
    let explained: BTreeSet<_> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let explained: BTreeSet<_> =
        explained.into_iter().filter(|name| name.starts_with("Rendezvous")).collect();
    assert_eq!(alerts, explained);
}

fn printed(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"));
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The packaged configuration with every default said: `# name = value` is a setting, `# Prose.` is not.
fn everything_said() -> String {
    let setting = |line: &&str| {
        let name = line.split(" = ").next().unwrap();
        line.contains(" = ") && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-46".contains(&byte))
    };
    let lines = CONFIG.lines().map(|line| line.strip_prefix("# ").filter(setting).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_packaged_configuration_shows_each_default() {
    let shown: Table = everything_said().parse().unwrap();
    let defaults: Table = printed(&["--public-url", "https://a.example", "--print-config"]).parse().unwrap();
    for (name, value) in defaults.iter().filter(|(name, _)| *name != "public-url" && *name != "limits") {
        assert_eq!(shown.get(name), Some(value), "{name}");
    }
    assert_eq!(shown["limits"], defaults["limits"]);
}

#[test]
fn the_packaged_configuration_has_each_setting_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("everything.toml");
    // The files of the store are on no machine, and are tested elsewhere.
    let everything: Vec<_> =
        everything_said().lines().filter(|line| !line.starts_with("store-")).map(str::to_owned).collect();
    fs::write(&file, everything.join("\n")).unwrap();
    printed(&["--config", file.to_str().unwrap(), "--check-config"]);
    let shown: Table = everything_said().parse().unwrap();
    let limits = shown["limits"].as_table().unwrap();
    let help = printed(&["--help"]);
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")).map(|line| {
        line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').next().unwrap()
    });
    let flags: BTreeSet<_> =
        flags.filter(|flag| !["config", "print-config", "check-config"].contains(flag)).collect();
    assert!(flags.len() > 20, "{flags:?}");
    let shown: BTreeSet<_> =
        shown.keys().filter(|name| *name != "limits").chain(limits.keys()).map(String::as_str).collect();
    assert_eq!(shown, flags);
}

/// A Redis may be at a socket, and the URL of one comes from systemd, as the guide says it too.
#[test]
fn the_unit_allows_what_the_program_offers() {
    let families = UNIT.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies=")).unwrap();
    let families: BTreeSet<_> = families.split(' ').collect();
    assert_eq!(families, BTreeSet::from(["AF_INET", "AF_INET6", "AF_UNIX"]));
    let help = printed(&["--help"]);
    for line in [
        "LoadCredential=store:/etc/matrix-qr-rendezvous.store",
        "Environment=MATRIX_QR_RENDEZVOUS_STORE_FILE=%d/store",
    ] {
        assert!(UNIT.contains(&format!("\n# {line}\n")) && GUIDE.contains(&format!("\n{line}\n")), "{line}");
    }
    assert!(help.contains("[env: MATRIX_QR_RENDEZVOUS_STORE_FILE]"), "{help}");
}

#[test]
fn the_guide_shows_settings_that_there_are() {
    let blocks: Vec<_> =
        GUIDE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 3);
    let directory = tempfile::tempdir().unwrap();
    for block in blocks {
        let file = directory.path().join("shown.toml");
        let whole = block.contains("public-url");
        let start = "public-url = \"https://a.example\"\n";
        let table = if block.contains("homeserver") { "" } else { "[limits]\n" };
        let rest = if whole { String::new() } else { format!("{start}{table}") };
        fs::write(&file, format!("{rest}{block}")).unwrap();
        printed(&["--config", file.to_str().unwrap(), "--check-config"]);
    }
}
