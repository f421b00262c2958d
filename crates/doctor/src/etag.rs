//! Whether the ETag tells one payload from the next, and whether a proxy changes it (MSC4108, "The
//! send mechanism" and "ETags").

use http::header;

use crate::check::Check;
use crate::entity_tag::{EtagFault, strong};
use crate::finding::{Advice, Finding};
use crate::probe::ProbeResult;
use crate::response::{header_text, status_text};
use crate::transcript::{CACHED, EARLIER_STEP_FAILED, NO_SESSION, NOT_READ, Transcript};

pub(crate) fn check(transcript: &Transcript) -> Vec<Finding> {
    vec![
        etag(transcript),
        etag_per_write(transcript),
        compression(transcript),
    ]
}

fn etag(transcript: &Transcript) -> Finding {
    let check = Check::Etag;
    let Some(created) = transcript.created() else {
        return Finding::not_checked(check, NO_SESSION);
    };
    let (created, read) = match (
        strong(created),
        transcript.response(check, &transcript.read),
    ) {
        (Err(fault), _) => return Finding::bad(check, fault.what(), fault.advice()),
        (Ok(_), Err(finding)) => return finding,
        (Ok(created), Ok(read)) => (created, read),
    };
    match strong(read) {
        _ if !read.status().is_success() => Finding::not_checked(check, NOT_READ),
        Ok(read) if read == created => Finding::good(check, "strong, and the same when read"),
        Ok(_) => Finding::bad(
            check,
            "a read has a different ETag than the creation",
            EtagFault::Changed.advice(),
        ),
        Err(fault) => Finding::bad(check, fault.what(), fault.advice()),
    }
}

/// "ETags": unique to the session and the time of writing, not only to the content.
fn etag_per_write(transcript: &Transcript) -> Finding {
    let check = Check::EtagPerWrite;
    let both = transcript
        .response(check, &transcript.written)
        .and_then(|written| Ok((written, transcript.response(check, &transcript.rewritten)?)));
    let (written, rewritten) = match both {
        Ok(both) => both,
        Err(finding) => return finding,
    };
    if !rewritten.status().is_success() {
        let why = format!("the second write was refused ({})", status_text(rewritten));
        return Finding::not_checked(check, why);
    }
    match (strong(written), strong(rewritten)) {
        (Ok(one), Ok(other)) if one != other => {
            Finding::good(check, "the same bytes, written again, got a new one")
        }
        (Ok(_), Ok(_)) => Finding::warning(
            check,
            "the same bytes got the same ETag: it is a hash of the content",
            CONTENT_HASH,
        ),
        (_, Err(fault)) | (Err(fault), _) => Finding::bad(check, fault.what(), fault.advice()),
    }
}

const CONTENT_HASH: Advice<'_> = Advice {
    effect: "Hardly anything: no two messages of a sign-in are the same. A device could mistake an \
        old payload for the newest one.",
    remedy: "Synapse 1.163 does this. Delegate to a server that does not: \
        msc4108_delegation_endpoint.",
};

/// The same requests from a client that accepts compressed responses, as every browser does.
fn compression(transcript: &Transcript) -> Finding {
    let check = Check::Compression;
    let Some((current, read)) = &transcript.compressed else {
        let why = if transcript.session.is_none() {
            NO_SESSION
        } else {
            EARLIER_STEP_FAILED
        };
        return Finding::not_checked(check, why);
    };
    if transcript.is_cached() {
        return Finding::not_checked(check, CACHED);
    }
    let read = match read {
        Ok(read) if read.status().is_success() => read,
        _ => return Finding::not_checked(check, NOT_READ),
    };
    let same = |etag| {
        if etag == *current {
            Ok(())
        } else {
            Err(EtagFault::Changed)
        }
    };
    let unchanged = strong(read).and_then(same);
    match unchanged.and(created_compressed(&transcript.created_compressed)) {
        Err(fault) => {
            let seen = format!("for a client that accepts gzip, {}", fault.what());
            let remedy = fault.remedy();
            if fault.is_decoration() && transcript.accepts_decorated() {
                return Finding::warning(
                    check,
                    seen,
                    Advice {
                        effect: ACCEPTED,
                        remedy,
                    },
                );
            }
            Finding::bad(
                check,
                seen,
                Advice {
                    effect: NOT_ACCEPTED,
                    remedy,
                },
            )
        }
        Ok(()) => match header_text(read, &header::CONTENT_ENCODING) {
            None => Finding::good(check, "responses are not compressed"),
            Some(encoding) => Finding::good(
                check,
                format!("responses are compressed ({encoding}), and their ETags stay the same"),
            ),
        },
    }
}

const ACCEPTED: &str = "Nothing: this rendezvous server accepts its ETags in that form, too. With \
    another server, no sign-in would work in browsers.";

const NOT_ACCEPTED: &str = "No sign-in by QR code works in browsers, which all accept gzip.";

fn created_compressed(result: &Option<ProbeResult>) -> Result<(), EtagFault> {
    match result {
        Some(Ok(created)) if created.status().is_success() => strong(created).map(drop),
        _ => Ok(()),
    }
}
