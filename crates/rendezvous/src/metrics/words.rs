//! The values of labels. Each set is closed, so that every counter exists from the start:
//! Prometheus sees an increase of a counter, but not its first appearance.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// A closed set of label values.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
                self.word().encode(encoder)
            }
        }
    };
}

words! {
    /// Why a request was refused.
    RefusalReason {
        MissingHeader => "missing_header",
        MalformedHeader => "malformed_header",
        MalformedBody => "malformed_body",
        TooLarge => "too_large",
        TooSlow => "too_slow",
        ConcurrentWrite => "concurrent_write",
        Full => "full",
        NetworkFull => "network_full",
        Rate => "rate",
        NetworkDenied => "network_denied",
        NoToken => "no_token",
        NoHomeserver => "no_homeserver",
        Navigation => "navigation",
        NoSession => "no_session",
        NoPath => "no_path",
        NoMethod => "no_method",
        NoStore => "no_store",
    }
}

words! {
    /// Why a connection was closed without a response.
    ConnectionRefusal {
        /// The limit of connections is reached.
        TooMany => "too_many",
        /// With the PROXY protocol, only trusted proxies may connect.
        NotAProxy => "not_a_proxy",
        /// A trusted proxy did not start with a header of the PROXY protocol.
        NoProxyHeader => "no_proxy_header",
    }
}

words! {
    /// The operations of the store.
    StoreOperation {
        Create => "create",
        Read => "read",
        Write => "write",
        Delete => "delete",
        Check => "check",
    }
}

words! {
    /// The homeserver's answer about an access token.
    WhoamiResult {
        Good => "good",
        Bad => "bad",
        Unavailable => "unavailable",
    }
}
