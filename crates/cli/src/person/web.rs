//! What is in a browser: the page of a person who is not at this terminal, and the consent page.

use matrix_qr_page::{PageOutcome, PagePerson};
use serde_json::Value;
use url::Url;

use super::{TerminalPerson, redirect::RedirectFile};
use crate::{args::WebArgs, exit::Failure, keyboard, output::Printer, web::WebPage};

impl TerminalPerson {
    /// Serves the page, if there is to be one: from now on, everything is asked there.
    pub(crate) async fn serve(&mut self, web: &WebArgs) -> Result<(), Failure> {
        let page = WebPage::start(web, &[self.screen.role()], self.out, &self.cancel).await?;
        if let Some(page) = &page {
            self.redirect = self.offer_browser(page).await;
        }
        self.page = page;
        Ok(())
    }

    /// The person at the page, if there is one.
    pub(crate) fn at_page(&self) -> Option<&PagePerson> {
        self.page.as_ref()?.person(self.screen.role())
    }

    /// Shows on the page how it ended, and ends the page.
    pub(crate) async fn leave_page(&mut self, outcome: PageOutcome) {
        if let Some(page) = self.page.take() {
            page.close(|_| outcome.clone()).await;
        }
        self.redirect = None;
    }

    /// Where there is a browser, and somebody to agree.
    async fn offer_browser(&self, page: &WebPage) -> Option<RedirectFile> {
        if !self.browser || self.out == Printer::Json || !keyboard::is_terminal() {
            return None;
        }
        let answer = tokio::select! {
            answer = self.agrees("Open it in your browser? [y/N] ", Value::Null) => answer,
            () = page.opened() => None,
            () = self.cancel.cancelled() => None,
        };
        if answer != Some(true) {
            return None;
        }
        // Without a file or a browser, the person opens the address by hand.
        let file = RedirectFile::new(page.url()).ok()?;
        let path = file.path();
        let _ = tokio::task::spawn_blocking(move || open::that_detached(path)).await;
        Some(file)
    }

    /// Without a browser, the sign-in continues: the person can open the link by hand.
    pub(super) async fn open(&self, link: &Url) {
        let url = link.to_string();
        let opened = tokio::task::spawn_blocking(move || open::that_detached(url)).await;
        match opened {
            Ok(Ok(())) => self.out.say(format_args!(
                "If no page opens, open this link yourself:\n  {link}"
            )),
            _ => self.out.say(format_args!(
                "No browser could be opened. Open this link yourself:\n  {link}"
            )),
        }
    }
}
