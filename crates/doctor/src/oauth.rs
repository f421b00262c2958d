//! The authorization server, as far as it can be checked without an account: nothing is registered
//! and nothing is granted.

use http::Method;
use matrix_qr_device::discovery::{self, DEVICE_GRANT, DiscoveryError, ServerMetadata};
use matrix_qr_protocol::printable;
use url::Url;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::issuer_document::{IssuerDocument, RESTART};
use crate::probe::{NoResponse, Probe, ProbeRequest, ProbeResult};
use crate::response::{error_code, json, status_text};
use crate::unanswered::unanswered;

/// What no server can accept as a client (RFC 7591): it should refuse it, and store nothing.
const INVALID_CLIENT: &str = r#"{"redirect_uris":0,"grant_types":0,"client_name":0}"#;

pub(crate) async fn check(probe: &Probe<'_>, base: &Url) -> Vec<Finding> {
    let discovery = async { Ok(discovery::server_metadata(probe.http(), base).await) };
    let metadata = match probe.until_stopped(discovery).await {
        Err(no_response) => return vec![unanswered(Check::OauthMetadata, &no_response)],
        Ok(Err(error)) => return unknown(error),
        Ok(Ok(metadata)) => metadata,
    };
    let own = IssuerDocument::request(probe, &metadata.issuer).await;
    let mut findings = vec![oauth_metadata(&metadata, &own), issuer(&metadata, &own)];
    if own.is_down() {
        let because = probe
            .why_stopped()
            .unwrap_or("the authorization server does not respond");
        let rest = [Check::DeviceGrant, Check::Registration];
        findings.extend(rest.map(|check| Finding::not_checked(check, because)));
        return findings;
    }
    findings.push(device_grant(probe, &metadata, &own).await);
    findings.push(registration(probe, &metadata, &own).await);
    findings
}

fn unknown(error: DiscoveryError) -> Vec<Finding> {
    let check = Check::OauthMetadata;
    let finding = match error {
        DiscoveryError::Http(error) => unanswered(check, &NoResponse::Failed(error)),
        error => Finding::bad(
            check,
            error.to_string(),
            Advice {
                effect: "No device can sign in by QR code: that needs OAuth 2.0.",
                remedy: "Synapse: matrix_authentication_service: enabled: true, with endpoint and \
                    secret of a matrix-authentication-service. Its proxy must let GET \
                    /_matrix/client/v1/auth_metadata through to Synapse. The issuer and its \
                    endpoints must be https (http.public_base of that service).",
            },
        ),
    };
    let because = "the authorization server is not known";
    let rest = [Check::Issuer, Check::DeviceGrant, Check::Registration];
    let rest = rest.map(|check| Finding::not_checked(check, because));
    std::iter::once(finding).chain(rest).collect()
}

/// The remedy if the homeserver's metadata lacks something: is it old, or does the authorization
/// server itself lack it?
fn restart_or(own_has_it: bool, otherwise: Advice<'static>) -> Advice<'static> {
    if own_has_it {
        Advice {
            remedy: RESTART,
            ..otherwise
        }
    } else {
        otherwise
    }
}

fn oauth_metadata(metadata: &ServerMetadata, own: &IssuerDocument) -> Finding {
    let (check, issuer) = (Check::OauthMetadata, &metadata.issuer);
    if metadata.revocation_endpoint.is_some() {
        return Finding::good(check, issuer.to_string());
    }
    let advice = restart_or(own.url("revocation_endpoint").is_some(), NO_REVOCATION);
    Finding::bad(
        check,
        format!("{issuer}, without a revocation_endpoint"),
        advice,
    )
}

const NO_REVOCATION: Advice<'_> = Advice {
    effect: "Element X and other clients that use matrix-rust-sdk refuse the whole document; \
        nobody can sign out properly.",
    remedy: "Update the authorization server: MSC4254 requires revocation (RFC 7009).",
};

/// RFC 8414, section 3.3: a document below the issuer's URL must name that issuer. And Synapse must
/// not remember a different one.
fn issuer(metadata: &ServerMetadata, own: &IssuerDocument) -> Finding {
    let check = Check::Issuer;
    if own.is_down() {
        return own.not_running(check);
    }
    if own.metadata.is_none() {
        return own.no_openid_configuration(check);
    }
    let (issuer, named) = (&metadata.issuer, own.text("issuer").unwrap_or_default());
    if Url::parse(named).as_ref() != Ok(issuer) {
        let seen = format!(
            "the homeserver calls the issuer {issuer}, and the issuer calls itself {}",
            printable(named)
        );
        return Finding::bad(check, seen, OTHER_ISSUER);
    }
    let differences = own.differences(metadata);
    if !differences.is_empty() {
        let names = differences.join(" and ");
        let seen = format!("the homeserver reports a different {names} from the issuer itself");
        return Finding::bad(check, seen, OLD_ENDPOINTS);
    }
    match &own.openid_configuration {
        Ok(response) if response.status() == 200 => {
            Finding::good(check, "the same as the homeserver says")
        }
        _ => own.no_openid_configuration(check),
    }
}

