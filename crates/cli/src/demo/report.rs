//! What is true after a sign-in, according to the homeserver and to the new device itself.

use std::time::Duration;

use matrix_qr_device::{
    Device, Granted, SignInOptions, SignedIn, encryption::Encryption, first_device, http::Policy,
    keys::BackupState,
};
use matrix_qr_protocol::revision::Revision;
use serde_json::{Value, json};

use super::context::{DemoContext, DemoPath, Step};
use crate::{
    args::{DialectChoice, ShownByChoice},
    demo_account::{DemoAccount, OLD_MESSAGES},
    exit::Failure,
    inspect::revision_name,
    measure::wrap,
    output::{BAD, BOLD, DIM, GOOD, Printer, paint},
};

#[derive(Debug)]
pub(super) struct DemoReport {
    user_id: String,
    device_id: String,
    /// The public master key that signed for the new device.
    master_key: String,
    /// The homeserver lists the new device as signed by the identity that both devices know, and
    /// both devices have seen that.
    verified: bool,
    /// The account's signatures on the new device's keys, as the homeserver publishes them.
    signatures: Vec<String>,
    key_uploads: usize,
    signed_twice: bool,
    unsigned_moments: u32,
    backup_connected: bool,
    keys_restored: usize,
    messages: Vec<String>,
    /// The number of requests of both devices to the rendezvous server.
    rendezvous_requests: u32,
    /// With late answers: those for which the devices waited, one after the other.
    answers_in_a_row: Vec<String>,
    run: Option<DemoRun>,
}

/// How the demonstration went.
#[derive(Debug)]
struct DemoRun {
    path: DemoPath,
    /// Which proposal the shown code follows.
    revision: Option<Revision>,
    steps: Vec<Step>,
    total: Duration,
}

/// Opens the new device as a later process would, and collects the facts.
pub(super) async fn collect(
    account: &DemoAccount,
    options: &SignInOptions,
    signed_in: &SignedIn,
    granted: &Granted,
) -> Result<DemoReport, Failure> {
    let record = account.sandbox.record();
    let uploads: Vec<_> = record
        .key_uploads
        .iter()
        .filter(|upload| upload.device_id == signed_in.device_id)
        .collect();
    let new = Device::open(&options.directory, Policy::HttpsOrLoopback, None)
        .await
        .map_err(Failure::not_ready)?;
    let seen = new.verification().await.map_err(Failure::not_ready)?;
    let owner = account
        .existing
        .verification()
        .await
        .map_err(Failure::not_ready)?;
    let one_owner = seen.master_key == signed_in.master_key && seen.master_key == owner.master_key;
    let restored = new.restore_keys().await.map_err(Failure::not_ready)?;
    Ok(DemoReport {
        user_id: signed_in.user_id.clone(),
        device_id: signed_in.device_id.clone(),
        verified: seen.verified && granted.verified && one_owner,
        master_key: seen.master_key,
        signatures: seen.signatures,
        key_uploads: uploads.len(),
        signed_twice: uploads
            .iter()
            .all(|upload| upload.has_device_signature && upload.has_self_signing_signature),
        unsigned_moments: record.unsigned_moments,
        backup_connected: matches!(signed_in.backup, BackupState::Connected { .. }),
        keys_restored: restored.keys,
        messages: messages(&new, &account.room).await?,
        rendezvous_requests: record.rendezvous_requests.values().sum(),
        answers_in_a_row: record
            .answers_in_a_row()
            .iter()
            .map(|late| format!("{} {}", late.server, late.request))
            .collect(),
        run: None,
    })
}

async fn messages(new: &Device<Encryption>, room: &str) -> Result<Vec<String>, Failure> {
    let unread = |why: String| {
        Failure::here(
            format!("the old messages could not be read: {why}"),
            "Try again.",
        )
    };
    let room = room
        .try_into()
        .map_err(|error| unread(format!("{error}")))?;
    let texts = first_device::latest_messages(new.homeserver(), new.keys(), room).await;
    texts.map_err(|error| unread(error.to_string()))
}

impl DemoReport {
    /// Adds how the demonstration went.
    pub(super) fn with_run(
        self,
        path: DemoPath,
        context: &DemoContext<'_>,
        total: Duration,
    ) -> Self {
        let run = DemoRun {
            path,
            revision: context.revision.get().copied(),
            steps: context.steps(),
            total,
        };
        Self {
            run: Some(run),
            ..self
        }
    }

