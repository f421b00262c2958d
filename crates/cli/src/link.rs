//! `link`: this device signs in another one.

use std::path::Path;

use matrix_qr_device::{
    Device, Facts, GrantOptions, Granted, OwnDevice, RendezvousAt, Start, encryption::Encryption,
};
use matrix_qr_page::PageOutcome;
use matrix_qr_protocol::{homeserver::HomeserverAddress, revision::Role};
use serde_json::json;

use crate::{
    args,
    exit::{Exit, Failure},
    keyboard, login, online,
    output::{BAD, BOLD, GOOD, Printer, harmless, paint},
    person::TerminalPerson,
    web,
};

pub(crate) async fn run(args: &args::LinkArgs) -> Result<(), Failure> {
    let out = Printer::new(args.online.json);
    let policy = online::policy(args.online.allow_loopback_http);
    login::check(&args.exchange, policy)?;
    web::check(&args.web)?;
    let directory = online::directory(&args.online.directory)?;
    let facts = Facts::read(&directory).map_err(Failure::not_ready)?;
    let device = online::open(&args.online, &args.passphrase).await?;
    if args.web.web.is_none() {
        keyboard::require_someone_to_answer(out)?;
    }
    let mut person = TerminalPerson::new(out, Role::Existing, &args.exchange, &args.web)?;
    person.browser = !args.no_browser;
    person.own_device = args.confirm_own_device;
    person.serve(&args.web).await?;
    let granted = granted(args, &device, &facts, &person).await;
    let too_late = person.cancel().is_cancelled();
    person.leave_page(outcome(&granted, too_late)).await;
    drop(person);
    report(out, &facts, &granted?, too_late);
    Ok(())
}

async fn granted(
    args: &args::LinkArgs,
    device: &Device<Encryption>,
    facts: &Facts,
    person: &TerminalPerson,
) -> Result<Granted, Failure> {
    let explained = |error| person.cancel().explained(error);
    let own = OwnDevice::ask(person).await.map_err(explained)?;
    let start = start(&own, args, device, facts, person);
    let start = person.cancel().unless_cancelled(start).await?;
    let options = GrantOptions {
        dialect: args.exchange.dialect.into(),
        showing: args.exchange.revision.into(),
        announce: args.announce.into(),
        require_bound_device: args.require_bound_device,
    };
    let granted = device.grant(own, start, options, person).await;
    granted.map_err(explained)
}

/// For a person who has cancelled a sign-in that was done.
const TOO_LATE: &str = "It was too late to cancel: the keys had been sent. To undo the sign-in, sign \
    the device out in your account.";

/// What a page shows of it.
fn outcome(granted: &Result<Granted, Failure>, too_late: bool) -> PageOutcome {
    match granted {
        Ok(granted) => {
            let verified = if granted.verified {
                "It is verified, and has the keys to your messages."
            } else {
                "It is not verified yet; check the new device."
            };
            let too_late = if too_late { TOO_LATE } else { "" };
            PageOutcome {
                success: true,
                what: format!("Your account has a new device, {}.", granted.device_id),
                cause: None,
                advice: format!("{verified} {too_late}").trim_end().to_owned(),
            }
        }
        Err(failure) => web::failed(failure),
    }
}

/// Reads the other device's code, or says where to make a session for one: only for a device of
/// this person.
async fn start(
    _own: &OwnDevice,
    args: &args::LinkArgs,
    device: &Device<Encryption>,
    facts: &Facts,
    person: &TerminalPerson,
) -> Result<Start, Failure> {
    if args.exchange.scan.as_deref() == Some(Path::new("-")) {
        // "Secret sharing": a device without the account's keys says so before a person gives it a
        // code. A code in a file is read at once: `grant` checks this first, too.
        let checked = device.check_cross_signing().await;
        checked.map_err(Failure::not_ready)?;
    }
    let given = login::given(&args.exchange, person).await?;
    given.map_or_else(|| at_home(facts), Ok)
}

/// At this device's own homeserver.
pub(crate) fn at_home(facts: &Facts) -> Result<Start, Failure> {
    let homeserver = HomeserverAddress::parse(facts.homeserver.as_str());
    let homeserver = homeserver.map_err(|error| {
        Failure::new(
            Exit::NotReady,
            format!("the session cannot be used: {error}"),
            "Sign in again.",
        )
    })?;
    Ok(Start::Show(RendezvousAt::Homeserver(homeserver)))
}

fn report(out: Printer, facts: &Facts, granted: &Granted, too_late: bool) {
    let signed_in = format!(
        "{} {} has a new device, {}.",
        paint(GOOD, "✓"),
        paint(BOLD, harmless(&facts.user_id)),
        granted.device_id
    );
    let verified = if granted.verified {
        "  It is verified, and has the keys to your messages.".to_owned()
    } else {
        format!(
            "  {} it is not verified yet; check the new device.",
            paint(BAD, "warning:")
        )
    };
    let too_late_text = if too_late {
        format!("\n  {TOO_LATE}")
    } else {
        String::new()
    };
    let json = json!({
        "event": "granted",
        "user_id": facts.user_id,
        "device_id": granted.device_id.as_str(),
        "bound": granted.bound,
        "verified": granted.verified,
        "too_late_to_cancel": too_late,
    });
    out.result(format!("{signed_in}\n{verified}{too_late_text}"), json);
}

#[cfg(test)]
mod tests {
    use matrix_qr_protocol::login::message::DeviceId;

    use super::*;

    #[test]
    fn who_has_cancelled_too_late_is_told_on_the_page() {
        let granted = Ok(Granted {
            device_id: DeviceId::parse("ABCDEFGH").unwrap(),
            bound: true,
            verified: true,
        });
        let in_time = outcome(&granted, false);
        assert_eq!(
            in_time.advice,
            "It is verified, and has the keys to your messages."
        );
        let too_late = outcome(&granted, true);
        assert!(too_late.success, "the device is in the account");
        assert!(too_late.advice.contains(TOO_LATE), "{}", too_late.advice);
        assert!(too_late.advice.starts_with(&in_time.advice));
    }
}
