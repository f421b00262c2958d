//! Shows each state of the page without a sign-in: for its looks, and for checks of its markup.
//!
//! `cargo run -p matrix-qr-page --example preview -- code`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "an example"
)]

use std::{sync::Arc, time::Duration};

use matrix_qr_device::{ConsentLink, Person, ProgressEvent, UserId};
use matrix_qr_page::{Page, PageOptions, PageOutcome, PagePerson};
use matrix_qr_protocol::{
    driver::Progress,
    login::message::DeviceId,
    qr::{QrCode, ShownCode},
    revision::Role,
};

/// All of them.
pub const STATES: [&str; 12] = [
    "code",
    "digits",
    "own-device",
    "check-code",
    "open-link",
    "user-code",
    "account",
    "scan",
    "homeserver",
    "done",
    "failed",
    "both",
];

/// The devices that the page has then.
pub fn roles(state: &str) -> Vec<Role> {
    match state {
        "both" => vec![Role::New, Role::Existing],
        "own-device" | "check-code" | "open-link" | "scan" => vec![Role::Existing],
        _ => vec![Role::New],
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let state = std::env::args().nth(1).unwrap_or_default();
    assert!(STATES.contains(&&*state), "which one? {STATES:?}");
    let roles = roles(&state);
    let page = Page::start(PageOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        public: None,
        roles: roles.clone(),
        read_code: Arc::new(|_| Err("There is no QR code in this picture.".to_owned())),
    })
    .await
    .unwrap();
    println!("{}", page.url());
    let people = roles.iter().map(|role| page.person(*role).unwrap());
    let people: Vec<_> = people.collect();
    let person = people.first().unwrap();
    let cancelled = person.cancelled();
    tokio::select! {
        () = show(&state, person, people.get(1)) => {}
        () = cancelled => {}
    }
}

/// Brings the page there, for as long as this is not dropped.
pub async fn show(state: &str, person: &PagePerson, other: Option<&PagePerson>) {
    person.tell(ProgressEvent::Session {
        time_left: Duration::from_secs(55),
    });
    let code = ShownCode::new(QrCode::decode(&code()).unwrap()).unwrap();
    let user = <&UserId>::try_from("@alice:example.org").unwrap();
    let link = ConsentLink {
        url: "https://auth.example.org/link?code=ABC123".parse().unwrap(),
        warning: None,
    };
    let suspicious = ConsentLink {
        warning: Some(
            "auth.example.org belongs neither to your homeserver (matrix.example.com) nor to its \
             authorization server (matrix.example.com). Agree there only if you know that it is \
             the right page."
                .to_owned(),
        ),
        ..link.clone()
    };
    let connected = || {
        person.tell(ProgressEvent::Progress(Progress::Show(&code)));
        person.tell(ProgressEvent::Progress(Progress::Connected));
    };
    let secure = || {
        connected();
        person.tell(ProgressEvent::Progress(Progress::Confirmed));
    };
    match state {
        "code" => person.tell(ProgressEvent::Progress(Progress::Show(&code))),
        "digits" => {
            connected();
            let digits = "07".parse().unwrap();
            person.tell(ProgressEvent::Progress(Progress::Secure(&digits)));
        }
        "own-device" => drop(person.confirm_own_device().await),
        "check-code" => {
            connected();
            let _ = person.enter_check_code().await;
        }
        "open-link" => {
            secure();
            let _ = person.open_link(&suspicious).await;
        }
        "user-code" => {
            secure();
            person.tell(ProgressEvent::UserCode {
                code: "ABC123",
                link: &link,
            });
        }
        "account" => {
            secure();
            person.tell(ProgressEvent::Token);
            let _ = person.confirm_account(user).await;
        }
        "scan" => drop(person.scan().await),
        "homeserver" => person.homeserver(|_| Err("That is none.".to_owned())).await,
        "done" | "failed" => {
            secure();
            person.tell(ProgressEvent::KeysUploaded);
            person.tell(ProgressEvent::LeftBehind("a rendezvous session"));
            person.end(outcome(state == "done"));
        }
        "both" => {
            secure();
            let other = other.unwrap();
            other.tell(ProgressEvent::Progress(Progress::Confirmed));
            let id = DeviceId::parse("ABCDEFGH").unwrap();
            other.tell(ProgressEvent::DeviceBound {
                id: &id,
                bound: true,
            });
            let _ = other.open_link(&link).await;
        }
        _ => panic!("which one? {STATES:?}"),
    }
    std::future::pending().await
}

fn outcome(success: bool) -> PageOutcome {
    if success {
        PageOutcome {
            success,
            what: "Signed in as @alice:example.org, device ABCDEFGH.".to_owned(),
            cause: None,
            advice: "To read old messages: matrix-qr restore-keys".to_owned(),
        }
    } else {
        PageOutcome {
            success,
            what: "The rendezvous server does not answer.".to_owned(),
            cause: Some("the network, or the name of the server"),
            advice: "Check the network, and start again on both devices.".to_owned(),
        }
    }
}

/// MSC4108: MATRIX, version 2, the new device's; a key, and the session's URL.
pub fn code() -> Vec<u8> {
    let url = b"https://rendezvous.example.org/_matrix/client/unstable/org.matrix.msc4108/rendezvous/0123456789abcdef";
    let mut code = b"MATRIX\x02\x03".to_vec();
    code.extend([9; 32]);
    code.extend(u16::try_from(url.len()).unwrap().to_be_bytes());
    code.extend(url);
    code
}
