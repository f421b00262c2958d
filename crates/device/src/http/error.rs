//! Why there is no answer.

use std::{error::Error, io};

use super::names::NoAddress;

/// Why there is no answer. None of these says a URL's path or query: they may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The policy forbids this server.
    #[error("{scheme}://{host} was refused: only https is allowed")]
    NotAllowed {
        /// The URL's scheme.
        scheme: String,
        /// The URL's host.
        host: String,
    },
    /// `http` to this machine itself, and nobody has allowed it.
    #[error(
        "http://{host} was refused: only https is allowed, unless this command says otherwise for this machine itself; add --allow-loopback-http"
    )]
    LoopbackHttp {
        /// The URL's host.
        host: String,
    },
    /// A name without an address. A machine without a network cannot tell it from a name that does
    /// not exist.
    #[error(
        "no address is known for {host}; check the spelling of that name, and this machine's network connection"
    )]
    Unresolved {
        /// The name.
        host: String,
    },
    /// This machine has no way to that address.
    #[error(
        "this machine has no network connection to {host} ({why}); check this machine's network connection"
    )]
    NoNetwork {
        /// The server's host.
        host: String,
        /// What the system said.
        why: String,
    },
    /// No connection, or it broke, or it took too long.
    #[error("{host} could not be reached: {why}")]
    Unreachable {
        /// The server's host.
        host: String,
        /// What the connection said.
        why: String,
    },
    /// The answer was larger than what we read.
    #[error("{host} sent more than {limit} bytes")]
    TooLarge {
        /// The server's host.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The request could not be built: a URL or a header that cannot be sent.
    #[error("the request could not be built")]
    BadRequest,
}

impl HttpError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::NoNetwork { .. } | Self::Unresolved { .. }
        )
    }
}

/// reqwest's own text would repeat the URL, and with it a session's address or a code.
pub(super) fn unreachable(host: &str, error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    if error.is_timeout() {
        return HttpError::Unreachable {
            host: host.to_owned(),
            why: "it did not answer in time".to_owned(),
        };
    }
    because(host.to_owned(), &error)
}

/// What its causes say. The innermost one says most.
fn because(host: String, error: &(dyn Error + 'static)) -> HttpError {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut why = String::new();
    for cause in causes {
        why = cause.to_string();
        if cause.is::<NoAddress>() {
            return HttpError::Unresolved { host };
        }
        if cause.downcast_ref().is_some_and(is_no_network) {
            return HttpError::NoNetwork { host, why };
        }
    }
    HttpError::Unreachable { host, why }
}

fn is_no_network(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(
        error.kind(),
        HostUnreachable | NetworkDown | NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_network_is_this_machines_trouble() {
        #[derive(Debug, thiserror::Error)]
        #[error("tcp connect error")]
        struct Connecting(#[source] io::Error);
        let told = |kind: io::ErrorKind| because("a.example".to_owned(), &Connecting(kind.into()));
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
        for kind in [HostUnreachable, NetworkDown, NetworkUnreachable] {
            assert!(matches!(told(kind), HttpError::NoNetwork { .. }), "{kind}");
        }
        let why = io::Error::from(ConnectionRefused).to_string();
        assert_eq!(
            told(ConnectionRefused),
            HttpError::Unreachable {
                host: "a.example".to_owned(),
                why
            }
        );
    }
}
