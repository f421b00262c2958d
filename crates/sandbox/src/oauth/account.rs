//! The page that `account_management_uri` names (MSC2965, MSC4191); Synapse requires its authorization server to have one.

use std::{fmt::Write as _, sync::Arc};

use axum::{extract::State, http::StatusCode, response::Response};

use super::page::{escape, page};
use crate::state::Shared;

/// `GET /account`: who is signed in where. Nothing can be changed here.
pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    let mut body = format!(
        "<p>The account <strong id=\"user\">{}</strong> is signed in on:</p>\n<dl>\n",
        escape(&shared.user_id)
    );
    for (id, device) in &shared.account().devices {
        // Writing to a string cannot fail.
        let _ = writeln!(body, "<dt>{}</dt><dd>{}</dd>", escape(&device.display_name), escape(id));
    }
    body.push_str("</dl>\n<p>To end one of these, sign out on it.</p>\n");
    page(StatusCode::OK, "Your devices", &body)
}
