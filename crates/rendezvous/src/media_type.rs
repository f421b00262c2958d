//! The media types of the two APIs.

/// What the body of a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    Plain,
    Json,
}

impl MediaType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "text/plain",
            Self::Json => "application/json",
        }
    }
}
