//! The parts of HTTP that a rendezvous session needs.

use std::fmt;
use std::time::Duration;

use url::Url;

/// The header that carries an access token.
pub(super) const AUTHORIZATION: &str = "Authorization";

/// The methods of the rendezvous API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Create a session.
    Post,
    /// Send a payload.
    Put,
    /// Receive a payload, or ask whether there is a rendezvous API.
    Get,
    /// Cancel the session.
    Delete,
}

impl Method {
    /// The method's name in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Get => "GET",
            Self::Delete => "DELETE",
        }
    }
}

/// What to ask of the rendezvous server. `Content-Length` is left to the HTTP client.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// At most 4096 bytes, and what JSON adds to them.
    pub body: Vec<u8>,
}

impl Request {
    /// Without headers and a body.
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

/// What the rendezvous server answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names, in any case, and values.
    pub headers: Vec<(String, String)>,
    /// The body; the caller need not read beyond
    /// [`MAX_ANSWER_BYTES`](super::json::MAX_ANSWER_BYTES), more than that is refused.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in any case, without white space around it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    /// The type of the body, without its parameters.
    pub(super) fn media_type(&self) -> Option<&str> {
        let value = self.header("Content-Type")?;
        Some(value.split(';').next().unwrap_or_default().trim_end())
    }

    /// Whether this is a page for people. Some servers say `text/html` where there is nothing.
    pub(super) fn is_web_page(&self) -> bool {
        let is_html = |found: &str| found.eq_ignore_ascii_case("text/html");
        !self.body.is_empty() && self.media_type().is_some_and(is_html)
    }

    /// RFC 7240, section 3: the server says which preferences it applied.
    pub(super) fn waited(&self) -> bool {
        let applied = self.header("Preference-Applied").unwrap_or_default();
        applied.split(',').any(|item| {
            item.split('=')
                .next()
                .is_some_and(|name| name.trim().eq_ignore_ascii_case("wait"))
        })
    }

    /// How long after the response's own `Date` the date in this header is. Our own clock is not
    /// used.
    pub(super) fn until(&self, name: &str) -> Option<Duration> {
        let date = |name| httpdate::parse_http_date(self.header(name)?).ok();
        let (then, now) = (date(name)?, date("Date")?);
        Some(then.duration_since(now).unwrap_or_default())
    }
}

/// Bodies are ciphertext or written by others: a log needs only their length.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.headers.iter().map(|(name, value)| match *name {
            AUTHORIZATION => (*name, "[redacted]"),
            _ => (*name, value.as_str()),
        });
        let headers: Vec<_> = shown.collect();
        let (method, url) = (self.method.as_str(), &self.url);
        write!(f, "{method} {url} {headers:?} ({} bytes)", self.body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, headers) = (self.status, &self.headers);
        write!(f, "{status} {headers:?} ({} bytes)", self.body.len())
    }
}
