//! `token`: an access token on standard output, for a script, a bot or `curl`.

use std::time::Duration;

use matrix_qr_device::{AccessToken, access_token};
use serde_json::{Value, json};

use crate::{
    args,
    exit::Failure,
    online::{directory, policy},
    output::Printer,
};

/// The only place where a secret is printed, on purpose.
pub(crate) async fn token(args: &args::TokenArgs) -> Result<(), Failure> {
    let directory = directory(&args.online.directory)?;
    let good_for = Duration::from_secs(args.seconds);
    let token = access_token(
        &directory,
        policy(args.online.allow_loopback_http),
        good_for,
    )
    .await
    .map_err(Failure::not_ready)?;
    Printer::new(args.online.json).result(token.token.expose(), token_facts(&token));
    Ok(())
}

/// For another program.
pub(crate) fn token_facts(token: &AccessToken) -> Value {
    json!({
        "access_token": token.token.expose(),
        "expires_at": token.expires_at,
        "expires_in": token.expires_in.map(|time| time.as_secs()),
        "user_id": token.facts.user_id,
        "device_id": token.facts.device_id,
        "homeserver": token.facts.homeserver,
    })
}
