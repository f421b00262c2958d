//! The paths of both APIs.

/// Where sessions of either API are created: the content type of the request tells which is meant.
/// MSC4388's sessions are below it.
pub(crate) const STABLE: &str = "/_matrix/client/v1/rendezvous";

/// Where MSC4108's sessions are created by clients of its unstable prefix.
pub(crate) const UNSTABLE_MSC4108: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/// The start of the path of an MSC4108 session. The ID follows.
pub(crate) const MSC4108_SESSIONS: &str = "/rendezvous/";

/// As [`STABLE`], for clients of MSC4388's unstable prefix.
pub(crate) const UNSTABLE_MSC4388: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/// The text, if it is a single path segment that is not empty: the ID in the path of a session.
pub(crate) fn only_segment(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty() && !text.contains('/'))
}
