//! Whatever is said to a login, in whatever order: it asks, sends and succeeds only after all that
//! has to come first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::{
    error::{Cause, UserError},
    harmless,
    homeserver::HomeserverAddress,
    login::{
        DeviceLookup, Ended, ExistingDeviceAnswer, ExistingDeviceAsk, ExistingDeviceLogin, Input,
        NewDeviceAnswer, NewDeviceAsk, NewDeviceLogin, NoAuthorization, NoToken, NotImported,
        NotLookedUp, NotOpened, Outcome, Output, VerificationOutcome,
        message::{
            Authorization, CrossSigning, DeviceId, Message, Protocol, SecretKey, Secrets,
            Unreadable, VerificationLink,
        },
    },
    revision::Revision,
};

/// The steps that a bound secret waits for, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    CheckCode,
    Protocol,
    Absent,
    Opened,
    Success,
    Present,
    Exported,
    Sent,
}

fn user_error() -> UserError {
    UserError::new(Cause::Here, "it failed", "Try again.")
}

fn secrets() -> Secrets {
    let key = |byte| SecretKey::new(&[byte; 32]);
    let (master_key, self_signing_key, user_signing_key) = (key(1), key(2), key(3));
    Secrets {
        cross_signing: CrossSigning {
            master_key,
            self_signing_key,
            user_signing_key,
        },
        backup: None,
    }
}

fn homeserver() -> HomeserverAddress {
    HomeserverAddress::parse("https://matrix.example.org").expect("a homeserver")
}

fn authorization() -> Authorization {
    Authorization {
        link: VerificationLink {
            verification_uri: "https://id.example.org/link".parse().expect("a URL"),
            verification_uri_complete: None,
        },
        device_id: DeviceId::parse("ABCDEFGHIJ").expect("a device ID"),
    }
}

fn ended(choice: u8) -> Ended {
    match choice % 3 {
        0 => Ended::Expired,
        1 => Ended::Gone,
        _ => Ended::Unusable(user_error()),
    }
}

/// What both roles may be told: a line of the input each. Its second letter is a choice.
fn input<A>(line: &[u8], answer: fn(u8) -> A) -> Option<Input<A>> {
    let (&[kind, choice], rest) = line.split_first_chunk()?;
    let choice = choice.wrapping_sub(b'a');
    let revision = if choice & 1 > 0 {
        Revision::Msc4388
    } else {
        Revision::Msc4108
    };
    Some(match kind {
        b'm' => match Message::parse(rest, revision) {
            Ok(message) => Input::Message(message),
            Err(why) => Input::Unreadable(why),
        },
        b'c' => Input::CheckCode(choice & 1 > 0),
        b'a' => Input::Answer(answer(choice)),
        b't' => Input::Tampered,
        b'x' => Input::Cancel,
        b'e' => Input::Ended(ended(choice)),
        b'u' => Input::Unsent(ended(choice)),
        b'r' => Input::Unreadable(Unreadable::NotAMessage),
        _ => return None,
    })
}

fn existing_answer(choice: u8) -> ExistingDeviceAnswer {
    use ExistingDeviceAnswer::{AwaitDevice, AwaitVerified, ExportSecrets, FindDevice, OpenUri};
    match choice % 15 {
        0 => FindDevice(Ok(DeviceLookup::Absent)),
        1 => OpenUri(Ok(())),
        2 => AwaitDevice(Ok(DeviceLookup::Present)),
        3 => ExportSecrets(Ok(secrets())),
        4 => AwaitVerified(VerificationOutcome::Verified),
        5 => FindDevice(Ok(DeviceLookup::Present)),
        6 => FindDevice(Err(NotLookedUp::Unbound)),
        7 => FindDevice(Err(NotLookedUp::Failed(user_error()))),
        8 => OpenUri(Err(NotOpened::Refused)),
        9 => OpenUri(Err(NotOpened::Unusable(user_error()))),
        10 => AwaitDevice(Ok(DeviceLookup::Absent)),
        11 => AwaitDevice(Err(user_error())),
        12 => ExportSecrets(Err(user_error())),
        13 => AwaitVerified(VerificationOutcome::Unseen),
        _ => AwaitVerified(VerificationOutcome::Gone),
    }
}

