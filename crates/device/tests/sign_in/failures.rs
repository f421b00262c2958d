//! Each way in which a sign-in fails, with two devices and the sandbox, and what docs/failures.md
//! says of it: the table there is what these tests compare with, sentence by sentence.

mod authorization;
mod before;
mod cancel;
mod homeserver;
mod named;
mod secrets;
mod session;
mod strange;
mod unbound;

use matrix_qr_protocol::{
    error::{Error, UserError},
    revision::Role,
};

use crate::{
    stranger,
    test_env::{SignInEnd, TestEnv},
};

pub(crate) use self::secrets::secrets_of_the_account;

pub(crate) const BOTH: [Role; 2] = [Role::New, Role::Existing];

const TABLE: &str = include_str!("../../../../docs/failures.md");

/// What the table says of one failure.
pub(crate) struct Row {
    pub(crate) new: String,
    pub(crate) existing: String,
    heard: String,
}

impl Row {
    pub(crate) fn of(test: &str) -> Self {
        let name = format!("`{test}`");
        let line = TABLE
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&name));
        let line = line.unwrap_or_else(|| panic!("docs/failures.md has no row for {test}"));
        let mut cells = line.split('|').skip(2).map(with_advice);
        let mut next = || cells.next().unwrap();
        Self {
            new: next(),
            existing: next(),
            heard: next(),
        }
    }

    /// The two sentences of a trouble outside of a sign-in, or before it: those of the table.
    pub(crate) fn assert_told(&self, trouble: &UserError, world: &TestEnv, device: &str) {
        let issuer = world
            .fault_proxy
            .as_ref()
            .map_or(world.sandbox.issuer(), |fault_proxy| &fault_proxy.issuer);
        let account = format!("{issuer}account");
        for sentence in [&trouble.what, &trouble.advice] {
            let plain = sentence
                .replace(device, "DEVICE")
                .replace(&account, "ACCOUNT-PAGE");
            let plain = plain
                .replace(&world.sandbox.user_id(), "USER")
                .replace("127.0.0.1", "HOST");
            let why = [
                "connection closed before message completed",
                "Failed to run migrations: database is locked",
                "Failed to load database version: database is locked",
                "database is locked",
            ];
            let plain = why
                .iter()
                .fold(plain, |plain, why| plain.replace(why, "WHY"));
            assert!(self.new.contains(&plain), "{plain:?}, not {:?}", self.new);
        }
    }
}