const OTHER_ISSUER: Advice<'_> = Advice {
    effect: "Clients that compare the two, as they must, refuse to sign in.",
    remedy: "Make http.issuer (or public_base) of the authorization server and what Synapse \
        fetches from matrix_authentication_service.endpoint the same, down to the last slash; then \
        restart Synapse, which still serves old metadata.",
};

const OLD_ENDPOINTS: Advice<'_> = Advice {
    effect: "Devices send requests to URLs that may no longer work.",
    remedy: RESTART,
};

/// The homeserver may serve old metadata. The authorization server's own document is current.
async fn device_grant(
    probe: &Probe<'_>,
    metadata: &ServerMetadata,
    own: &IssuerDocument,
) -> Finding {
    let (check, issuer) = (Check::DeviceGrant, &metadata.issuer);
    let has_endpoint = own.url("device_authorization_endpoint").is_some();
    let offers = own
        .grants()
        .map(|grants| grants.contains(&DEVICE_GRANT) && has_endpoint);
    let Ok(endpoint) = metadata.device_grant() else {
        let seen = format!("the homeserver says that {issuer} does not offer it");
        return Finding::bad(check, seen, restart_or(offers == Some(true), NO_GRANT));
    };
    if offers == Some(false) {
        let seen =
            format!("{issuer} no longer offers it, but the homeserver still says that it does");
        return Finding::bad(check, seen, DISABLED);
    }
    let listed = metadata.grant_types_supported.as_ref();
    if !listed.is_some_and(|grants| grants.iter().any(|grant| grant == DEVICE_GRANT)) {
        let advice = restart_or(offers == Some(true), NOT_LISTED);
        return Finding::bad(check, "grant_types_supported does not list it", advice);
    }
    // Without a client: the server can only refuse it.
    let form = ProbeRequest::new(Method::POST, endpoint);
    let form = form.with_body("application/x-www-form-urlencoded", "");
    refused_as_invalid(check, &probe.send(form).await, NO_GRANT)
}

const DISABLED: Advice<'_> = Advice {
    effect: "No device can sign in by QR code: it sends its request, which is refused.",
    remedy: "Enable the device authorization grant again in the authorization server's \
        configuration. Then restart Synapse, which still serves old metadata.",
};

const NO_GRANT: Advice<'_> = Advice {
    effect: "No device can sign in by QR code.",
    remedy: "matrix-authentication-service offers it by default: update it, and let its proxy pass \
        every path of its metadata, /oauth2/device too. Configure any other authorization server \
        to support RFC 8628 and to say so in its metadata.",
};

const NOT_LISTED: Advice<'_> = Advice {
    effect: "Element Web offers no QR code: it reads that list.",
    remedy: "List urn:ietf:params:oauth:grant-type:device_code in grant_types_supported of the \
        authorization server's metadata.",
};

/// A registration cannot be undone, so this sends one that must be refused.
async fn registration(
    probe: &Probe<'_>,
    metadata: &ServerMetadata,
    own: &IssuerDocument,
) -> Finding {
    let check = Check::Registration;
    let Some(endpoint) = &metadata.registration_endpoint else {
        let advice = restart_or(own.url("registration_endpoint").is_some(), NO_REGISTRATION);
        return Finding::bad(check, "the metadata has no registration_endpoint", advice);
    };
    let request = ProbeRequest::new(Method::POST, endpoint);
    let request = request.with_body("application/json", INVALID_CLIENT);
    refused_as_invalid(check, &probe.send(request).await, NO_REGISTRATION)
}

const NO_REGISTRATION: Advice<'_> = Advice {
    effect: "Clients cannot register, so nobody can sign in with one that has no fixed client ID.",
    remedy: "matrix-authentication-service: do not forbid it in policy.data.client_registration, \
        and let its proxy pass POST /oauth2/registration. Otherwise give out client IDs: matrix-qr \
        login --client-id ID.",
};

/// An endpoint that works says what is wrong with a request (RFC 6749, section 5.2; RFC 7591,
/// section 3.2.2).
fn refused_as_invalid(check: Check, result: &ProbeResult, advice: Advice<'_>) -> Finding {
    let response = match result {
        Err(no_response) => return unanswered(check, no_response),
        Ok(response) => response,
    };
    let status = status_text(response);
    match response.status().as_u16() {
        400 | 422 if json(response).is_some() => Finding::good(
            check,
            format!("an invalid request is refused as invalid ({status})"),
        ),
        401 if check == Check::DeviceGrant && error_code(response).is_some() => Finding::good(
            check,
            format!("a request without a client is refused ({status})"),
        ),
        200..=299 => Finding::warning(
            check,
            format!("an invalid request is accepted ({status})"),
            Advice {
                effect: "The server stores what this examination sent.",
                remedy: "Report it to the developers of the authorization server.",
            },
        ),
        _ => {
            let seen =
                format!("an invalid request is answered with {status}, not with 400 and JSON");
            Finding::bad(check, seen, advice)
        }
    }
}
