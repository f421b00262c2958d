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
        self, client::RegisteredClient, error::OAuthErrorResponse, grant::Decision, scope::Scope,
        session::IssuedTokens,
    },
    options::Options,
    random,
    record::Record,
    rendezvous, serve,
    state::{HomeserverInfo, SandboxState},
    synapse::{SynapseClient, SynapseError},
};

/// The running servers. Dropping this value stops them.
pub struct Sandbox {
    state: Arc<SandboxState>,
    /// The address of the listener of the homeserver and the rendezvous service.
    here: Url,
    rendezvous: matrix_qr_rendezvous::Rendezvous,
    servers: JoinSet<()>,
}

impl Sandbox {
    /// Starts the servers on 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If a port is in use, if the localpart cannot be part of a user ID (`a-z0-9._=/-`), or for a
    /// [`SynapseError`].
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

    /// The URL at which rendezvous sessions are created (`POST`): the stable path of the
    /// homeserver, or the sandbox's own address if the homeserver is a Synapse.
    pub fn rendezvous(&self) -> Url {
        let mut url = self.here.clone();
        url.set_path(rendezvous::STABLE);
        url
    }

    /// The homeserver's server name: `127.0.0.1:PORT`, unless it is a Synapse.
    pub fn server_name(&self) -> String {
        self.state.server_name().to_owned()
    }

    /// The user ID of the only account.
    pub fn user_id(&self) -> String {
        self.state.user_id.clone()
    }

    /// Signs in the account's first device, without a QR code. [`Record::bootstrap`] lists it.
    ///
    /// # Errors
    ///
    /// If the device ID cannot be part of a scope (at least 10 characters), or if Synapse refuses
    /// it.
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
    ) -> Result<IssuedTokens, OAuthErrorResponse> {
        let mut authorization_server = self.state.authorization_server();
        let client_id = authorization_server.register(client)?;
        authorization_server.open_session(
            client_id,
            scope,
            self.state.options.access_token_lifetime,
        )
    }

    /// The faults that are set. They can be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// What the sandbox has seen so far.
    pub fn record(&self) -> Record {
        self.state.record()
    }

    /// The user codes of sign-ins that wait for the person's decision, oldest first.
    pub fn pending(&self) -> Vec<String> {
        let now = std::time::Instant::now();
        self.state
            .authorization_server()
            .pending(now)
            .map(|grant| grant.user_code.clone())
            .collect()
    }

    /// Waits for a sign-in that waits for the person's decision, and returns its user code: the
    /// oldest one if there are several. Only a decision changes which one is the oldest.
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

    /// The person's decision, without a browser. False if no sign-in with this user code waits.
    pub fn decide(&self, user_code: &str, decision: Decision) -> bool {
        self.state
            .authorization_server()
            .decide(user_code, decision)
    }

    /// The person removes a device from the account: its session ends, and its tokens become
    /// invalid.
    ///
    /// # Errors
    ///
    /// If a Synapse cannot be reached. Then nothing has changed.
    pub async fn remove_device(&self, device_id: &str) -> io::Result<()> {
        self.state
            .remove_device(device_id)
            .await
            .map_err(io::Error::other)
    }

    /// Stops the servers and closes their connections.
    pub async fn stop(mut self) {
        self.rendezvous.release_waiters();
        self.servers.shutdown().await;
    }
}

/// The sandbox's own homeserver; or a Synapse, on which the account is created first.
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
