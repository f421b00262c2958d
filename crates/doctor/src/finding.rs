//! The results of the checks.

use crate::check::Check;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Good,
    /// It works, but not as well as it could.
    Warning,
    /// It breaks something for users.
    Bad,
    /// It is unknown.
    NotChecked {
        /// Why it was not checked.
        because: String,
    },
}

/// One check and its result. The texts hold no secret: a session's URL is shown without its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// The result.
    pub verdict: Verdict,
    /// What was seen; it may quote the server, bounded and without control characters.
    pub seen: String,
    /// What breaks for users; empty if nothing does.
    pub effect: String,
    /// What to change, and where; empty if there is nothing to change.
    pub remedy: String,
}

/// The consequences of a finding and the remedy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advice<'a> {
    /// What breaks for users.
    pub(crate) effect: &'a str,
    /// What to change, and where.
    pub(crate) remedy: &'a str,
}

impl Finding {
    pub(crate) fn good(check: Check, seen: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Good,
            seen: seen.into(),
            effect: String::new(),
            remedy: String::new(),
        }
    }

    pub(crate) fn warning(check: Check, seen: impl Into<String>, advice: Advice<'_>) -> Self {
        Self {
            verdict: Verdict::Warning,
            ..Self::bad(check, seen, advice)
        }
    }

    pub(crate) fn bad(check: Check, seen: impl Into<String>, advice: Advice<'_>) -> Self {
        Self {
            check,
            verdict: Verdict::Bad,
            seen: seen.into(),
            effect: advice.effect.to_owned(),
            remedy: advice.remedy.to_owned(),
        }
    }

    pub(crate) fn not_checked(check: Check, because: impl Into<String>) -> Self {
        let verdict = Verdict::NotChecked {
            because: because.into(),
        };
        Self {
            verdict,
            ..Self::good(check, "")
        }
    }
}

/// Puts every check into `findings` once, in order: a check without a finding was not checked, for
/// the reason `why`. If a host name has no address, there is nothing else to say.
pub(crate) fn complete(findings: &mut Vec<Finding>, why: Option<&'static str>) {
    let is_cause =
        |finding: &Finding| finding.check == Check::Dns && finding.verdict == Verdict::Bad;
    if findings.iter().any(is_cause) {
        return;
    }
    let why = why.unwrap_or("there is no homeserver to ask");
    let mut found = std::mem::take(findings);
    findings.extend(Check::all().map(|check| {
        match found.iter().position(|finding| finding.check == check) {
            Some(place) => found.swap_remove(place),
            None if check == Check::SignIn => {
                Finding::not_checked(check, "only a sign-in can show them")
            }
            None => Finding::not_checked(check, why),
        }
    }));
}

/// The result of an examination: each [`Check`] once; or, if a host name has no address, only the
/// checks that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The homeserver as the caller named it.
    pub homeserver: String,
    /// In the order of [`Check::all`].
    pub findings: Vec<Finding>,
    /// How many rendezvous sessions could not be deleted. They expire after a few minutes.
    pub left_behind: usize,
}

impl Report {
    /// The result of one check.
    pub fn of(&self, check: Check) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == check)
    }

    /// How many findings have such a verdict.
    pub fn count(&self, has_verdict: impl Fn(&Verdict) -> bool) -> usize {
        self.findings
            .iter()
            .filter(|finding| has_verdict(&finding.verdict))
            .count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_report_has_every_check_once_and_in_order() {
        let mut findings = vec![
            Finding::good(Check::Cors, "x"),
            Finding::good(Check::Read, "y"),
        ];
        complete(&mut findings, Some("interrupted"));
        assert!(
            findings
                .iter()
                .map(|finding| finding.check)
                .eq(Check::all())
        );
        let good = findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Good);
        assert_eq!(good.count(), 2);
        let because = "interrupted".to_owned();
        assert_eq!(
            findings.first().unwrap().verdict,
            Verdict::NotChecked { because }
        );
    }
}