fn new_answer(choice: u8) -> NewDeviceAnswer {
    use NewDeviceAnswer::{AwaitToken, ImportSecrets, RequestAuthorization};
    match choice % 11 {
        0 => RequestAuthorization(Ok(authorization())),
        1 => AwaitToken(Ok(())),
        2 => ImportSecrets(Ok(())),
        3 => RequestAuthorization(Err(NoAuthorization::Unsupported(user_error()))),
        4 => RequestAuthorization(Err(NoAuthorization::Failed(user_error()))),
        5 => AwaitToken(Err(NoToken::Denied)),
        6 => AwaitToken(Err(NoToken::Expired)),
        7 => AwaitToken(Err(NoToken::WrongAccount(user_error()))),
        8 => AwaitToken(Err(NoToken::Failed(user_error()))),
        9 => ImportSecrets(Err(NotImported::Refused(user_error()))),
        _ => ImportSecrets(Err(NotImported::Failed(user_error()))),
    }
}

/// The rules for both roles: nothing follows the end, and no text of an error drives a terminal.
#[derive(Default)]
struct Watch {
    passed: Vec<Step>,
    over: bool,
}

impl Watch {
    /// A step was taken; one that comes before those that it needs is not counted.
    fn pass(&mut self, step: Step, needs: &[Step]) {
        if self.passed == needs {
            self.passed.push(step);
        }
    }

    fn output<Q>(&mut self, output: &Output<Q>) {
        assert!(!self.over, "something follows the end");
        if let Output::End(Outcome { result, .. }) = output {
            self.over = true;
            if let Err(error) = result {
                let text = format!("{error} {}", error.advice());
                assert_eq!(text, harmless(&text));
                assert!(text.chars().count() < 1000, "{text:?}");
            }
        }
    }
}

use Step::{Absent, CheckCode, Exported, Opened, Present, Protocol as Wanted, Sent, Success};

/// In the order in which an existing device that showed its code has to take them.
const EXISTING: [Step; 8] = [
    CheckCode, Wanted, Absent, Opened, Success, Present, Exported, Sent,
];

fn existing(shown: bool, lines: &[&[u8]]) {
    let (mut login, mut outputs) = if shown {
        ExistingDeviceLogin::shown()
    } else {
        ExistingDeviceLogin::scanned(homeserver())
    };
    let steps = |before: usize| &EXISTING[usize::from(!shown)..before];
    let mut watch = Watch::default();
    let (mut id, mut early): (Option<DeviceId>, bool) = (None, false);
    for line in [&[][..]].iter().chain(lines) {
        if let Some(input) = input(line, existing_answer) {
            match &input {
                Input::CheckCode(true) if shown => {
                    watch.pass(CheckCode, &[]);
                    if early {
                        watch.pass(Wanted, steps(1));
                    }
                }
                Input::Message(Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted)))
                    if id.is_none() =>
                {
                    id = Some(wanted.device_id.clone());
                    early = shown && watch.passed.is_empty();
                    watch.pass(Wanted, steps(1));
                }
                Input::Message(Message::Success) => watch.pass(Success, steps(4)),
                Input::Answer(ExistingDeviceAnswer::FindDevice(Ok(DeviceLookup::Absent))) => {
                    watch.pass(Absent, steps(2));
                }
                Input::Answer(ExistingDeviceAnswer::OpenUri(Ok(()))) => {
                    watch.pass(Opened, steps(3))
                }
                Input::Answer(ExistingDeviceAnswer::AwaitDevice(Ok(DeviceLookup::Present))) => {
                    watch.pass(Present, steps(5));
                }
                Input::Answer(ExistingDeviceAnswer::ExportSecrets(Ok(_))) => {
                    watch.pass(Exported, steps(6));
                }
                _ => {}
            }
            outputs = login.handle(input);
        }
        for output in outputs.drain(..) {
            watch.output(&output);
            match output {
                Output::Ask(ExistingDeviceAsk::FindDevice(asked)) => {
                    assert_eq!(
                        (watch.passed.as_slice(), Some(asked)),
                        (steps(2), id.clone())
                    );
                }
                Output::Ask(ExistingDeviceAsk::OpenUri(_)) => assert_eq!(watch.passed, steps(3)),
                Output::Send(Message::ProtocolAccepted) => assert_eq!(watch.passed, steps(4)),
                Output::Ask(ExistingDeviceAsk::AwaitDevice(asked)) => {
                    assert_eq!(
                        (watch.passed.as_slice(), Some(asked)),
                        (steps(5), id.clone())
                    );
                }
                Output::Ask(ExistingDeviceAsk::ExportSecrets) => assert_eq!(watch.passed, steps(6)),
                Output::Send(Message::Secrets(_)) => {
                    assert_eq!(watch.passed, steps(7));
                    watch.pass(Sent, steps(7));
                }
                Output::Ask(ExistingDeviceAsk::AwaitVerified(asked)) => {
                    assert_eq!(
                        (watch.passed.as_slice(), Some(asked)),
                        (steps(8), id.clone())
                    );
                }
                Output::Send(Message::Protocols(_)) => assert!(!shown && watch.passed.is_empty()),
                Output::Send(Message::Failure(_)) => {}
                Output::Send(message) => panic!("an existing device sends no {}", message.kind()),
                Output::End(outcome) if outcome.result.is_ok() => {
                    assert_eq!(watch.passed, steps(8));
                }
                Output::AskCheckCode => assert!(shown && watch.passed.is_empty()),
                Output::End(_) => {}
            }
        }
    }
}