    /// What the demonstration claims, and whether it is true.
    fn claims(&self) -> [(bool, String); 5] {
        let read = self
            .messages
            .first()
            .map_or_else(String::new, |text| format!(": “{text}”"));
        [
            (
                self.verified,
                format!(
                    "{} has the verified device {}",
                    self.user_id, self.device_id
                ),
            ),
            (
                self.key_uploads == 1 && self.signed_twice && !self.signatures.is_empty(),
                format!(
                    "its keys were uploaded in {} request, signed by itself and by the account",
                    self.key_uploads
                ),
            ),
            (
                self.unsigned_moments == 0,
                "others never saw it as unverified".to_owned(),
            ),
            (
                self.backup_connected,
                format!(
                    "the key backup is connected; room keys restored from it: {}",
                    self.keys_restored
                ),
            ),
            (
                self.messages == OLD_MESSAGES,
                format!("{} old messages can be read{read}", self.messages.len()),
            ),
        ]
    }

    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match self.claims().into_iter().find(|(is_so, _)| !is_so) {
            None => Ok(()),
            Some((_, claim)) => Err(Failure::here(
                format!("this is not true: {claim}"),
                "Report it: this is a bug.",
            )),
        }
    }

    pub(super) fn report(&self, out: Printer) {
        out.result(self.human(), self.machine());
    }

    fn human(&self) -> String {
        let mut lines = vec![paint(BOLD, "\nThe result, according to the homeserver:")];
        for (is_so, claim) in self.claims() {
            let mark = if is_so {
                paint(GOOD, "✓")
            } else {
                paint(BAD, "✗")
            };
            lines.push(format!("  {mark} {claim}"));
        }
        lines.push(format!(
            "    verified by the master key {}",
            self.master_key
        ));
        if let Some(DemoRun { steps, total, .. }) = &self.run {
            let times = steps
                .iter()
                .map(|(name, took)| format!("{name} {:.1}", took.as_secs_f64()));
            let steps = times.collect::<Vec<_>>().join(", ");
            let times = wrap(&format!("{:.1} s in all: {steps}", total.as_secs_f64()), 80);
            lines.push(format!("\n{}", paint(DIM, times.join("\n"))));
        }
        lines.join("\n")
    }

    fn machine(&self) -> Value {
        let mut summary = json!({
            "event": "summary",
            "user_id": self.user_id,
            "device_id": self.device_id,
            "verified": self.verified,
            "verified_by": self.master_key,
            "signatures": self.signatures,
            "key_uploads": self.key_uploads,
            "unsigned_moments": self.unsigned_moments,
            "backup_connected": self.backup_connected,
            "keys_restored": self.keys_restored,
            "messages_restored": self.messages.len(),
            "messages": self.messages,
            "rendezvous_requests": self.rendezvous_requests,
            "answers_in_a_row": self.answers_in_a_row,
        });
        if let (Some(summary), Some(run)) = (summary.as_object_mut(), &self.run) {
            let steps = run
                .steps
                .iter()
                .map(|(name, took)| json!({ "name": name, "ms": milliseconds(*took) }));
            summary.insert("shown_by".to_owned(), json!(shown_by(run.path.shown_by)));
            summary.insert(
                "revision".to_owned(),
                json!(run.revision.map(revision_name)),
            );
            summary.insert("dialect".to_owned(), json!(dialect(run.path.dialect)));
            summary.insert("steps".to_owned(), steps.collect());
            summary.insert("total_ms".to_owned(), json!(milliseconds(run.total)));
        }
        summary
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn shown_by(shown_by: ShownByChoice) -> &'static str {
    match shown_by {
        ShownByChoice::New => "new",
        ShownByChoice::Existing => "existing",
    }
}

fn dialect(dialect: DialectChoice) -> &'static str {
    match dialect {
        DialectChoice::AsDeployed => "as-deployed",
        DialectChoice::AsWritten => "as-written",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DemoReport {
        DemoReport {
            user_id: "@alice:example.org".to_owned(),
            device_id: "NEWDEVICE".to_owned(),
            master_key: "key".to_owned(),
            verified: true,
            signatures: vec!["ed25519:NEWDEVICE".to_owned(), "ed25519:key".to_owned()],
            key_uploads: 1,
            signed_twice: true,
            unsigned_moments: 0,
            backup_connected: true,
            keys_restored: 1,
            messages: OLD_MESSAGES.map(str::to_owned).into(),
            rendezvous_requests: 18,
            answers_in_a_row: Vec::new(),
            run: None,
        }
    }

    #[test]
    fn one_thing_that_is_not_true_is_enough() {
        assert_eq!(report().verdict(), Ok(()));
        let lies: [fn(&mut DemoReport); 8] = [
            |report| report.verified = false,
            |report| report.signatures.clear(),
            |report| report.key_uploads = 2,
            |report| report.key_uploads = 0,
            |report| report.signed_twice = false,
            |report| report.unsigned_moments = 1,
            |report| report.backup_connected = false,
            |report| report.messages.truncate(2),
        ];
        for (place, lie) in lies.iter().enumerate() {
            let mut report = report();
            lie(&mut report);
            assert!(report.verdict().is_err(), "lie {place}");
        }
    }
}
