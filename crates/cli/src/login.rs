//! `login`: this machine becomes a new device.

use std::{path::PathBuf, sync::Arc};

use matrix_qr_device::{
    DeviceName, OwnedUserId, RendezvousAt, SignInOptions, SignedIn, Start,
    encryption::{Passphrase, StoreKeys},
    http::Policy,
    keys::BackupState,
    oauth::{Client, ClientMetadata},
    sign_in,
};
use matrix_qr_page::PageOutcome;
use matrix_qr_protocol::{
    error::Error,
    homeserver::{HomeserverAddress, HomeserverKind},
    revision::Role,
};
use serde_json::json;

use crate::{
    args::{self, ExchangeArgs},
    exit::{Exit, Failure},
    keyboard, online,
    output::{BOLD, GOOD, Printer, harmless, paint},
    passphrase,
    person::TerminalPerson,
    qr_picture::PictureFile,
    scan, typed, web,
};

pub(crate) async fn run(args: &args::LoginArgs) -> Result<(), Failure> {
    let out = Printer::new(args.online.json);
    let policy = online::policy(args.online.allow_loopback_http);
    check(&args.exchange, policy)?;
    check_homeserver(args.homeserver.as_ref(), policy)?;
    web::check(&args.web)?;
    // A device that scans asks for no digits. A missing homeserver is asked for, or refused, later.
    let asks = args.exchange.rendezvous.is_some()
        || (args.exchange.scan.is_none() && args.homeserver.is_some());
    if asks && args.web.web.is_none() {
        keyboard::require_someone_to_answer(out)?;
    }
    let options = options(args)?;
    let passphrase = new_passphrase(args, out)?;
    let mut person = TerminalPerson::new(out, Role::New, &args.exchange, &args.web)?;
    person.serve(&args.web).await?;
    let signed_in = signed_in(args, &options, passphrase, &person).await;
    person.leave_page(outcome(&signed_in)).await;
    drop(person);
    report(out, &options, &signed_in?);
    Ok(())
}

async fn signed_in(
    args: &args::LoginArgs,
    options: &SignInOptions,
    passphrase: Option<Passphrase>,
    person: &TerminalPerson,
) -> Result<SignedIn, Failure> {
    let start = person
        .cancel()
        .unless_cancelled(start(args, person))
        .await?;
    let keys = Arc::new(StoreKeys::new(&options.directory, passphrase));
    sign_in(options, start, person, keys)
        .await
        .map_err(|error| failure(error, person))
}

/// What a page shows of it.
fn outcome(signed_in: &Result<SignedIn, Failure>) -> PageOutcome {
    match signed_in {
        Ok(signed_in) => PageOutcome {
            success: true,
            what: format!(
                "Signed in as {}, device {}.",
                harmless(&signed_in.user_id),
                signed_in.device_id
            ),
            cause: None,
            advice: "You can close this page.".to_owned(),
        },
        Err(failure) => web::failed(failure),
    }
}

/// Whatever went wrong: most of all, a script must know that somebody has to remove a device.
fn failure(error: Error, person: &TerminalPerson) -> Failure {
    let failure = person.cancel().explained(error);
    if person.device_left() {
        Failure {
            exit: Exit::Server,
            ..failure
        }
    } else {
        failure
    }
}

fn options(args: &args::LoginArgs) -> Result<SignInOptions, Failure> {
    Ok(SignInOptions {
        directory: online::directory(&args.online.directory)?,
        policy: online::policy(args.online.allow_loopback_http),
        dialect: args.exchange.dialect.into(),
        showing: args.exchange.revision.into(),
        client: client(args.client_id.clone()),
        user: args.user.clone(),
        name: device_name(args.device_name.clone()),
    })
}

/// What the keys will be encrypted with, if they are to be.
fn new_passphrase(args: &args::LoginArgs, out: Printer) -> Result<Option<Passphrase>, Failure> {
    match &args.passphrase_file {
        Some(file) => passphrase::from_file(file).map(Some),
        None if args.passphrase => passphrase::OF_KEYS.ask_for_new(out).map(Some),
        None => Ok(None),
    }
}

/// A client that the authorization server knows, or one that is registered there.
pub(crate) fn client(id: Option<String>) -> Client {
    id.map_or_else(
        || Client::Dynamic(ClientMetadata::default()),
        Client::Registered,
    )
}

/// The given name, or one after this machine.
pub(crate) fn device_name(given: Option<DeviceName>) -> DeviceName {
    given.unwrap_or_else(|| DeviceName::of_host(&gethostname::gethostname().to_string_lossy()))
}

async fn start(args: &args::LoginArgs, person: &TerminalPerson) -> Result<Start, Failure> {
    if let Some(start) = given(&args.exchange, person).await? {
        return Ok(start);
    }
    let homeserver = match named(args.homeserver.clone(), args.user.as_ref())? {
        Some(homeserver) => homeserver,
        None => ask_homeserver(person).await?,
    };
    Ok(Start::Show(RendezvousAt::Homeserver(homeserver)))
}

