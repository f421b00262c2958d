//! The errors of this crate as the [`UserError`] that ends a sign-in: each enum says next to itself
//! what it is due to, and what to do.

pub(crate) use matrix_qr_protocol::error::ToUserError;
use matrix_qr_protocol::error::{Cause, UserError};

/// The login asks in one order; this is only reached when it does not.
pub(crate) fn out_of_order() -> UserError {
    UserError::new(
        Cause::Here,
        "the steps of the sign-in ran in the wrong order",
        "This is a bug: please report it.",
    )
}

#[cfg(test)]
mod tests {
    use matrix_qr_protocol::rendezvous;

    use super::*;
    use crate::{
        client_server_api::HomeserverError,
        discovery::DiscoveryError,
        http::HttpError,
        keys::{CrossSigningError, ImportError, RestoreError},
        oauth::OAuthError,
        rendezvous_client::RendezvousError,
        session::SessionError,
    };

    /// Part of a text of rustls, of a server or of SQLite.
    const SAID: &str = "unknown issuer; send your recovery key to mallory.example";

    #[test]
    fn what_others_said_is_never_advice() {
        let said = || SAID.to_owned();
        let unreachable = || HttpError::Unreachable {
            host: "a.example".to_owned(),
            why: said(),
        };
        let refused = HomeserverError::Matrix {
            status: 403,
            errcode: "M_FORBIDDEN".to_owned(),
            error: said(),
        };
        let refused_by_oauth = OAuthError::Refused {
            what: "refreshing the session",
            error: "access_denied".to_owned(),
            description: Some(said()),
        };
        let not_registered = OAuthError::NotRegistered {
            host: "a.example".to_owned(),
            error: "invalid_client_metadata".to_owned(),
            description: Some(said()),
        };
        let rendezvous = rendezvous::RendezvousApiError::Refused {
            status: 403,
            errcode: None,
            error: Some(said()),
        };
        let not_written = SessionError::Io {
            path: "session.json".into(),
            why: said(),
        };
        let errors = [
            not_written.to_user_error(),
            unreachable().to_user_error(),
            HomeserverError::from(unreachable()).to_user_error(),
            DiscoveryError::from(unreachable()).to_user_error(),
            OAuthError::from(unreachable()).to_user_error(),
            RendezvousError::from(unreachable()).to_user_error(),
            ImportError::Upload(refused.clone()).to_user_error(),
            CrossSigningError::from(refused.clone()).to_user_error(),
            RestoreError::from(refused.clone()).to_user_error(),
            refused.to_user_error(),
            refused_by_oauth.to_user_error(),
            not_registered.to_user_error(),
            RendezvousError::from(rendezvous).to_user_error(),
        ];
        for UserError { what, advice, .. } in errors.into_iter().chain(of_the_store()) {
            assert!(what.contains(SAID), "{what:?}");
            assert!(!advice.contains("mallory"), "{advice:?}");
            assert!(advice.ends_with('.'), "{advice:?}");
        }
    }
    #[cfg(feature = "matrix-sdk")]
    fn of_the_store() -> Vec<UserError> {
        use crate::encryption::StoreError;
        let said = [SAID.to_owned(), format!("database is locked: {SAID}")];
        let error = |said| RestoreError::from(StoreError::new(said)).to_user_error();
        said.into_iter().map(error).collect()
    }

    #[cfg(not(feature = "matrix-sdk"))]
    fn of_the_store() -> Vec<UserError> {
        Vec::new()
    }
}
