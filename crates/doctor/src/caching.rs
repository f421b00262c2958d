//! Whether anybody caches or transforms responses (MSC4108, "Common HTTP response headers").

use http::header;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::response::{header_lists, header_text};
use crate::transcript::{NOT_READ, Transcript};

pub(crate) fn check(transcript: &Transcript) -> Finding {
    let check = Check::Caching;
    let read = match transcript.response(check, &transcript.read) {
        Ok(read) if read.status().is_success() => read,
        Ok(_) => return Finding::not_checked(check, NOT_READ),
        Err(finding) => return finding,
    };
    if transcript.is_cached() {
        return Finding::bad(
            check,
            "a read after a write returns what was there before",
            CACHED,
        );
    }
    let mut reads = [&transcript.read_back, &transcript.read]
        .into_iter()
        .flatten()
        .flatten();
    if reads.any(|response| response.headers().contains_key(header::AGE)) {
        return Finding::bad(
            check,
            "a response has an Age: it comes from a cache",
            CACHED,
        );
    }
    let cache_control = header::CACHE_CONTROL;
    let value = header_text(read, &cache_control).unwrap_or_else(|| "missing".to_owned());
    let has = |directive| header_lists(read, &cache_control, directive);
    match (has("no-store"), has("no-transform")) {
        (true, true) => Finding::good(check, value),
        (true, false) => Finding::warning(
            check,
            format!("Cache-Control is {value}"),
            NO_TRANSFORM_MISSING,
        ),
        (false, _) => Finding::bad(check, format!("Cache-Control is {value}"), NO_STORE_MISSING),
    }
}

const CACHED: Advice<'_> = Advice {
    effect: "The devices do not see what the other one wrote: sign-ins stop half-way until their \
        time is up.",
    remedy: "nginx: proxy_cache off; in this location, and no proxy_ignore_headers Cache-Control. \
        Varnish and CDNs: do not cache this host (return (pass); bypass rule).",
};

const NO_TRANSFORM_MISSING: Advice<'_> = Advice {
    effect: "Nothing yet. A proxy may compress the responses, which changes their ETags.",
    remedy: "Make sure that the rendezvous server sends Cache-Control: no-store, no-transform, and \
        that no proxy changes it (nginx: no expires or add_header Cache-Control in this location).",
};

const NO_STORE_MISSING: Advice<'_> = Advice {
    effect: "A browser or a cache may answer a poll with an old response, and the sign-in stops \
        half-way.",
    remedy: "Pass the rendezvous server's Cache-Control: no-store, no-transform on unchanged. \
        nginx: no proxy_hide_header Cache-Control; expires off; in this location.",
};
