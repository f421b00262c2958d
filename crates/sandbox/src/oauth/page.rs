//! HTML pages: escaped, without scripts, and protected against other pages that would frame them,
//! style them or redirect their forms.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::guard::BANNER;

const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
    frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = "\
:root { color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }
body { max-width: 30rem; margin: 8vh auto; padding: 0 1.25rem; }
header { font-size: .8rem; opacity: .7; border-bottom: 1px solid #8886; padding-bottom: .5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
dt { font-size: .8rem; opacity: .7; margin-top: .75rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.code { font: 600 2rem/1.3 ui-monospace, monospace; letter-spacing: .2em; }
.warning { border-left: .25rem solid #c80; padding-left: .75rem; }
input { font: 1.5rem ui-monospace, monospace; letter-spacing: .15em;
  text-transform: uppercase; width: 9em; padding: .3em .5em; }
form { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0; }
label { flex-basis: 100%; }
button { font: inherit; padding: .5rem 1.5rem; border-radius: .5rem;
  border: 1px solid #888; cursor: pointer; }
button.main { background: #0b6e4f; border-color: #0b6e4f; color: #fff; }
";

/// A complete page. `title` is text, `body` is HTML.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n\
         <body>\n<header>{BANNER}</header>\n\
         <main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (status, headers, Html(html)).into_response()
}

/// `GET /style.css`
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// For text between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_sends_is_markup() {
        assert_eq!(escape("<b x='\"&'>"), "&lt;b x=&#39;&quot;&amp;&#39;&gt;");
    }
}
