//! Why Redis fails, as one code: Redis's own error code, without its message, which may quote a
//! key.

use redis::{ErrorKind, RedisError};

use crate::store::unavailable::Unavailable;

pub(super) fn unavailable(error: &RedisError) -> Unavailable {
    if error.is_timeout() {
        return Unavailable::new("timeout");
    }
    match error.kind() {
        ErrorKind::Io => Unavailable::new("io"),
        // Commands that open a connection fail with this, and the library keeps the server's code
        // to itself.
        ErrorKind::AuthenticationFailed => Unavailable::new("WRONGPASS"),
        // No Sentinel knows a main server that is up.
        ErrorKind::MasterNameNotFoundBySentinel => Unavailable::new("MASTERDOWN"),
        ErrorKind::ClusterConnectionNotFound => Unavailable::new("CLUSTERDOWN"),
        _ => Unavailable::new(&code(error)),
    }
}

/// Redis's own error code. Several commands may have several errors: the first one.
fn code(error: &RedisError) -> String {
    let errors = error.clone().into_server_errors();
    errors
        .iter()
        .flat_map(|errors| errors.iter())
        .map(|(_, error)| error.code().to_owned())
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_the_library_finds_out_has_a_code_too() {
        for (kind, code) in [
            (ErrorKind::AuthenticationFailed, "WRONGPASS"),
            (ErrorKind::MasterNameNotFoundBySentinel, "MASTERDOWN"),
            (ErrorKind::ClusterConnectionNotFound, "CLUSTERDOWN"),
            (ErrorKind::UnexpectedReturnType, "other"),
        ] {
            let error = RedisError::from((kind, "said by the library"));
            assert_eq!(unavailable(&error).code(), code, "{kind:?}");
        }
        for (kind, code) in [
            (io::ErrorKind::TimedOut, "timeout"),
            (io::ErrorKind::ConnectionRefused, "io"),
        ] {
            let error = RedisError::from(io::Error::from(kind));
            assert_eq!(unavailable(&error).code(), code, "{kind:?}");
        }
    }
}
