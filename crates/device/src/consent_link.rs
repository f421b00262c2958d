//! The link to the consent page. Whoever made the new device's message chose it (MSC4108, "Threat
//! analysis": arbitrary verification URI), so a person must see whose page it is.

use url::{Host, Url};

use crate::http::host;

/// The link to the consent page, as a person is to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentLink {
    /// Where the page is.
    pub url: Url,
    /// What the person must know before the page is opened: two sentences. `None` if it is on the
    /// site of the account's homeserver or of its authorization server, as this device knows them.
    pub warning: Option<String>,
}

/// The servers of an account. They are never taken from what the other device says of the link.
pub(crate) struct AccountServers<'a> {
    pub(crate) homeserver: &'a Url,
    pub(crate) issuer: &'a Url,
    /// The part of the user ID, where the account is known.
    pub(crate) server_name: Option<&'a str>,
}

impl ConsentLink {
    pub(crate) fn new(url: Url, servers: &AccountServers<'_>) -> Self {
        let warning = (!servers.have(&url)).then(|| {
            let [this, homeserver, issuer] = [&url, servers.homeserver, servers.issuer].map(host);
            format!(
                "{this} belongs neither to your homeserver ({homeserver}) nor to its authorization \
                 server ({issuer}). Agree there only if you know that it is the right page."
            )
        });
        Self { url, warning }
    }

    /// The host, in large for the person, who compares it with what the browser shows. It is ASCII:
    /// a name with other letters is in Punycode, so that none looks like another.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl AccountServers<'_> {
    fn have(&self, page: &Url) -> bool {
        let named = |name| Url::parse(&format!("https://{name}")).ok();
        same_site(page, self.homeserver)
            || same_site(page, self.issuer)
            || self
                .server_name
                .and_then(named)
                .is_some_and(|server| same_site(page, &server))
    }
}

/// Whether both URLs are on one site: what one organisation registers below a public suffix. An
/// address, and a name whose suffix nobody knows, is a site of its own. Ports and schemes make no
/// difference.
fn same_site(one: &Url, other: &Url) -> bool {
    site(one).is_some_and(|site_of_one| site(other) == Some(site_of_one))
}

/// `Url` has written the host in lower case, and other letters than ASCII's in Punycode.
fn site(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            Some(registered(name).unwrap_or(name).to_owned())
        }
        address => Some(address.to_string()),
    }
}

/// The part of the name that was registered below a public suffix, such as `example.co.uk`.
fn registered(name: &str) -> Option<&str> {
    let is_known = psl::suffix(name.as_bytes())?.is_known();
    psl::domain_str(name).filter(|_| is_known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts_of_one_registration_are_one_site_and_no_others() {
        let table = [
            ("matrix.example.org", "account.example.org", true),
            ("example.org", "a.b.example.org", true),
            ("example.org", "example.com", false),
            ("example.org", "notexample.org", false),
            ("example.org", "example.org.evil.test", false),
            // Registered below a suffix of two labels.
            ("a.example.co.uk", "b.example.co.uk", true),
            ("example.co.uk", "other.co.uk", false),
            // Each tenant is a site.
            ("alice.github.io", "login.alice.github.io", true),
            ("alice.github.io", "mallory.github.io", false),
            // A suffix is nobody's, and only itself.
            ("co.uk", "co.uk", true),
            ("co.uk", "example.co.uk", false),
            ("github.io", "alice.github.io", false),
            // Exceptions and wildcards of the list.
            ("a.www.ck", "www.ck", true),
            ("a.other.ck", "b.other.ck", false),
            // Ways to write one name.
            ("EXAMPLE.org", "example.ORG", true),
            ("example.org.", "account.example.org", true),
            ("example.org:8448", "account.example.org:443", true),
            ("bücher.example.de", "xn--bcher-kva.example.de", true),
            ("bücher.de", "xn--bcher-kva.de", true),
            ("а.example.org", "a.example.org", true),
            ("аpple.com", "apple.com", false),
            // A suffix in another alphabet.
            ("a.食狮.公司.cn", "b.xn--85x722f.xn--55qx5d.cn", true),
            ("食狮.公司.cn", "other.公司.cn", false),
            // Whole hosts: nobody knows the suffix, or it is an address.
            ("matrix.internal", "account.internal", false),
            ("matrix.internal", "matrix.internal", true),
            ("localhost", "localhost:8090", true),
            ("a.localhost", "b.localhost", false),
            ("localhost", "127.0.0.1", false),
            ("127.0.0.1:8008", "127.0.0.1:8090", true),
            ("10.0.0.1", "11.0.0.1", false),
            ("[::1]:8008", "[0:0:0:0:0:0:0:1]", true),
            ("[::1]", "[::2]", false),
        ];
        for (one, other, same) in table {
            let [a, b] = [one, other].map(|host| Url::parse(&format!("https://{host}/")).unwrap());
            assert_eq!(same_site(&a, &b), same, "{one} {other}");
            assert_eq!(same_site(&b, &a), same, "{other} {one}");
        }
    }

    #[test]
    fn a_page_of_neither_server_is_named_with_both() {
        let url = |url: &str| Url::parse(url).unwrap();
        let servers = AccountServers {
            homeserver: &url("https://matrix.hosting.example.com/"),
            issuer: &url("https://id.example.net/oauth/"),
            server_name: Some("example.org:8448"),
        };
        let link = |page: &str| ConsentLink::new(url(page), &servers);
        for known in [
            "https://account.example.com/",
            "https://id.example.net/link?code=1",
            "https://www.EXAMPLE.org./",
        ] {
            assert_eq!(link(known).warning, None, "{known}");
        }
        let other = link("https://id.example.net.еxample.info/?u=id.example.net");
        assert_eq!(other.host(), "id.example.net.xn--xample-2of.info");
        let warning = other.warning.unwrap();
        assert!(
            warning.starts_with(
                "id.example.net.xn--xample-2of.info belongs neither to your homeserver \
                 (matrix.hosting.example.com) nor to its authorization server (id.example.net). "
            ),
            "{warning}"
        );
    }

    #[test]
    fn what_has_no_host_is_no_site() {
        let [a, b] = ["data:,a", "data:,a"].map(|url| Url::parse(url).unwrap());
        assert!(!same_site(&a, &b));
    }
}
