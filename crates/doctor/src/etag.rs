//! What tells one payload from the next, and who meddles with it (MSC4108, "The send mechanism" and
//! "ETags").

use http::header;

use crate::probe::Answer;
use crate::seen::{header, lists, status};
use crate::visit::{NO_SESSION, Visit, is_letter};
use crate::{Check, Finding};
use matrix_qr_device::http::Response;

/// What proxies append when they compress, or would: Apache's mod_deflate and mod_brotli, Jetty.
const SUFFIXES: [&str; 4] = ["-gzip", "-br", "--gzip", ";gzip"];

pub(crate) fn check(visit: &Visit) -> Vec<Finding> {
    vec![
        etag(visit),
        etag_per_write(visit),
        compression(visit),
        caching(visit),
    ]
}

/// The ETag of an answer, if it is one that MSC4108 takes; or what it is instead.
pub(crate) fn strong(response: &Response) -> Result<String, Fault> {
    let mut values = response.headers().get_all(header::ETAG).iter();
    let value = values.next().ok_or(Fault::Absent)?;
    let text = value
        .to_str()
        .map_err(|_| Fault::Other("is not text"))?
        .trim();
    if values.next().is_some() {
        return Err(Fault::Other("is there twice"));
    }
    if text.starts_with("W/") {
        return Err(Fault::Weak);
    }
    let bare = text.trim_matches('"');
    match bare {
        "" => Err(Fault::Other("is empty")),
        _ if SUFFIXES.iter().any(|suffix| bare.ends_with(suffix)) => Err(Fault::Suffixed),
        _ => Ok(text.to_owned()),
    }
}

/// The ETag of an answer as it came, if compressing gave it another form.
pub(crate) fn decorated(answer: &Answer) -> Option<String> {
    let response = answer.as_ref().ok()?;
    let fault = strong(response).err()?;
    fault
        .is_decoration()
        .then(|| header(response, &header::ETAG))
        .flatten()
}

/// What became of an ETag on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Absent,
    Weak,
    Suffixed,
    Changed,
    Other(&'static str),
}

impl Fault {
    fn seen(self) -> &'static str {
        match self {
            Self::Absent => "the ETag is missing",
            Self::Weak => "the ETag is weak (W/\"…\")",
            Self::Suffixed => "the ETag ends in -gzip or the like",
            Self::Changed => "the ETag is another one",
            Self::Other(what) => what,
        }
    }

    /// Whether what the server said is still in there.
    fn is_decoration(self) -> bool {
        matches!(self, Self::Weak | Self::Suffixed)
    }

    fn advice(self) -> (&'static str, &'static str) {
        const EFFECT: &str = "No sign-in by QR code works: the two devices cannot tell whether the other has written.";
        let remedy = match self {
            Self::Absent => {
                "A proxy takes it away. nginx: no proxy_hide_header ETag, no sub_filter or ssi in this location. Apache: no Header \
                 unset ETag. Cloudflare: no feature that rewrites pages for this host. Also caches: the answer needs its Content-Type."
            }
            Self::Weak => {
                "A proxy compresses, which makes it weak. nginx: gzip off; in this location. Caddy: no encode for this host. Cloudflare: \
                 a compression rule that turns it off for this host."
            }
            Self::Suffixed => {
                "Apache's mod_deflate or mod_brotli: SetEnv no-gzip 1 and SetEnv no-brotli 1 for this location (or DeflateAlterETag \
                 NoChange)."
            }
            Self::Changed | Self::Other(_) => {
                "A proxy rewrites it: it must come through as the rendezvous server sent it. nginx: gzip off; and no proxy_cache in \
                 this location."
            }
        };
        (EFFECT, remedy)
    }
}

fn etag(visit: &Visit) -> Finding {
    let check = Check::Etag;
    let Some(created) = visit.created() else {
        return Finding::not_checked(check, NO_SESSION);
    };
    let (created, read) = match (strong(created), visit.answered(check, &visit.read)) {
        (Err(fault), _) => return Finding::bad(check, fault.seen(), fault.advice()),
        (Ok(_), Err(unread)) => return unread,
        (Ok(created), Ok(read)) => (created, read),
    };
    match strong(read) {
        _ if !read.status().is_success() => {
            Finding::not_checked(check, "the session could not be read")
        }
        Ok(read) if read == created => Finding::good(check, "strong, and the same when read"),
        Ok(_) => Finding::bad(
            check,
            "a read has another ETag than the creation",
            Fault::Changed.advice(),
        ),
        Err(fault) => Finding::bad(check, fault.seen(), fault.advice()),
    }
}

/// "ETags": unique to the session and the time of writing, not only to the content.
fn etag_per_write(visit: &Visit) -> Finding {
    let check = Check::EtagPerWrite;
    let pair = visit.answered(check, &visit.written).and_then(|written| {
        let again = visit.answered(check, &visit.rewritten)?;
        Ok((written, again))
    });
    let (written, again) = match pair {
        Ok(pair) => pair,
        Err(finding) => return finding,
    };
    match (strong(written), strong(again)) {
        _ if !again.status().is_success() => Finding::not_checked(
            check,
            format!("the second write was refused ({})", status(again)),
        ),
        (Ok(one), Ok(other)) if one != other => {
            Finding::good(check, "the same bytes again have a new one")
        }
        (Ok(_), Ok(_)) => Finding::warning(
            check,
            "the same bytes have the same ETag: it is a hash of the content",
            HASH,
        ),
        (_, Err(fault)) | (Err(fault), _) => Finding::bad(check, fault.seen(), fault.advice()),
    }
}

const HASH: (&str, &str) = (
    "Hardly anything: no two messages of a sign-in are the same. A device could take an old payload for the newest.",
    "Synapse 1.163 does this. Delegate to a server that does not: msc4108_delegation_endpoint.",
);

