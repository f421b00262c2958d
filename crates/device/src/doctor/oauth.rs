//! The authorization server, as far as it can be seen without an account: nothing is registered and
//! nothing is granted.

use http::Method;
use url::Url;

use super::own::{Own, RESTART};
use super::probe::{Answer, Probe, Question, Silence};
use super::seen::{errcode, json, silent, status};
use super::{Check, Finding};
use crate::discovery::{self, DEVICE_GRANT, DiscoveryError, ServerMetadata};

/// What no server can take for a client (RFC 7591): it wants to be told so, and keep nothing.
const NO_CLIENT: &str = r#"{"redirect_uris":0,"grant_types":0,"client_name":0}"#;

pub(super) async fn check(probe: &Probe<'_>, base: &Url) -> Vec<Finding> {
    let found = probe
        .until_over(async { Ok(discovery::server_metadata(probe.http(), base).await) })
        .await;
    let metadata = match found {
        Err(silence) => return vec![silent(Check::OauthMetadata, &silence)],
        Ok(Err(error)) => return unknown(error),
        Ok(Ok(metadata)) => metadata,
    };
    let own = Own::ask(probe, &metadata.issuer).await;
    let mut findings = vec![stated(&metadata, &own), issuer(&metadata, &own)];
    if own.is_down() {
        let because = probe
            .why_over()
            .unwrap_or("the authorization server does not answer");
        findings.extend(
            [Check::DeviceGrant, Check::Registration]
                .map(|check| Finding::not_checked(check, because)),
        );
        return findings;
    }
    findings.push(device_grant(probe, &metadata, &own).await);
    findings.push(registration(probe, &metadata, &own).await);
    findings
}

