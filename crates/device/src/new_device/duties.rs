//! How the new device answers the questions of its login.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use matrix_qr_protocol::{
    driver::NewDeviceHost,
    error::{Cause, Error, UserError},
    homeserver::HomeserverAddress,
    login::{
        NoAuthorization, NoToken, NotImported,
        message::{Authorization, DeviceId, Secrets},
    },
};
use ruma::{OwnedDeviceId, OwnedUserId, UserId};
use tokio::task::JoinSet;
use url::Url;

use super::{
    account::check_account,
    import::{Importing, not_imported},
    oauth_server::OAuthServer,
    options::{SignInOptions, SignedIn},
    progress::{AcceptedAccount, GrantedTokens, PendingAuthorization, SignInProgress},
    take_back::{take_back, token_lost},
};
use crate::{
    client_server_api::Homeserver,
    consent_link::{AccountServers, ConsentLink},
    device_name::DeviceName,
    host::HostAdapter,
    http::Http,
    keys::{AccountLookup, Imported, KeyHolder, UnpublishedDevice, take_secrets_after},
    oauth::{OAuth, OAuthError, TokenOutcome},
    person::{Person, ProgressEvent},
    retry::patiently,
    session::SessionDir,
    silence::Wait,
    user_error::{ToUserError, out_of_order},
};

/// The new device, as far as it has come.
pub(super) struct NewDevice<'a, P, K> {
    options: &'a SignInOptions,
    http: Http,
    server: Option<&'a OAuthServer>,
    directory: &'a SessionDir,
    person: &'a P,
    keys: Arc<K>,
    progress: Mutex<SignInProgress>,
    /// What is asked of the homeserver before the secrets arrive.
    account: Mutex<JoinSet<AccountLookup>>,
    /// The device is named meanwhile: nothing waits for that but the end.
    naming: Mutex<JoinSet<()>>,
    import: Importing,
}

impl<'a, P: Person, K: KeyHolder> NewDevice<'a, P, K> {
    pub(super) fn new(
        options: &'a SignInOptions,
        http: Http,
        server: Option<&'a OAuthServer>,
        directory: &'a SessionDir,
        person: &'a P,
        keys: Arc<K>,
    ) -> Self {
        Self {
            options,
            http,
            server,
            directory,
            person,
            keys,
            progress: Mutex::new(SignInProgress::Begun),
            account: Mutex::default(),
            naming: Mutex::default(),
            import: Importing::default(),
        }
    }

    /// The sign-in is over: returns the device, or removes everything that was created.
    pub(super) async fn close(self, end: Result<(), Error>) -> Result<SignedIn, Error> {
        let error = match (end, self.progress()) {
            (Ok(()), SignInProgress::SignedIn(_, signed_in)) => return Ok(*signed_in),
            (Ok(()), _) => Error::OutOfOrder,
            (Err(error), _) => error,
        };
        let progress = self.progress();
        tokio::join!(
            self.import.give_up(),
            take_back(&progress, &self.http, self.directory, self.person),
        );
        Err(error)
    }

    fn progress(&self) -> SignInProgress {
        locked(&self.progress).clone()
    }

    fn advance(&self, to: SignInProgress) {
        *locked(&self.progress) = to;
    }

    async fn authorize(
        &self,
        named: HomeserverAddress,
        device_id: DeviceId,
    ) -> Result<Authorization, NoAuthorization> {
        let (server, http) = (self.server, &self.http);
        let (base, oauth) = OAuthServer::named(server, http, self.options, &named).await?;
        let failed = |error: OAuthError| NoAuthorization::Failed(error.to_user_error());
        let asked = self.ask(base, oauth, &device_id).await;
        let asked = asked.map_err(failed)?;
        let wanted = Authorization {
            link: asked.authorization.link().clone(),
            device_id,
        };
        self.advance(SignInProgress::Asked(Arc::new(asked)));
        Ok(wanted)
    }

    /// Step 2: RFC 8628, section 3.1, for the device ID that shows the existing device who asks.
    async fn ask(
        &self,
        base: Url,
        oauth: OAuth,
        device_id: &DeviceId,
    ) -> Result<PendingAuthorization, OAuthError> {
        let device_id = OwnedDeviceId::from(device_id.as_str());
        let authorization = patiently(|| oauth.authorize_device(device_id.as_str())).await?;
        Ok(PendingAuthorization {
            base,
            oauth,
            authorization,
            device_id,
        })
    }

