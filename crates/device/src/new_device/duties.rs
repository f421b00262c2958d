//! What the new device does when its login asks.

use std::sync::OnceLock;

use matrix_qr_protocol::{
    error::{Error, Side, Trouble},
    homeserver::Homeserver as Named,
    login::{
        Answer, Ask, NoAuthorization, NoToken, NotImported,
        message::{Authorization as Wanted, DeviceId, Secrets, VerificationLink},
    },
    qr::ShownBy,
    revision::Role,
};
use ruma::{OwnedDeviceId, OwnedUserId};
use url::Url;

use super::{
    Setup, SignedIn,
    import::{Import, Importing},
};
use crate::{
    discovery::{self, DiscoveryError, ServerMetadata},
    encryption::Imported,
    homeserver::Homeserver,
    host::Duties,
    http::Http,
    oauth::{Authorization, OAuth, OAuthError, TokenOutcome, Tokens, new_device_id},
    person::{News, Person},
    retry::patiently,
    session::{SessionDir, StoredSession, UserSession},
    start::{Rendezvous, Start},
    trouble::{Told, out_of_order},
};

/// The new device, as far as it has come. Each thing is learnt once.
pub(super) struct NewDevice<'a, P> {
    setup: &'a Setup,
    http: Http,
    directory: &'a SessionDir,
    person: &'a P,
    asked: OnceLock<Asked>,
    account: OnceLock<Account>,
    import: Importing,
    signed_in: OnceLock<SignedIn>,
}

/// An authorization that was asked for.
struct Asked {
    base: Url,
    oauth: OAuth,
    authorization: Authorization,
    device_id: OwnedDeviceId,
}

/// An authorization that was given.
struct Account {
    tokens: Tokens,
    user_id: OnceLock<OwnedUserId>,
}

/// Before any QR code is shown, where the homeserver is known by then: can anybody be signed in there at all? A code of
/// our own role is refused before it is looked at any further.
pub(super) async fn check_homeserver(http: &Http, start: &Start) -> Result<(), Error> {
    match start {
        Start::Scan(code) if code.shown_by == ShownBy::New => Err(Error::SameRole(Role::New)),
        Start::Show(Rendezvous::Homeserver(named)) => {
            find_oauth_server(http, named).await.map(|_| ()).map_err(Error::from)
        }
        Start::Scan(_) | Start::Show(Rendezvous::Endpoint(_)) => Ok(()),
    }
}

