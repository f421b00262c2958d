//! What a person is told besides the steps: what a sign-in leads to, whose page is opened, warnings.

use matrix_qr_device::ConsentLink;
use matrix_qr_page::words;

use super::SignInScreen;
use crate::{
    measure::wrap,
    output::{BAD, BOLD, harmless, paint},
};

impl SignInScreen {
    /// Shows what a sign-in can lead to, before the existing device begins one.
    pub(in crate::person) fn warn_before(&self, warning: &str) {
        self.out
            .say(paint(BAD, "Before you sign in another device:"));
        self.say_below(warning);
    }

    /// Shows where the link leads, before the question whether to open it.
    pub(in crate::person) fn introduce(&self, link: &ConsentLink, browser: bool) {
        self.clear();
        self.out
            .say("To sign in the new device, agree on a page of this host, and of no other:");
        self.show_host(link);
        if !browser {
            self.out.say(format_args!("  link  {}", link.url));
        }
    }

    /// The host alone on a line, to be compared, and what is wrong with it.
    pub(super) fn show_host(&self, link: &ConsentLink) {
        self.out
            .say(format_args!("\n    {}\n", paint(BOLD, link.host())));
        if let Some(note) = words::host_note(link.host()) {
            self.say_below(note);
        }
        if let Some(warning) = &link.warning {
            self.out.say(paint(BAD, "warning:"));
            self.say_below(warning);
        }
    }

    fn say_below(&self, text: &str) {
        for line in wrap(&harmless(text), 76) {
            self.out.say(format_args!("  {line}"));
        }
    }

    pub(super) fn warn(&self, what: &str) {
        self.clear();
        self.out.say(format_args!(
            "{} {}.",
            paint(BAD, "warning:"),
            harmless(what)
        ));
    }
}
