//! Scopes: MSC2967, stable and with the unstable prefix, by the rules of deployed authorization
//! servers.

const STABLE: &str = "urn:matrix:client:";
const UNSTABLE: &str = "urn:matrix:org.matrix.msc2967.client:";
const OPENID: &str = "openid";
const SHORTEST_DEVICE_ID: usize = 10;

/// The API scopes, for the metadata.
pub(crate) const SUPPORTED: [&str; 3] = [
    OPENID,
    "urn:matrix:client:api:*",
    "urn:matrix:org.matrix.msc2967.client:api:*",
];

/// The scope of a grant: full access to the Client-Server API, as one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) text: String,
    pub(crate) device_id: String,
    pub(crate) is_stable: bool,
}

impl Scope {
    /// Exactly one device scope, together with the API scope, and no unknown ones. `Err` names the
    /// violated rule.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut api, mut device, mut is_stable) = (false, None, false);
        for token in text.split(' ').filter(|token| *token != OPENID) {
            is_stable |= token.starts_with(STABLE);
            match matrix_part(token).and_then(|part| part.split_once(':')) {
                Some(("api", "*")) => api = true,
                Some(("device", _)) if device.is_some() => {
                    return Err("more than one device scope");
                }
                Some(("device", id)) if is_device_id(id) => device = Some(id.to_owned()),
                Some(("device", _)) => {
                    return Err(
                        "a device id is at least 10 characters of A-Za-z0-9._~!$&'()*+,;=:@/-",
                    );
                }
                _ => return Err("an unknown scope"),
            }
        }
        match (api, device) {
            (false, _) => Err("no scope for the Client-Server API"),
            (true, None) => Err("no device scope"),
            (true, Some(device_id)) => Ok(Self {
                text: text.to_owned(),
                device_id,
                is_stable,
            }),
        }
    }
}

/// Whether a token with this scope may use the Client-Server API.
pub(crate) fn allows_api(scope: &str) -> bool {
    scope
        .split(' ')
        .filter_map(matrix_part)
        .any(|part| part == "api:*")
}

fn matrix_part(token: &str) -> Option<&str> {
    token
        .strip_prefix(STABLE)
        .or_else(|| token.strip_prefix(UNSTABLE))
}

fn is_device_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~!$&'()*+,;=:@/-".contains(&b);
    id.len() >= SHORTEST_DEVICE_ID && id.len() <= 255 && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let scope =
            Scope::parse("openid urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ")
                .unwrap();
        assert_eq!(
            (scope.device_id.as_str(), scope.is_stable),
            ("ABCDEFGHIJ", true)
        );
        let unstable = "urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:a+b/c:defgh";
        let scope = Scope::parse(unstable).unwrap();
        assert_eq!(
            (scope.device_id.as_str(), scope.is_stable),
            ("a+b/c:defgh", false)
        );
    }

    #[test]
    fn what_is_refused() {
        for bad in [
            "",
            "openid",
            "urn:matrix:client:api:*",
            "urn:matrix:client:device:ABCDEFGHIJ",
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHI",
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHI\u{e9}",
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHI\"",
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ urn:matrix:client:device:ABCDEFGHIK",
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ admin",
            "urn:matrix:client:api:read urn:matrix:client:device:ABCDEFGHIJ",
        ] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_api_needs_its_scope() {
        assert!(allows_api(
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ"
        ));
        assert!(allows_api("urn:matrix:org.matrix.msc2967.client:api:*"));
        assert!(!allows_api("openid urn:matrix:client:device:ABCDEFGHIJ"));
    }
}
