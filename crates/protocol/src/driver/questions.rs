//! From a login's question to the method of the host that answers it, and back.

use super::host::{ExistingDeviceHost, NewDeviceHost};
use crate::login::{
    ExistingDeviceAnswer, ExistingDeviceAsk, ExistingDeviceState, NewDeviceAnswer, NewDeviceAsk,
    NewDeviceState, RoleState, message::DeviceId,
};

/// A role whose questions this host can answer.
pub(super) trait AnsweredBy<H>: RoleState {
    /// `bound` is the device ID that the channel gives.
    async fn put_to(host: &H, ask: Self::Ask, bound: &DeviceId) -> Self::Answer;
}

impl<H: NewDeviceHost> AnsweredBy<H> for NewDeviceState {
    async fn put_to(host: &H, ask: NewDeviceAsk, bound: &DeviceId) -> NewDeviceAnswer {
        use {NewDeviceAnswer as Answer, NewDeviceAsk as Ask};
        match ask {
            Ask::RequestAuthorization(homeserver) => {
                let asked = host.request_authorization(homeserver, bound.clone());
                Answer::RequestAuthorization(asked.await)
            }
            Ask::AwaitToken => Answer::AwaitToken(host.await_token().await),
            Ask::ImportSecrets(secrets) => {
                Answer::ImportSecrets(host.import_secrets(secrets).await)
            }
        }
    }
}

impl<H: ExistingDeviceHost> AnsweredBy<H> for ExistingDeviceState {
    async fn put_to(host: &H, ask: ExistingDeviceAsk, bound: &DeviceId) -> ExistingDeviceAnswer {
        use {ExistingDeviceAnswer as Answer, ExistingDeviceAsk as Ask};
        match ask {
            Ask::FindDevice(id) => {
                let is_bound = id == *bound;
                Answer::FindDevice(host.find_device(id, is_bound).await)
            }
            Ask::OpenUri(link) => Answer::OpenUri(host.open_uri(link).await),
            Ask::AwaitDevice(id) => Answer::AwaitDevice(host.await_device(id).await),
            Ask::ExportSecrets => Answer::ExportSecrets(host.export_secrets().await),
            Ask::AwaitVerified(id) => Answer::AwaitVerified(host.await_verified(id).await),
        }
    }
}
