//! `demo`: a whole sign-in in one process. Both devices are real, and so is all that they do; only
//! the servers are the sandbox's.

mod consent;
mod context;
mod person;
mod report;
mod two_column_view;

use std::time::{Duration, Instant};

use matrix_qr_device::{
    GrantOptions, Granted, Rendezvous, SignInOptions, SignedIn, Start, http::Policy, oauth::Client,
    sign_in,
};
use matrix_qr_protocol::{error::Error, homeserver::HomeserverAddress, qr::QrCode, revision::Role};
use matrix_qr_sandbox::Options;
use tokio::sync::oneshot;

use self::{
    context::{DemoContext, Played},
    person::DemoPerson,
    report::DemoReport,
    two_column_view::TwoColumnView,
};
use crate::{
    args::{self, Reading, Revision, ShownBy},
    cancel::Cancel,
    demo_account::{DemoAccount, temporary_directory},
    exit::Failure,
    keyboard::Keyboard,
    login,
    output::Output,
};

/// One of the ways in which two devices can meet.
#[derive(Debug, Clone, Copy)]
struct Path {
    shown_by: ShownBy,
    revision: Revision,
    dialect: Reading,
}

pub(crate) async fn run(args: &args::Demo) -> Result<(), Failure> {
    let out = Output::new(args.json);
    let cancel = Cancel::on_signals(move || out.cancelling("Cancelling.")).map_err(|error| {
        Failure::here(format!("signals cannot be heard: {error}"), "Begin again.")
    })?;
    let keyboard = Keyboard::default();
    for path in paths(args) {
        let person = if args.auto {
            Played::Takes(Duration::from_secs(args.person_takes))
        } else {
            Played::ByYou(&keyboard)
        };
        let context = DemoContext::new(TwoColumnView::new(out), cancel.clone(), person);
        let report = perform(path, &context).await?;
        report.report(out);
        report.verdict()?;
    }
    Ok(())
}

fn paths(args: &args::Demo) -> Vec<Path> {
    let revision = args.revision;
    if !args.all_paths {
        return vec![Path {
            shown_by: args.shown_by,
            revision,
            dialect: args.dialect,
        }];
    }
    let dialects = |shown_by| {
        [Reading::AsDeployed, Reading::AsWritten].map(|dialect| Path {
            shown_by,
            revision,
            dialect,
        })
    };
    [ShownBy::New, ShownBy::Existing]
        .into_iter()
        .flat_map(dialects)
        .collect()
}

async fn perform(path: Path, context: &DemoContext<'_>) -> Result<DemoReport, Failure> {
    let began = Instant::now();
    let directory = temporary_directory()?;
    let world = DemoAccount::start(Options::default(), &directory.path().join("existing")).await?;
    context.mark("servers and account");
    context.view.open(path.shown_by, &world.sandbox.user_id());
    let setup = SignInOptions {
        directory: directory.path().join("new"),
        policy: Policy::HttpsOrLoopback,
        dialect: path.dialect.into(),
        showing: path.revision.into(),
        client: Client::default(),
        user: None,
        name: login::device_name(None),
    };
    let both = meet((path, context), &setup, &world);
    let (signed_in, granted) = tokio::select! {
        ends = both => ends?,
        never = consent::person(context, &world.sandbox) => match never {},
    };
    context.mark("verified");
    let report = report::look(&world, (&setup, &signed_in, &granted)).await?;
    context.mark("old messages");
    world.sandbox.stop().await;
    Ok(report.told(path, context, began.elapsed()))
}

/// The two devices, at the same time; one of them has a code for the other.
async fn meet(
    (path, context): (Path, &DemoContext<'_>),
    setup: &SignInOptions,
    world: &DemoAccount,
) -> Result<(SignedIn, Granted), Failure> {
    let (showing, code) = oneshot::channel();
    let (new_shows, existing_shows) = match path.shown_by {
        ShownBy::New => (Some(showing), None),
        ShownBy::Existing => (None, Some(showing)),
    };
    let (new_scans, existing_scans) = match path.shown_by {
        ShownBy::New => (None, Some(code)),
        ShownBy::Existing => (Some(code), None),
    };
    let new = async {
        let person = DemoPerson::new(context, Role::New, new_shows);
        sign_in(setup, start(new_scans, world).await?, &person).await
    };
    let existing = async {
        let person = DemoPerson::new(context, Role::Existing, existing_shows);
        let manner = GrantOptions {
            dialect: path.dialect.into(),
            showing: path.revision.into(),
            ..GrantOptions::default()
        };
        world
            .existing
            .grant(start(existing_scans, world).await?, manner, &person)
            .await
    };
    let (new, existing) = tokio::join!(new, existing);
    let failed = |error| {
        context.view.close();
        context.cancel.explained(error)
    };
    Ok((new.map_err(failed)?, existing.map_err(failed)?))
}

/// To scan what the other device shows, when it does; or to show a code.
async fn start(
    scans: Option<oneshot::Receiver<Box<QrCode>>>,
    world: &DemoAccount,
) -> Result<Start, Error> {
    if let Some(code) = scans {
        // The other device ended before it showed one, and says why.
        return code
            .await
            .map(|code| Start::Scan(*code))
            .map_err(|_| Error::Gone);
    }
    let homeserver =
        HomeserverAddress::parse(world.sandbox.homeserver().as_str()).map_err(|_| Error::Gone)?;
    Ok(Start::Show(Rendezvous::Homeserver(homeserver)))
}
