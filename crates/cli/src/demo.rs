//! `demo`: a complete sign-in in one process. Both devices are real; only the servers are the
//! sandbox's.

mod consent;
mod context;
mod person;
mod report;
mod two_column_view;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_qr_device::{
    GrantOptions, Granted, OwnDevice, RendezvousAt, SignInOptions, SignedIn, Start,
    encryption::StoreKeys, http::Policy, oauth::Client, sign_in,
};
use matrix_qr_page::PageOutcome;
use matrix_qr_protocol::{error::Error, homeserver::HomeserverAddress, qr::QrCode, revision::Role};
use matrix_qr_sandbox::{Fault, Options};
use tokio::sync::oneshot;

use self::{
    context::{DemoContext, DemoPath, PlayedBy},
    person::DemoPerson,
    report::DemoReport,
    two_column_view::TwoColumnView,
};
use crate::{
    args::{self, DialectChoice, ShownByChoice},
    cancel::Cancel,
    demo_account::{DemoAccount, temporary_directory},
    exit::Failure,
    keyboard::Keyboard,
    login,
    output::Printer,
    web::{self, WebPage},
};

pub(crate) async fn run(args: &args::DemoArgs) -> Result<(), Failure> {
    web::check(&args.web)?;
    let out = Printer::new(args.json);
    let cancel = Cancel::on_signals(move || out.cancelling("Cancelling."))?;
    let keyboard = Keyboard::default();
    if let Some(page) =
        WebPage::start(&args.web, &[Role::New, Role::Existing], out, &cancel).await?
    {
        return at_page(page, args, &cancel).await;
    }
    for path in paths(args) {
        let person = if args.auto {
            PlayedBy::Program(Duration::from_secs(args.person_takes))
        } else {
            PlayedBy::User(&keyboard)
        };
        let context = DemoContext::new(TwoColumnView::new(out), cancel.clone(), person);
        let report = perform(path, &args.misbehave, &context).await?;
        report.report(out);
        report.verdict()?;
    }
    Ok(())
}

/// One sign-in, whose person is asked at the page.
async fn at_page(page: WebPage, args: &args::DemoArgs, cancel: &Cancel) -> Result<(), Failure> {
    let out = Printer::new(args.json);
    let person = PlayedBy::Page(&page);
    let context = DemoContext::new(TwoColumnView::new(out), cancel.clone(), person);
    let path = DemoPath {
        shown_by: args.shown_by,
        revision: args.revision,
        dialect: args.dialect,
    };
    let report = perform(path, &args.misbehave, &context).await;
    let ended = report.and_then(|report| {
        report.report(out);
        report.verdict()
    });
    let outcome = match &ended {
        Ok(()) => PageOutcome {
            success: true,
            what: "The new device is signed in, verified, and reads an old message.".to_owned(),
            cause: None,
            advice: "That was all. You can close this page.".to_owned(),
        },
        Err(failure) => web::failed(failure),
    };
    page.close(|_| outcome.clone()).await;
    ended
}

fn paths(args: &args::DemoArgs) -> Vec<DemoPath> {
    let revision = args.revision;
    if !args.all_paths {
        return vec![DemoPath {
            shown_by: args.shown_by,
            revision,
            dialect: args.dialect,
        }];
    }
    let dialects = |shown_by| {
        [DialectChoice::AsDeployed, DialectChoice::AsWritten].map(|dialect| DemoPath {
            shown_by,
            revision,
            dialect,
        })
    };
    [ShownByChoice::New, ShownByChoice::Existing]
        .into_iter()
        .flat_map(dialects)
        .collect()
}

async fn perform(
    path: DemoPath,
    faults: &[Fault],
    context: &DemoContext<'_>,
) -> Result<DemoReport, Failure> {
    let began = Instant::now();
    let directory = temporary_directory()?;
    let account =
        DemoAccount::start(Options::default(), &directory.path().join("existing")).await?;
    let misbehaves = account.sandbox.faults();
    faults
        .iter()
        .for_each(|fault| misbehaves.set(fault.clone()));
    context.mark("servers and account");
    context.view.open(path.shown_by, &account.sandbox.user_id());
    let options = SignInOptions {
        directory: directory.path().join("new"),
        policy: Policy::HttpsOrLoopback,
        dialect: path.dialect.into(),
        showing: path.revision.into(),
        client: Client::default(),
        user: None,
        name: login::device_name(None),
    };
    let both = meet(path, context, &options, &account);
    let (signed_in, granted) = tokio::select! {
        ends = both => ends?,
        never = consent::person(context, &account.sandbox) => match never {},
    };
    context.mark("verified");
    misbehaves.clear();
    let report = report::collect(&account, &options, &signed_in, &granted).await?;
    context.mark("old messages");
    account.sandbox.stop().await;
    Ok(report.with_run(path, context, began.elapsed()))
}

/// Runs both devices at the same time. One of them shows a code to the other.
async fn meet(
    path: DemoPath,
    context: &DemoContext<'_>,
    options: &SignInOptions,
    account: &DemoAccount,
) -> Result<(SignedIn, Granted), Failure> {
    let (showing, code) = oneshot::channel();
    let (new_shows, existing_shows) = match path.shown_by {
        ShownByChoice::New => (Some(showing), None),
        ShownByChoice::Existing => (None, Some(showing)),
    };
    let (new_scans, existing_scans) = match path.shown_by {
        ShownByChoice::New => (None, Some(code)),
        ShownByChoice::Existing => (Some(code), None),
    };
    let new = async {
        let person = DemoPerson::new(context, Role::New, new_shows);
        let keys = Arc::new(StoreKeys::new(&options.directory, None));
        sign_in(options, start(new_scans, account).await?, &person, keys).await
    };
    let existing = async {
        let person = DemoPerson::new(context, Role::Existing, existing_shows);
        let options = GrantOptions {
            dialect: path.dialect.into(),
            showing: path.revision.into(),
            ..GrantOptions::default()
        };
        // After a no, the new device would wait for somebody to scan its code.
        let own = OwnDevice::ask(&person)
            .await
            .inspect_err(|error| context.cancel.because(error.clone().into()))?;
        account
            .existing
            .grant(own, start(existing_scans, account).await?, options, &person)
            .await
    };
    let (new, existing) = tokio::join!(new, existing);
    let failed = |error| {
        context.view.close();
        context.cancel.explained(error)
    };
    Ok((new.map_err(failed)?, existing.map_err(failed)?))
}

/// Scans the code of the other device as soon as there is one; or shows a code.
async fn start(
    scans: Option<oneshot::Receiver<Box<QrCode>>>,
    account: &DemoAccount,
) -> Result<Start, Error> {
    if let Some(code) = scans {
        // The other device ended before it showed a code, and reports why.
        return code
            .await
            .map(|code| Start::Scan(*code))
            .map_err(|_| Error::Gone);
    }
    let homeserver =
        HomeserverAddress::parse(account.sandbox.homeserver().as_str()).map_err(|_| Error::Gone)?;
    Ok(Start::Show(RendezvousAt::Homeserver(homeserver)))
}
