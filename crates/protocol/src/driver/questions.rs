//! From a login's question to the method of the host that answers it, and back.

use super::host::{ExistingDeviceHost, NewDeviceHost};
use crate::login::{
    ExistingDeviceAnswer, ExistingDeviceAsk, ExistingDeviceState, NewDeviceAnswer, NewDeviceAsk,
    NewDeviceState, RoleState,
};

/// A role whose questions this host can answer.
pub(super) trait AnsweredBy<H>: RoleState {
    async fn put_to(host: &H, ask: Self::Ask) -> Self::Answer;
}

impl<H: NewDeviceHost> AnsweredBy<H> for NewDeviceState {
    async fn put_to(host: &H, ask: NewDeviceAsk) -> NewDeviceAnswer {
        use {NewDeviceAnswer as Answer, NewDeviceAsk as Ask};
        match ask {
            Ask::RequestAuthorization(homeserver) => {
                Answer::RequestAuthorization(host.request_authorization(homeserver).await)
            }
            Ask::AwaitToken => Answer::AwaitToken(host.await_token().await),
            Ask::ImportSecrets(secrets) => {
                Answer::ImportSecrets(host.import_secrets(secrets).await)
            }
        }
    }
}

impl<H: ExistingDeviceHost> AnsweredBy<H> for ExistingDeviceState {
    async fn put_to(host: &H, ask: ExistingDeviceAsk) -> ExistingDeviceAnswer {
        use {ExistingDeviceAnswer as Answer, ExistingDeviceAsk as Ask};
        match ask {
            Ask::FindDevice(id) => Answer::FindDevice(host.find_device(id).await),
            Ask::OpenUri(link) => Answer::OpenUri(host.open_uri(link).await),
            Ask::AwaitDevice(id) => Answer::AwaitDevice(host.await_device(id).await),
            Ask::ExportSecrets => Answer::ExportSecrets(host.export_secrets().await),
            Ask::AwaitVerified(id) => Answer::AwaitVerified(host.await_verified(id).await),
        }
    }
}
