//! What is checked.

/// The checks, in the order in which their findings are listed: the variant, its name for scripts,
/// and its title for people.
macro_rules! checks {
    ($($check:ident $name:literal $title:literal,)*) => {
        /// One thing that is checked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Check {
            $(#[doc = $title] $check,)*
        }

        impl Check {
            /// Every check, in order.
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::$check,)*].into_iter()
            }

            /// Its name for scripts, which does not change.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$check => $name,)*
                }
            }

            /// Its title for people: what is true when the verdict is good.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$check => $title,)*
                }
            }
        }
    };
}

checks! {
    Dns "dns" "the host names resolve",
    WellKnown "well-known" "the server name leads to the homeserver",
    PlainHttp "plain-http" "plain HTTP is redirected or refused",
    Versions "versions" "the homeserver announces sign-in by QR code",
    OauthMetadata "oauth-metadata" "the homeserver names its authorization server",
    Issuer "issuer" "the authorization server's own metadata agrees",
    DeviceGrant "device-grant" "the device authorization grant is offered",
    Registration "registration" "clients can register",
    Create "rendezvous-create" "a rendezvous session can be created",
    Delegation "delegation" "the rendezvous server is reached",
    SessionUrl "session-url" "the session's URL is usable",
    Read "read" "the session can be read",
    ContentType "content-type" "payloads are served as text/plain",
    ConditionalRead "conditional-read" "an unchanged payload is answered with 304",
    Write "write" "a payload can be written and read back",
    StaleWrite "stale-write" "a write with an old ETag is refused",
    PayloadLimit "payload-limit" "payloads of 4096 bytes are accepted, larger ones are not",
    Delete "delete" "the session can be deleted",
    Survival "survival" "the session does not end early",
    Etag "etag" "the ETag arrives strong and unchanged",
    EtagPerWrite "etag-per-write" "each write gets a new ETag",
    Compression "compression" "compression does not change the ETag",
    Caching "caching" "responses are neither cached nor transformed",
    Lifetime "lifetime" "the session lives long enough for a person",
    Clock "clock" "the servers' clocks are right",
    Preflight "cors-preflight" "browsers may send the requests (CORS preflight)",
    Cors "cors" "browsers may read the responses (CORS)",
    Msc4388 "msc4388" "sessions of the upcoming proposal (MSC4388)",
    Speed "speed" "the servers respond within a second",
    SignIn "sign-in" "the consent page and the new device in the account",
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_check_has_its_own_name_and_title() {
        let distinct =
            |text: fn(Check) -> &'static str| Check::all().map(text).collect::<HashSet<_>>();
        for text in [Check::name, Check::title] {
            assert_eq!(distinct(text).len(), Check::all().count());
        }
    }
}
