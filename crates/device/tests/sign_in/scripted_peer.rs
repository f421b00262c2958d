//! A device that a test plays by hand: the other one's equal on the secure channel, without a login
//! of its own.

use std::sync::Arc;

use getrandom::SysRng;
use matrix_qr_device::{
    GrantOptions, Granted, SignedIn,
    encryption::StoreKeys,
    http::{Http, Policy},
    keys::KeyHolder,
    rendezvous_client::{RendezvousClient, RendezvousError},
    sign_in,
};
use matrix_qr_protocol::{
    channel::{Initiated, SecureChannel},
    driver::Delivery,
    error::Error,
    revision::{Dialect, Role},
};
use rand_core::UnwrapErr;
use serde_json::{Value, json};

use crate::{
    meeting::{Meeting, Plan, own},
    revision::showing,
    test_env::TestEnv,
};

pub(crate) struct ScriptedPeer {
    line: RendezvousClient,
    channel: SecureChannel,
}

impl ScriptedPeer {
    /// Scans the code of the device under test, and shows the digits.
    async fn scan(meeting: &Meeting) -> Self {
        let code = meeting.shown().await;
        let http = Http::new(Policy::HttpsOrLoopback).unwrap();
        let line = RendezvousClient::join(http, code.location.clone())
            .await
            .unwrap();
        let (initiated, initiate) = Initiated::new(
            &code.key,
            &code.location,
            Dialect::default(),
            line.binding(),
            &mut UnwrapErr(SysRng),
        )
        .unwrap();
        assert_eq!(line.send(initiate).await, Ok(Delivery::Done));
        let (channel, digits) = initiated.finish(&line.receive().await.unwrap()).unwrap();
        meeting.show_digits(&digits);
        Self { line, channel }
    }

    /// The device ID that is bound to the channel.
    pub(crate) fn device_id(&self) -> String {
        self.channel.device_id().as_str().to_owned()
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.say_bytes(message.to_string().as_bytes()).await;
    }

    /// On the secure channel, whatever it is.
    pub(crate) async fn say_bytes(&mut self, plaintext: &[u8]) {
        let payload = self.channel.seal(plaintext, self.line.binding()).unwrap();
        assert_eq!(self.line.send(payload).await, Ok(Delivery::Done));
    }

    pub(crate) async fn hear(&mut self) -> Value {
        let payload = self.line.receive().await.unwrap();
        serde_json::from_slice(&self.channel.open(&payload).unwrap()).unwrap()
    }

    /// Whether the session is over.
    pub(crate) async fn finds_nothing(&self) -> bool {
        self.line
            .receive()
            .await
            .is_err_and(|error| error == RendezvousError::Gone)
    }

    /// Whether the session still stands, with nothing new in it.
    pub(crate) async fn hears_no_more(&self) -> bool {
        let quiet = std::time::Duration::from_millis(300);
        tokio::time::timeout(quiet, self.line.receive())
            .await
            .is_err()
    }
}

/// What an existing device says first. Each revision has its own name for the homeserver.
pub(crate) fn offer(world: &TestEnv, protocols: Value) -> Value {
    let homeserver = world.homeserver();
    let homeserver = homeserver.as_str();
    json!({ "type": "m.login.protocols", "protocols": protocols, "homeserver": homeserver, "base_url": homeserver })
}

/// A man-made new device: everything as it should be, up to the secrets.
pub(crate) async fn has_a_token(world: &TestEnv, peer: &mut ScriptedPeer) {
    let uri = "https://id.example.org/link";
    peer.say(json!({
        "type": "m.login.protocol", "protocol": "device_authorization_grant", "device_id": "PUPPETDEVICE",
        "device_authorization_grant": { "verification_uri": uri },
    }))
    .await;
    assert_eq!(peer.hear().await["type"], "m.login.protocol_accepted");
    world.sandbox.first_session("PUPPETDEVICE").await.unwrap();
    peer.say(json!({ "type": "m.login.success" })).await;
}

/// The new device shows a code, a puppet scans it.
pub(crate) async fn new_device_against<T>(
    world: &TestEnv,
    script: impl AsyncFnOnce(&mut ScriptedPeer) -> T,
) -> (Result<SignedIn, Error>, T) {
    let keys = Arc::new(StoreKeys::new(world.new_dir(), None));
    new_device_with_keys(world, keys, async |peer, _| script(peer).await).await
}

/// The same, and this holds the keys of the new device.
pub(crate) async fn new_device_with_keys<K: KeyHolder, T>(
    world: &TestEnv,
    keys: Arc<K>,
    script: impl AsyncFnOnce(&mut ScriptedPeer, &Meeting) -> T,
) -> (Result<SignedIn, Error>, T) {
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(Role::New));
    let (robot, setup) = (
        meeting.robot(Role::New, &plan, &world.sandbox),
        world.setup(plan.dialect),
    );
    let scripted_peer = async { script(&mut ScriptedPeer::scan(&meeting).await, &meeting).await };
    tokio::join!(
        Box::pin(sign_in(&setup, world.show(), &robot, keys)),
        Box::pin(scripted_peer)
    )
}

/// The existing device shows a code, a puppet scans it. The person opens every link and decides
/// nothing.
pub(crate) async fn existing_device_against<T>(
    world: &TestEnv,
    script: impl AsyncFnOnce(&mut ScriptedPeer) -> T,
) -> (Result<Granted, Error>, Vec<(Role, String)>, T) {
    let plan = Plan {
        decision: None,
        require_bound_device: false,
        ..Plan::shown_by(Role::Existing)
    };
    existing_device_with(world, &plan, async |peer, _| script(peer).await).await
}

/// The same, and the person does what the plan says.
pub(crate) async fn existing_device_with<T>(
    world: &TestEnv,
    plan: &Plan,
    script: impl AsyncFnOnce(&mut ScriptedPeer, &Meeting) -> T,
) -> (Result<Granted, Error>, Vec<(Role, String)>, T) {
    let meeting = Meeting::new();
    let robot = meeting.robot(Role::Existing, plan, &world.sandbox);
    let scripted_peer = async { script(&mut ScriptedPeer::scan(&meeting).await, &meeting).await };
    let grant = world.existing.grant(
        own(&robot).await,
        world.show(),
        GrantOptions {
            showing: showing(),
            require_bound_device: plan.require_bound_device,
            ..GrantOptions::default()
        },
        &robot,
    );
    let (granted, heard) = tokio::join!(Box::pin(grant), Box::pin(scripted_peer));
    (granted, meeting.told(), heard)
}