/// The same questions from a client that takes compressed answers, as every browser does.
fn compression(visit: &Visit) -> Finding {
    let check = Check::Compression;
    let Some((current, answer)) = &visit.compressed else {
        let why = if visit.session.is_none() {
            NO_SESSION
        } else {
            "what comes before it failed"
        };
        return Finding::not_checked(check, why);
    };
    if visit.is_cached() {
        return Finding::not_checked(check, "a cache answers in place of the server");
    }
    let read = match answer {
        Ok(read) if read.status().is_success() => read,
        _ => return Finding::not_checked(check, "the session could not be read"),
    };
    let changed = strong(read).and_then(|etag| {
        if etag == *current {
            Ok(())
        } else {
            Err(Fault::Changed)
        }
    });
    let created = created_compressed(&visit.created_compressed);
    let encoded = header(read, &header::CONTENT_ENCODING);
    match changed.and(created) {
        Err(fault) => {
            let seen = format!("to a client that takes gzip, {}", fault.seen());
            let (_, remedy) = fault.advice();
            if fault.is_decoration() && visit.knows_decorated() {
                return Finding::warning(check, seen, (KNOWN, remedy));
            }
            Finding::bad(check, seen, (UNKNOWN, remedy))
        }
        Ok(()) => match encoded {
            None => Finding::good(check, "answers come as they are"),
            Some(encoding) => Finding::good(
                check,
                format!("answers are compressed ({encoding}), their ETags stay"),
            ),
        },
    }
}

const KNOWN: &str = "Nothing: this rendezvous server knows its ETags in that form, too. Over another one no sign-in would work in browsers.";

const UNKNOWN: &str = "No sign-in by QR code works in browsers, which all take gzip.";

fn created_compressed(answer: &Option<Answer>) -> Result<(), Fault> {
    match answer {
        Some(Ok(created)) if created.status().is_success() => strong(created).map(drop),
        _ => Ok(()),
    }
}

/// "Common HTTP response headers", and whether they are obeyed.
fn caching(visit: &Visit) -> Finding {
    let check = Check::Caching;
    let read = match visit.answered(check, &visit.read) {
        Ok(read) if read.status().is_success() => read,
        Ok(_) => return Finding::not_checked(check, "the session could not be read"),
        Err(finding) => return finding,
    };
    if visit.is_cached() {
        return Finding::bad(
            check,
            "after a write, a read brings what was there before",
            CACHED,
        );
    }
    let written = [&visit.read_back, &visit.read]
        .into_iter()
        .flatten()
        .filter_map(|answer| answer.as_ref().ok());
    if written
        .into_iter()
        .any(|answer| answer.headers().contains_key(header::AGE))
    {
        return Finding::bad(check, "an answer has an Age: it comes from a cache", CACHED);
    }
    let control = header(read, &header::CACHE_CONTROL).unwrap_or_else(|| "missing".to_owned());
    let (store, transform) = (
        lists(read, &header::CACHE_CONTROL, "no-store"),
        lists(read, &header::CACHE_CONTROL, "no-transform"),
    );
    match (store, transform) {
        (true, true) => Finding::good(check, control),
        (true, false) => {
            Finding::warning(check, format!("Cache-Control is {control}"), TRANSFORMED)
        }
        (false, _) => Finding::bad(check, format!("Cache-Control is {control}"), NOT_SAID),
    }
}

const CACHED: (&str, &str) = (
    "The devices do not see what the other wrote: sign-ins stop half-way, until the time is up.",
    "nginx: proxy_cache off; in this location, and no proxy_ignore_headers Cache-Control. Varnish and CDNs: pass this host by \
     (return (pass); bypass rule).",
);

const TRANSFORMED: (&str, &str) = (
    "Nothing yet. A proxy may compress the answers, and with that change their ETags.",
    "Let the rendezvous server say Cache-Control: no-store, no-transform, and let no proxy change it (nginx: no expires or add_header \
     Cache-Control in this location).",
);

const NOT_SAID: (&str, &str) = (
    "A browser or a cache may answer a poll with what it kept, and the sign-in stops half-way.",
    "Let the rendezvous server's Cache-Control: no-store, no-transform through. nginx: no proxy_hide_header Cache-Control; expires off; \
     in this location.",
);

/// Whether what was written came back.
pub(crate) fn came_back(read: &Response) -> bool {
    is_letter(read.body())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fault(tags: &[&str]) -> Option<Fault> {
        let builder = tags.iter().fold(http::Response::builder(), |builder, tag| {
            builder.header("etag", *tag)
        });
        strong(&builder.body(Vec::new()).unwrap()).err()
    }

    #[test]
    fn a_strong_one_passes_and_each_fault_has_its_name() {
        assert_eq!(fault(&["\"abc\""]), None);
        // Synapse's, and that of the proposal's own example, have no quotes or odd letters.
        assert_eq!(
            fault(&["VmbxF13QDusTgOCt8aoa0d2PQcnBOXeIxEqhw5aQ03o="]),
            None
        );
        assert_eq!(fault(&[]), Some(Fault::Absent));
        assert_eq!(fault(&["W/\"abc\""]), Some(Fault::Weak));
        for tag in [
            "\"abc-gzip\"",
            "\"abc-br\"",
            "\"abc;gzip\"",
            "\"abc--gzip\"",
        ] {
            assert_eq!(fault(&[tag]), Some(Fault::Suffixed), "{tag}");
        }
        assert!(matches!(fault(&["\"\""]), Some(Fault::Other(_))));
        assert!(matches!(fault(&["\"a\"", "\"a\""]), Some(Fault::Other(_))));
    }
}
