//! A small homeserver and an OAuth 2.0 authorization server, with a rendezvous service beside them,
//! to try Matrix sign-in by QR code against: for tests and demos only, in memory, on loopback only,
//! for one account.
//!
//! It answers every call that the two devices of a sign-in make, and answers honestly: tokens and
//! scopes are checked, nothing signed is published unless its signatures verify, and a [`Record`]
//! says what was seen. It misbehaves only when told to, in the ways that [`Fault::all`] names.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use matrix_qr_sandbox::{Decision, Options, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::default()).await?;
//! let first = sandbox.first_session("FIRSTDEVICE").await?;
//! // ... a new device asks to be signed in; then, in place of the person at the consent page:
//! let code = sandbox.next_pending().await;
//! assert!(sandbox.decide(&code, Decision::Allow));
//! # drop(first);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Two halves: `homeserver` (the Client-Server API) and `oauth` (MSC2964, MSC2965, MSC2966,
//! MSC2967, RFC 8628), each on a port of its own. What passes between them is in `state`. With
//! [`Options::synapse`] the first half is a real Synapse.

mod account;
mod faults;
mod first_session;
mod guard;
mod homeserver;
mod oauth;
mod options;
mod random;
mod record;
mod rendezvous;
mod serve;
mod state;
mod synapse;

use std::{fmt, io, sync::Arc, time::Duration};

use axum::{Router, middleware};
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

pub use axum::http::Method;

pub use crate::{
    faults::{Fault, Faults, KnownFault, UnknownFault},
    first_session::FirstSession,
    oauth::authority::Decision,
    options::Options,
    record::{KeyUpload, Record},
    synapse::{Synapse, SynapseError},
};
use crate::{
    oauth::{authority::Tokens, register::Client, scope::Scope},
    state::{Home, Shared},
    synapse::Provisioning,
};

/// The running servers. They stop when it is dropped.
pub struct Sandbox {
    shared: Arc<Shared>,
    /// The first listener's address.
    here: Url,
    rendezvous: matrix_qr_rendezvous::Rendezvous,
    servers: JoinSet<()>,
}

impl Sandbox {
    /// Listens on 127.0.0.1 and serves.
    ///
    /// # Errors
    ///
    /// When a port is taken, the localpart cannot be part of a user id (`a-z0-9._=/-`), or a
    /// [`SynapseError`] is in the way.
    pub async fn start(options: Options) -> io::Result<Self> {
        check_localpart(&options.localpart)?;
        let (listener, here) = listen(options.homeserver_port).await?;
        let (oauth_listener, issuer) = listen(options.oauth_port).await?;
        let rendezvous = rendezvous::service(&here, &options)?;
        let home = home(&options, &here).await.map_err(io::Error::other)?;
        let csrf = random::token().map_err(|error| io::Error::other(error.to_string()))?;
        let shared = Arc::new(Shared::new(options, home, issuer, csrf));
        let mut app = rendezvous::router(shared.clone(), &rendezvous);
        if shared.synapse.is_none() {
            app = homeserver::router(shared.clone()).merge(app);
        }
        let mut servers = JoinSet::new();
        servers.spawn(serve::serve(listener, guarded(app)));
        servers.spawn(serve::serve(
            oauth_listener,
            guarded(oauth::router(shared.clone())),
        ));
        if let Some(synapse) = &shared.synapse {
            synapse
                .check_issuer(&shared.issuer)
                .await
                .map_err(io::Error::other)?;
        }
        tracing::info!(homeserver = %shared.homeserver, issuer = %shared.issuer, "{}", guard::BANNER);
        Ok(Self {
            shared,
            here,
            rendezvous,
            servers,
        })
    }

    /// The homeserver's base URL.
    pub fn homeserver(&self) -> &Url {
        &self.shared.homeserver
    }

    /// The authorization server's issuer.
    pub fn issuer(&self) -> &Url {
        &self.shared.issuer
    }

    /// Where rendezvous sessions are created (`POST`): the stable path at the homeserver, or beside
    /// a Synapse.
    pub fn rendezvous(&self) -> Url {
        let mut url = self.here.clone();
        url.set_path(rendezvous::STABLE);
        url
    }

    /// The homeserver's name, `127.0.0.1:PORT` if it is not a Synapse.
    pub fn server_name(&self) -> String {
        self.shared.server_name().to_owned()
    }

