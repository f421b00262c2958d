//! Records the responses of our server to one load, so that the bare server can repeat them. Both
//! send the same bytes, whatever ours sends in the future.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{
    client::{RawClient, RawResponse},
    error::BenchError,
    load::Load,
    requests::RequestBuffer,
};

/// One response for each method.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Responses {
    pub(crate) post: ConstantResponse,
    pub(crate) get: ConstantResponse,
    pub(crate) put: ConstantResponse,
    pub(crate) delete: ConstantResponse,
}

/// A response without the headers that every hyper server adds: the date and the length of the
/// body.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ConstantResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Responses {
    /// Records the responses of this server to this load.
    pub(crate) async fn of(address: SocketAddr, load: Load) -> Result<Self, BenchError> {
        let (api, mut path) = (load.api(), Vec::new());
        let (mut client, mut request) =
            (RawClient::connect(address).await?, RequestBuffer::of(api));
        let payload = load.payload();
        let created = client
            .ask(request.create(&payload))
            .await?
            .expect("create", api.created())?;
        api.path(&created, &mut path)?;
        let revision = api.revision(&created).to_vec();
        let post = ConstantResponse::of(&created);
        let seen = if load == Load::Poll {
            &revision[..]
        } else {
            b""
        };
        let get = ConstantResponse::of(
            &client
                .ask(request.read(&path, seen))
                .await?
                .expect("read", load.found())?,
        );
        let written = client
            .ask(request.write(&path, &revision, &payload))
            .await?;
        let put = ConstantResponse::of(&written.expect("write", api.written())?);
        let deleted = client.ask(request.delete(&path)).await?;
        let delete = ConstantResponse::of(&deleted.expect("delete", api.deleted())?);
        Ok(Self {
            post,
            get,
            put,
            delete,
        })
    }
}

impl ConstantResponse {
    fn of(response: &RawResponse<'_>) -> Self {
        let head = String::from_utf8_lossy(response.head);
        let lines = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let headers = lines.filter(|(name, _)| !matches!(*name, "date" | "content-length"));
        Self {
            status: response.status,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: String::from_utf8_lossy(response.body).into_owned(),
        }
    }
}
