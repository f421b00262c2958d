//! What a sign-in is made of: who signs whom in, and how.

/// The implementation of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Software {
    Ours,
    MatrixSdk,
}

/// Which device shows the QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShowingDevice {
    New,
    Existing,
}

/// Where the rendezvous session is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionHost {
    /// At the homeserver, or at the server that it delegates to.
    Homeserver,
    /// At our rendezvous server, which the device is told directly.
    OurServer,
}

/// Which proposal, and which reading of it, the device that shows the code follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RevisionOption {
    Msc4108,
    Msc4388,
    Msc4388AsWritten,
    /// The newer one, if the server offers it to this device.
    Newest,
}

impl RevisionOption {
    /// The options of our command.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Msc4108 => &[],
            Self::Msc4388 => &["--revision", "msc4388"],
            Self::Msc4388AsWritten => &["--revision", "msc4388", "--dialect", "as-written"],
            Self::Newest => &["--revision", "newest"],
        }
    }
}

/// One way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignInCase {
    pub(crate) new: Software,
    pub(crate) existing: Software,
    pub(crate) shows: ShowingDevice,
    pub(crate) host: SessionHost,
    pub(crate) revision: RevisionOption,
}
