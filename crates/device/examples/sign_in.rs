//! A program that becomes a device of a Matrix account, verified, with its keys and its session in a
//! directory that matrix-sdk opens.
//!
//! `cargo run -p matrix-qr-device --example sign_in -- example.org my-session`
//! (`http://127.0.0.1:8008` for the homeserver of `matrix-qr sandbox`.)

use std::{
    env,
    future::pending,
    io::{self, Write as _},
    sync::Arc,
};

use matrix_qr_device::{
    ConsentLink, DeviceName, Opening, Person, ProgressEvent, RendezvousAt, Showing, SignInOptions,
    Start, UserId, encryption::StoreKeys, http::Policy, oauth::Client, sign_in,
};
use matrix_qr_protocol::{
    channel::CheckCode, driver::Progress, homeserver::HomeserverAddress, revision::Dialect,
};

/// The person at this terminal.
struct Terminal;

impl Person for Terminal {
    fn tell(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Progress(Progress::Show(code)) => say(&format!(
                "Scan this with a device that is signed in:\n{}\nor paste it there:\n{}",
                code.drawing(),
                code.to_base64()
            )),
            ProgressEvent::UserCode { code, link } => say(&format!(
                "If the page asks for a code, it is {code} ({})",
                link.url
            )),
            ProgressEvent::Problem(problem) => say(&format!("{problem}; trying again")),
            _ => {}
        }
    }

    async fn enter_check_code(&self) -> CheckCode {
        loop {
            match ask("The two digits on the other device: ").await.parse() {
                Ok(digits) => return digits,
                Err(_) => say("These are not two digits."),
            }
        }
    }

    async fn confirm_account(&self, user_id: &UserId) -> bool {
        ask(&format!("Become a device of {user_id}? [y/N] ")).await == "y"
    }

    /// Only an existing device is asked this.
    async fn confirm_own_device(&self) -> bool {
        false
    }

    /// Only an existing device is asked to open a link.
    async fn open_link(&self, _link: &ConsentLink) -> Opening {
        Opening::Refused
    }

    /// Never: Ctrl-C ends the program. A front end that can cancel tells the other device.
    async fn cancelled(&self) {
        pending().await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(homeserver), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: sign_in HOMESERVER DIRECTORY".into());
    };
    let options = SignInOptions {
        directory: directory.into(),
        // `http` to this machine is for trying it out. A real program says `HttpsOnly`.
        policy: Policy::HttpsOrLoopback,
        dialect: Dialect::default(),
        showing: Showing::default(),
        client: Client::default(),
        user: None,
        name: DeviceName::of_host("example"),
    };
    let start = Start::Show(RendezvousAt::Homeserver(HomeserverAddress::parse(
        &homeserver,
    )?));
    let keys = Arc::new(StoreKeys::new(&options.directory, None));
    let device = sign_in(&options, start, &Terminal, keys).await?;
    say(&format!(
        "Signed in as {}, device {}",
        device.user_id, device.device_id
    ));
    Ok(())
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

async fn ask(question: &str) -> String {
    let _ = write!(io::stdout(), "{question}").and_then(|()| io::stdout().flush());
    let line = tokio::task::spawn_blocking(|| io::stdin().lines().next());
    match line.await {
        Ok(Some(Ok(line))) => line.trim().to_owned(),
        // Nobody answers any more.
        _ => pending().await,
    }
}
