//! Each threat of the proposal has its row in the threat model, in the proposal's order and words,
//! and what a row says of tests and model properties is there.

use std::{collections::BTreeSet, path::Path};

use super::sources::Sources;

pub(super) const THREAT_MODEL: &str = "docs/threat-model.md";

/// Where the properties of the model are defined.
const PROPERTIES: &str = "crates/protocol/tests/model/properties.rs";

/// MSC4108 of July 2026, section "Threat modelling".
const THREATS: [&str; 13] = [
    "Unattended devices",
    "Social engineering: Sign in with QR remote phishing (remote client)",
    "Social engineering: Sign in with QR remote phishing (remote client + malicious homeserver)",
    "Malicious client sends arbitrary verification URI",
    "Device ID confusion",
    "Shoulder-surfing attacker (Specter)",
    "Pure Dolev-Yao attacker",
    "Shoulder-surfing to sign in to attacker account",
    "Protocol confusion",
    "Replay attacks",
    "Rendezvous sessions as Denial of Service attack surface",
    "Data exfiltration via rendezvous session",
    "Unsafe content",
];

pub(super) fn check(document: &str, sources: &Sources) -> Vec<String> {
    let rows = rows(document);
    let mut findings: Vec<_> = THREATS
        .into_iter()
        .filter(|threat| !rows.iter().any(|row| row.threat == *threat))
        .map(|threat| format!("threats: {THREAT_MODEL} has no row for \"{threat}\""))
        .collect();
    let named = rows.iter().map(|row| row.threat);
    let threats: Vec<_> = named.filter(|name| THREATS.contains(name)).collect();
    if findings.is_empty() && threats != THREATS {
        findings.push("threats: the rows are not in the proposal's order, once each".to_owned());
    }
    let tests = tests(sources);
    let properties = sources.get(PROPERTIES).map_or("", String::as_str);
    for row in rows {
        let shown = shown_by(row.evidence);
        if shown.is_empty() {
            findings.push(format!("threats: \"{}\" names no test", row.threat));
        }
        let missing = shown.into_iter().filter(|shown| match shown {
            Evidence::Test(name) => !tests.contains(name) && !Path::new(name).exists(),
            Evidence::Property(text) => !properties.contains(&format!("\"{text}\"")),
        });
        findings.extend(missing.map(|shown| {
            format!(
                "threats: \"{}\" names what does not exist: {shown:?}",
                row.threat
            )
        }));
    }
    findings
}

struct ThreatRow<'a> {
    threat: &'a str,
    evidence: &'a str,
}

/// What shows that a row is true.
#[derive(Debug)]
enum Evidence<'a> {
    /// In backticks: the name of a test, or the file of a test in another language.
    Test(&'a str),
    /// In quotation marks: a property of the model.
    Property(&'a str),
}

/// The rows of each table whose last column says by what they are shown.
fn rows(document: &str) -> Vec<ThreatRow<'_>> {
    let mut is_table = false;
    let mut rows = Vec::new();
    for line in document.lines() {
        if line.ends_with("| Shown by |") {
            is_table = true;
        } else if is_table && !line.starts_with("|-") {
            let row = row(line);
            is_table = row.is_some();
            rows.extend(row);
        }
    }
    rows
}

/// Its first cell, and its last one.
fn row(line: &str) -> Option<ThreatRow<'_>> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (threat, _) = cells.split_once(" | ")?;
    let (_, evidence) = cells.rsplit_once(" | ")?;
    Some(ThreatRow { threat, evidence })
}

fn shown_by(evidence: &str) -> Vec<Evidence<'_>> {
    let between = |mark| evidence.split(mark).skip(1).step_by(2);
    let tests = between('`').map(Evidence::Test);
    tests.chain(between('"').map(Evidence::Property)).collect()
}

/// The names of all tests: functions with an attribute that makes them tests, and those that a
/// macro makes several tests of.
fn tests(sources: &Sources) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    for text in sources.values() {
        let (mut is_test, mut is_list) = (false, false);
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") && (line.contains("test]") || line.contains("test(")) {
                is_test = true;
            } else if let Some((_, first)) = line.split_once("! {").or(line.split_once("!["))
                && line.starts_with("each_")
            {
                tests.extend(first.strip_suffix("];"));
                is_list = first.is_empty();
            } else if is_list {
                tests.extend(line.strip_suffix(','));
                is_list = line.ends_with(',');
            } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                tests.extend(rest.split(['(', '<']).next());
                is_test = false;
            }
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walls::sources::of;

    fn sources() -> Sources {
        of(&[
            (PROPERTIES, "pub const ENDS: &str = \"every run ends\";"),
            (
                "crates/a/tests/it.rs",
                "#[tokio::test]\n#[ignore = \"x\"]\nasync fn one() {}\nfn helper() {}\n\
                 each_store! {\n    two,\n}\neach_revision![three];\n",
            ),
        ])
    }

    /// A document with a row for each threat, which this text says shows it.
    fn document(evidence: &str) -> String {
        let rows = THREATS.map(|threat| format!("| {threat} | we do | little | {evidence} |\n"));
        format!(
            "| Threat | What we do | What remains | Shown by |\n|---|---|---|---|\n{}",
            rows.concat()
        )
    }

    #[test]
    fn rows_with_tests_and_properties_that_exist_pass() {
        let document = document("`one`, `two`, `three`; \"every run ends\"");
        assert_eq!(check(&document, &sources()), Vec::<String>::new());
    }

    #[test]
    fn a_row_that_names_what_does_not_exist_is_found() {
        for evidence in ["`four`", "`helper`", "\"no run ends\"", "`one`, `four`"] {
            assert_eq!(
                check(&document(evidence), &sources()).len(),
                13,
                "{evidence}"
            );
        }
    }

    #[test]
    fn a_row_that_names_nothing_is_found() {
        assert_eq!(check(&document("the tests"), &sources()).len(), 13);
    }

    #[test]
    fn a_missing_a_repeated_and_a_misplaced_row_are_found() {
        let all = document("`one`");
        let (rest, last) = all.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(check(rest, &sources()).len(), 1, "missing");
        assert_eq!(check(&format!("{all}{last}"), &sources()).len(), 1, "twice");
        let moved = all.replace(THREATS[0], "x").replace(THREATS[1], THREATS[0]);
        let moved = moved.replace("| x |", &format!("| {} |", THREATS[1]));
        assert_eq!(check(&moved, &sources()).len(), 1, "order");
    }
}
