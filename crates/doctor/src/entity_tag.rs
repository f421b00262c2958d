//! Which ETags MSC4108 accepts, and what proxies make of them.

use http::header;
use matrix_qr_device::http::HttpResponse;

use crate::finding::Advice;
use crate::probe::ProbeResult;
use crate::response::header_text;

/// What proxies append when they compress, or could: Apache's mod_deflate and mod_brotli, Jetty.
const SUFFIXES: [&str; 4] = ["-gzip", "-br", "--gzip", ";gzip"];

/// The ETag of a response if MSC4108 accepts it, else what is wrong with it.
pub(crate) fn strong(response: &HttpResponse) -> Result<String, EtagFault> {
    let mut values = response.headers().get_all(header::ETAG).iter();
    let value = values.next().ok_or(EtagFault::Missing)?;
    let text = value
        .to_str()
        .map_err(|_| EtagFault::Other("the ETag is not text"))?
        .trim();
    if values.next().is_some() {
        return Err(EtagFault::Other("there are two ETags"));
    }
    if text.starts_with("W/") {
        return Err(EtagFault::Weak);
    }
    let bare = text.trim_matches('"');
    match bare {
        "" => Err(EtagFault::Other("the ETag is empty")),
        _ if SUFFIXES.iter().any(|suffix| bare.ends_with(suffix)) => Err(EtagFault::Suffixed),
        _ => Ok(text.to_owned()),
    }
}

/// The ETag of a response as it arrived, if compression changed its form.
pub(crate) fn decorated(result: &ProbeResult) -> Option<String> {
    let response = result.as_ref().ok()?;
    let fault = strong(response).err()?;
    fault
        .is_decoration()
        .then(|| header_text(response, &header::ETAG))
        .flatten()
}

/// What happened to an ETag on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EtagFault {
    Missing,
    Weak,
    Suffixed,
    Changed,
    Other(&'static str),
}

impl EtagFault {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Missing => "the ETag is missing",
            Self::Weak => "the ETag is weak (W/\"…\")",
            Self::Suffixed => "the ETag ends in -gzip or a similar suffix",
            Self::Changed => "the ETag is a different one",
            Self::Other(what) => what,
        }
    }

    /// Whether the ETag still contains the server's own one.
    pub(crate) fn is_decoration(self) -> bool {
        matches!(self, Self::Weak | Self::Suffixed)
    }

    pub(crate) fn advice(self) -> Advice<'static> {
        Advice {
            effect: "No sign-in by QR code works: a device cannot tell whether the other one has \
                written.",
            remedy: self.remedy(),
        }
    }

    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Missing => {
                "A proxy removes it. nginx: no proxy_hide_header ETag, no sub_filter or ssi in \
                 this location. Apache: no Header unset ETag. Cloudflare: no feature that rewrites \
                 pages for this host. Caches: the response needs its Content-Type."
            }
            Self::Weak => {
                "A proxy compresses the response, which makes the ETag weak. nginx: gzip off; in \
                 this location. Caddy: no encode for this host. Cloudflare: a compression rule \
                 that turns it off for this host."
            }
            Self::Suffixed => {
                "Apache's mod_deflate or mod_brotli changes it: SetEnv no-gzip 1 and SetEnv \
                 no-brotli 1 for this location (or DeflateAlterETag NoChange)."
            }
            Self::Changed | Self::Other(_) => {
                "A proxy rewrites it: it must arrive as the rendezvous server sent it. nginx: gzip \
                 off; and no proxy_cache in this location."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fault(tags: &[&str]) -> Option<EtagFault> {
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
        assert_eq!(fault(&[]), Some(EtagFault::Missing));
        assert_eq!(fault(&["W/\"abc\""]), Some(EtagFault::Weak));
        for tag in [
            "\"abc-gzip\"",
            "\"abc-br\"",
            "\"abc;gzip\"",
            "\"abc--gzip\"",
        ] {
            assert_eq!(fault(&[tag]), Some(EtagFault::Suffixed), "{tag}");
        }
        assert!(matches!(fault(&["\"\""]), Some(EtagFault::Other(_))));
        assert!(matches!(
            fault(&["\"a\"", "\"a\""]),
            Some(EtagFault::Other(_))
        ));
    }
}
