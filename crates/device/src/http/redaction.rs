//! What a server says must not repeat a token or a code that it was sent: a text of its answer may
//! become part of an error, and an error is printed.

use http::{
    Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::Value;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::bounds::USUAL_ANSWER;

/// The fields of a form that are a token or a code (RFC 6749, 7009, 8628).
const FIELDS: [&str; 3] = ["token", "refresh_token", "device_code"];
/// What is shorter, in bytes, is not looked for: it would be found in words.
const SHORTEST: usize = 8;
/// What stands in its place.
const REDACTED: &str = "[redacted]";

/// The tokens and codes of one request.
pub(crate) struct SentSecrets {
    bearer: Vec<Zeroizing<String>>,
    form: Vec<Zeroizing<String>>,
}

impl SentSecrets {
    pub(crate) fn of(request: &Request<Vec<u8>>) -> Self {
        let header = |name| request.headers().get(name)?.to_str().ok();
        let bearer = header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let is_form = header(CONTENT_TYPE) == Some("application/x-www-form-urlencoded");
        let body = if is_form {
            request.body().as_slice()
        } else {
            &[]
        };
        let fields = form_urlencoded::parse(body);
        let form = fields.filter(|(name, _)| FIELDS.contains(&name.as_ref()));
        Self {
            bearer: looked_for(bearer.into_iter().map(str::to_owned)),
            form: looked_for(form.map(|(_, value)| value.into_owned())),
        }
    }

    /// Takes them out of the answer. A success may give a refresh token back that stays valid; an
    /// access token in a header is never given back.
    ///
    /// `largest` is how many bytes a success may have. Where that is more than usual, it is the key
    /// backup, which stays as it is: no error quotes it, and read as values it would take many
    /// times its memory.
    pub(crate) fn redact(&self, answer: &mut Response<Vec<u8>>, largest: usize) {
        let is_success = answer.status().is_success();
        if is_success && largest > USUAL_ANSWER {
            return;
        }
        if answer.body().len() > USUAL_ANSWER {
            answer.body_mut().clear();
        }
        redact(answer, &self.bearer);
        if !is_success {
            redact(answer, &self.form);
        }
    }
}

/// Takes these out of every text of an answer in JSON. One that is no JSON is not quoted.
pub(crate) fn redact(answer: &mut Response<Vec<u8>>, secrets: &[Zeroizing<String>]) {
    // Without an escape, a text stands there as it is.
    let body = String::from_utf8_lossy(answer.body());
    let may_have = |secret: &Zeroizing<String>| body.contains(secret.as_str());
    if secrets.is_empty() || !(body.contains('\\') || secrets.iter().any(may_have)) {
        return;
    }
    match serde_json::from_slice(answer.body()) {
        Ok(mut json) => {
            if replaced(&mut json, secrets) {
                *answer.body_mut() = json.to_string().into_bytes();
            }
        }
        // Another reader may be less strict.
        Err(_) => answer.body_mut().clear(),
    }
}

/// As they are, and as a form has them: some servers quote the body of a request.
fn looked_for(secrets: impl Iterator<Item = String>) -> Vec<Zeroizing<String>> {
    let long = secrets.filter(|secret| secret.len() >= SHORTEST);
    let both = long.flat_map(|secret| {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let encoded = (encoded != secret).then_some(encoded);
        [Some(secret), encoded]
    });
    both.flatten().map(Zeroizing::new).collect()
}

/// Whether there was one.
fn replaced(json: &mut Value, secrets: &[Zeroizing<String>]) -> bool {
    let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
    match json {
        Value::String(text) if holds(text) => {
            *text = secrets.iter().fold(std::mem::take(text), |text, secret| {
                text.replace(secret.as_str(), REDACTED)
            });
            true
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |changed, item| replaced(item, secrets) | changed),
        Value::Object(fields) => {
            let all = fields.len();
            fields.retain(|name, _| !holds(name));
            let without = fields.len() < all;
            fields
                .values_mut()
                .fold(without, |changed, value| replaced(value, secrets) | changed)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TOKEN: &str = "mat_0123+456/789=";
    /// The same, as JSON may write it.
    const ESCAPED: &str = r"mat_0123\u002b456\/789\u003d";

    /// The same, as a form has it.
    const IN_FORM: &str = "mat_0123%2B456%2F789%3D";

    fn answer(status: u16, body: &str) -> Response<Vec<u8>> {
        let answer = Response::builder().status(status);
        answer.body(body.as_bytes().to_vec()).unwrap()
    }

    /// What is left of this answer.
    fn left(secrets: &SentSecrets, status: u16, body: &str) -> String {
        let mut answer = answer(status, body);
        secrets.redact(&mut answer, USUAL_ANSWER);
        String::from_utf8(answer.into_body()).unwrap()
    }

    fn in_header(token: &str) -> SentSecrets {
        let request = Request::get("https://a.example/");
        let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        SentSecrets::of(&request.body(Vec::new()).unwrap())
    }

    fn in_form(field: &str) -> SentSecrets {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", "a client of theirs");
        form.append_pair(field, TOKEN);
        let request = Request::post("https://a.example/");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        SentSecrets::of(&request.body(form.finish().into_bytes()).unwrap())
    }

    #[test]
    fn a_refusal_does_not_repeat_what_was_sent() {
        let sent = FIELDS.map(in_form);
        for secrets in sent.iter().chain([&in_header(TOKEN)]) {
            for told in [TOKEN, ESCAPED, IN_FORM] {
                for body in [
                    format!(r#"{{"error":"bad","error_description":"is {told} not {told}?"}}"#),
                    format!(r#"{{"errcode":"M_{told}"}}"#),
                    format!(r#"{{"error":{{"a":[1,"{told}"]}}}}"#),
                    format!(r#"{{"{told}":true}}"#),
                    // Some readers pass over a number that is none to others.
                    format!(r#"{{"error":"{told}","a":1e999}}"#),
                    told.to_owned(),
                ] {
                    let left = left(secrets, 400, &body);
                    let text = serde_json::from_str::<Value>(&left).unwrap_or_default();
                    assert!(!left.contains("456"), "{body}: {left}");
                    assert!(!text.to_string().contains("456"), "{body}: {left}");
                }
            }
            let said = left(
                secrets,
                400,
                &format!(r#"{{"error":"no {TOKEN}","b":[1]}}"#),
            );
            assert_eq!(said, r#"{"b":[1],"error":"no [redacted]"}"#);
        }
    }

    #[test]
    fn a_success_may_give_a_refresh_token_back_and_no_access_token() {
        let body = format!(r#"{{"refresh_token":"{TOKEN}"}}"#);
        assert_eq!(left(&in_form("refresh_token"), 200, &body), body);
        let said = left(&in_header(TOKEN), 200, &body);
        assert_eq!(said, r#"{"refresh_token":"[redacted]"}"#);
    }

    /// An entry of the backup that only a strict reader refuses is one entry, not all of them.
    #[test]
    fn a_key_backup_stays_as_it_is() {
        let body = r#"{"rooms":{},"x":"\ud800"}"#;
        let mut backup = answer(200, body);
        in_header(TOKEN).redact(&mut backup, 256 << 20);
        assert_eq!(backup.into_body(), body.as_bytes());
    }

    #[test]
    fn a_long_refusal_is_for_nobody() {
        let body = format!(r#"{{"error":"{}","x":"\n"}}"#, "a".repeat(USUAL_ANSWER));
        let mut refusal = answer(404, &body);
        in_header(TOKEN).redact(&mut refusal, 256 << 20);
        assert!(refusal.into_body().is_empty());
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        for body in [
            "",
            "no \\ JSON",
            r#"{"a" : 1.50,"a":"\n"}"#,
            "{\"error\":\"client\"}",
        ] {
            for secrets in [in_header("client"), in_form("client_id")] {
                assert_eq!(left(&secrets, 400, body), body);
            }
        }
        let body = r#"{"a" : 1.50,"a":"\n"}"#;
        assert_eq!(left(&in_header(TOKEN), 400, body), body);
    }
}
