//! The answers of our server to one workload, taken down for the bare server to repeat: so both
//! send the same bytes, whatever ours comes to send.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{
    client::{Answer, Client},
    error::BenchError,
    load::Load,
    requests::Request,
};

/// One answer for each method.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Answers {
    pub(crate) post: Constant,
    pub(crate) get: Constant,
    pub(crate) put: Constant,
    pub(crate) delete: Constant,
}

/// An answer, without what every hyper server adds by itself: its date and the length of its body.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Constant {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answers {
    /// What this server answers to this load.
    pub(crate) async fn of(address: SocketAddr, load: Load) -> Result<Self, BenchError> {
        let (api, mut path) = (load.api(), Vec::new());
        let (mut client, mut request) = (Client::connect(address).await?, Request::of(api));
        let payload = load.payload();
        let created = client
            .ask(request.create(&payload))
            .await?
            .expect("create", api.created())?;
        api.path(&created, &mut path)?;
        let revision = api.revision(&created).to_vec();
        let post = Constant::of(&created);
        let seen = if load == Load::Poll {
            &revision[..]
        } else {
            b""
        };
        let get = Constant::of(
            &client
                .ask(request.read(&path, seen))
                .await?
                .expect("read", load.found())?,
        );
        let written = client
            .ask(request.write(&path, &revision, &payload))
            .await?;
        let put = Constant::of(&written.expect("write", api.written())?);
        let deleted = client.ask(request.delete(&path)).await?;
        let delete = Constant::of(&deleted.expect("delete", api.deleted())?);
        Ok(Self {
            post,
            get,
            put,
            delete,
        })
    }
}

impl Constant {
    fn of(answer: &Answer<'_>) -> Self {
        let head = String::from_utf8_lossy(answer.head);
        let lines = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let headers = lines.filter(|(name, _)| !matches!(*name, "date" | "content-length"));
        Self {
            status: answer.status,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: String::from_utf8_lossy(answer.body).into_owned(),
        }
    }
}
