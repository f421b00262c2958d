//! The real logins, spoken to in symbols.

use matrix_qr_protocol::{
    error::{Cause, UserError},
    homeserver::HomeserverAddress,
    login::{
        DeviceLookup, Ended, ExistingDeviceAnswer, ExistingDeviceAsk, ExistingDeviceLogin, Input,
        NewDeviceAnswer, NewDeviceAsk, NewDeviceLogin, NoAuthorization, NoToken, NotImported,
        NotLookedUp, NotOpened, Output, VerificationOutcome,
        message::{
            Authorization, CrossSigning, DeviceId, Message, Protocol, Protocols, Reason, SecretKey,
            Secrets, Unreadable, VerificationLink,
        },
    },
    revision::Role,
};

use crate::symbols::{AccountOf, Id, Said, ServerOf};

/// The login of an honest device: the code that devices run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RealLogin {
    New(NewDeviceLogin),
    Existing(ExistingDeviceLogin),
}

/// A question of either login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    CheckCode,
    Authorization(ServerOf),
    Token,
    Import(AccountOf),
    Find(Id),
    Open(u8),
    Appear(Id),
    Export,
    Verify(Id),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Replied {
    Authorized(u8, Id),
    NotAuthorized,
    Token,
    Denied,
    NoToken,
    WrongAccount,
    Imported,
    SecretsRefused,
    NotImported,
    Found(bool),
    Unbound,
    NotLookedUp,
    Opened,
    NotOpened,
    Appeared(bool),
    Exported,
    NotExported,
    Verified,
    Unseen,
}

#[derive(Debug, Clone, Copy)]
pub enum Hears {
    CheckCode(bool),
    Said(Said),
    /// Authentic, and overwritten before it was read.
    Overwritten,
    Tampered,
    Replied(Replied),
    Cancel,
    Expired,
    /// Over, and perhaps before the last message was stored.
    Unsent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Say(Said),
    Ask(Question),
    /// It is over; whether it succeeded.
    End(bool),
}

impl RealLogin {
    pub fn shown(role: Role) -> (Self, Vec<Does>) {
        match role {
            Role::New => {
                let (login, outputs) = NewDeviceLogin::shown();
                (Self::New(login), new_does(outputs))
            }
            Role::Existing => {
                let (login, outputs) = ExistingDeviceLogin::shown();
                (Self::Existing(login), existing_does(outputs))
            }
        }
    }

    pub fn scanned(role: Role, server: ServerOf) -> (Self, Vec<Does>) {
        match role {
            Role::New => {
                let (login, outputs) = NewDeviceLogin::scanned(address(server));
                (Self::New(login), new_does(outputs))
            }
            Role::Existing => {
                let (login, outputs) = ExistingDeviceLogin::scanned(address(server));
                (Self::Existing(login), existing_does(outputs))
            }
        }
    }

    pub fn handle(&mut self, heard: Hears) -> Vec<Does> {
        match self {
            Self::New(login) => new_does(login.handle(input(heard, new_answer))),
            Self::Existing(login) => existing_does(login.handle(input(heard, existing_answer))),
        }
    }
}

fn input<A>(heard: Hears, answer: impl Fn(Replied) -> A) -> Input<A> {
    match heard {
        Hears::CheckCode(right) => Input::CheckCode(right),
        Hears::Said(said) => Input::Message(message(said)),
        Hears::Overwritten => Input::Unreadable(Unreadable::Overwritten),
        Hears::Tampered => Input::Tampered,
        Hears::Replied(answered) => Input::Answer(answer(answered)),
        Hears::Cancel => Input::Cancel,
        Hears::Expired => Input::Ended(Ended::Expired),
        Hears::Unsent => Input::Unsent(Ended::Gone),
    }
}

fn new_answer(answered: Replied) -> NewDeviceAnswer {
    use {NewDeviceAnswer as Answer, Replied as Is};
    match answered {
        Is::Authorized(grant, id) => Answer::RequestAuthorization(Ok(authorization(grant, id))),
        Is::NotAuthorized => Answer::RequestAuthorization(Err(NoAuthorization::Failed(why()))),
        Is::Token => Answer::AwaitToken(Ok(())),
        Is::Denied => Answer::AwaitToken(Err(NoToken::Denied)),
        Is::NoToken => Answer::AwaitToken(Err(NoToken::Failed(why()))),
        Is::WrongAccount => Answer::AwaitToken(Err(NoToken::WrongAccount(why()))),
        Is::Imported => Answer::ImportSecrets(Ok(())),
        Is::SecretsRefused => Answer::ImportSecrets(Err(NotImported::Refused(why()))),
        Is::NotImported => Answer::ImportSecrets(Err(NotImported::Failed(why()))),
        other => panic!("a new device is not asked for {other:?}"),
    }
}

