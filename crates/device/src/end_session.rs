//! The end of a session on the server, and how far it can be seen.
//!
//! RFC 7009, section 2.2: a server answers 200 for a token that it does not know, too. So a
//! revocation proves nothing by itself. The tokens are first refreshed, which shows that their
//! session is alive; then revoked; then tried.

use std::time::Duration;

use matrix_qr_protocol::error::{Cause, UserError};
use tokio::time::{sleep, timeout};

use crate::{
    client_server_api::{Effort, Homeserver, HomeserverError},
    discovery::{self, DiscoveryError, ServerMetadata},
    http::Http,
    oauth::{OAuth, Tokens},
    retry::briefly,
    session::{Revocable, SessionError},
};

/// What became of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignOutOutcome {
    /// It was alive, and it has ended.
    Ended,
    /// Its tokens were void already: it ended earlier, or others have its newer tokens.
    Void,
    /// It may still be alive, for this reason.
    Unknown(String),
}

/// How long it may take to find the server that issued the tokens, where connections hang.
const FIND: Duration = Duration::from_secs(20);
/// How long a homeserver may go on accepting a token that was revoked: it may have to be told
/// first.
const UNTIL_REFUSED: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Why a session whose tokens are void is not seen to have ended.
pub(crate) fn void(session: &Revocable) -> UserError {
    UserError::new(
        Cause::AuthorizationServer,
        format!(
            "{} may still be signed in: the tokens that are stored here no longer work, because \
             the session has ended or a copy of its directory is in use elsewhere",
            session.device()
        ),
        format!(
            "Check whether it is listed {}, and remove it there. Then clear it here with \
             `matrix-qr logout --local`.",
            session.place()
        ),
    )
}

/// Why a session may still be alive.
pub(crate) fn unknown(session: &Revocable, why: &str) -> UserError {
    UserError::new(
        Cause::AuthorizationServer,
        format!("{} may still be signed in: {why}", session.device()),
        format!(
            "Its tokens are kept: run `matrix-qr logout` again later. Or remove it {}, and clear \
             it here with `matrix-qr logout --local`.",
            session.place()
        ),
    )
}

/// Ends a session. Each set of fresh tokens is given to `keep` before it is used, so that after an
/// interruption one can go on with them.
pub(crate) async fn end(
    http: &Http,
    session: Revocable,
    keep: impl Fn(&Tokens) -> Result<(), SessionError>,
) -> SignOutOutcome {
    match timeout(FIND, briefly(|| authorization_server(http, &session))).await {
        Ok(Ok(metadata)) => {
            let oauth = OAuth::resume(http.clone(), metadata, session.client_id.clone());
            end_at(&oauth, http, session, keep).await
        }
        Ok(Err(error)) => SignOutOutcome::Unknown(error.to_string()),
        Err(_) => SignOutOutcome::Unknown("its servers did not answer in time".to_owned()),
    }
}

/// The one that issued the tokens. Where the homeserver does not name it (any more), or does not
/// answer, it is asked directly.
async fn authorization_server(
    http: &Http,
    session: &Revocable,
) -> Result<ServerMetadata, DiscoveryError> {
    match discovery::server_metadata(http, &session.homeserver).await {
        Ok(metadata) if metadata.issuer == session.issuer => Ok(metadata),
        _ => discovery::issuer_metadata(http, &session.issuer).await,
    }
}

/// The same, where the server is known.
pub(crate) async fn end_at(
    oauth: &OAuth,
    http: &Http,
    session: Revocable,
    keep: impl Fn(&Tokens) -> Result<(), SessionError>,
) -> SignOutOutcome {
    let (session, fresh) = match refreshed(oauth, &session).await {
        Some(tokens) => {
            if let Err(error) = keep(&tokens) {
                tracing::debug!(%error, "the refreshed tokens could not be stored");
            }
            (session.refreshed(&tokens), true)
        }
        None => (session, false),
    };
    let token = session.user.access_token.clone();
    let homeserver = Homeserver::new(http.clone(), session.homeserver.clone(), token);
    let lived = fresh || homeserver.whoami_within(Effort::BRIEF).await.is_ok();
    if let Err(error) = oauth.revoke(&session.tokens()).await {
        return SignOutOutcome::Unknown(error.to_string());
    }
    match refusal(&homeserver, oauth, &session).await {
        Ok(()) if lived => SignOutOutcome::Ended,
        Ok(()) => SignOutOutcome::Void,
        Err(why) => SignOutOutcome::Unknown(why),
    }
}

/// A homeserver may remember for minutes that a token was valid. It has not seen a fresh one.
async fn refreshed(oauth: &OAuth, session: &Revocable) -> Option<Tokens> {
    let refresh_token = session.user.refresh_token.as_ref()?;
    briefly(|| oauth.refresh(refresh_token)).await.ok()
}

/// Checks that the token is refused: by the homeserver or, where that cannot be asked, by the
/// server that issued it.
async fn refusal(
    homeserver: &Homeserver,
    oauth: &OAuth,
    session: &Revocable,
) -> Result<(), String> {
    for pause in UNTIL_REFUSED {
        match homeserver.whoami_within(Effort::BRIEF).await {
            Err(HomeserverError::Expired) => return Ok(()),
            Ok(_) => sleep(pause).await,
            Err(error) => {
                return refused_at_issuer(oauth, session, &error.to_string()).await;
            }
        }
    }
    Err("the homeserver still accepts its token after it was revoked".to_owned())
}

async fn refused_at_issuer(oauth: &OAuth, session: &Revocable, why: &str) -> Result<(), String> {
    let Some(refresh_token) = &session.user.refresh_token else {
        return Err(why.to_owned());
    };
    match briefly(|| oauth.refresh(refresh_token)).await {
        Err(error) if error.is_invalid_grant() => Ok(()),
        Ok(_) => Err("its tokens can still be refreshed after they were revoked".to_owned()),
        Err(_) => Err(why.to_owned()),
    }
}
