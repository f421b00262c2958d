//! `--web`: the person is shown and asked everything on a page that this program serves.

use std::sync::Arc;

use matrix_qr_page::{Page, PageOptions, PageOutcome, PagePerson, words};
use matrix_qr_protocol::{qr::QrCode, revision::Role};
use serde_json::json;
use url::{Host, Url};

use crate::{
    args::WebArgs,
    cancel::Cancel,
    exit::{Exit, Failure},
    output::Printer,
    scan,
};

/// A page, and the people who are asked there.
pub(crate) struct WebPage {
    page: Page,
    people: Vec<PagePerson>,
}

impl WebPage {
    /// Starts the page for these devices and says where it is, if there is to be one. Whoever cancels
    /// there, cancels everything.
    pub(crate) async fn start(
        args: &WebArgs,
        roles: &[Role],
        out: Printer,
        cancel: &Cancel,
    ) -> Result<Option<Self>, Failure> {
        let Some(listen) = args.web else {
            return Ok(None);
        };
        let page = Page::start(PageOptions {
            listen,
            public: args.web_url.clone(),
            roles: roles.to_vec(),
            read_code: Arc::new(read_code),
        })
        .await
        .map_err(|error| {
            let what = format!("the page cannot be served at {listen}: {error}");
            Failure::here(what, "Choose another address for --web, or none.")
        })?;
        out.event(json!({ "event": "page", "url": page.url() }));
        out.say(format_args!(
            "Open this page. Whoever has its address can take part: give it to nobody.\n  {}",
            page.url()
        ));
        let people = roles.iter().filter_map(|role| page.person(*role)).collect();
        let cancelled = page.cancelled();
        let cancel = cancel.clone();
        tokio::spawn(async move {
            cancelled.await;
            cancel.because(Failure::cancelled());
        });
        Ok(Some(Self { page, people }))
    }

    /// The person at this device.
    pub(crate) fn person(&self, role: Role) -> Option<&PagePerson> {
        self.people.iter().find(|person| person.role() == role)
    }

    /// Shows each device's end there, and stops.
    pub(crate) async fn close(self, outcome: impl Fn(Role) -> PageOutcome) {
        for person in &self.people {
            person.end(outcome(person.role()));
        }
        self.page.close().await;
    }

    /// Is ready when somebody has opened it.
    pub(crate) async fn opened(&self) {
        self.page.opened().await;
    }

    pub(crate) fn url(&self) -> &str {
        self.page.url().as_str()
    }
}

/// What the page shows of a failure.
pub(crate) fn failed(failure: &Failure) -> PageOutcome {
    PageOutcome {
        success: false,
        what: words::sentence(&failure.what),
        cause: failure.cause.and_then(words::cause_name),
        advice: failure.advice.clone(),
    }
}

/// Refuses a page that other machines reach, unless that is wanted: before anything is started.
pub(crate) fn check(args: &WebArgs) -> Result<(), Failure> {
    if args.web_allow_remote {
        return Ok(());
    }
    if let Some(listen) = args.web.filter(|listen| !listen.ip().is_loopback()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("other machines can reach {}", listen.ip()),
            "Use 127.0.0.1 with an SSH tunnel or a proxy with TLS. Or add --web-allow-remote: then \
             whoever sees the traffic can answer in your place.",
        ));
    }
    if let Some(url) = args.web_url.as_ref().filter(|url| !is_private(url)) {
        return Err(Failure::new(
            Exit::Usage,
            format!("nothing is encrypted at {url}"),
            "Name the https:// URL of a proxy with TLS. Or add --web-allow-remote: then whoever \
             sees the traffic can answer in your place.",
        ));
    }
    Ok(())
}

/// Whether nobody sees the traffic between a browser and this URL.
fn is_private(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || is_loopback
}

/// In a picture, or in a text.
fn read_code(contents: &[u8]) -> Result<QrCode, String> {
    let scanned = scan::scan(contents);
    let read = scanned.map(|scanned| scanned.code);
    read.map_err(|failure| format!("{} {}", words::sentence(&failure.what), failure.advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(url: &str, web_allow_remote: bool) -> bool {
        let args = WebArgs {
            web: Some(([127, 0, 0, 1], 8787).into()),
            web_allow_remote,
            web_url: Some(url.parse().unwrap()),
        };
        check(&args).is_err()
    }

    #[test]
    fn a_proxy_without_tls_is_refused_unless_that_is_wanted() {
        for private in [
            "https://bot.example.org",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            assert!(!is_refused(private, false), "{private}");
        }
        for seen in [
            "http://bot.example.org",
            "http://192.0.2.1",
            "http://localhost.example.org",
        ] {
            assert!(is_refused(seen, false), "{seen}");
            assert!(!is_refused(seen, true), "{seen}");
        }
    }
}