/// Reports a mistake in the command line before anything is started.
pub(crate) fn check(exchange: &ExchangeArgs, policy: Policy) -> Result<(), Failure> {
    exchange
        .rendezvous
        .as_ref()
        .map_or(Ok(()), |url| online::check_url(policy, url))?;
    exchange.qr.as_deref().map_or(Ok(()), PictureFile::check)
}

/// The homeserver, if it is named, or its user.
pub(crate) fn named(
    homeserver: Option<HomeserverAddress>,
    user: Option<&OwnedUserId>,
) -> Result<Option<HomeserverAddress>, Failure> {
    let of_user = |user| {
        typed::homeserver_of(user)
            .map_err(|error| Failure::new(Exit::Usage, error, "Name one: --homeserver example.org"))
    };
    match homeserver {
        Some(homeserver) => Ok(Some(homeserver)),
        None => user.map(of_user).transpose(),
    }
}

/// Reports a homeserver that may not be contacted.
pub(crate) fn check_homeserver(
    homeserver: Option<&HomeserverAddress>,
    policy: Policy,
) -> Result<(), Failure> {
    match homeserver.map(HomeserverAddress::kind) {
        Some(HomeserverKind::BaseUrl(url)) => online::check_url(policy, url),
        _ => Ok(()),
    }
}

/// How the devices meet, if the command line says it.
pub(crate) async fn given(
    exchange: &ExchangeArgs,
    person: &TerminalPerson,
) -> Result<Option<Start>, Failure> {
    match (&exchange.scan, &exchange.rendezvous) {
        (Some(path), _) => scanned(path.clone(), person).await.map(Some),
        (None, Some(url)) => Ok(Some(Start::Show(RendezvousAt::Endpoint(url.clone())))),
        (None, None) => Ok(None),
    }
}

/// On a thread of its own: reading a picture takes a while, and a person who pastes takes longer.
async fn scanned(path: PathBuf, person: &TerminalPerson) -> Result<Start, Failure> {
    let out = person.out();
    if path.as_os_str() == "-" {
        if let Some(page) = person.at_page() {
            return Ok(Start::Scan(page.scan().await));
        }
        out.event(json!({ "event": "question", "question": "code" }));
    }
    let read = tokio::task::spawn_blocking(move || scan::from_path(&path, out)).await;
    let unreadable = |_| {
        Failure::new(
            Exit::QrCode,
            "the picture cannot be read",
            "Take another picture, or use the code as text.",
        )
    };
    let scanned = read.map_err(unreadable)??;
    Ok(Start::Scan(scanned.code))
}

async fn ask_homeserver(person: &TerminalPerson) -> Result<HomeserverAddress, Failure> {
    if let Some(page) = person.at_page() {
        return Ok(page.homeserver(typed::homeserver).await);
    }
    let missing = || {
        Failure::new(
            Exit::Usage,
            "no homeserver was named",
            "Name one: --homeserver example.org",
        )
    };
    if !keyboard::is_terminal() {
        return Err(missing());
    }
    let question = json!({ "event": "question", "question": "homeserver" });
    let mut prompt = "Your homeserver, for example matrix.org: ".to_owned();
    while let Some(name) = person.ask(&prompt, question.clone()).await {
        match typed::homeserver(&name) {
            Ok(homeserver) => return Ok(homeserver),
            Err(error) => prompt = format!("This is not a homeserver: {error}. Your homeserver: "),
        }
    }
    Err(missing())
}

fn report(out: Printer, options: &SignInOptions, signed_in: &SignedIn) {
    let backup = match &signed_in.backup {
        BackupState::Connected { .. } => {
            let loopback = if options.policy == Policy::HttpsOrLoopback {
                " --allow-loopback-http"
            } else {
                ""
            };
            format!(
                "To read old messages: matrix-qr restore-keys --directory {}{loopback}",
                options.directory.display()
            )
        }
        BackupState::Unused(why) => {
            format!(
                "Old messages cannot be read here: {}.",
                harmless(&why.to_string())
            )
        }
    };
    let text = format!(
        "{} Signed in as {}, device {}.\n  Verified by the account's master key: {}\n  \
         Stored in {}\n  {backup}",
        paint(GOOD, "✓"),
        paint(BOLD, harmless(&signed_in.user_id)),
        signed_in.device_id,
        signed_in.master_key,
        options.directory.display(),
    );
    let json = json!({
        "event": "signed_in",
        "user_id": signed_in.user_id,
        "device_id": signed_in.device_id,
        "device_name": options.name.as_str(),
        "homeserver": signed_in.homeserver,
        "master_key": signed_in.master_key,
        "backup_connected": matches!(signed_in.backup, BackupState::Connected { .. }),
        "directory": options.directory,
    });
    out.result(text, json);
}
