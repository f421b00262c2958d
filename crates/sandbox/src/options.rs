//! How a sandbox is set up.

use std::time::Duration;

use url::Url;

use crate::synapse::Synapse;

/// How the sandbox is set up. The default is right for a test.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port of the homeserver; 0 for any that is free. In front of a Synapse only the
    /// rendezvous service is there.
    pub homeserver_port: u16,
    /// The port of the authorization server; 0 for any that is free.
    pub oauth_port: u16,
    /// How long a client must wait between two token polls. On the wire it is rounded up to whole
    /// seconds. Default 1 s.
    pub token_interval: Duration,
    /// How long a person has to decide. Default 20 min, as deployed.
    pub grant_lifetime: Duration,
    /// How long an access token lives. Default 5 min, as deployed.
    pub access_token_lifetime: Duration,
    /// How long a rendezvous session lives. Default 5 min.
    pub session_lifetime: Duration,
    /// Whether a `verification_uri_complete` is offered, so that nobody has to type the user code.
    /// Default yes; deployed servers do not.
    pub auto_fill_code: bool,
    /// The account: `alice` of `@alice:127.0.0.1:PORT`, or of a Synapse, where it is made unless it
    /// exists.
    pub localpart: String,
    /// Where the homeserver sends those who create a rendezvous session (307), if it does not serve
    /// that itself.
    pub rendezvous_redirect: Option<Url>,
    /// The homeserver, where it is a Synapse and not the sandbox's own. Sign-ins end with the
    /// sandbox, and their devices stay on the Synapse.
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
