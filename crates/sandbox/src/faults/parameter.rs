//! How a person writes the parameters of a fault: a module for each kind, with its name in help
//! texts, and with how it is read and written.

/// How often a fault strikes.
pub(super) mod count {
    pub(crate) const SYNTAX: &str = "TIMES";

    pub(crate) fn read(text: &str) -> Option<u32> {
        text.parse().ok()
    }

    pub(crate) fn write(times: &u32) -> String {
        times.to_string()
    }
}

/// Which request is meant, counted from 1.
pub(super) mod ordinal {
    pub(crate) const SYNTAX: &str = "N";

    pub(crate) fn read(text: &str) -> Option<u32> {
        text.parse().ok().filter(|nth| *nth > 0)
    }

    pub(crate) fn write(nth: &u32) -> String {
        nth.to_string()
    }
}

/// One of the methods that the rendezvous service understands, in any case.
pub(super) mod method {
    use axum::http::Method;

    pub(crate) const SYNTAX: &str = "METHOD";

    pub(crate) fn read(text: &str) -> Option<Method> {
        let known = [Method::GET, Method::PUT, Method::POST, Method::DELETE];
        known
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text))
    }

    pub(crate) fn write(method: &Method) -> String {
        method.to_string()
    }
}

/// A time in milliseconds.
pub(super) mod milliseconds {
    use std::time::Duration;

    pub(crate) const SYNTAX: &str = "MS";

    pub(crate) fn read(text: &str) -> Option<Duration> {
        text.parse().ok().map(Duration::from_millis)
    }

    pub(crate) fn write(time: &Duration) -> String {
        time.as_millis().to_string()
    }
}

/// Which server is meant.
pub(super) mod server {
    use super::super::late_server::LateServer;

    pub(crate) const SYNTAX: &str = "SERVER";

    pub(crate) fn read(text: &str) -> Option<LateServer> {
        LateServer::EACH
            .into_iter()
            .find(|server| server.name() == text)
    }

    pub(crate) fn write(server: &LateServer) -> String {
        server.name().to_owned()
    }
}