    /// The one account.
    pub fn user_id(&self) -> String {
        self.shared.user_id.clone()
    }

    /// Signs in a device without QR: the account's first. It is listed under [`Record::bootstrap`].
    ///
    /// # Errors
    ///
    /// When the device id is not one that could be asked for as a scope (10 characters or more), or
    /// Synapse does not take it.
    pub async fn first_session(&self, device_id: &str) -> io::Result<FirstSession> {
        let text = format!("openid urn:matrix:client:api:* urn:matrix:client:device:{device_id}");
        let scope =
            Scope::parse(&text).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let refused = |error| io::Error::other(format!("{error:?}"));
        let client = Client::of_first_device().map_err(refused)?;
        self.shared.account().exempt(device_id);
        self.shared
            .device_comes(device_id, client.name())
            .await
            .map_err(io::Error::other)?;
        let tokens = self.open_session(client, scope).map_err(refused)?;
        Ok(FirstSession {
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            client_id: tokens.client_id,
            device_id: device_id.to_owned(),
            user_id: self.user_id(),
            expires_in: tokens.lifetime,
        })
    }

    fn open_session(&self, client: Client, scope: Scope) -> Result<Tokens, oauth::OAuthError> {
        let mut authority = self.shared.authority();
        let client_id = authority.register(client)?;
        authority.open_session(client_id, scope, self.shared.options.access_token_lifetime)
    }

    /// What misbehaves, to be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What was seen so far.
    pub fn record(&self) -> Record {
        self.shared.record()
    }

    /// User codes that wait for the person, oldest first.
    pub fn pending(&self) -> Vec<String> {
        let now = std::time::Instant::now();
        self.shared
            .authority()
            .pending(now)
            .map(|grant| grant.user_code.clone())
            .collect()
    }

    /// The oldest user code that waits for the person, as soon as there is one. It stays the oldest
    /// until it is decided.
    pub async fn next_pending(&self) -> String {
        let mut changes = self.shared.changed.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(code) = self.pending().into_iter().next() {
                return code;
            }
            Shared::wait_for_change(&mut changes, Duration::from_secs(60)).await;
        }
    }

    /// The person's answer, without a browser. False when nothing waits under that code.
    pub fn decide(&self, user_code: &str, decision: Decision) -> bool {
        self.shared.authority().decide(user_code, decision)
    }

    /// The person removes a device in the account: its session has ended, and its tokens are worth
    /// nothing.
    ///
    /// # Errors
    ///
    /// When a Synapse could not be told; then nothing has ended.
    pub async fn remove_device(&self, device_id: &str) -> io::Result<()> {
        self.shared
            .remove_device(device_id)
            .await
            .map_err(io::Error::other)
    }

    /// Stops the servers; connections are closed.
    pub async fn stop(mut self) {
        self.rendezvous.release_waiters();
        self.servers.shutdown().await;
    }
}

/// The sandbox's own homeserver; or a Synapse, where the account is made first.
async fn home(options: &Options, here: &Url) -> Result<Home, SynapseError> {
    let Some(synapse) = &options.synapse else {
        let user_id = format!("@{}:{}", options.localpart, here.authority());
        return Ok(Home {
            homeserver: here.clone(),
            user_id,
            synapse: None,
        });
    };
    let provisioning = Provisioning::new(synapse.clone(), &options.localpart)?;
    let user_id = provisioning.make_account().await?;
    Ok(Home {
        homeserver: synapse.homeserver().clone(),
        user_id,
        synapse: Some(provisioning),
    })
}

async fn listen(port: u16) -> io::Result<(TcpListener, Url)> {
    let listener = guard::bind(port).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    Ok((listener, url.parse().map_err(io::Error::other)?))
}

fn guarded(app: Router) -> Router {
    app.layer(middleware::from_fn(guard::guard))
}

fn check_localpart(localpart: &str) -> io::Result<()> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._=/-".contains(&b);
    match !localpart.is_empty() && localpart.bytes().all(allowed) {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a localpart: a-z 0-9 . _ = / - only",
        )),
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("homeserver", &self.shared.homeserver.as_str())
            .field("issuer", &self.shared.issuer.as_str())
            .finish_non_exhaustive()
    }
}
