//! The person, whom the caller asks for us.

use std::{
    future::pending,
    sync::{Mutex, MutexGuard, PoisonError},
};

use matrix_qr_device::{ConsentLink, Opening, OwnDevice, Person, ProgressEvent, UserId};
use matrix_qr_protocol::{
    channel::CheckCode,
    driver::Progress,
    error::Error,
    qr::{QrCode, ShownCode, picture::svg},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    caller::{OpenRequest, RemoteCaller},
    errors::{NoAnswer, RpcError},
    scan::ScannedText,
};
use crate::{cancel::Cancel, exit::Failure, progress};

/// The person at the caller. A question that is not answered as it should be cancels the sign-in.
pub(super) struct RemotePerson {
    caller: RemoteCaller,
    cancel: Cancel,
    /// What the caller shows: the code, then the digits.
    shown: Mutex<Option<OpenRequest>>,
    device_left: Mutex<Option<String>>,
}

impl RemotePerson {
    pub(super) fn new(caller: RemoteCaller, cancel: Cancel) -> Self {
        Self {
            caller,
            cancel,
            shown: Mutex::default(),
            device_left: Mutex::default(),
        }
    }

    /// Whether the sign-in is cancelled.
    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Why the sign-in failed, with the device that it left in the account.
    pub(super) fn explained(&self, error: Error) -> RpcError {
        let device_left = lock(&self.device_left).clone();
        let failure = match (&error, self.cancel.reason()) {
            // The caller was asked for its keys when the sign-in was cancelled. Whichever end is
            // seen first, the cancel caused it.
            (Error::NotSetUp(_) | Error::NoSecrets(_), Some(reason)) => reason,
            _ => self.cancel.explained(error),
        };
        RpcError::with_device_left(failure, device_left)
    }

    /// The other device's code. There are two attempts: a wrong text may have been in the
    /// clipboard, and a program that only repeats itself comes to an end.
    pub(super) async fn scan_code(&self) -> Result<QrCode, Failure> {
        let scanned = async |problem: Option<&str>| {
            let params = json!({ "problem": problem });
            self.ask::<ScannedText>("scan_code", params).await.read()
        };
        self.cancel
            .unless_cancelled(async {
                match scanned(None).await {
                    Ok(code) => Ok(code),
                    Err(problem) => scanned(Some(&problem.what)).await,
                }
            })
            .await
    }

    fn show(&self, method: &'static str, params: Value) {
        let cancel = self.cancel.clone();
        let failed = move |error: NoAnswer| cancel.because(error.into());
        *lock(&self.shown) = None;
        *lock(&self.shown) = self.caller.show(method, params, failed);
    }

    async fn ask<T: DeserializeOwned>(&self, method: &'static str, params: impl Serialize) -> T {
        match self.caller.ask(method, params).answer().await {
            Ok(answer) => answer,
            Err(error) => self.give_up(error).await,
        }
    }

    async fn give_up<T>(&self, error: NoAnswer) -> T {
        self.cancel.because(error.into());
        pending().await
    }
}

/// The answer to a question that begins with `confirm_`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    confirmed: bool,
}

impl Person for RemotePerson {
    fn tell(&self, event: ProgressEvent<'_>) {
        match &event {
            ProgressEvent::Progress(Progress::Show(code)) => {
                return self.show("show_code", drawn(code));
            }
            ProgressEvent::Progress(Progress::Secure(digits)) => {
                return self.show("show_check_code", json!({ "digits": digits.to_string() }));
            }
            ProgressEvent::Progress(Progress::Connected | Progress::Confirmed) => {
                *lock(&self.shown) = None;
            }
            ProgressEvent::DeviceLeft { device_id, .. } => {
                *lock(&self.device_left) = Some((*device_id).to_owned());
            }
            _ => {}
        }
        self.caller.notify("progress", progress::event(&event));
    }

    async fn confirm_own_device(&self) -> bool {
        let warning = json!({ "warning": OwnDevice::WARNING });
        let confirmed: Confirmed = self.ask("confirm_own_device", warning).await;
        confirmed.confirmed
    }

    async fn enter_check_code(&self) -> CheckCode {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entered {
            digits: String,
        }
        let method = "enter_check_code";
        let entered: Entered = self.ask(method, json!({})).await;
        match entered.digits.parse() {
            Ok(digits) => digits,
            Err(_) => self.give_up(NoAnswer::Malformed(method)).await,
        }
    }

    async fn open_link(&self, link: &ConsentLink) -> Opening {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Opened {
            opened: bool,
        }
        let (host, warning) = (link.host(), &link.warning);
        let page = json!({ "link": link.url, "host": host, "warning": warning });
        let opened: Opened = self.ask("open_link", page).await;
        if opened.opened {
            Opening::Opened
        } else {
            Opening::Refused
        }
    }

    async fn confirm_account(&self, user_id: &UserId) -> bool {
        let confirmed: Confirmed = self
            .ask("confirm_user", json!({ "user_id": user_id }))
            .await;
        confirmed.confirmed
    }

    async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

fn drawn(code: &ShownCode) -> Value {
    json!({
        "code": code.to_base64(),
        "drawing": code.drawing(),
        // There is one: no code has more bytes than level Q holds (`MAX_QR_BYTES`).
        "svg": svg(code.bytes()).unwrap_or_default(),
    })
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
