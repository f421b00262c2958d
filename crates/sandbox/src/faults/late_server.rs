//! Whose answers are late.

/// Whose answers are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateServer {
    /// All three servers.
    All,
    /// The homeserver.
    Homeserver,
    /// The authorization server.
    Authorization,
    /// The rendezvous service.
    Rendezvous,
}

impl LateServer {
    pub(super) const EACH: [Self; 4] = [
        Self::All,
        Self::Homeserver,
        Self::Authorization,
        Self::Rendezvous,
    ];

    /// The name: `all`, `homeserver`, `authorization`, `rendezvous`.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Homeserver => "homeserver",
            Self::Authorization => "authorization",
            Self::Rendezvous => "rendezvous",
        }
    }
}
