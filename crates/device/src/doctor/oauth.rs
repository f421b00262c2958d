//! The authorization server, as far as it can be seen without an account: nothing is registered and nothing is granted.

use http::Method;
use serde_json::Value;
use url::Url;

use super::probe::{Answer, Probe, Question, Silence};
use super::seen::{errcode, json, silent, status};
use super::{Check, Finding};
use crate::discovery::{self, DEVICE_GRANT, DiscoveryError, OPENID_CONFIGURATION, ServerMetadata, join};

/// What no server can take for a client (RFC 7591): it wants to be told so, and keep nothing.
const NO_CLIENT: &str = r#"{"redirect_uris":0,"grant_types":0,"client_name":0}"#;

pub(super) async fn check(probe: &Probe<'_>, base: &Url) -> Vec<Finding> {
    let found = probe.until_over(async { Ok(discovery::server_metadata(probe.http(), base).await) }).await;
    let metadata = match found {
        Err(silence) => return vec![silent(Check::OauthMetadata, &silence)],
        Ok(Err(error)) => return unknown(error),
        Ok(Ok(metadata)) => metadata,
    };
    let mut findings = vec![stated(&metadata)];
    let document = probe.ask(Question::get(&join(&metadata.issuer, OPENID_CONFIGURATION))).await;
    findings.push(issuer(&metadata, &document));
    findings.push(device_grant(probe, &metadata).await);
    findings.push(registration(probe, &metadata).await);
    findings
}

fn unknown(error: DiscoveryError) -> Vec<Finding> {
    let check = Check::OauthMetadata;
    let finding = match error {
        DiscoveryError::Http(error) => silent(check, &Silence::Failed(error)),
        error => Finding::bad(
            check,
            error.to_string().split("; ").next().unwrap_or_default(),
            (
                "No device can sign in by QR code: it needs OAuth 2.0.",
                "Synapse: matrix_authentication_service: enabled: true, with endpoint and secret of a \
                 matrix-authentication-service. Its proxy must let GET /_matrix/client/v1/auth_metadata through to Synapse. The \
                 issuer and its endpoints must be https (http.public_base of that service).",
            ),
        ),
    };
    let because = "the authorization server is not known";
    let rest = [Check::Issuer, Check::DeviceGrant, Check::Registration];
    std::iter::once(finding).chain(rest.map(|check| Finding::not_checked(check, because))).collect()
}

fn stated(metadata: &ServerMetadata) -> Finding {
    let (check, seen) = (Check::OauthMetadata, format!("{}", metadata.issuer));
    if metadata.revocation_endpoint.is_some() {
        return Finding::good(check, seen);
    }
    Finding::bad(
        check,
        format!("{seen}, without a revocation_endpoint"),
        (
            "Element X and all that is built on matrix-rust-sdk refuse the whole document; nobody can sign out properly.",
            "Update the authorization server: RFC 7009 revocation is required by MSC4254.",
        ),
    )
}

/// RFC 8414, section 3.3: what is found below the issuer's name must bear that name.
fn issuer(metadata: &ServerMetadata, answer: &Answer) -> Finding {
    let check = Check::Issuer;
    let response = match answer {
        Err(silence) => return silent(check, silence),
        Ok(response) => response,
    };
    let document = json(response).filter(|_| response.status() == 200);
    let named = document.as_ref().and_then(|document| document.get("issuer")).and_then(Value::as_str);
    match named.map(|named| (named, Url::parse(named).ok())) {
        Some((_, Some(url))) if url == metadata.issuer => {
            Finding::good(check, "the same as the homeserver says")
        }
        Some((named, _)) => Finding::bad(
            check,
            format!(
                "the homeserver names {}, and it names itself {}",
                metadata.issuer,
                matrix_qr_protocol::printable(named)
            ),
            (
                "Clients that compare the two, as they must, refuse to sign in.",
                "Make http.issuer (or public_base) of the authorization server and what Synapse fetches from \
                 matrix_authentication_service.endpoint the same, slash by slash; then restart Synapse, which remembers it.",
            ),
        ),
        None => Finding::warning(
            check,
            format!("{OPENID_CONFIGURATION} is not there: {}", status(response)),
            (
                "Older clients, which look there, cannot sign in.",
                "Let the proxy of the authorization server pass /.well-known/openid-configuration on to it.",
            ),
        ),
    }
}

async fn device_grant(probe: &Probe<'_>, metadata: &ServerMetadata) -> Finding {
    let check = Check::DeviceGrant;
    let Ok(endpoint) = metadata.device_grant() else {
        return Finding::bad(check, format!("{} does not offer it", metadata.issuer), NO_GRANT);
    };
    let listed = metadata.grant_types_supported.as_ref();
    if !listed.is_some_and(|grants| grants.iter().any(|grant| grant == DEVICE_GRANT)) {
        return Finding::bad(check, "grant_types_supported does not list it", NOT_LISTED);
    }
    // Without a client: it can only be refused.
    let form = Question::new(Method::POST, endpoint).body("application/x-www-form-urlencoded", "");
    dry(check, &probe.ask(form).await, NO_GRANT)
}

const NO_GRANT: (&str, &str) = (
    "No device can sign in by QR code.",
    "matrix-authentication-service offers it by default: update it, and let its proxy pass every path of its metadata, \
     /oauth2/device too. Another authorization server must be told to support RFC 8628 and to say so in its metadata.",
);

const NOT_LISTED: (&str, &str) = (
    "Element Web offers no QR code: it looks there.",
    "List urn:ietf:params:oauth:grant-type:device_code in grant_types_supported of the authorization server's metadata.",
);

const CLOSED: (&str, &str) = (
    "Clients cannot introduce themselves, so nobody can sign in with one that has no fixed client ID.",
    "matrix-authentication-service: do not forbid it in policy.data.client_registration, and let its proxy pass \
     POST /oauth2/registration. Otherwise give out client IDs: matrix-qr login --client-id ID.",
);

/// A registration cannot be undone, so one is sent that must be refused.
async fn registration(probe: &Probe<'_>, metadata: &ServerMetadata) -> Finding {
    let check = Check::Registration;
    match &metadata.registration_endpoint {
        None => Finding::bad(check, "the metadata has no registration_endpoint", CLOSED),
        Some(endpoint) => {
            let question = Question::new(Method::POST, endpoint).body("application/json", NO_CLIENT);
            dry(check, &probe.ask(question).await, CLOSED)
        }
    }
}

/// An endpoint that works says what is wrong with a request (RFC 6749, section 5.2; RFC 7591, section 3.2.2).
fn dry(check: Check, answer: &Answer, advice: (&str, &str)) -> Finding {
    let response = match answer {
        Err(silence) => return silent(check, silence),
        Ok(response) => response,
    };
    let (code, said) = (response.status().as_u16(), status(response));
    match code {
        400 | 422 if json(response).is_some() => {
            Finding::good(check, format!("an unusable request is refused as one ({said})"))
        }
        401 if check == Check::DeviceGrant && errcode(response).is_some() => {
            Finding::good(check, format!("a request without a client is refused as one ({said})"))
        }
        200..=299 => Finding::warning(
            check,
            format!("a request that makes no sense is accepted ({said})"),
            ("It keeps what this examination sent.", "Report it to who makes the authorization server."),
        ),
        _ => Finding::bad(
            check,
            format!("an unusable request should be answered with 400 and JSON, and it is {said}"),
            advice,
        ),
    }
}
