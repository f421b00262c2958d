//! The account that this device joins. Whoever holds the other device chooses the account, and the
//! person here may want a different one (MSC4108, "Threat analysis": the new device is signed in to
//! the attacker's account).

use matrix_qr_protocol::{
    error::{Cause, UserError},
    login::NoToken,
    printable,
};
use ruma::UserId;

use crate::person::{Person, ProgressEvent};

/// Before anything is stored, and before the other device is told of a success.
pub(super) async fn check_account<P: Person>(
    person: &P,
    wanted: Option<&UserId>,
    user_id: &UserId,
) -> Result<(), NoToken> {
    person.tell(ProgressEvent::Account(user_id));
    match wanted {
        Some(wanted) if wanted == user_id => Ok(()),
        Some(wanted) => Err(NoToken::WrongAccount(another(wanted, user_id))),
        None if person.confirm_account(user_id).await => Ok(()),
        None => Err(NoToken::WrongAccount(not_taken(user_id))),
    }
}

fn another(wanted: &UserId, user_id: &UserId) -> UserError {
    let (wanted, user_id) = (printable(wanted.as_str()), printable(user_id.as_str()));
    UserError::new(
        Cause::OtherDevice,
        format!("this sign-in is to the account {user_id}, but {wanted} was requested"),
        format!(
            "Nothing was stored. Start again with a device of {wanted}, and agree in that account."
        ),
    )
}

fn not_taken(user_id: &UserId) -> UserError {
    UserError::new(
        Cause::Person,
        format!(
            "you did not accept the account {}",
            printable(user_id.as_str())
        ),
        "Nothing was stored. Start again with a device of your own account, and agree in that \
         account.",
    )
}
