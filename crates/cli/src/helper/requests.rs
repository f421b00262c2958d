//! What is done with each request of the caller.

use std::sync::{Arc, Mutex, PoisonError};

use matrix_qr_device::http::Policy;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    account,
    caller::RemoteCaller,
    errors::RpcError,
    message::CallerRequest,
    params::{CancelParams, InitializeParams, PROTOCOL},
    sign_in::RemoteSignIn,
};
use crate::{cancel::Cancel, exit::Failure};

/// The methods after `initialize`.
const METHODS: [&str; 6] = ["login", "link", "token", "restore_keys", "logout", "cancel"];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestEnd {
    Answered,
    /// A sign-in that was cancelled, or failed.
    SignInFailed,
}

/// The requests that are running.
pub(super) struct Requests {
    caller: RemoteCaller,
    policy: Policy,
    is_initialized: bool,
    sign_in: SignInSlot,
    running: JoinSet<RequestEnd>,
}

/// There is one sign-in at a time. This ends it.
type SignInSlot = Arc<Mutex<Option<Cancel>>>;

impl Requests {
    pub(super) fn new(caller: RemoteCaller, policy: Policy) -> Self {
        Self {
            caller,
            policy,
            is_initialized: false,
            sign_in: SignInSlot::default(),
            running: JoinSet::new(),
        }
    }

    /// Begins it. The answer comes when there is one.
    pub(super) fn begin(&mut self, request: CallerRequest) {
        let now = match request.method.as_str() {
            "initialize" => self.initialize(&request),
            method if !METHODS.contains(&method) => Err(RpcError::no_such_method(method)),
            _ if !self.is_initialized => Err(RpcError::uninitialized()),
            "cancel" => request.params().map(
                |CancelParams {}| json!({ "cancelled": self.cancel_sign_in(Failure::cancelled()) }),
            ),
            "login" | "link" => match self.take_slot() {
                Some(cancel) => return self.sign_in(request, cancel),
                None => Err(RpcError::busy()),
            },
            _ => return self.run(request),
        };
        self.caller.answer(&request.id, now);
    }

    fn initialize(&mut self, request: &CallerRequest) -> Result<Value, RpcError> {
        let params: InitializeParams = request.params()?;
        if self.is_initialized {
            return Err(RpcError::not_a_request("initialize comes only once"));
        }
        if params.protocol != PROTOCOL {
            let message = format!("this helper has protocol {PROTOCOL} only");
            return Err(RpcError::wrong_parameters(message));
        }
        if let Some(client) = &params.client {
            tracing::info!(name = ?client.name, version = ?client.version, "the caller");
        }
        self.is_initialized = true;
        Ok(json!({
            "protocol": PROTOCOL,
            "version": env!("CARGO_PKG_VERSION"),
            "capabilities": {
                "revisions": ["msc4108", "msc4388"],
                "keys": ["store", "caller"],
                "requests": METHODS,
            },
        }))
    }

    fn take_slot(&self) -> Option<Cancel> {
        let mut slot = self.sign_in.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return None;
        }
        let cancel = Cancel::new();
        *slot = Some(cancel.clone());
        Some(cancel)
    }

    fn sign_in(&mut self, request: CallerRequest, cancel: Cancel) {
        let (caller, slot) = (self.caller.clone(), self.sign_in.clone());
        let sign_in = RemoteSignIn {
            caller: caller.clone(),
            cancel,
            policy: self.policy,
        };
        self.running.spawn(async move {
            let result = if request.method == "login" {
                run(&request, |params| sign_in.login(params)).await
            } else {
                run(&request, |params| sign_in.link(params)).await
            };
            // First this: the caller may start another one as soon as it has the answer.
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let end = match result {
                Ok(_) => RequestEnd::Answered,
                Err(_) => RequestEnd::SignInFailed,
            };
            caller.answer(&request.id, result);
            end
        });
    }

    fn run(&mut self, request: CallerRequest) {
        let (caller, policy) = (self.caller.clone(), self.policy);
        self.running.spawn(async move {
            let result = match request.method.as_str() {
                "token" => run(&request, |params| account::token(params, policy)).await,
                "restore_keys" => {
                    let caller = caller.clone();
                    run(&request, |params| {
                        account::restore_keys(params, policy, caller)
                    })
                    .await
                }
                _ => run(&request, |params| account::logout(params, policy)).await,
            };
            caller.answer(&request.id, result);
            RequestEnd::Answered
        });
    }

    /// Cancels the sign-in that is running; `false` when none is.
    pub(super) fn cancel_sign_in(&self, why: Failure) -> bool {
        let slot = self.sign_in.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cancel) = &*slot {
            cancel.because(why);
        }
        slot.is_some()
    }

    /// Forgets the requests that have ended.
    pub(super) fn tidy(&mut self) {
        while self.running.try_join_next().is_some() {}
    }

    /// Waits until all of them have ended. Returns how the sign-in ended, if there was one.
    pub(super) async fn end(&mut self) -> RequestEnd {
        let mut end = RequestEnd::Answered;
        while let Some(ended) = self.running.join_next().await {
            if ended.is_ok_and(|ended| ended == RequestEnd::SignInFailed) {
                end = RequestEnd::SignInFailed;
            }
        }
        end
    }
}

/// Reads the parameters, then does it.
async fn run<P, F>(request: &CallerRequest, work: impl FnOnce(P) -> F) -> Result<Value, RpcError>
where
    P: serde::de::DeserializeOwned,
    F: Future<Output = Result<Value, RpcError>>,
{
    work(request.params()?).await
}
