//! What an examination says.

/// One thing that is looked at. In the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    missing_docs,
    reason = "each is described once, in the table below, which people also see"
)]
pub enum Check {
    Dns,
    WellKnown,
    PlainHttp,
    Versions,
    OauthMetadata,
    Issuer,
    DeviceGrant,
    Registration,
    Create,
    Delegation,
    SessionUrl,
    Read,
    ContentType,
    ConditionalRead,
    Write,
    StaleWrite,
    PayloadLimit,
    Delete,
    Survival,
    Etag,
    EtagPerWrite,
    Compression,
    Caching,
    Lifetime,
    Clock,
    Preflight,
    Cors,
    Newer,
    Speed,
    SignIn,
}

/// Its name for scripts, which does not change, and its title for people.
const ALL: [(Check, &str, &str); 30] = [
    (Check::Dns, "dns", "the names have addresses"),
    (
        Check::WellKnown,
        "well-known",
        "the server name leads to the homeserver",
    ),
    (Check::PlainHttp, "plain-http", "plain http is turned away"),
    (
        Check::Versions,
        "versions",
        "the homeserver says that it can",
    ),
    (
        Check::OauthMetadata,
        "oauth-metadata",
        "the authorization server is named",
    ),
    (
        Check::Issuer,
        "issuer",
        "the authorization server says the same of itself",
    ),
    (
        Check::DeviceGrant,
        "device-grant",
        "the device grant is offered",
    ),
    (Check::Registration, "registration", "clients can register"),
    (
        Check::Create,
        "rendezvous-create",
        "a rendezvous session is created",
    ),
    (
        Check::Delegation,
        "delegation",
        "the way to the rendezvous server",
    ),
    (
        Check::SessionUrl,
        "session-url",
        "the session's URL is usable",
    ),
    (Check::Read, "read", "the session is read"),
    (
        Check::ContentType,
        "content-type",
        "a payload is text/plain",
    ),
    (
        Check::ConditionalRead,
        "conditional-read",
        "nothing new is said as 304",
    ),
    (Check::Write, "write", "a payload is written and arrives"),
    (Check::StaleWrite, "stale-write", "a late write is refused"),
    (
        Check::PayloadLimit,
        "payload-limit",
        "4096 bytes fit, and no more",
    ),
    (Check::Delete, "delete", "the session is deleted"),
    (
        Check::Survival,
        "survival",
        "the session lives as long as it says",
    ),
    (
        Check::Etag,
        "etag",
        "the ETag arrives, strong and unchanged",
    ),
    (
        Check::EtagPerWrite,
        "etag-per-write",
        "each write has an ETag of its own",
    ),
    (
        Check::Compression,
        "compression",
        "compression leaves the ETag alone",
    ),
    (
        Check::Caching,
        "caching",
        "nobody keeps or changes an answer",
    ),
    (
        Check::Lifetime,
        "lifetime",
        "there is time enough for a person",
    ),
    (Check::Clock, "clock", "the servers' clocks are right"),
    (
        Check::Preflight,
        "cors-preflight",
        "a browser may ask (CORS preflight)",
    ),
    (Check::Cors, "cors", "a browser may read the answers (CORS)"),
    (
        Check::Newer,
        "msc4388",
        "the coming kind of session (MSC4388)",
    ),
    (Check::Speed, "speed", "the servers answer within a second"),
    (
        Check::SignIn,
        "sign-in",
        "the consent page and the new device in the account",
    ),
];

impl Check {
    /// Every check, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(check, ..)| *check)
    }

    /// For scripts: it does not change.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// For people: what is true when it is good.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        ALL.iter()
            .find(|(check, ..)| *check == self)
            .copied()
            .unwrap_or((self, "", ""))
    }
}

/// Whether it is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Good,
    /// It works, not as well as it could.
    Warning,
    /// It breaks something for users.
    Bad,
    /// Nobody knows.
    NotChecked {
        /// Why not.
        because: String,
    },
}

/// One check, and what came of it. Its texts hold no secret: a session's URL is shown without its
/// path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// Whether it is right.
    pub verdict: Verdict,
    /// What was seen; it may quote the server, bounded and without control characters.
    pub seen: String,
    /// What breaks for users; empty when nothing does.
    pub effect: String,
    /// What to change, and where; empty when there is nothing to change.
    pub remedy: String,
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

    pub(crate) fn warning(check: Check, seen: impl Into<String>, advice: (&str, &str)) -> Self {
        Self {
            verdict: Verdict::Warning,
            ..Self::bad(check, seen, advice)
        }
    }

    /// `advice`: what breaks for users, and what to change.
    pub(crate) fn bad(check: Check, seen: impl Into<String>, advice: (&str, &str)) -> Self {
        let (effect, remedy) = (advice.0.to_owned(), advice.1.to_owned());
        Self {
            check,
            verdict: Verdict::Bad,
            seen: seen.into(),
            effect,
            remedy,
        }
    }

    pub(crate) fn not_checked(check: Check, because: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::NotChecked {
                because: because.into(),
            },
            ..Self::good(check, "")
        }
    }
}

/// Every check once, in order: those that nobody came to were not checked. A name without an
/// address leaves nothing else to be said.
pub(crate) fn complete(findings: &mut Vec<Finding>, why: Option<&'static str>) {
    if findings
        .iter()
        .any(|finding| finding.check == Check::Dns && finding.verdict == Verdict::Bad)
    {
        return;
    }
    let why = why.unwrap_or("there is no homeserver to ask");
    let mut found = std::mem::take(findings);
    findings.extend(Check::all().map(|check| {
        match found.iter().position(|finding| finding.check == check) {
            Some(place) => found.swap_remove(place),
            None if check == Check::SignIn => {
                Finding::not_checked(check, "it takes a sign-in to see them")
            }
            None => Finding::not_checked(check, why),
        }
    }));
}

/// What an examination found: each [`Check`] once, or only what led to a name without an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The homeserver as it was named.
    pub homeserver: String,
    /// In the order of [`Check::all`].
    pub findings: Vec<Finding>,
    /// How many rendezvous sessions could not be deleted. They end by themselves, after minutes.
    pub left_behind: usize,
}

impl Report {
    /// What came of one check.
    pub fn of(&self, check: Check) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == check)
    }

    /// How many checks have a verdict like this.
    pub fn count(&self, verdict: impl Fn(&Verdict) -> bool) -> usize {
        self.findings
            .iter()
            .filter(|finding| verdict(&finding.verdict))
            .count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_check_has_one_row() {
        for check in Check::all() {
            let same = ALL
                .iter()
                .filter(|row| row.0 == check || row.1 == check.name());
            assert_eq!(same.count(), 1, "{check:?}");
        }
    }

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
        assert_eq!(
            findings
                .iter()
                .filter(|finding| finding.verdict == Verdict::Good)
                .count(),
            2
        );
        let because = "interrupted".to_owned();
        assert_eq!(
            findings.first().unwrap().verdict,
            Verdict::NotChecked { because }
        );
    }
}
