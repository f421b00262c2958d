//! The consent page: the person decides whether another device may sign in. RFC 8628, "User
//! Interaction".

use std::{sync::Arc, time::Instant};

use axum::{
    Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;

use super::{
    client::RegisteredClient,
    grant::{Decision, Grant},
    page::{escape, page},
};
use crate::state::SandboxState;

#[derive(Default, Deserialize)]
pub(super) struct LinkQuery {
    code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ConsentForm {
    code: String,
    csrf: String,
    action: Action,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Allow,
    Deny,
}

/// `GET /link`, with or without `?code=`.
pub(super) async fn show(
    State(state): State<Arc<SandboxState>>,
    asked: Result<Query<LinkQuery>, QueryRejection>,
) -> Response {
    let code = asked
        .ok()
        .and_then(|Query(asked)| asked.code)
        .map(|code| normal(&code));
    match code.filter(|code| !code.is_empty()) {
        None => ask_for_code(StatusCode::OK, ""),
        Some(code) => match consent(&state, &code) {
            Some(body) => page(StatusCode::OK, "Sign in another device?", &body),
            None => ask_for_code(StatusCode::NOT_FOUND, NOT_WAITING),
        },
    }
}

const NOT_WAITING: &str = "<p class=\"warning\" id=\"result\">No sign-in waits for this code: \
    it was mistyped, it has expired, or it was used already.</p>\n";

/// `POST /link`: Allow or Deny.
pub(super) async fn decide(
    State(state): State<Arc<SandboxState>>,
    headers: HeaderMap,
    answer: Result<Form<ConsentForm>, FormRejection>,
) -> Response {
    let Ok(Form(answer)) = answer else {
        return forged();
    };
    let code = normal(&answer.code);
    if is_from_elsewhere(&headers) {
        return forged();
    }
    let decision = match answer.action {
        Action::Allow => Decision::Allow,
        Action::Deny => Decision::Deny,
    };
    let done = {
        let mut authorization_server = state.authorization_server();
        let csrf = authorization_server
            .pending(Instant::now())
            .find(|grant| grant.user_code == code)
            .map(|grant| &grant.csrf);
        match csrf {
            Some(csrf) if *csrf != answer.csrf => return forged(),
            Some(_) => authorization_server.decide(&code, decision),
            None => false,
        }
    };
    state.changed.send_replace(());
    if done {
        result(decision)
    } else {
        ask_for_code(StatusCode::NOT_FOUND, NOT_WAITING)
    }
}

/// `GET /authorize`. Clients require an authorization endpoint in the metadata.
pub(super) async fn no_code_grant() -> Response {
    let body = "<p id=\"result\">The sandbox does not offer the authorization code grant. \
        Sign in by QR code instead.</p>\n";
    page(StatusCode::BAD_REQUEST, "Not offered here", body)
}

/// A person may type the code in any case, with spaces or dashes.
fn normal(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// `before` is HTML.
fn ask_for_code(status: StatusCode, before: &str) -> Response {
    let form = "<form method=\"get\" action=\"/link\">\n\
        <label for=\"code\">Enter the code that your new device shows</label>\n\
        <input id=\"code\" name=\"code\" required autofocus autocomplete=\"off\" \
        autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"12\">\n\
        <button class=\"main\" id=\"continue\">Continue</button>\n</form>\n";
    page(status, "Sign in another device", &format!("{before}{form}"))
}

fn consent(state: &SandboxState, code: &str) -> Option<String> {
    let authorization_server = state.authorization_server();
    let grant = authorization_server
        .pending(Instant::now())
        .find(|grant| grant.user_code == code)?;
    let client = authorization_server.client(&grant.client_id).ok()?;
    Some(question(&state.user_id, grant, client))
}

fn question(user_id: &str, grant: &Grant, client: &RegisteredClient) -> String {
    let (user, code) = (escape(user_id), escape(&grant.user_code));
    let (name, host) = (escape(client.name()), escape(client.host()));
    let (device, csrf) = (escape(&grant.scope.device_id), escape(&grant.csrf));
    let model = escape(grant.model.as_deref().unwrap_or("Unknown device"));
    format!(
        "<p><strong>Another device</strong> wants to sign in to \
         <strong id=\"user\">{user}</strong>. It will be able to read and send messages as you.</p>\n\
         <dl>\n<dt>Application</dt><dd id=\"client\">{name}</dd>\n\
         <dt>From</dt><dd id=\"client-host\">{host}</dd>\n\
         <dt>On</dt><dd id=\"device-name\">{model}</dd>\n\
         <dt>Device</dt><dd id=\"device\">{device}</dd>\n\
         <dt>Code</dt><dd class=\"code\" id=\"user-code\">{code}</dd>\n</dl>\n\
         <p class=\"warning\">Allow it only if the device in front of you shows this same code. \
         If someone sent you here, deny it.</p>\n\
         <form method=\"post\" action=\"/link\">\n\
         <input type=\"hidden\" name=\"code\" value=\"{code}\">\n\
         <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\n\
         <button class=\"main\" id=\"allow\" name=\"action\" value=\"allow\">Allow</button>\n\
         <button id=\"deny\" name=\"action\" value=\"deny\">Deny</button>\n</form>\n"
    )
}

fn result(decision: Decision) -> Response {
    let (title, text) = match decision {
        Decision::Allow => (
            "Allowed",
            "The other device is being signed in. You can close this page.",
        ),
        Decision::Deny => (
            "Denied",
            "The other device was not signed in. You can close this page.",
        ),
    };
    page(
        StatusCode::OK,
        title,
        &format!("<p id=\"result\">{text}</p>\n"),
    )
}

/// Whether the browser says that a page of another origin sent the form.
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin")
}

/// The form was not served here, or not for this page: cross-site request forgery.
pub(super) fn forged() -> Response {
    let body = "<p id=\"result\">The form did not come from this page. Nothing was changed. \
        Open the link again.</p>\n";
    page(StatusCode::FORBIDDEN, "Refused", body)
}
