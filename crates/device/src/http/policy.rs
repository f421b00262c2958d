//! Which servers a device may contact.

use url::{Host, Url};

use super::error::HttpError;

/// Which servers may be contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// `https` only.
    #[default]
    HttpsOnly,
    /// `https`, and `http` to this machine's loopback: for the sandbox and for tests.
    HttpsOrLoopback,
}

impl Policy {
    /// Whether this URL may be fetched, or shown to a person to be opened.
    pub fn permits(self, url: &Url) -> bool {
        match url.scheme() {
            "https" => url.host().is_some(),
            "http" => self == Self::HttpsOrLoopback && is_loopback(url),
            _ => false,
        }
    }

    /// The same, with the reason.
    ///
    /// # Errors
    ///
    /// [`HttpError::LoopbackHttp`] where the other policy would permit it, otherwise
    /// [`HttpError::NotAllowed`].
    pub fn check(self, url: &Url) -> Result<(), HttpError> {
        if !self.permits(url) && Self::HttpsOrLoopback.permits(url) {
            return Err(HttpError::LoopbackHttp { host: host(url) });
        }
        self.permit(url.clone()).map(drop)
    }

    /// A URL that a server names. Whether it is permitted must not depend on what a person could
    /// allow here: the error never is [`HttpError::LoopbackHttp`].
    pub(crate) fn permit(self, url: Url) -> Result<Url, HttpError> {
        if self.permits(&url) {
            return Ok(url);
        }
        let (scheme, host) = (url.scheme().to_owned(), host(&url));
        Err(HttpError::NotAllowed { scheme, host })
    }
}

/// The host of a URL, to be named to a person.
pub(crate) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use matrix_qr_protocol::error::{Cause, ToUserError};

    use super::*;

    #[test]
    fn what_only_a_flag_forbids_names_the_flag() {
        let check = |policy: Policy, url: &str| policy.check(&Url::parse(url).unwrap());
        let local = "http://127.0.0.1:1/";
        assert_eq!(check(Policy::HttpsOrLoopback, local), Ok(()));
        let error = check(Policy::HttpsOnly, local).unwrap_err();
        let (cause, advice) = error.verdict();
        assert_eq!(
            (cause, advice),
            (Cause::Person, "Add --allow-loopback-http.")
        );
        for policy in [Policy::HttpsOnly, Policy::HttpsOrLoopback] {
            let refused = HttpError::NotAllowed {
                scheme: "http".to_owned(),
                host: "a.example".to_owned(),
            };
            assert_eq!(check(policy, "http://a.example/"), Err(refused));
        }
    }
}
