//! Two whole devices and the sandbox: real HTTP, real ciphers, the real store. Only the people are
//! played.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use matrix_qr_device::{
    Device, DeviceName, GrantOptions, Granted, OwnDevice, Person, RendezvousAt, Showing,
    SignInOptions, SignedIn, Start,
    encryption::{Encryption, Passphrase, StoreKeys},
    first_device,
    http::Policy,
    oauth::Client,
    secret::Secret,
    session::{SessionDir, StoredSession, UserSession},
};
use matrix_qr_protocol::{
    error::Error,
    homeserver::HomeserverAddress,
    qr::QrCode,
    revision::{Dialect, Revision, Role},
};
use matrix_qr_sandbox::{FirstSession, Options, Record, Sandbox};
use tempfile::TempDir;
use url::Url;

use crate::{
    fault_proxy::FaultProxy,
    meeting::{Meeting, Plan},
    revision::showing,
};

/// Signs in a device whose keys are in the store of matrix-sdk-crypto.
pub(crate) async fn sign_in<P: Person>(
    options: &SignInOptions,
    start: Start,
    person: &P,
) -> Result<SignedIn, Error> {
    let keys = Arc::new(StoreKeys::new(&options.directory, None));
    matrix_qr_device::sign_in(options, start, person, keys).await
}

/// An old message of the account, sent before the new device existed.
pub(crate) const OLD_MESSAGE: &str = "the first old message";

/// The device that the account has before.
pub(crate) const FIRST: &str = "FIRSTDEVICE";

/// Where that device is, among the directories.
const EXISTING: &str = "existing";

/// An account whose first device is set up: cross-signed, with an old message and a key backup.
pub(crate) struct TestEnv {
    pub(crate) sandbox: Sandbox,
    pub(crate) existing: Device<Encryption>,
    pub(crate) room: ruma::OwnedRoomId,
    pub(crate) dirs: TempDir,
    /// Where the devices meet the servers: the sandbox itself, or what stands before it.
    pub(crate) fault_proxy: Option<FaultProxy>,
    /// What the stores of both devices are encrypted with.
    pub(crate) passphrase: Option<Passphrase>,
}

/// What became of a sign-in.
pub(crate) struct SignInEnd {
    pub(crate) new: Result<SignedIn, Error>,
    pub(crate) existing: Result<Granted, Error>,
    /// What each side was told, by name.
    pub(crate) told: Vec<(Role, String)>,
    /// The same as `Debug` has it.
    #[allow(dead_code, reason = "read by no_secrets.rs")]
    pub(crate) printed: String,
    /// The code that was shown.
    pub(crate) code: Option<QrCode>,
    pub(crate) record: Record,
}

impl TestEnv {
    pub(crate) async fn start() -> Self {
        Box::pin(Self::with(Options::default())).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Box::pin(Self::build(
            Sandbox::start(options).await.unwrap(),
            None,
            None,
        ))
        .await
    }

