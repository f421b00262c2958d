//! `logout`: signs this device out on the server and here; with `--local`, only here.

use std::path::Path;

use matrix_qr_device::{Facts, SignOut, Subject, sign_out_here};
use serde_json::json;

use crate::{
    args,
    cancel::Cancel,
    exit::{Exit, Failure},
    keyboard::{self, Keyboard},
    online::{directory, policy},
    output::{Printer, harmless},
};

pub(crate) async fn logout(args: &args::LogoutArgs) -> Result<(), Failure> {
    let out = Printer::new(args.online.json);
    let directory = directory(&args.online.directory)?;
    let cancel = Cancel::on_signals(move || out.say(""))?;
    let confirmation = Confirmation {
        out,
        cancel: &cancel,
        yes: args.yes,
    };
    if args.local {
        return here(&directory, confirmation).await;
    }
    let sign_out = SignOut::prepare(&directory, policy(args.online.allow_loopback_http))
        .await
        .map_err(Failure::not_ready)?;
    let subject = sign_out.subject();
    // An interrupted sign-in was never used: nothing is lost with it.
    if !subject.interrupted {
        let text = format!("Sign {} out of {}?", device(&subject), account(&subject));
        confirmation
            .ask(&text, subject.device_id.as_deref())
            .await?;
    }
    let waiting = out.waiting("Signing out.", None);
    let done = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(stopped(&subject)),
        done = sign_out.everywhere() => done.map_err(Failure::of_server),
    };
    drop(waiting);
    done?;
    report(out, &subject);
    Ok(())
}

async fn here(directory: &Path, confirmation: Confirmation<'_>) -> Result<(), Failure> {
    let facts = Facts::read(directory).ok();
    let what = facts
        .as_ref()
        .map_or("this session", |facts| facts.device_id.as_str());
    let text = format!(
        "Remove {} from this machine and leave it in the account?",
        harmless(what)
    );
    confirmation
        .ask(&text, facts.as_ref().map(|facts| facts.device_id.as_str()))
        .await?;
    let subject = sign_out_here(directory).map_err(Failure::not_ready)?;
    let text = format!(
        "The session and the keys of {} were removed from this machine. \
         The device may still be in the account: remove it {}.",
        device(&subject),
        harmless(&subject.place)
    );
    let json = json!({
        "event": "removed_here",
        "user_id": subject.user_id,
        "device_id": subject.device_id,
        "remove_it": subject.place,
    });
    confirmation.out.result(text, json);
    Ok(())
}

fn report(out: Printer, subject: &Subject) {
    let text = match (&subject.device_id, subject.interrupted) {
        (_, false) => format!("{} is signed out of {}.", device(subject), account(subject)),
        (Some(_), true) => format!(
            "A sign-in was interrupted here. Its device {} was signed out again, \
             and its files were removed.",
            device(subject)
        ),
        (None, true) => {
            "A sign-in or a sign-out was interrupted here. Its files were removed. If your account \
                         lists a device that you do not know, remove it there."
                .to_owned()
        }
    };
    let json = json!({
        "event": "logged_out",
        "user_id": subject.user_id,
        "device_id": subject.device_id,
        "interrupted": subject.interrupted,
    });
    out.result(text, json);
}

fn device(subject: &Subject) -> String {
    subject
        .device_id
        .as_deref()
        .map_or_else(|| "this session".to_owned(), |id| harmless(id).to_string())
}

fn account(subject: &Subject) -> String {
    subject
        .user_id
        .as_deref()
        .map_or_else(|| "your account".to_owned(), |id| harmless(id).to_string())
}

/// Refreshed tokens are on disk, so the next attempt can use them.
fn stopped(subject: &Subject) -> Failure {
    let what = format!(
        "interrupted before the homeserver confirmed that {} is signed out",
        device(subject)
    );
    Failure::new(
        Exit::Cancelled,
        what,
        "Run the command again: it continues where it stopped.",
    )
}

/// The question before something is lost.
struct Confirmation<'a> {
    out: Printer,
    cancel: &'a Cancel,
    yes: bool,
}

impl Confirmation<'_> {
    async fn ask(&self, text: &str, device_id: Option<&str>) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !keyboard::is_terminal() && self.out == Printer::Human {
            let advice = "Add --yes if you are sure.";
            return Err(Failure::new(
                Exit::Usage,
                "nobody can confirm: standard input is not a terminal",
                advice,
            ));
        }
        let keyboard = Keyboard::default();
        keyboard.forget().await;
        self.out
            .event(json!({ "event": "question", "question": "logout", "device_id": device_id }));
        self.out.prompt(format_args!(
            "{text} Messages whose keys are not in the key backup \
             can then no longer be read here. [y/N] "
        ));
        let answer = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(unchanged("interrupted")),
            answer = keyboard.line() => answer,
        };
        match answer.as_deref().map(|answer| answer.trim()) {
            Some("y" | "Y" | "yes") => Ok(()),
            Some(_) => Err(unchanged("not confirmed")),
            None => Err(unchanged(
                "standard input ended before the question was answered",
            )),
        }
    }
}

fn unchanged(why: &str) -> Failure {
    let what = format!("{why}: nothing was changed, and this device is still signed in");
    Failure::new(
        Exit::Cancelled,
        what,
        "Run it again and answer y, or add --yes.",
    )
}
