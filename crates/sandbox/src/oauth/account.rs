//! The page at `account_management_uri` (MSC2965, MSC4191). Synapse requires its authorization
//! server to have one.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;

use super::{
    consent::{forged, is_from_elsewhere},
    page::{escape, page},
};
use crate::state::SandboxState;

#[derive(Deserialize)]
pub(super) struct RemovalForm {
    device: String,
    csrf: String,
}

/// `GET /account` lists the devices that are signed in.
pub(super) async fn show(State(state): State<Arc<SandboxState>>) -> Response {
    page(StatusCode::OK, "Your devices", &devices(&state))
}

/// `POST /account` removes a device, which does nothing itself.
pub(super) async fn remove(
    State(state): State<Arc<SandboxState>>,
    headers: HeaderMap,
    removal: Result<Form<RemovalForm>, FormRejection>,
) -> Response {
    let Ok(Form(removal)) = removal else {
        return forged();
    };
    if is_from_elsewhere(&headers) || removal.csrf != state.account_csrf {
        return forged();
    }
    match state.remove_device(&removal.device).await {
        Ok(()) => page(StatusCode::OK, "Your devices", &devices(&state)),
        Err(error) => {
            let body = format!("<p id=\"result\">{}</p>\n", escape(&error.to_string()));
            page(StatusCode::BAD_GATEWAY, "Nothing was removed", &body)
        }
    }
}

fn devices(state: &SandboxState) -> String {
    let mut body = format!(
        "<p>The account <strong id=\"user\">{}</strong> is signed in on:</p>\n\
         <form method=\"post\" action=\"/account\">\n\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\">\n",
        escape(&state.user_id),
        escape(&state.account_csrf)
    );
    for (id, device) in &state.account().devices {
        let (name, id) = (escape(&device.display_name), escape(id));
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<label>{name} {id}</label><button name=\"device\" value=\"{id}\">Remove</button>"
        );
    }
    body.push_str(
        "</form>\n<p>A device that you remove here is signed out and is not notified.</p>\n",
    );
    body
}
