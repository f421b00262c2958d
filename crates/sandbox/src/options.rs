//! How a sandbox is set up.

use std::time::Duration;

use url::Url;

use crate::synapse::Synapse;

/// How the sandbox is set up. The default is right for a test.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port of the homeserver; 0 for any free port. In front of a Synapse, only the rendezvous
    /// service listens there.
    pub homeserver_port: u16,
    /// The port of the authorization server; 0 for any free port.
    pub oauth_port: u16,
    /// How long a client must wait between two token polls. Responses round it up to whole seconds.
    /// Default 1 s.
    pub token_interval: Duration,
    /// How long a person has to decide. Default 20 min, as on deployed servers.
    pub grant_lifetime: Duration,
    /// How long an access token lives. Default 5 min, as on deployed servers.
    pub access_token_lifetime: Duration,
    /// How long a rendezvous session lives. Default 5 min.
    pub session_lifetime: Duration,
    /// Whether a `verification_uri_complete` is offered, so that nobody has to type the user code.
    /// Default true; deployed servers do not offer it.
    pub auto_fill_code: bool,
    /// The localpart of the account: `alice` in `@alice:127.0.0.1:PORT`. On a Synapse, the account
    /// is created unless it exists.
    pub localpart: String,
    /// Where the homeserver redirects a request that creates a rendezvous session (307). By default
    /// it serves the request itself.
    pub rendezvous_redirect: Option<Url>,
    /// A Synapse that replaces the sandbox's own homeserver. When the sandbox stops, all sign-ins
    /// end; their devices stay on the Synapse.
    pub synapse: Option<Synapse>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            homeserver_port: 0,
            oauth_port: 0,
            token_interval: Duration::from_secs(1),
            grant_lifetime: Duration::from_secs(20 * 60),
            access_token_lifetime: Duration::from_secs(5 * 60),
            session_lifetime: Duration::from_secs(5 * 60),
            auto_fill_code: true,
            localpart: "alice".to_owned(),
            rendezvous_redirect: None,
            synapse: None,
        }
    }
}
