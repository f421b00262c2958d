//! What was requested from one session, in this order, and what came back.

use http::StatusCode;
use matrix_qr_device::http::HttpResponse;
use url::Url;

use crate::check::Check;
use crate::finding::Finding;
use crate::probe::ProbeResult;
use crate::response::error_code;
use crate::unanswered::unanswered;

/// As many redirects as our own client follows.
pub(crate) const MAX_REDIRECTS: usize = 3;

/// Why a check could not be made.
pub(crate) const NO_SESSION: &str = "there is no session to try it with";
pub(crate) const EARLIER_STEP_FAILED: &str = "an earlier step failed";
pub(crate) const NOT_READ: &str = "the session could not be read";
pub(crate) const CACHED: &str = "a cache responds instead of the server";

/// A URL that creates sessions or redirects to another one, and its response.
pub(crate) struct Hop {
    pub(crate) url: Url,
    pub(crate) result: ProbeResult,
}

/// The CORS preflight of a request with this method and header.
pub(crate) struct Preflight {
    pub(crate) method: &'static str,
    pub(crate) header: Option<&'static str>,
    pub(crate) result: ProbeResult,
}

/// `None` stands for a request that was not sent because an earlier step failed.
#[derive(Default)]
pub(crate) struct Transcript {
    /// The creation and its redirects; the last one is where it ended.
    pub(crate) hops: Vec<Hop>,
    pub(crate) session: Option<Url>,
    /// Why the session's URL cannot be used.
    pub(crate) unusable_session: Option<String>,
    pub(crate) preflights: Vec<Preflight>,
    pub(crate) read: Option<ProbeResult>,
    /// A conditional read, with nothing written since the first one.
    pub(crate) unchanged: Option<ProbeResult>,
    pub(crate) written: Option<ProbeResult>,
    pub(crate) read_back: Option<ProbeResult>,
    /// A write with the ETag that was valid before the last write.
    pub(crate) stale: Option<ProbeResult>,
    /// A write of the same bytes again.
    pub(crate) rewritten: Option<ProbeResult>,
    /// A write of 4096 bytes.
    pub(crate) full: Option<ProbeResult>,
    /// A write of 4097 bytes.
    pub(crate) oversized: Option<ProbeResult>,
    pub(crate) last: Option<ProbeResult>,
    /// The ETag of the last write, and a read whose response may be compressed.
    pub(crate) compressed: Option<(String, ProbeResult)>,
    /// Writes with ETags as compressed responses had them, if that was not the server's own form.
    /// This is what a browser sends.
    pub(crate) decorated: Vec<ProbeResult>,
    /// Another creation, whose response may be compressed.
    pub(crate) created_compressed: Option<ProbeResult>,
    pub(crate) deleted: Option<ProbeResult>,
    pub(crate) gone: Option<ProbeResult>,
}

impl Transcript {
    /// The response to the creation itself.
    pub(crate) fn created(&self) -> Option<&HttpResponse> {
        let last = self.hops.last()?.result.as_ref().ok()?;
        last.status().is_success().then_some(last)
    }

    /// Whether the homeserver does not know the path (Client-Server API, "Unsupported endpoints").
    pub(crate) fn is_unknown_path(&self) -> bool {
        let first = self.hops.first().and_then(|hop| hop.result.as_ref().ok());
        first.is_some_and(|response| {
            response.status() == StatusCode::NOT_FOUND
                || error_code(response).as_deref() == Some("M_UNRECOGNIZED")
        })
    }

    /// Whether the session ended before it was deleted: a read or a write was answered with 404,
    /// and so was the deletion.
    pub(crate) fn ended_early(&self) -> bool {
        let is_404 = |result: &Option<ProbeResult>| {
            let response = result.as_ref().and_then(|result| result.as_ref().ok());
            response.is_some_and(|response| response.status() == 404)
        };
        // A proxy that does not know the path responds with 404, too, but without Matrix's error.
        let at_once = matches!(&self.read, Some(Ok(read)) if error_code(read).is_some());
        let later = [
            &self.unchanged,
            &self.written,
            &self.read_back,
            &self.stale,
            &self.rewritten,
            &self.full,
            &self.oversized,
            &self.last,
        ];
        let early = (at_once && is_404(&self.read)) || later.into_iter().any(is_404);
        early && is_404(&self.deleted)
    }

    /// Whether the server accepts its ETags in the form that a proxy gave them.
    pub(crate) fn accepts_decorated(&self) -> bool {
        let accepted =
            |result: &ProbeResult| matches!(result, Ok(response) if response.status().is_success());
        !self.decorated.is_empty() && self.decorated.iter().all(accepted)
    }

    /// Whether a read after a write returned what was there before.
    pub(crate) fn is_cached(&self) -> bool {
        let Some(Ok(read)) = &self.read_back else {
            return false;
        };
        read.status() == 304 || (read.status().is_success() && read.body().is_empty())
    }

    /// The response that a check of a live session is about, or the finding that there is none.
    pub(crate) fn response<'a>(
        &self,
        check: Check,
        result: &'a Option<ProbeResult>,
    ) -> Result<&'a HttpResponse, Finding> {
        match result {
            None if self.session.is_none() => Err(Finding::not_checked(check, NO_SESSION)),
            None => Err(Finding::not_checked(check, EARLIER_STEP_FAILED)),
            Some(Err(no_response)) => Err(unanswered(check, no_response)),
            Some(Ok(response)) if response.status() == 404 && self.ended_early() => {
                Err(Finding::not_checked(check, "the session had already ended"))
            }
            Some(Ok(response)) => Ok(response),
        }
    }
}