    /// Step 4: the person decides, in a browser on the other device.
    async fn await_token(&self) -> Result<(), NoToken> {
        let SignInProgress::Asked(asked) = self.progress() else {
            return Err(NoToken::Failed(out_of_order()));
        };
        // The servers that this device found itself.
        let servers = AccountServers {
            homeserver: &asked.base,
            issuer: &asked.oauth.metadata().issuer,
            server_name: None,
        };
        self.person.tell(ProgressEvent::UserCode {
            code: asked.authorization.user_code(),
            link: &ConsentLink::new(asked.authorization.link().to_open().clone(), &servers),
        });
        let tokens = match asked.oauth.await_token(&asked.authorization).await {
            TokenOutcome::Granted(tokens) => tokens,
            TokenOutcome::Denied => return Err(NoToken::Denied),
            TokenOutcome::Expired => return Err(NoToken::Expired),
            TokenOutcome::Failed(error) if error.may_have_lost_token() => {
                return Err(NoToken::Failed(token_lost(&asked, &error, self.person)));
            }
            TokenOutcome::Failed(error) => return Err(NoToken::Failed(error.to_user_error())),
        };
        // From here on there is something to revoke, also for a process that comes after this one.
        let grant = Arc::new(GrantedTokens::new(asked, tokens));
        self.advance(SignInProgress::Granted(grant.clone()));
        let kept = self.directory.save_pending(&grant.revocable(None));
        kept.map_err(|error| NoToken::Failed(error.to_user_error()))?;
        self.person.tell(ProgressEvent::Token);
        let user_id = self.check_device(&grant).await.map_err(NoToken::Failed)?;
        check_account(self.person, self.options.user.as_deref(), &user_id).await?;
        self.look_up(&grant, &user_id);
        self.advance(SignInProgress::Accepted(Arc::new(AcceptedAccount {
            grant,
            user_id,
        })));
        Ok(())
    }

    /// The token must be for the device that was asked for: it is what the existing device will
    /// look for.
    async fn check_device(&self, grant: &GrantedTokens) -> Result<OwnedUserId, UserError> {
        let who = self.homeserver(grant).whoami().await?;
        if who.device_id != grant.asked.device_id {
            return Err(UserError::new(
                Cause::Homeserver,
                "the homeserver signed in a different device from the one that was requested",
                "Tell the homeserver's administrator.",
            ));
        }
        Ok(who.user_id)
    }

    /// Asks early what the secrets are to be compared with. And names the device.
    fn look_up(&self, grant: &GrantedTokens, user_id: &UserId) {
        let (homeserver, user_id) = (self.homeserver(grant), user_id.to_owned());
        locked(&self.account).spawn(async move { AccountLookup::of(&homeserver, &user_id).await });
        let (homeserver, name) = (self.homeserver(grant), self.options.name.clone());
        let device_id = grant.asked.device_id.clone();
        locked(&self.naming).spawn(async move { set_name(&homeserver, &device_id, &name).await });
    }

    fn homeserver(&self, grant: &GrantedTokens) -> Homeserver {
        let token = grant.tokens.access_token.clone();
        Homeserver::new(self.http.clone(), grant.asked.base.clone(), token)
    }

    /// Secret sharing, step 3.
    async fn import(&self, secrets: Secrets) -> Result<(), NotImported> {
        self.person.tell(ProgressEvent::ImportingSecrets);
        let SignInProgress::Accepted(account) = self.progress() else {
            return Err(NotImported::Failed(out_of_order()));
        };
        let (user_id, grant) = (account.user_id.clone(), &account.grant);
        let (device_id, homeserver) = (grant.asked.device_id.clone(), self.homeserver(grant));
        let (keys, expires_at) = (self.import.holder(self.keys.clone()), grant.expires_at);
        let mut looked_up = std::mem::take(&mut *locked(&self.account));
        let mut naming = std::mem::take(&mut *locked(&self.naming));
        let import = async move {
            let early = looked_up.join_next().await.and_then(Result::ok);
            let session = UnpublishedDevice {
                user_id: &user_id,
                device_id: &device_id,
                homeserver: &homeserver,
                expires_at,
            };
            let taken = take_secrets_after(&keys, session, secrets, early);
            let (taken, _) = tokio::join!(taken, naming.join_next());
            taken.map_err(not_imported)
        };
        let imported = self.import.run(import).await?;
        self.person.tell(ProgressEvent::KeysUploaded);
        self.person.tell(ProgressEvent::Backup(&imported.backup));
        self.store(account, imported)
    }

    fn store(&self, account: Arc<AcceptedAccount>, imported: Imported) -> Result<(), NotImported> {
        let completed = self.directory.complete(&account.session());
        completed.map_err(|error| NotImported::Failed(error.to_user_error()))?;
        let asked = &account.grant.asked;
        let signed_in = SignedIn {
            user_id: account.user_id.to_string(),
            device_id: asked.device_id.to_string(),
            homeserver: asked.base.clone(),
            master_key: imported.master_key,
            backup: imported.backup,
        };
        self.advance(SignInProgress::SignedIn(account, Box::new(signed_in)));
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Optional: the server may already have named the device, or may let nobody name one. Then that
/// name stays.
async fn set_name(homeserver: &Homeserver, device_id: &ruma::DeviceId, name: &DeviceName) {
    if let Err(error) = homeserver.name_device(device_id, name).await {
        tracing::info!(%error, "the homeserver did not accept the device's name");
    }
}

impl<P: Person, K: KeyHolder> NewDeviceHost for HostAdapter<'_, P, NewDevice<'_, P, K>> {
    async fn request_authorization(
        &self,
        homeserver: HomeserverAddress,
        device_id: DeviceId,
    ) -> Result<Authorization, NoAuthorization> {
        let asked = self.device.authorize(homeserver, device_id);
        self.answer(Wait::Authorization, asked).await
    }

    async fn await_token(&self) -> Result<(), NoToken> {
        self.answer(Wait::Person, self.device.await_token()).await
    }

    async fn import_secrets(&self, secrets: Secrets) -> Result<(), NotImported> {
        self.answer(Wait::Upload, self.device.import(secrets)).await
    }
}
