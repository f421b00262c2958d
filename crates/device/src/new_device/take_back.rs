//! After a failed sign-in, its device is signed out: "no unverified device stays behind".

use matrix_qr_protocol::error::{Cause, UserError};

use super::progress::{GrantedTokens, PendingAuthorization, SignInProgress};
use crate::{
    end_session::{self, SignOutOutcome},
    http::Http,
    oauth::{OAuthError, Tokens},
    person::{Person, ProgressEvent},
    session::{SessionDir, place},
};

/// Revokes the tokens, and the device with them. Until that is confirmed, they stay on disk.
pub(super) async fn take_back<P: Person>(
    progress: &SignInProgress,
    http: &Http,
    directory: &SessionDir,
    person: &P,
) {
    let (asked, revocable) = match progress {
        SignInProgress::Begun => return,
        // The tokens may be on their way.
        SignInProgress::Asked(asked) => match asked.oauth.late_tokens(&asked.authorization).await {
            Some(tokens) => (
                asked,
                GrantedTokens::new(asked.clone(), tokens).revocable(None),
            ),
            None => return,
        },
        SignInProgress::Granted(grant) => (&grant.asked, grant.revocable(None)),
        SignInProgress::Accepted(account) | SignInProgress::SignedIn(account, _) => {
            let grant = &account.grant;
            (&grant.asked, grant.revocable(Some(&account.user_id)))
        }
    };
    // If one of the next steps fails, this process can do nothing more about it.
    let _ = directory.withdraw();
    let keep = |fresh: &Tokens| directory.save_pending(&revocable.clone().refreshed(fresh));
    match end_session::end_at(&asked.oauth, http, revocable.clone(), keep).await {
        SignOutOutcome::Ended | SignOutOutcome::Void => drop(directory.remove_pending()),
        SignOutOutcome::Unknown(why) => {
            let place = revocable.place();
            let advice =
                format!("Run `matrix-qr logout` with its directory later, or remove it {place}.");
            person.tell(ProgressEvent::DeviceLeft {
                device_id: asked.device_id.as_str(),
                why: &why,
                advice: &advice,
            });
        }
    }
}

/// Nobody has the token, so nobody can revoke it.
pub(super) fn token_lost<P: Person>(
    asked: &PendingAuthorization,
    error: &OAuthError,
    person: &P,
) -> UserError {
    let device_id = asked.device_id.as_str();
    let place = place(asked.oauth.metadata().account_management_uri.as_ref());
    let why = error.to_string();
    person.tell(ProgressEvent::DeviceLeft {
        device_id,
        why: &why,
        advice: &format!("Remove it {place}."),
    });
    let is_left = match error {
        OAuthError::TokenLost => "is left behind",
        _ => "may be left behind",
    };
    UserError::new(
        Cause::AuthorizationServer,
        format!("{why}, and the device {device_id} {is_left}"),
        format!("Remove it {place}, then start again."),
    )
}