impl<'a, P: Person> NewDevice<'a, P> {
    pub(super) fn new(setup: &'a Setup, (http, directory): (Http, &'a SessionDir), person: &'a P) -> Self {
        let (asked, account, import, signed_in) = Default::default();
        Self { setup, http, directory, person, asked, account, import, signed_in }
    }

    /// The sign-in is over: what was built is handed out, or taken down again.
    pub(super) async fn close(self, end: Result<(), Error>) -> Result<SignedIn, Error> {
        let result =
            end.and_then(|()| self.signed_in.get().cloned().ok_or_else(|| Error::NotSetUp(out_of_order())));
        if result.is_err() {
            self.revoke().await;
            // With the token gone it comes to its end soon, if it is still at work.
            self.import.settled().await;
        }
        result
    }

    /// "No unverified device stays behind": with its tokens, the device goes.
    async fn revoke(&self) {
        let Some(asked) = self.asked.get() else { return };
        let tokens = match self.account.get() {
            Some(account) => Some(account.tokens.clone()),
            None => asked.oauth.late_tokens(&asked.authorization).await,
        };
        let Some(tokens) = tokens else { return };
        if let Err(error) = asked.oauth.revoke(&tokens).await {
            let what = format!("the device {} of your account ({error})", asked.device_id);
            self.person.tell(News::LeftBehind(&what));
        }
    }

    async fn authorize(&self, named: Named) -> Result<Wanted, NoAuthorization> {
        let (base, metadata) = find_oauth_server(&self.http, &named).await?;
        let asked = self.ask(base, metadata).await.map_err(unauthorized)?;
        let wanted = wanted(&asked).ok_or_else(|| NoAuthorization::Failed(unusable_link()))?;
        let _ = self.asked.set(asked);
        Ok(wanted)
    }

    /// Step 2: registration if need be, then RFC 8628, section 3.1.
    async fn ask(&self, base: Url, metadata: ServerMetadata) -> Result<Asked, OAuthError> {
        let connect = || OAuth::connect(self.http.clone(), metadata.clone(), &self.setup.client);
        let oauth = patiently(connect).await?;
        let device_id = OwnedDeviceId::from(new_device_id()?);
        let authorization = patiently(|| oauth.authorize_device(device_id.as_str())).await?;
        Ok(Asked { base, oauth, authorization, device_id })
    }

    /// Step 4: the person decides, in a browser on the other device.
    async fn await_token(&self) -> Result<(), NoToken> {
        let asked = self.asked.get().ok_or_else(|| NoToken::Failed(out_of_order()))?;
        let link = link(&asked.authorization).ok_or_else(|| NoToken::Failed(unusable_link()))?;
        self.person.tell(News::UserCode { code: asked.authorization.user_code(), link: &link });
        let tokens = match asked.oauth.await_token(&asked.authorization).await {
            TokenOutcome::Granted(tokens) => tokens,
            TokenOutcome::Denied => return Err(NoToken::Denied),
            TokenOutcome::Expired => return Err(NoToken::Expired),
            TokenOutcome::Failed(error) => return Err(NoToken::Failed(error.told())),
        };
        // From here on there is something to revoke.
        let account = self.account.get_or_init(|| Account { tokens, user_id: OnceLock::new() });
        self.person.tell(News::Token);
        self.check_device(asked, account).await.map_err(NoToken::Failed)
    }

    /// The token must be for the device that was asked for: it is what the existing device will look for.
    async fn check_device(&self, asked: &Asked, account: &Account) -> Result<(), Trouble> {
        let homeserver = self.homeserver(asked, account);
        let who = homeserver.whoami().await.map_err(|error| error.told())?;
        if who.device_id != asked.device_id {
            return Err(Trouble::new(
                Side::Homeserver,
                "the homeserver signed in another device than the one that was asked for",
                "Tell the homeserver's administrator.",
            ));
        }
        let _ = account.user_id.set(who.user_id);
        Ok(())
    }

    fn homeserver(&self, asked: &Asked, account: &Account) -> Homeserver {
        Homeserver::new(self.http.clone(), asked.base.clone(), account.tokens.access_token.clone())
    }

    /// Secret sharing, step 3.
    async fn import(&self, secrets: Secrets) -> Result<(), NotImported> {
        self.person.tell(News::ImportingSecrets);
        let (asked, account) = (self.asked.get(), self.account.get());
        let (Some(asked), Some(account)) = (asked, account) else {
            return Err(NotImported::Failed(out_of_order()));
        };
        let Some(user_id) = account.user_id.get() else { return Err(NotImported::Failed(out_of_order())) };
        let import = Import {
            directory: self.directory.path().to_owned(),
            user_id: user_id.clone(),
            device_id: asked.device_id.clone(),
            homeserver: self.homeserver(asked, account),
        };
        let imported = self.import.run(import.take(secrets)).await?;
        self.person.tell(News::KeysUploaded);
        self.person.tell(News::Backup(&imported.backup));
        self.store((asked, account), user_id, imported)
    }

    fn store(
        &self,
        (asked, account): (&Asked, &Account),
        user_id: &OwnedUserId,
        imported: Imported,
    ) -> Result<(), NotImported> {
        let user = UserSession {
            user_id: user_id.clone(),
            device_id: asked.device_id.clone(),
            access_token: account.tokens.access_token.clone(),
            refresh_token: account.tokens.refresh_token.clone(),
        };
        let session = StoredSession {
            homeserver: asked.base.clone(),
            issuer: asked.oauth.metadata().issuer.clone(),
            client_id: asked.oauth.client_id().to_owned(),
            user,
        };
        self.directory.save(&session).map_err(|error| NotImported::Failed(error.told()))?;
        let _ = self.signed_in.set(SignedIn {
            user_id: user_id.to_string(),
            device_id: asked.device_id.to_string(),
            homeserver: asked.base.clone(),
            master_key: imported.master_key,
            backup: imported.backup,
        });
        Ok(())
    }
}

impl<P: Person> Duties for NewDevice<'_, P> {
    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::RequestAuthorization(homeserver) => {
                Answer::Authorization(Box::pin(self.authorize(homeserver)).await)
            }
            Ask::AwaitToken => Answer::Token(Box::pin(self.await_token()).await),
            Ask::ImportSecrets(secrets) => Answer::Imported(Box::pin(self.import(secrets)).await),
            // The login of a new device asks for nothing else.
            _ => Answer::Imported(Err(NotImported::Failed(out_of_order()))),
        }
    }
}

async fn find_oauth_server(http: &Http, named: &Named) -> Result<(Url, ServerMetadata), NoAuthorization> {
    let base = patiently(|| discovery::resolve(http, named)).await.map_err(undiscovered)?;
    let metadata = patiently(|| discovery::server_metadata(http, &base)).await.map_err(undiscovered)?;
    metadata.device_grant().map_err(undiscovered)?;
    Ok((base, metadata))
}

fn undiscovered(error: DiscoveryError) -> NoAuthorization {
    match error {
        DiscoveryError::NoOauth { .. } | DiscoveryError::NoDeviceGrant { .. } => {
            NoAuthorization::Unsupported(error.told())
        }
        _ => NoAuthorization::Failed(error.told()),
    }
}

fn unauthorized(error: OAuthError) -> NoAuthorization {
    NoAuthorization::Failed(error.told())
}

fn wanted(asked: &Asked) -> Option<Wanted> {
    Some(Wanted { link: link(&asked.authorization)?, device_id: DeviceId::parse(asked.device_id.as_str())? })
}

fn link(authorization: &Authorization) -> Option<VerificationLink> {
    let complete = authorization.verification_uri_complete().map(Url::parse).transpose().ok()?;
    let verification_uri = Url::parse(authorization.verification_uri()).ok()?;
    Some(VerificationLink { verification_uri, verification_uri_complete: complete })
}

fn unusable_link() -> Trouble {
    let what = "the authorization server's link cannot be read";
    Trouble::new(Side::AuthorizationServer, what, "Tell the server's administrator.")
}