fn existing_answer(answered: Replied) -> ExistingDeviceAnswer {
    use {ExistingDeviceAnswer as Answer, Replied as Is};
    match answered {
        Is::Found(there) => Answer::FindDevice(Ok(lookup(there))),
        Is::Unbound => Answer::FindDevice(Err(NotLookedUp::Unbound)),
        Is::NotLookedUp => Answer::FindDevice(Err(NotLookedUp::Failed(why()))),
        Is::Opened => Answer::OpenUri(Ok(())),
        Is::NotOpened => Answer::OpenUri(Err(NotOpened::Refused)),
        Is::Appeared(there) => Answer::AwaitDevice(Ok(lookup(there))),
        Is::Exported => Answer::ExportSecrets(Ok(secrets(AccountOf::Victim))),
        Is::NotExported => Answer::ExportSecrets(Err(why())),
        Is::Verified => Answer::AwaitVerified(VerificationOutcome::Verified),
        Is::Unseen => Answer::AwaitVerified(VerificationOutcome::Unseen),
        other => panic!("an existing device is not asked for {other:?}"),
    }
}

fn new_does(outputs: Vec<Output<NewDeviceAsk>>) -> Vec<Does> {
    does(outputs, |ask| match ask {
        NewDeviceAsk::RequestAuthorization(address) => Question::Authorization(server(&address)),
        NewDeviceAsk::AwaitToken => Question::Token,
        NewDeviceAsk::ImportSecrets(secrets) => Question::Import(account(&secrets)),
    })
}

fn existing_does(outputs: Vec<Output<ExistingDeviceAsk>>) -> Vec<Does> {
    does(outputs, |ask| match ask {
        ExistingDeviceAsk::FindDevice(id) => Question::Find(Id::parse(id.as_str())),
        ExistingDeviceAsk::OpenUri(link) => Question::Open(grant(&link)),
        ExistingDeviceAsk::AwaitDevice(id) => Question::Appear(Id::parse(id.as_str())),
        ExistingDeviceAsk::ExportSecrets => Question::Export,
        ExistingDeviceAsk::AwaitVerified(id) => Question::Verify(Id::parse(id.as_str())),
    })
}

fn does<Q>(outputs: Vec<Output<Q>>, asked: impl Fn(Q) -> Question) -> Vec<Does> {
    let outputs = outputs.into_iter();
    let each = outputs.map(|output| match output {
        Output::Send(message) => Does::Say(said(&message)),
        Output::AskCheckCode => Does::Ask(Question::CheckCode),
        Output::Ask(ask) => Does::Ask(asked(ask)),
        Output::End(outcome) => Does::End(outcome.result.is_ok()),
    });
    each.collect()
}

fn message(said: Said) -> Message {
    match said {
        Said::Protocols(server) => Message::Protocols(Protocols {
            device_authorization_grant: true,
            homeserver: address(server),
        }),
        Said::Protocol(grant, id) => {
            let wanted = Protocol::DeviceAuthorizationGrant(authorization(grant, id));
            Message::Protocol(wanted)
        }
        Said::Accepted => Message::ProtocolAccepted,
        Said::Failure => Message::Failure(Reason::UserCancelled),
        Said::Declined => Message::Declined,
        Said::Success => Message::Success,
        Said::Secrets(account) => Message::Secrets(secrets(account)),
    }
}

fn said(message: &Message) -> Said {
    match message {
        Message::Protocols(offer) => Said::Protocols(server(&offer.homeserver)),
        Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted)) => {
            Said::Protocol(grant(&wanted.link), Id::parse(wanted.device_id.as_str()))
        }
        Message::Protocol(Protocol::Other(name)) => panic!("nobody says {name}"),
        Message::ProtocolAccepted => Said::Accepted,
        Message::Failure(_) => Said::Failure,
        Message::Declined => Said::Declined,
        Message::Success => Said::Success,
        Message::Secrets(secrets) => Said::Secrets(account(secrets)),
    }
}

fn authorization(grant: u8, id: Id) -> Authorization {
    let link = format!("https://id.example.org/{grant}");
    Authorization {
        link: VerificationLink {
            verification_uri: link.parse().expect("a URL"),
            verification_uri_complete: None,
        },
        device_id: DeviceId::parse(&id.to_string()).expect("a device ID"),
    }
}

fn grant(link: &VerificationLink) -> u8 {
    let path = link.to_open().path();
    path.trim_start_matches('/').parse().expect("a number")
}

fn address(server: ServerOf) -> HomeserverAddress {
    let address = match server {
        ServerOf::Home => "https://home.example.org",
        ServerOf::Evil => "https://evil.example.org",
    };
    HomeserverAddress::parse(address).expect("an address")
}

fn server(address: &HomeserverAddress) -> ServerOf {
    if address.as_str().contains("home") {
        ServerOf::Home
    } else {
        ServerOf::Evil
    }
}

fn secrets(account: AccountOf) -> Secrets {
    let key = || SecretKey::new(&[account as u8; 32]);
    Secrets {
        cross_signing: CrossSigning {
            master_key: key(),
            self_signing_key: key(),
            user_signing_key: key(),
        },
        backup: None,
    }
}

fn account(secrets: &Secrets) -> AccountOf {
    match secrets.cross_signing.master_key.as_bytes()[0] {
        0 => AccountOf::Victim,
        _ => AccountOf::Attacker,
    }
}

fn lookup(there: bool) -> DeviceLookup {
    if there {
        DeviceLookup::Present
    } else {
        DeviceLookup::Absent
    }
}

fn why() -> UserError {
    UserError::new(Cause::Here, "it does not work", "Try again.")
}
