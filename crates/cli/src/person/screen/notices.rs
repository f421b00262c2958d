//! What a person is told besides the steps: the device ID, the remains of another sign-in, warnings.

use super::SignInScreen;
use crate::output::{BAD, harmless, paint};

impl SignInScreen {
    /// Whether the new device's ID is derived from the channel. Most apps do not do that: its
    /// absence is no reason for alarm.
    pub(super) fn bound(&self, bound: bool) {
        self.clear();
        if bound {
            self.done("", "The new device's ID is bound to this connection");
        } else {
            self.out.say(
                "  The new device's ID is not bound to this connection; many apps cannot do that.",
            );
        }
    }

    pub(super) fn cleared(&self, device_id: Option<&str>) {
        self.clear();
        let device = device_id.map_or_else(
            || "If your account lists a device that you do not know, remove it there.".to_owned(),
            |id| format!("Its device {} was signed out again.", harmless(id)),
        );
        self.out.say(format_args!(
            "An earlier sign-in was interrupted here. Its files were removed. {device}"
        ));
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
