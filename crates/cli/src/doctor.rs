//! `doctor`: what works and what does not in a deployment, one line per check.

use std::time::Instant;

use anstyle::{AnsiColor, Style};
use matrix_qr_device::http::{Http, Policy};
use matrix_qr_doctor::{Finding, Report, Verdict, examine};
use serde_json::{Value, json};

use crate::{
    args,
    cancel::Cancel,
    exit::{Exit, Failure},
    measure::wrap,
    output::{BAD, DIM, GOOD, Printer, harmless, paint},
    terminal::result_canvas,
};

const WARNING: Style = AnsiColor::Yellow.on_default();
/// A remedy is read and copied: its lines fit a usual terminal, even if this one is wider.
const WIDEST: usize = 100;
const INDENT: &str = "      ";

pub(crate) async fn run(args: &args::DoctorArgs) -> Result<Exit, Failure> {
    let out = Printer::new(args.json);
    let policy = if args.allow_loopback_http {
        Policy::HttpsOrLoopback
    } else {
        Policy::HttpsOnly
    };
    let http = Http::new(policy).map_err(|error| Failure::here(error.to_string(), "Try again."))?;
    let on_signal = move || out.cancelling("Cleaning up.");
    let cancel = Cancel::on_signals(on_signal)?;
    out.event(json!({ "event": "examining", "homeserver": args.homeserver.as_str() }));
    let waiting = out.waiting(format_args!("Examining {}.", args.homeserver), None);
    let mut interrupted = false;
    let cancelled_by_person = async {
        cancel.cancelled().await;
        interrupted = true;
    };
    let report = examine(&http, &args.homeserver, &Instant::now, cancelled_by_person).await;
    drop(waiting);
    tell(out, &report);
    Ok(summary(out, &report, interrupted))
}

fn tell(out: Printer, report: &Report) {
    for finding in &report.findings {
        out.result(human(finding), machine(finding));
    }
}

fn human(finding: &Finding) -> String {
    let title = finding.check.title();
    let line = match &finding.verdict {
        Verdict::NotChecked { because } => {
            return paint(
                DIM,
                format_args!("  - {title}: not checked, {}", harmless(because)),
            );
        }
        Verdict::Good => format!(
            "  {} {title}: {}",
            paint(GOOD, "✓"),
            harmless(&finding.seen)
        ),
        Verdict::Warning => format!(
            "  {} {title}? {}",
            paint(WARNING, "!"),
            harmless(&finding.seen)
        ),
        Verdict::Bad => format!("  {} {title}? {}", paint(BAD, "✗"), harmless(&finding.seen)),
    };
    let advice = [
        ("what breaks:", &finding.effect),
        ("what to do:", &finding.remedy),
    ];
    let advice = advice.into_iter().filter(|(_, text)| !text.is_empty());
    advice.fold(line, |lines, (name, text)| {
        format!("{lines}\n{}", indented(name, text))
    })
}

/// Our own text, to be copied unchanged: a directive ends in a semicolon.
fn indented(name: &str, text: &str) -> String {
    let width = result_canvas()
        .columns
        .min(WIDEST)
        .saturating_sub(INDENT.len());
    let lines = wrap(&format!("{name} {text}"), width.max(20)).join(&format!("\n{INDENT}"));
    format!("{INDENT}{}", lines.replacen(name, &paint(DIM, name), 1))
}

fn machine(finding: &Finding) -> Value {
    let because = match &finding.verdict {
        Verdict::NotChecked { because } => Some(because),
        _ => None,
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "event": "finding",
        "check": finding.check.name(),
        "title": finding.check.title(),
        "verdict": verdict(&finding.verdict),
        "seen": text(&finding.seen),
        "effect": text(&finding.effect),
        "remedy": text(&finding.remedy),
        "because": because,
    })
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Warning => "warning",
        Verdict::Bad => "bad",
        Verdict::NotChecked { .. } => "not_checked",
    }
}

fn summary(out: Printer, report: &Report, interrupted: bool) -> Exit {
    let count = |name| report.count(|found| verdict(found) == name);
    let (good, warnings, bad, not_checked) = (
        count("good"),
        count("warning"),
        count("bad"),
        count("not_checked"),
    );
    let mut text =
        format!("\n{good} good, {warnings} warnings, {bad} bad, {not_checked} not checked.");
    if report.left_behind > 0 {
        text.push_str("\nA rendezvous session could not be deleted. It expires within minutes.");
    }
    if interrupted {
        text.push_str("\nInterrupted: the remaining checks were skipped.");
    }
    let json = json!({
        "event": "summary",
        "homeserver": report.homeserver,
        "ok": bad == 0 && !interrupted,
        "good": good,
        "warnings": warnings,
        "bad": bad,
        "not_checked": not_checked,
        "left_behind": report.left_behind,
        "interrupted": interrupted,
    });
    out.result(text, json);
    match (interrupted, bad) {
        (true, _) => Exit::Cancelled,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Server,
    }
}

#[cfg(test)]
mod tests {
    use matrix_qr_doctor::Check;

    use super::*;

    #[test]
    fn a_remedy_can_be_copied_and_a_server_cannot_drive_the_terminal() {
        let finding = Finding {
            check: Check::Compression,
            verdict: Verdict::Bad,
            seen: "500 from \u{1b}[2J".to_owned(),
            effect: "No sign-in.".to_owned(),
            remedy: "nginx: gzip off; in this location.".to_owned(),
        };
        let text = human(&finding);
        assert!(
            text.contains("nginx: gzip off; in this location."),
            "{text}"
        );
        assert!(text.contains("500 from \u{fffd}[2J"), "{text}");
        assert!(machine(&finding).to_string().contains("gzip off; in"));
    }
}
