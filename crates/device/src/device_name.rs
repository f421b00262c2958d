//! What a device is called: in the account's list of devices, and on the consent page.

use http::HeaderValue;

const PROGRAM: &str = "matrix-qr";
/// The longest name, in characters. Longer ones are of no use in a list.
const LONGEST: usize = 100;

/// What this device calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName {
    shown: String,
    /// What tells it from other devices with the same program.
    place: String,
}

/// Why a text is no name for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a device's name is one line of at most {LONGEST} characters")]
pub struct NotADeviceName;

impl DeviceName {
    /// A name that a person chose.
    ///
    /// # Errors
    ///
    /// It is empty, too long, or has characters that cannot be shown in a line.
    pub fn parse(text: &str) -> Result<Self, NotADeviceName> {
        let name = text.trim();
        let fits = !name.is_empty() && name.chars().count() <= LONGEST;
        if fits && matrix_qr_protocol::harmless(name) == name {
            Ok(Self {
                shown: name.to_owned(),
                place: name.to_owned(),
            })
        } else {
            Err(NotADeviceName)
        }
    }

    /// The host's name and the program's.
    #[must_use]
    pub fn of_host(host: &str) -> Self {
        match Self::parse(&host.trim().chars().take(LONGEST).collect::<String>()) {
            Ok(host) => Self {
                shown: format!("{PROGRAM} on {}", host.shown),
                ..host
            },
            Err(NotADeviceName) => Self {
                shown: PROGRAM.to_owned(),
                place: PROGRAM.to_owned(),
            },
        }
    }

    /// For people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// RFC 9110, section 10.1.5. matrix-authentication-service names a device after the first part
    /// of the comment, if it has two parts. So the name is one part, in characters that need no
    /// quoting there.
    pub(crate) fn user_agent(&self) -> HeaderValue {
        let plain = |c: char| c == ' ' || (c.is_ascii_graphic() && !"();/\\\"".contains(c));
        let place = self.place.replace(|c| !plain(c), "-");
        let (version, system) = (env!("CARGO_PKG_VERSION"), system());
        let text = format!("{PROGRAM}/{version} ({place}; {system})");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(PROGRAM))
    }
}

fn system() -> &'static str {
    match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "macOS",
        "windows" => "Windows",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn agent(name: &DeviceName) -> String {
        let agent = name.user_agent();
        let inner = agent
            .to_str()
            .unwrap()
            .strip_prefix(concat!("matrix-qr/", env!("CARGO_PKG_VERSION"), " ("))
            .unwrap();
        inner
            .strip_suffix(&format!("; {})", system()))
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_host_is_named_with_the_program_and_the_header_has_the_host_alone() {
        let name = DeviceName::of_host("attic");
        assert_eq!(
            (name.as_str(), agent(&name).as_str()),
            ("matrix-qr on attic", "attic")
        );
        for nameless in ["", " \n", "a\u{1b}b"] {
            assert_eq!(
                DeviceName::of_host(nameless).as_str(),
                "matrix-qr",
                "{nameless:?}"
            );
        }
        assert_eq!(
            DeviceName::of_host(&"x".repeat(300)).as_str().len(),
            "matrix-qr on ".len() + LONGEST
        );
    }

    #[test]
    fn a_chosen_name_is_shown_as_it_is_and_safe_in_a_header() {
        let name = DeviceName::parse("  Käthe's bot (2); a/b\\\" ").unwrap();
        assert_eq!(name.as_str(), "Käthe's bot (2); a/b\\\"");
        assert_eq!(agent(&name), "K-the's bot -2-- a-b--");
        for none in [
            "",
            "  ",
            "two\nlines",
            "\u{7f}",
            "turned \u{202e}around",
            &"x".repeat(101),
        ] {
            assert_eq!(DeviceName::parse(none), Err(NotADeviceName), "{none:?}");
        }
    }
}
