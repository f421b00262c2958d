//! What the new device does when its login asks.

use std::sync::OnceLock;

use matrix_qr_protocol::{
    error::{Cause, Error, UserError},
    homeserver::HomeserverAddress,
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
    SignInOptions, SignedIn,
    account::check_account,
    given::{Account, Asked},
    import::{Import, Importing},
};
use crate::{
    discovery::{self, DiscoveryError, ServerMetadata},
    encryption::Imported,
    homeserver::Homeserver,
    host::Duties,
    http::Http,
    oauth::{Authorization, OAuth, OAuthError, TokenOutcome, Tokens, new_device_id},
    person::{Person, ProgressEvent},
    retry::patiently,
    session::{SessionDir, place},
    sign_out::{self, SignOutOutcome},
    start::{Rendezvous, Start},
    user_error::{ToUserError, out_of_order},
};

/// The new device, as far as it has come. Each thing is learnt once.
pub(super) struct NewDevice<'a, P> {
    setup: &'a SignInOptions,
    http: Http,
    directory: &'a SessionDir,
    person: &'a P,
    asked: OnceLock<Asked>,
    account: OnceLock<Account>,
    import: Importing,
    signed_in: OnceLock<SignedIn>,
}

/// Before any QR code is shown, where the homeserver is known by then: can anybody be signed in
/// there at all? A code of our own role is refused before it is looked at any further.
pub(super) async fn check_homeserver(http: &Http, start: &Start) -> Result<(), Error> {
    match start {
        Start::Scan(code) if code.shown_by == ShownBy::New => Err(Error::SameRole(Role::New)),
        // A misspelt name is said at once. It is for a connection that was lost that one waits.
        Start::Show(Rendezvous::Homeserver(named)) => {
            discovery::look_up(http, named)
                .await
                .map_err(|error| Error::NotAuthorized(error.to_user_error()))?;
            find_oauth_server(http, named)
                .await
                .map(|_| ())
                .map_err(Error::from)
        }
        Start::Show(Rendezvous::Endpoint(url)) => http
            .look_up(url)
            .await
            .map_err(|error| Error::Rendezvous(error.to_user_error())),
        Start::Scan(_) => Ok(()),
    }
}

