//! How a device gets a client ID (MSC2966, RFC 7591).

use matrix_qr_protocol::printable;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{error::OAuthError, exchange::exchange};
use crate::{
    discovery::{DEVICE_GRANT, ServerMetadata},
    http::{Http, HttpError, HttpResponse, host},
};

const WHAT: &str = "registering as a client";

/// Who we are to an OAuth server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// A client ID that the server's administrator gave out.
    Registered(String),
    /// Registers at every sign-in (MSC2966, section "Dynamic client registration").
    Dynamic(ClientMetadata),
}

impl Default for Client {
    fn default() -> Self {
        Self::Dynamic(ClientMetadata::default())
    }
}

/// What a person is shown of the client on the consent page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientMetadata {
    /// Its name.
    pub client_name: String,
    /// Its page. MSC2966: `https`; deployed servers refuse a `localhost` one.
    pub client_uri: String,
}

impl Default for ClientMetadata {
    fn default() -> Self {
        Self {
            client_name: "matrix-qr".to_owned(),
            client_uri: "https://github.com/matrix-qr/matrix-qr".to_owned(),
        }
    }
}

impl ClientMetadata {
    /// A public client that only uses the device grant. The empty list says so: RFC 7591, section 2
    /// would read an absent `response_types` as `["code"]`, which goes with redirect URIs that
    /// there are none of.
    fn request(&self) -> serde_json::Value {
        json!({
            "client_name": self.client_name,
            "client_uri": self.client_uri,
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "grant_types": [DEVICE_GRANT, "refresh_token"],
            "response_types": [],
        })
    }
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

pub(super) async fn register(
    http: &Http,
    metadata: &ServerMetadata,
    client: &ClientMetadata,
) -> Result<String, OAuthError> {
    let host = host(&metadata.issuer);
    let Some(endpoint) = &metadata.registration_endpoint else {
        return Err(OAuthError::NoRegistration { host });
    };
    let request = http::Request::post(endpoint.as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(client.request().to_string().into_bytes())
        .map_err(|_| HttpError::BadRequest)?;
    registered(host, &exchange(http, request).await?)
}

fn registered(host: String, response: &HttpResponse) -> Result<String, OAuthError> {
    let malformed = |why| OAuthError::Malformed { what: WHAT, why };
    if !response.status().is_success() {
        let refusal: Refusal = serde_json::from_slice(response.body())
            .map_err(|_| malformed("a refusal without an error code"))?;
        return Err(OAuthError::NotRegistered {
            host,
            error: printable(&refusal.error),
            description: refusal.error_description.as_deref().map(printable),
        });
    }
    let Registered { client_id } =
        serde_json::from_slice(response.body()).map_err(|_| malformed("it has no client ID"))?;
    if client_id.is_empty() {
        Err(malformed("its client ID is empty"))
    } else {
        Ok(client_id)
    }
}