/// The new device's own order: authorized, accepted, with a token, with secrets, which are stored.
const NEW: [Step; 7] = [CheckCode, Wanted, Opened, Success, Present, Exported, Sent];

fn new(shown: bool, lines: &[&[u8]]) {
    let (mut login, mut outputs) = if shown {
        NewDeviceLogin::shown()
    } else {
        NewDeviceLogin::scanned(homeserver())
    };
    // Who scanned knows the homeserver from the code.
    let steps = |before: usize| &NEW[if shown { 0 } else { 2 }..before];
    let mut watch = Watch::default();
    let mut early = false;
    for line in [&[][..]].iter().chain(lines) {
        if let Some(input) = input(line, new_answer) {
            match &input {
                Input::CheckCode(true) if shown => {
                    watch.pass(CheckCode, &[]);
                    if early {
                        watch.pass(Wanted, steps(1));
                    }
                }
                Input::Message(Message::Protocols(offer)) if shown => {
                    early |= watch.passed.is_empty() && offer.device_authorization_grant;
                    if offer.device_authorization_grant {
                        watch.pass(Wanted, steps(1));
                    }
                }
                Input::Answer(NewDeviceAnswer::RequestAuthorization(Ok(_))) => {
                    watch.pass(Opened, steps(2));
                }
                Input::Message(Message::ProtocolAccepted) => watch.pass(Success, steps(3)),
                Input::Answer(NewDeviceAnswer::AwaitToken(Ok(()))) => watch.pass(Present, steps(4)),
                Input::Message(Message::Secrets(_)) => watch.pass(Exported, steps(5)),
                Input::Answer(NewDeviceAnswer::ImportSecrets(Ok(()))) => watch.pass(Sent, steps(6)),
                _ => {}
            }
            outputs = login.handle(input);
        }
        for output in outputs.drain(..) {
            watch.output(&output);
            match output {
                Output::Ask(NewDeviceAsk::RequestAuthorization(_)) => {
                    assert_eq!(watch.passed, steps(2));
                }
                Output::Send(Message::Protocol(_)) => assert_eq!(watch.passed, steps(3)),
                Output::Ask(NewDeviceAsk::AwaitToken) => assert_eq!(watch.passed, steps(4)),
                Output::Send(Message::Success) => assert_eq!(watch.passed, steps(5)),
                Output::Ask(NewDeviceAsk::ImportSecrets(_)) => assert_eq!(watch.passed, steps(6)),
                Output::Send(Message::Failure(_) | Message::Declined) => {}
                Output::Send(message) => panic!("a new device sends no {}", message.kind()),
                Output::End(outcome) if outcome.result.is_ok() => {
                    assert_eq!(watch.passed, steps(7));
                }
                Output::AskCheckCode => assert!(shown && watch.passed.is_empty()),
                Output::End(_) => {}
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').take(40).collect();
    let shown = first & 1 > 0;
    if first & 2 > 0 {
        new(shown, &lines)
    } else {
        existing(shown, &lines)
    }
});
