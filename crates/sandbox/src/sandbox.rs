//! The running servers, and what a test or a demonstration does with them.

use std::{fmt, io, sync::Arc, time::Duration};

use axum::{Router, middleware};
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

use crate::{
    faults::Faults,
    first_session::FirstSession,
    guard, homeserver,
    oauth::{
        self, client::RegisteredClient, error::OAuthError, grant::Decision, scope::Scope,
        session::IssuedTokens,
    },
    options::Options,
    random,
    record::Record,
    rendezvous, serve,
    state::{HomeserverInfo, SandboxState},
    synapse::{SynapseClient, SynapseError},
};

/// The running servers. They stop when it is dropped.
pub struct Sandbox {
    state: Arc<SandboxState>,
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
        let state = Arc::new(SandboxState::new(options, home, issuer, csrf));
        let mut app = rendezvous::router(state.clone(), &rendezvous);
        if state.synapse.is_none() {
            app = homeserver::router(state.clone()).merge(app);
        }
        let mut servers = JoinSet::new();
        servers.spawn(serve::serve(listener, guarded(app)));
        servers.spawn(serve::serve(
            oauth_listener,
            guarded(oauth::router(state.clone())),
        ));
        if let Some(synapse) = &state.synapse {
            synapse
                .check_issuer(&state.issuer)
                .await
                .map_err(io::Error::other)?;
        }
        tracing::info!(homeserver = %state.homeserver, issuer = %state.issuer, "{}", guard::BANNER);
        Ok(Self {
            state,
            here,
            rendezvous,
            servers,
        })
    }

    /// The homeserver's base URL.
    pub fn homeserver(&self) -> &Url {
        &self.state.homeserver
    }

    /// The authorization server's issuer.
    pub fn issuer(&self) -> &Url {
        &self.state.issuer
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
        self.state.server_name().to_owned()
    }

    /// The one account.
    pub fn user_id(&self) -> String {
        self.state.user_id.clone()
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
        let client = RegisteredClient::of_first_device().map_err(refused)?;
        self.state.account().mark_as_bootstrap(device_id);
        self.state
            .announce_device(device_id, client.name())
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

    fn open_session(
        &self,
        client: RegisteredClient,
        scope: Scope,
    ) -> Result<IssuedTokens, OAuthError> {
        let mut authorization_server = self.state.authorization_server();
        let client_id = authorization_server.register(client)?;
        authorization_server.open_session(
            client_id,
            scope,
            self.state.options.access_token_lifetime,
        )
    }

    /// What misbehaves, to be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// What was seen so far.
    pub fn record(&self) -> Record {
        self.state.record()
    }

    /// User codes that wait for the person, oldest first.
    pub fn pending(&self) -> Vec<String> {
        let now = std::time::Instant::now();
        self.state
            .authorization_server()
            .pending(now)
            .map(|grant| grant.user_code.clone())
            .collect()
    }

    /// The oldest user code that waits for the person, as soon as there is one. It stays the oldest
    /// until it is decided.
    pub async fn next_pending(&self) -> String {
        let mut changes = self.state.changed.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(code) = self.pending().into_iter().next() {
                return code;
            }
            SandboxState::wait_for_change(&mut changes, Duration::from_secs(60)).await;
        }
    }

    /// The person's answer, without a browser. False when nothing waits under that code.
    pub fn decide(&self, user_code: &str, decision: Decision) -> bool {
        self.state
            .authorization_server()
            .decide(user_code, decision)
    }

    /// The person removes a device in the account: its session has ended, and its tokens are worth
    /// nothing.
    ///
    /// # Errors
    ///
    /// When a Synapse could not be told; then nothing has ended.
    pub async fn remove_device(&self, device_id: &str) -> io::Result<()> {
        self.state
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
async fn home(options: &Options, here: &Url) -> Result<HomeserverInfo, SynapseError> {
    let Some(synapse) = &options.synapse else {
        let user_id = format!("@{}:{}", options.localpart, here.authority());
        return Ok(HomeserverInfo {
            homeserver: here.clone(),
            user_id,
            synapse: None,
        });
    };
    let client = SynapseClient::new(synapse.clone(), &options.localpart)?;
    let user_id = client.make_account().await?;
    Ok(HomeserverInfo {
        homeserver: synapse.homeserver().clone(),
        user_id,
        synapse: Some(client),
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
            .field("homeserver", &self.state.homeserver.as_str())
            .field("issuer", &self.state.issuer.as_str())
            .finish_non_exhaustive()
    }
}