fn unknown(error: DiscoveryError) -> Vec<Finding> {
    let check = Check::OauthMetadata;
    let finding = match error {
        DiscoveryError::Http(error) => silent(check, &Silence::Failed(error)),
        error => Finding::bad(
            check,
            error.to_string(),
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
    std::iter::once(finding)
        .chain(rest.map(|check| Finding::not_checked(check, because)))
        .collect()
}

fn stated(metadata: &ServerMetadata, own: &Own) -> Finding {
    let (check, seen) = (Check::OauthMetadata, format!("{}", metadata.issuer));
    if metadata.revocation_endpoint.is_some() {
        return Finding::good(check, seen);
    }
    let (effect, remedy) = (
        "Element X and all that is built on matrix-rust-sdk refuse the whole document; nobody can sign out properly.",
        "Update the authorization server: RFC 7009 revocation is required by MSC4254.",
    );
    let remedy = own.or_restart(own.url("revocation_endpoint").is_some(), remedy);
    Finding::bad(
        check,
        format!("{seen}, without a revocation_endpoint"),
        (effect, remedy),
    )
}

/// RFC 8414, section 3.3: what is found below the issuer's name must bear that name. And Synapse
/// must not remember another one.
fn issuer(metadata: &ServerMetadata, own: &Own) -> Finding {
    let check = Check::Issuer;
    if own.is_down() {
        return own.not_running(check);
    }
    if own.document.is_none() {
        return own.missing(check);
    }
    let named = own.text("issuer").unwrap_or_default();
    if Url::parse(named).as_ref() != Ok(&metadata.issuer) {
        let seen = format!(
            "the homeserver names {}, and it names itself {}",
            metadata.issuer,
            matrix_qr_protocol::printable(named)
        );
        return Finding::bad(check, seen, OTHER_NAME);
    }
    let differ = own.differences(metadata);
    if !differ.is_empty() {
        let seen = format!(
            "the homeserver has another {} than it has itself",
            differ.join(" and ")
        );
        return Finding::bad(
            check,
            seen,
            (
                "Devices go to places that may not be there any more.",
                RESTART,
            ),
        );
    }
    match &own.usual {
        Ok(response) if response.status() == 200 => {
            Finding::good(check, "the same as the homeserver says")
        }
        _ => own.missing(check),
    }
}

const OTHER_NAME: (&str, &str) = (
    "Clients that compare the two, as they must, refuse to sign in.",
    "Make http.issuer (or public_base) of the authorization server and what Synapse fetches from \
     matrix_authentication_service.endpoint the same, slash by slash; then restart Synapse, which remembers it.",
);

/// The homeserver shows what it was told once. What is true now is in the authorization server's
/// own document.
async fn device_grant(probe: &Probe<'_>, metadata: &ServerMetadata, own: &Own) -> Finding {
    let (check, issuer) = (Check::DeviceGrant, &metadata.issuer);
    let offers = own.grants().map(|grants| grants.contains(&DEVICE_GRANT));
    let offers = offers.map(|listed| listed && own.url("device_authorization_endpoint").is_some());
    let Ok(endpoint) = metadata.device_grant() else {
        let remedy = own.or_restart(offers == Some(true), NO_GRANT.1);
        return Finding::bad(
            check,
            format!("the homeserver says that {issuer} does not offer it"),
            (NO_GRANT.0, remedy),
        );
    };
    if offers == Some(false) {
        let seen = format!(
            "{issuer} does not offer it any more, and the homeserver still says that it does"
        );
        return Finding::bad(check, seen, DISABLED);
    }
    let listed = metadata.grant_types_supported.as_ref();
    if !listed.is_some_and(|grants| grants.iter().any(|grant| grant == DEVICE_GRANT)) {
        let remedy = own.or_restart(offers == Some(true), NOT_LISTED.1);
        return Finding::bad(
            check,
            "grant_types_supported does not list it",
            (NOT_LISTED.0, remedy),
        );
    }
    // Without a client: it can only be refused.
    let form = Question::new(Method::POST, endpoint).body("application/x-www-form-urlencoded", "");
    dry(check, &probe.ask(form).await, NO_GRANT)
}

const DISABLED: (&str, &str) = (
    "No device can sign in by QR code: it is led there, and refused.",
    "Enable the device authorization grant again in the authorization server's configuration. Then restart Synapse, which remembers the \
     metadata that it once saw.",
);

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
async fn registration(probe: &Probe<'_>, metadata: &ServerMetadata, own: &Own) -> Finding {
    let check = Check::Registration;
    match &metadata.registration_endpoint {
        None => {
            let remedy = own.or_restart(own.url("registration_endpoint").is_some(), CLOSED.1);
            Finding::bad(
                check,
                "the metadata has no registration_endpoint",
                (CLOSED.0, remedy),
            )
        }
        Some(endpoint) => {
            let question =
                Question::new(Method::POST, endpoint).body("application/json", NO_CLIENT);
            dry(check, &probe.ask(question).await, CLOSED)
        }
    }
}

/// An endpoint that works says what is wrong with a request (RFC 6749, section 5.2; RFC 7591,
/// section 3.2.2).
fn dry(check: Check, answer: &Answer, advice: (&str, &str)) -> Finding {
    let response = match answer {
        Err(silence) => return silent(check, silence),
        Ok(response) => response,
    };
    let (code, said) = (response.status().as_u16(), status(response));
    match code {
        400 | 422 if json(response).is_some() => Finding::good(
            check,
            format!("an unusable request is refused as one ({said})"),
        ),
        401 if check == Check::DeviceGrant && errcode(response).is_some() => Finding::good(
            check,
            format!("a request without a client is refused as one ({said})"),
        ),
        200..=299 => Finding::warning(
            check,
            format!("a request that makes no sense is accepted ({said})"),
            (
                "It keeps what this examination sent.",
                "Report it to who makes the authorization server.",
            ),
        ),
        _ => Finding::bad(
            check,
            format!("an unusable request should be answered with 400 and JSON, and it is {said}"),
            advice,
        ),
    }
}
