//! Homeservers and users as people type them: with spaces around them, as a user ID, with a slash
//! at the end, in their own script. Messages from other devices are not read here.

use matrix_qr_device::OwnedUserId;
use matrix_qr_protocol::homeserver::HomeserverAddress;
use url::Host;

/// A server name, a base URL, or the ID of a user there.
pub(crate) fn homeserver(text: &str) -> Result<HomeserverAddress, String> {
    let text = text.trim();
    let parse = |text: &str| HomeserverAddress::parse(text).map_err(|error| error.to_string());
    if text.contains("://") {
        return parse(text);
    }
    let of_user = text.strip_prefix('@').and_then(|user| user.split_once(':'));
    let name = of_user.map_or(text, |(_, name)| name);
    parse(&ascii(name.trim_end_matches('/')))
}

/// A complete user ID.
pub(crate) fn user_id(text: &str) -> Result<OwnedUserId, String> {
    let no_id = || "a user ID is written @name:example.org".to_owned();
    let (name, server) = text.trim().split_once(':').ok_or_else(no_id)?;
    OwnedUserId::try_from(format!("{name}:{}", ascii(server))).map_err(|_| no_id())
}

/// The homeserver of this user.
pub(crate) fn homeserver_of(user: &OwnedUserId) -> Result<HomeserverAddress, String> {
    homeserver(user.server_name().as_str())
}

/// The ASCII form of a server name (IDNA, as browsers use it). An invalid name is returned as it
/// is, and refused later.
fn ascii(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    let (host, port) = name
        .split_once(':')
        .map_or((name, None), |(host, port)| (host, Some(port)));
    match (Host::parse(host), port) {
        (Ok(Host::Domain(host)), Some(port)) => format!("{host}:{port}"),
        (Ok(Host::Domain(host)), None) => host,
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_homeserver_is_understood_as_people_write_it() {
        let cases = [
            ("matrix.org", "matrix.org"),
            (" matrix.org\n", "matrix.org"),
            ("\u{a0}matrix.org\u{3000}", "matrix.org"),
            ("matrix.org/", "matrix.org"),
            ("@alice:matrix.org", "matrix.org"),
            (" @alice:matrix.org:8448 ", "matrix.org:8448"),
            ("@alice:[::1]:8448", "[::1]:8448"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example:8448/", "xn--bcher-kva.example:8448"),
            ("@käthe:bücher.example", "xn--bcher-kva.example"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            (" https://matrix.org/ ", "https://matrix.org/"),
            ("localhost:8008", "localhost:8008"),
        ];
        for (typed, name) in cases {
            assert_eq!(homeserver(typed).unwrap().as_str(), name, "{typed:?}");
        }
        for none in [
            "",
            " ",
            "/",
            "@alice",
            "@alice:",
            "matrix.org/x",
            "two words",
            "ü ü",
            "a:b:c",
            "ftp://a.example",
        ] {
            assert!(homeserver(none).is_err(), "{none:?}");
        }
    }

    #[test]
    fn a_user_has_a_name_and_a_server() {
        let cases = [
            (" @bot:example.org ", "@bot:example.org"),
            (
                "@bot:bücher.example:8448",
                "@bot:xn--bcher-kva.example:8448",
            ),
        ];
        for (typed, id) in cases {
            assert_eq!(user_id(typed).unwrap().as_str(), id);
        }
        for none in [
            "",
            "bot",
            "bot:example.org",
            "@bot",
            "@bot:",
            "@bot:exa mple.org",
            "example.org",
        ] {
            assert_eq!(
                user_id(none).unwrap_err(),
                "a user ID is written @name:example.org",
                "{none:?}"
            );
        }
        assert_eq!(
            homeserver_of(&user_id("@bot:example.org").unwrap())
                .unwrap()
                .as_str(),
            "example.org"
        );
    }
}