    /// Both devices encrypt their stores.
    pub(crate) async fn with_passphrase(passphrase: &str) -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let passphrase = Passphrase::new(Secret::new(passphrase));
        Box::pin(Self::build(sandbox, None, passphrase)).await
    }

    /// The same, with a proxy.
    #[allow(dead_code, reason = "used by no_secrets.rs")]
    pub(crate) async fn with_passphrase_and_fault_proxy(passphrase: &str) -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let fault_proxy = FaultProxy::start(&sandbox).await;
        let passphrase = Passphrase::new(Secret::new(passphrase));
        Box::pin(Self::build(sandbox, Some(fault_proxy), passphrase)).await
    }

    /// With something between the devices and both servers that sees and may disturb everything.
    pub(crate) async fn with_fault_proxy() -> Self {
        Box::pin(Self::with_fault_proxy_and(Options::default())).await
    }

    pub(crate) async fn with_fault_proxy_and(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let fault_proxy = FaultProxy::start(&sandbox).await;
        Box::pin(Self::build(sandbox, Some(fault_proxy), None)).await
    }

    async fn build(
        sandbox: Sandbox,
        fault_proxy: Option<FaultProxy>,
        passphrase: Option<Passphrase>,
    ) -> Self {
        let dirs = tempfile::tempdir().unwrap();
        let directory = dirs.path().join(EXISTING);
        let doors = (
            door(&sandbox, fault_proxy.as_ref()),
            issuer(&sandbox, fault_proxy.as_ref()),
        );
        store(
            sandbox.first_session(FIRST).await.unwrap(),
            doors,
            &directory,
        );
        let existing =
            Device::with_new_keys(&directory, Policy::HttpsOrLoopback, passphrase.as_ref())
                .await
                .unwrap();
        first_device::set_up(existing.homeserver(), existing.keys())
            .await
            .unwrap();
        let room =
            first_device::send_messages(existing.homeserver(), existing.keys(), &[OLD_MESSAGE])
                .await
                .unwrap();
        first_device::back_up(existing.homeserver(), existing.keys())
            .await
            .unwrap();
        Self {
            sandbox,
            existing,
            room,
            dirs,
            fault_proxy,
            passphrase,
        }
    }

    /// A directory with the session of one more device, which signed in without QR.
    pub(crate) async fn signed_in_device(&self, id: &str) -> PathBuf {
        let directory = self.dirs.path().join(id);
        let doors = (
            self.door(),
            issuer(&self.sandbox, self.fault_proxy.as_ref()),
        );
        store(
            self.sandbox.first_session(id).await.unwrap(),
            doors,
            &directory,
        );
        directory
    }

    pub(crate) fn existing_dir(&self) -> PathBuf {
        self.dirs.path().join(EXISTING)
    }

    pub(crate) fn new_dir(&self) -> PathBuf {
        self.dirs.path().join("new")
    }

    pub(crate) fn setup(&self, dialect: Dialect) -> SignInOptions {
        let client = Client::default();
        SignInOptions {
            directory: self.new_dir(),
            policy: Policy::HttpsOrLoopback,
            dialect,
            showing: showing(),
            client,
            user: None,
            name: DeviceName::parse("The new one (2)").unwrap(),
        }
    }

    pub(crate) fn door(&self) -> Url {
        door(&self.sandbox, self.fault_proxy.as_ref())
    }

    pub(crate) fn homeserver(&self) -> HomeserverAddress {
        HomeserverAddress::parse(self.door().as_str()).unwrap()
    }

    /// To show a code for a session at the homeserver.
    pub(crate) fn show(&self) -> Start {
        Start::Show(RendezvousAt::Homeserver(self.homeserver()))
    }

    /// The device that the new one became, opened again from disk.
    pub(crate) async fn reopen_new(&self) -> Device<Encryption> {
        let passphrase = self.passphrase.as_ref();
        Device::open(&self.new_dir(), Policy::HttpsOrLoopback, passphrase)
            .await
            .unwrap()
    }

    /// Where the new device will keep its keys.
    pub(crate) fn new_keys(&self) -> Arc<StoreKeys> {
        Arc::new(StoreKeys::new(self.new_dir(), self.passphrase.clone()))
    }

    /// One sign-in, from both sides at once.
    pub(crate) async fn sign_in(&self, plan: &Plan) -> SignInEnd {
        Box::pin(self.sign_in_while(plan, async |_| {})).await
    }

    /// One sign-in while something else goes on.
    pub(crate) async fn sign_in_while(
        &self,
        plan: &Plan,
        meanwhile: impl AsyncFnOnce(&Meeting),
    ) -> SignInEnd {
        let meeting = Meeting::new();
        let both = self.both(&meeting, plan);
        let (new, existing) = tokio::select! {
            both = both => both,
            () = async { meanwhile(&meeting).await; std::future::pending().await } => unreachable!(),
            () = tokio::time::sleep(Duration::from_secs(120)) => panic!("a sign-in hangs: {:?}", meeting.told()),
        };
        let (told, printed, code) = (meeting.told(), meeting.printed(), meeting.code());
        if let (Some(code), Showing::Only(revision)) = (&code, showing()) {
            assert_eq!(Revision::from(&code.location), revision);
        }
        SignInEnd {
            new,
            existing,
            told,
            printed,
            code,
            record: self.sandbox.record(),
        }
    }

    async fn both(
        &self,
        meeting: &Meeting,
        plan: &Plan,
    ) -> (Result<SignedIn, Error>, Result<Granted, Error>) {
        let (new, existing) = (
            meeting.robot(Role::New, plan, &self.sandbox),
            meeting.robot(Role::Existing, plan, &self.sandbox),
        );
        let setup = self.setup(plan.dialect);
        let manner = GrantOptions {
            dialect: plan.dialect,
            showing: showing(),
            announce: plan.announce,
            require_bound_device: plan.require_bound_device,
        };
        let scan = || meeting.scan(plan.scan_at.as_ref());
        let start = async |role| {
            if role == plan.shown_by {
                Ok(self.show())
            } else {
                scan().await
            }
        };
        tokio::join!(
            ended(Role::New, meeting, async {
                let (start, keys) = (start(Role::New).await?, self.new_keys());
                matrix_qr_device::sign_in(&setup, start, &new, keys).await
            }),
            ended(Role::Existing, meeting, async {
                let own = OwnDevice::ask(&existing).await?;
                self.existing
                    .grant(own, start(Role::Existing).await?, manner, &existing)
                    .await
            }),
        )
    }
}

/// A side that ends before it showed a code leaves the other without one.
pub(crate) async fn ended<T>(
    role: Role,
    meeting: &Meeting,
    side: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let result = Box::pin(side).await;
    if result.is_err() {
        meeting.end();
    }
    meeting.note(
        role,
        if result.is_ok() {
            "ended well"
        } else {
            "ended"
        },
    );
    result
}

fn door(sandbox: &Sandbox, fault_proxy: Option<&FaultProxy>) -> Url {
    fault_proxy
        .map_or(sandbox.homeserver(), |fault_proxy| &fault_proxy.homeserver)
        .clone()
}

fn issuer(sandbox: &Sandbox, fault_proxy: Option<&FaultProxy>) -> Url {
    fault_proxy
        .map_or(sandbox.issuer(), |fault_proxy| &fault_proxy.issuer)
        .clone()
}

fn store(session: FirstSession, (homeserver, issuer): (Url, Url), directory: &Path) {
    let user = UserSession {
        user_id: session.user_id.parse().unwrap(),
        device_id: session.device_id.as_str().into(),
        access_token: Secret::new(session.access_token),
        refresh_token: Some(Secret::new(session.refresh_token)),
    };
    let (client_id, expires_at) = (session.client_id, None);
    let account_management_uri = None;
    let session = StoredSession {
        homeserver,
        issuer,
        account_management_uri,
        client_id,
        expires_at,
        user,
    };
    let directory = SessionDir::new(directory);
    let _lock = directory.create().unwrap();
    directory.save(&session).unwrap();
}
