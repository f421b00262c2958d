//! Why Redis does not do what it is asked, in one word: its own, without the rest of its sentence,
//! which may quote a key.

use redis::{ErrorKind, RedisError};

use crate::store::unavailable::Unavailable;

pub(super) fn unavailable(error: &RedisError) -> Unavailable {
    if error.is_timeout() {
        return Unavailable::new("timeout");
    }
    match error.kind() {
        ErrorKind::Io => Unavailable::new("io"),
        // It is asked when a connection is made, and the library keeps what it said to itself.
        ErrorKind::AuthenticationFailed => Unavailable::new("WRONGPASS"),
        // No Sentinel knows a main server that is up.
        ErrorKind::MasterNameNotFoundBySentinel => Unavailable::new("MASTERDOWN"),
        ErrorKind::ClusterConnectionNotFound => Unavailable::new("CLUSTERDOWN"),
        _ => Unavailable::new(&code(error)),
    }
}

/// Redis's own word. A question of several commands has several errors: the first.
fn code(error: &RedisError) -> String {
    let errors = error.clone().into_server_errors();
    errors
        .iter()
        .flat_map(|errors| errors.iter())
        .map(|(_, error)| error.code().to_owned())
        .next()
        .unwrap_or_default()
}