/// The cell, and the advice that its marks stand for.
fn with_advice(cell: &str) -> String {
    let advice = TABLE
        .lines()
        .filter_map(|line| line.strip_prefix("- ")?.split_once(' '));
    let advice = advice
        .filter(|(mark, _)| cell.contains(mark))
        .map(|(_, advice)| advice);
    std::iter::once(cell)
        .chain(advice)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What is true after every failure before the secrets: no secret was even taken out of the store.
pub(crate) async fn assert_failed(world: &TestEnv, end: &SignInEnd, row: &str) {
    let shared = (Role::Existing, "SharingSecrets".to_owned());
    assert!(!end.told.contains(&shared), "{:?}", end.told);
    assert_failed_late(world, end, row).await;
}

/// What is true after every failure, and what the table says of this one.
pub(crate) async fn assert_failed_late(world: &TestEnv, end: &SignInEnd, row: &str) {
    let row = Row::of(row);
    if began(end, Role::New) {
        assert_told(world, end.new.as_ref().unwrap_err(), &row.new);
    }
    if began(end, Role::Existing) {
        assert_told(world, end.existing.as_ref().unwrap_err(), &row.existing);
    }
    assert_heard(end, &row.heard);
    assert_no_new_device(world, end);
    assert_no_session(end).await;
}

/// Without a code to scan, a side does not even begin.
fn began(end: &SignInEnd, role: Role) -> bool {
    end.told.contains(&(role, "Checking".to_owned()))
}

/// The two sentences are those of the table.
pub(crate) fn assert_told(world: &TestEnv, error: &Error, cell: &str) {
    for sentence in [error.to_string(), error.advice().to_owned()] {
        let sentence = plain(world, error, &sentence);
        assert!(
            !sentence.is_empty() && cell.contains(&sentence),
            "{error:?} says {sentence:?}, not {cell:?}"
        );
    }
    assert_ne!(error.to_string(), error.advice());
}

/// As the table has it: with names in place of what differs each time.
fn plain(world: &TestEnv, error: &Error, sentence: &str) -> String {
    let sentence = match error {
        Error::DeviceAlreadyExists(id)
        | Error::DeviceUnbound(id)
        | Error::DeviceNotFound(id)
        | Error::DeviceGone(id)
        | Error::CancelledTooLate(id) => sentence.replace(id.as_str(), "DEVICE"),
        Error::ExpiredWithProblem(problem) => sentence.replace(&problem.what, "PROBLEM"),
        _ => sentence.to_owned(),
    };
    let user_id = world.sandbox.user_id();
    let names = [
        (user_id.as_str(), "ACCOUNT"),
        (world.sandbox.issuer().as_str(), "ISSUER"),
        ("127.0.0.1", "HOST"),
        ("a requested fault", "WORDS"),
        ("its master key", "its KEY key"),
        ("its self-signing key", "its KEY key"),
        ("its user-signing key", "its KEY key"),
    ];
    names.iter().fold(sentence, |sentence, (this, name)| {
        sentence.replace(this, name)
    })
}

/// The peer's word for it, if there was one, is the table's.
fn assert_heard(end: &SignInEnd, cell: &str) {
    let errors = [end.new.as_ref().err(), end.existing.as_ref().err()];
    let heard: Vec<_> = errors.into_iter().flatten().filter_map(word).collect();
    for word in &heard {
        assert!(cell.contains(word), "{word}, not {cell}");
    }
    assert!(
        !heard.is_empty() || cell.contains("nothing"),
        "{cell}: {:?}",
        end.told
    );
}

fn word(error: &Error) -> Option<String> {
    match error {
        Error::Peer(reason) => Some(format!("`{reason}`")),
        Error::CancelledOrDeclined => Some("`user_cancelled`".to_owned()),
        Error::Declined => Some("`m.login.declined`".to_owned()),
        _ => None,
    }
}

/// No device, no keys, no token, no file.
pub(crate) fn assert_no_new_device(world: &TestEnv, end: &SignInEnd) {
    let record = &end.record;
    assert_eq!(record.devices, record.bootstrap, "{:?}", end.told);
    let foreign = |upload: &matrix_qr_sandbox::RecordedUpload| {
        upload.accepted
            && !record.bootstrap.contains(&upload.device_id)
            && !record.revocations.contains(&upload.device_id)
    };
    assert!(
        !record.key_uploads.iter().any(foreign),
        "{:?}",
        record.key_uploads
    );
    assert_eq!(record.unsigned_moments, 0);
    assert!(!world.new_dir().exists());
    let left = |what: &str| what.starts_with("left behind") || what == "DeviceLeft";
    assert!(
        !end.told.iter().any(|(_, what)| left(what)),
        "{:?}",
        end.told
    );
}

pub(crate) async fn assert_no_session(end: &SignInEnd) {
    if let Some(code) = &end.code {
        assert!(
            !stranger::stands(code).await,
            "the session is left: {:?}",
            end.told
        );
    }
}

/// How often the homeserver was given keys of a new device.
pub(crate) fn uploads(end: &SignInEnd) -> usize {
    let record = &end.record;
    record
        .key_uploads
        .iter()
        .filter(|upload| !record.bootstrap.contains(&upload.device_id))
        .count()
}

/// Whether this side was told this.
pub(crate) fn was_told(end: &SignInEnd, role: Role, what: &str) -> bool {
    end.told
        .iter()
        .any(|(by, told)| *by == role && told == what)
}

/// Each test that the table names exists.
#[test]
fn the_table_names_tests_that_exist() {
    let sources = [
        include_str!("failures/authorization.rs"),
        include_str!("failures/before.rs"),
        include_str!("failures/cancel.rs"),
        include_str!("failures/homeserver.rs"),
        include_str!("failures/named.rs"),
        include_str!("failures/secrets.rs"),
        include_str!("failures/session.rs"),
        include_str!("failures/strange.rs"),
        include_str!("failures/unbound.rs"),
        include_str!("account.rs"),
        include_str!("choosing.rs"),
        include_str!("hostile.rs"),
        include_str!("lost.rs"),
        include_str!("passphrase.rs"),
        include_str!("remains.rs"),
        include_str!("sign_out.rs"),
    ]
    .concat();
    let named = TABLE
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.split('|').nth(6));
    let named: Vec<_> = named
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for test in named.iter().filter(|test| !test.contains("::")) {
        assert!(
            sources.contains(&format!("fn {test}()")),
            "there is no test {test}"
        );
    }
}
