//! `login` and `link`, for the caller.

use std::sync::Arc;

use matrix_qr_device::{
    Device, Facts, GrantOptions, Granted, OwnDevice, RendezvousAt, SignInOptions, SignedIn, Start,
    encryption::StoreKeys, http::Policy, keys::KeyHolder, sign_in,
};
use serde_json::{Value, json};
use url::Url;

use super::{
    caller::RemoteCaller,
    errors::RpcError,
    keys::RemoteKeys,
    params::{KeysHeldBy, LinkParams, LoginParams},
    person::RemotePerson,
};
use crate::{
    args::{AnnounceChoice, DialectChoice, RevisionChoice},
    cancel::Cancel,
    exit::Failure,
    link::at_home,
    login, online, progress,
};

/// One sign-in: whom to ask, and what ends it.
pub(super) struct RemoteSignIn {
    pub(super) caller: RemoteCaller,
    pub(super) cancel: Cancel,
    pub(super) policy: Policy,
}

impl RemoteSignIn {
    pub(super) async fn login(self, params: LoginParams) -> Result<Value, RpcError> {
        params.check()?;
        let policy = self.policy;
        login::check_homeserver(params.homeserver.as_ref(), policy)?;
        check_url(params.rendezvous.as_ref(), policy)?;
        let person = RemotePerson::new(self.caller.clone(), self.cancel.clone());
        let start = start_of_login(&params, &person).await?;
        let options = options(&params, policy);
        let signed_in = match params.keys {
            KeysHeldBy::Store => {
                let keys = StoreKeys::new(&params.directory, params.passphrase);
                sign_in(&options, start, &person, Arc::new(keys)).await
            }
            KeysHeldBy::Caller => {
                let keys = RemoteKeys::new(self.caller, self.cancel);
                sign_in(&options, start, &person, Arc::new(keys)).await
            }
        };
        signed_in
            .map(|signed_in| result_of_login(&options, &signed_in))
            .map_err(|error| person.explained(error))
    }

    pub(super) async fn link(self, params: LinkParams) -> Result<Value, RpcError> {
        params.check()?;
        check_url(params.rendezvous.as_ref(), self.policy)?;
        let facts = Facts::read(&params.directory).map_err(Failure::not_ready)?;
        let person = RemotePerson::new(self.caller.clone(), self.cancel.clone());
        let (directory, policy) = (&params.directory, self.policy);
        // First the device: without its passphrase there is nothing to ask about.
        let granted = match params.keys {
            KeysHeldBy::Store => {
                let device = Device::open(directory, policy, params.passphrase.as_ref()).await;
                let device = device.map_err(Failure::not_ready)?;
                grant(&device, &params, &facts, &person).await
            }
            KeysHeldBy::Caller => {
                let keys = RemoteKeys::new(self.caller, self.cancel.clone());
                let device = Device::with_keys(directory, policy, keys).await;
                let device = device.map_err(Failure::not_ready)?;
                grant(&device, &params, &facts, &person).await
            }
        };
        granted.map(|granted| result_of_link(&facts, &granted, self.cancel.is_cancelled()))
    }
}

async fn grant<K: KeyHolder>(
    device: &Device<K>,
    params: &LinkParams,
    facts: &Facts,
    person: &RemotePerson,
) -> Result<Granted, RpcError> {
    let explained = |error| person.explained(error);
    let own = OwnDevice::ask(person).await.map_err(explained)?;
    let start = start_of_link(&own, device, params, facts, person).await?;
    let options = GrantOptions {
        dialect: params.dialect.map(DialectChoice::into).unwrap_or_default(),
        showing: params
            .revision
            .map(RevisionChoice::into)
            .unwrap_or_default(),
        announce: params
            .announce
            .map(AnnounceChoice::into)
            .unwrap_or_default(),
        require_bound_device: params.require_bound_device,
    };
    let granted = device.grant(own, start, options, person).await;
    granted.map_err(explained)
}

fn check_url(url: Option<&Url>, policy: Policy) -> Result<(), Failure> {
    url.map_or(Ok(()), |url| online::check_url(policy, url))
}

async fn start_of_login(params: &LoginParams, person: &RemotePerson) -> Result<Start, RpcError> {
    match &params.rendezvous {
        _ if params.scan => Ok(Start::Scan(person.scan_code().await?)),
        Some(url) => Ok(Start::Show(RendezvousAt::Endpoint(url.clone()))),
        None => at_named(params),
    }
}

/// Asks for the other device's code, or says where to make a session for one: only for a device of
/// this person.
async fn start_of_link<K: KeyHolder>(
    _own: &OwnDevice,
    device: &Device<K>,
    params: &LinkParams,
    facts: &Facts,
    person: &RemotePerson,
) -> Result<Start, Failure> {
    if params.scan {
        // As the command does: a device without the account's keys says so before a person gives
        // it a code.
        let checked = async {
            device
                .check_cross_signing()
                .await
                .map_err(Failure::not_ready)
        };
        person.cancel().unless_cancelled(checked).await?;
        return Ok(Start::Scan(person.scan_code().await?));
    }
    match &params.rendezvous {
        Some(url) => Ok(Start::Show(RendezvousAt::Endpoint(url.clone()))),
        None => at_home(facts),
    }
}

/// At the homeserver that is named, or at that of the user.
fn at_named(params: &LoginParams) -> Result<Start, RpcError> {
    let named = login::named(params.homeserver.clone(), params.user.as_ref())?;
    let missing = || RpcError::wrong_parameters("no homeserver is named");
    named
        .map(|homeserver| Start::Show(RendezvousAt::Homeserver(homeserver)))
        .ok_or_else(missing)
}

fn options(params: &LoginParams, policy: Policy) -> SignInOptions {
    SignInOptions {
        directory: params.directory.clone(),
        policy,
        dialect: params.dialect.map(DialectChoice::into).unwrap_or_default(),
        showing: params
            .revision
            .map(RevisionChoice::into)
            .unwrap_or_default(),
        client: login::client(params.client_id.clone()),
        user: params.user.clone(),
        name: login::device_name(params.device_name.clone()),
    }
}

fn result_of_login(options: &SignInOptions, signed_in: &SignedIn) -> Value {
    json!({
        "user_id": signed_in.user_id,
        "device_id": signed_in.device_id,
        "homeserver": signed_in.homeserver,
        "master_key": signed_in.master_key,
        "backup": progress::backup(&signed_in.backup),
        "directory": options.directory,
    })
}

fn result_of_link(facts: &Facts, granted: &Granted, too_late: bool) -> Value {
    json!({
        "user_id": facts.user_id,
        "device_id": granted.device_id.as_str(),
        "bound": granted.bound,
        "verified": granted.verified,
        "too_late_to_cancel": too_late,
    })
}
