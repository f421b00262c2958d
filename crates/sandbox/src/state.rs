//! The state that the homeserver and the authorization server share, and everything that passes
//! between them: the homeserver introspects tokens; the authorization server announces and
//! withdraws devices. Neither reaches further into the other.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use url::Url;

use crate::{
    account::Account,
    faults::Faults,
    oauth::{
        authorization_server::AuthorizationServer, error::OAuthErrorResponse,
        session::Introspection,
    },
    options::Options,
    record::{LateAnswer, Record},
    synapse::{SynapseClient, SynapseError},
};

/// The homeserver of the account.
pub(crate) struct HomeserverInfo {
    pub(crate) homeserver: Url,
    pub(crate) user_id: String,
    /// If the homeserver is a Synapse.
    pub(crate) synapse: Option<SynapseClient>,
}

pub(crate) struct SandboxState {
    pub(crate) options: Options,
    pub(crate) homeserver: Url,
    pub(crate) issuer: Url,
    pub(crate) user_id: String,
    pub(crate) synapse: Option<SynapseClient>,
    /// Proves to the account page that the sandbox has served the form.
    pub(crate) account_csrf: String,
    pub(crate) faults: Faults,
    /// In front of a Synapse, it only has the devices that were signed in here.
    account: Mutex<Account>,
    authorization_server: Mutex<AuthorizationServer>,
    rendezvous_requests: Mutex<BTreeMap<String, u32>>,
    late_answers: Mutex<Vec<LateAnswer>>,
    pub(crate) began: tokio::time::Instant,
    /// Notified after every request that may have changed something.
    pub(crate) changed: watch::Sender<()>,
}

impl SandboxState {
    pub(crate) fn new(
        options: Options,
        home: HomeserverInfo,
        issuer: Url,
        account_csrf: String,
    ) -> Self {
        Self {
            account_csrf,
            account: Mutex::new(Account::new(home.user_id.clone())),
            user_id: home.user_id,
            synapse: home.synapse,
            options,
            homeserver: home.homeserver,
            issuer,
            faults: Faults::default(),
            authorization_server: Mutex::default(),
            rendezvous_requests: Mutex::default(),
            late_answers: Mutex::default(),
            began: tokio::time::Instant::now(),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn server_name(&self) -> &str {
        self.user_id.split_once(':').map_or("", |(_, name)| name)
    }

    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }

    pub(crate) fn authorization_server(&self) -> MutexGuard<'_, AuthorizationServer> {
        lock(&self.authorization_server)
    }

    /// Homeserver to authorization server: is this token active, and for which device?
    pub(crate) fn introspect(&self, access_token: &str) -> Introspection {
        self.authorization_server()
            .introspect(access_token, Instant::now())
    }

    /// Authorization server to homeserver: this device is about to receive a token.
    pub(crate) async fn announce_device(
        &self,
        device_id: &str,
        name: &str,
    ) -> Result<(), SynapseError> {
        if let Some(synapse) = &self.synapse {
            synapse.upsert_device(device_id, name).await?;
        }
        self.account().add_device(device_id, name);
        self.changed.send_replace(());
        Ok(())
    }

    /// Ends the sign-in of this token; if it was the last one of its device, also removes the
    /// device. The device is removed first: if the homeserver cannot be reached, nothing has ended,
    /// and the call can be repeated.
    pub(crate) async fn end_session(
        &self,
        token: &str,
        client_id: Option<&str>,
    ) -> Result<(), OAuthErrorResponse> {
        let last_of = self
            .authorization_server()
            .last_session_of(token, client_id)?;
        if let Some(device_id) = last_of {
            self.withdraw_device(&device_id).await?;
        }
        self.authorization_server().revoke(token);
        Ok(())
    }

    /// The person removes the device from the account: all its sign-ins end.
    pub(crate) async fn remove_device(&self, device_id: &str) -> Result<(), SynapseError> {
        self.withdraw_device(device_id).await?;
        self.authorization_server().end_sessions_of(device_id);
        Ok(())
    }

    /// Authorization server to homeserver: the last sign-in of this device ends.
    async fn withdraw_device(&self, device_id: &str) -> Result<(), SynapseError> {
        if let Some(synapse) = &self.synapse {
            synapse.delete_device(device_id).await?;
        }
        self.account().remove_device(device_id);
        self.changed.send_replace(());
        Ok(())
    }

    pub(crate) fn count_rendezvous(&self, method: &str) {
        *lock(&self.rendezvous_requests)
            .entry(method.to_owned())
            .or_default() += 1;
    }

    pub(crate) fn count_late(&self, answer: LateAnswer) {
        lock(&self.late_answers).push(answer);
    }

    pub(crate) fn record(&self) -> Record {
        let (token_polls, revocations) = self.authorization_server().record();
        Record {
            token_polls,
            revocations,
            rendezvous_requests: lock(&self.rendezvous_requests).clone(),
            late_answers: lock(&self.late_answers).clone(),
            ..self.account().record()
        }
    }

    /// Waits until something may have changed since `seen`, or for `longest`.
    pub(crate) async fn wait_for_change(seen: &mut watch::Receiver<()>, longest: Duration) {
        // A timeout and a closed channel mean the same to the caller: check once more, then answer.
        let _ = tokio::time::timeout(longest, seen.changed()).await;
    }
}

/// A panic elsewhere in a demo server is no reason to stop answering.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