impl<'a, P: Person> NewDevice<'a, P> {
    pub(super) fn new(
        setup: &'a SignInOptions,
        (http, directory): (Http, &'a SessionDir),
        person: &'a P,
    ) -> Self {
        let (asked, account, import, signed_in) = Default::default();
        Self {
            setup,
            http,
            directory,
            person,
            asked,
            account,
            import,
            signed_in,
        }
    }

    /// The sign-in is over: what was built is handed out, or taken down again.
    pub(super) async fn close(self, end: Result<(), Error>) -> Result<SignedIn, Error> {
        let result = end.and_then(|()| {
            self.signed_in
                .get()
                .cloned()
                .ok_or_else(|| Error::NotSetUp(out_of_order()))
        });
        if result.is_err() {
            self.take_back().await;
            // With the token gone it comes to its end soon, if it is still at work.
            self.import.settled().await;
        }
        result
    }

    /// "No unverified device stays behind": with its tokens, the device goes. As long as that is
    /// not seen, they stay on disk.
    async fn take_back(&self) {
        let Some(asked) = self.asked.get() else {
            return;
        };
        if self.account.get().is_none()
            && let Some(tokens) = asked.oauth.late_tokens(&asked.authorization).await
        {
            let _ = self.account.set(Account::new(tokens));
        }
        let Some(account) = self.account.get() else {
            return;
        };
        let revocable = asked.revocable(account);
        // Where one of the next steps fails, there is nothing left that could be done about it.
        let _ = self.directory.withdraw();
        let keep = |fresh: &Tokens| {
            self.directory
                .save_pending(&revocable.clone().refreshed(fresh))
        };
        match sign_out::end_at(&asked.oauth, &self.http, revocable.clone(), keep).await {
            SignOutOutcome::Ended | SignOutOutcome::Void => drop(self.directory.remove_pending()),
            SignOutOutcome::Unknown(why) => {
                let device_id = asked.device_id.as_str();
                let place = revocable.place();
                let advice = format!(
                    "Run `matrix-qr logout` with its directory later, or remove it {place}."
                );
                self.person.tell(ProgressEvent::DeviceLeft {
                    device_id,
                    why: &why,
                    advice: &advice,
                });
            }
        }
    }

    async fn authorize(&self, named: HomeserverAddress) -> Result<Wanted, NoAuthorization> {
        let (base, metadata) = find_oauth_server(&self.http, &named).await?;
        let asked = self.ask(base, metadata).await.map_err(unauthorized)?;
        let wanted = wanted(&asked).ok_or_else(|| NoAuthorization::Failed(unusable_link()))?;
        let _ = self.asked.set(asked);
        Ok(wanted)
    }

    /// Step 2: registration if need be, then RFC 8628, section 3.1.
    async fn ask(&self, base: Url, metadata: ServerMetadata) -> Result<Asked, OAuthError> {
        let connect = || OAuth::connect(self.http.clone(), metadata.clone(), &self.setup.client);
        let oauth = patiently(connect).await?.on_device(&self.setup.name);
        let device_id = OwnedDeviceId::from(new_device_id()?);
        let authorization = patiently(|| oauth.authorize_device(device_id.as_str())).await?;
        Ok(Asked {
            base,
            oauth,
            authorization,
            device_id,
        })
    }

    /// Step 4: the person decides, in a browser on the other device.
    async fn await_token(&self) -> Result<(), NoToken> {
        let asked = self
            .asked
            .get()
            .ok_or_else(|| NoToken::Failed(out_of_order()))?;
        let link = link(&asked.authorization).ok_or_else(|| NoToken::Failed(unusable_link()))?;
        self.person.tell(ProgressEvent::UserCode {
            code: asked.authorization.user_code(),
            link: &link,
        });
        let tokens = match asked.oauth.await_token(&asked.authorization).await {
            TokenOutcome::Granted(tokens) => tokens,
            TokenOutcome::Denied => return Err(NoToken::Denied),
            TokenOutcome::Expired => return Err(NoToken::Expired),
            TokenOutcome::Failed(OAuthError::TokenLost) => {
                return Err(NoToken::Failed(self.lost(asked)));
            }
            TokenOutcome::Failed(error) => return Err(NoToken::Failed(error.to_user_error())),
        };
        // From here on there is something to revoke, also for a process that comes after this one.
        let account = self.account.get_or_init(|| Account::new(tokens));
        let kept = self.directory.save_pending(&asked.revocable(account));
        kept.map_err(|error| NoToken::Failed(error.to_user_error()))?;
        self.person.tell(ProgressEvent::Token);
        let user_id = self
            .check_device(asked, account)
            .await
            .map_err(NoToken::Failed)?;
        check_account(self.person, self.setup.user.as_deref(), &user_id).await?;
        let _ = account.user_id.set(user_id);
        Ok(())
    }

    /// Nobody has the token, so nobody can revoke it.
    fn lost(&self, asked: &Asked) -> UserError {
        let (device_id, why) = (
            asked.device_id.as_str(),
            "the answer with its token was lost on the way",
        );
        let place = place(asked.oauth.metadata().account_management_uri.as_ref());
        let advice = format!("Remove it {place}.");
        self.person.tell(ProgressEvent::DeviceLeft {
            device_id,
            why,
            advice: &advice,
        });
        let what = format!(
            "the answer with the token was lost on the way, and the device {device_id} is left behind"
        );
        UserError::new(
            Cause::AuthorizationServer,
            what,
            format!("Remove it {place}, then begin again."),
        )
    }

    /// The token must be for the device that was asked for: it is what the existing device will
    /// look for.
    async fn check_device(
        &self,
        asked: &Asked,
        account: &Account,
    ) -> Result<OwnedUserId, UserError> {
        let homeserver = self.homeserver(asked, account);
        let who = homeserver
            .whoami()
            .await
            .map_err(|error| error.to_user_error())?;
        if who.device_id != asked.device_id {
            return Err(UserError::new(
                Cause::Homeserver,
                "the homeserver signed in another device than the one that was asked for",
                "Tell the homeserver's administrator.",
            ));
        }
        Ok(who.user_id)
    }

    fn homeserver(&self, asked: &Asked, account: &Account) -> Homeserver {
        Homeserver::new(
            self.http.clone(),
            asked.base.clone(),
            account.tokens.access_token.clone(),
        )
    }

    /// Secret sharing, step 3.
    async fn import(&self, secrets: Secrets) -> Result<(), NotImported> {
        self.person.tell(ProgressEvent::ImportingSecrets);
        let (asked, account) = (self.asked.get(), self.account.get());
        let (Some(asked), Some(account)) = (asked, account) else {
            return Err(NotImported::Failed(out_of_order()));
        };
        let Some(user_id) = account.user_id.get() else {
            return Err(NotImported::Failed(out_of_order()));
        };
        let import = Import {
            directory: self.directory.path().to_owned(),
            user_id: user_id.clone(),
            device_id: asked.device_id.clone(),
            homeserver: self.homeserver(asked, account),
        };
        let (imported, ()) = tokio::join!(
            self.import.run(import.take(secrets)),
            self.name_itself(asked, account)
        );
        let imported = imported?;
        self.person.tell(ProgressEvent::KeysUploaded);
        self.person.tell(ProgressEvent::Backup(&imported.backup));
        self.store((asked, account), user_id, imported)
    }

    /// A courtesy: the server may have given it a name already, or let nobody name a device. Then
    /// it has that one.
    async fn name_itself(&self, asked: &Asked, account: &Account) {
        let homeserver = self.homeserver(asked, account);
        if let Err(error) = homeserver
            .name_device(&asked.device_id, &self.setup.name)
            .await
        {
            tracing::info!(%error, "the homeserver did not take the device's name");
        }
    }

    fn store(
        &self,
        (asked, account): (&Asked, &Account),
        user_id: &OwnedUserId,
        imported: Imported,
    ) -> Result<(), NotImported> {
        let session = asked.session(account, user_id);
        self.directory
            .complete(&session)
            .map_err(|error| NotImported::Failed(error.to_user_error()))?;
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

async fn find_oauth_server(
    http: &Http,
    named: &HomeserverAddress,
) -> Result<(Url, ServerMetadata), NoAuthorization> {
    let base = patiently(|| discovery::resolve(http, named))
        .await
        .map_err(undiscovered)?;
    let metadata = patiently(|| discovery::server_metadata(http, &base))
        .await
        .map_err(undiscovered)?;
    metadata.device_grant().map_err(undiscovered)?;
    Ok((base, metadata))
}

fn undiscovered(error: DiscoveryError) -> NoAuthorization {
    match error {
        DiscoveryError::NoOauth { .. } | DiscoveryError::NoDeviceGrant { .. } => {
            NoAuthorization::Unsupported(error.to_user_error())
        }
        _ => NoAuthorization::Failed(error.to_user_error()),
    }
}

fn unauthorized(error: OAuthError) -> NoAuthorization {
    NoAuthorization::Failed(error.to_user_error())
}

fn wanted(asked: &Asked) -> Option<Wanted> {
    Some(Wanted {
        link: link(&asked.authorization)?,
        device_id: DeviceId::parse(asked.device_id.as_str())?,
    })
}

fn link(authorization: &Authorization) -> Option<VerificationLink> {
    let complete = authorization
        .verification_uri_complete()
        .map(Url::parse)
        .transpose()
        .ok()?;
    let verification_uri = Url::parse(authorization.verification_uri()).ok()?;
    Some(VerificationLink {
        verification_uri,
        verification_uri_complete: complete,
    })
}

fn unusable_link() -> UserError {
    let what = "the authorization server's link cannot be read";
    UserError::new(
        Cause::AuthorizationServer,
        what,
        "Tell the server's administrator.",
    )
}
