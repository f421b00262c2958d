//! What seals and what opens, in either revision: a closed set.

use zeroize::Zeroizing;

use super::{ChannelError, ecies, hpke};
use crate::rendezvous::Binding;

/// Our direction of the channel.
pub(super) enum Sealer {
    Ecies(ecies::Half),
    Hpke(Box<hpke::Sealing>),
}

/// The other device's direction.
pub(super) enum Opener {
    Ecies(ecies::Half),
    Hpke(Box<hpke::Opening>),
}

/// Device G's direction, as device S knows it before LoginOk.
pub(super) enum Awaited {
    Ecies(ecies::Half),
    Hpke(hpke::Awaited),
}

impl Sealer {
    pub(super) fn seal(
        &mut self,
        plaintext: &[u8],
        binding: &Binding,
    ) -> Result<Vec<u8>, ChannelError> {
        match self {
            Self::Ecies(half) => half.seal(plaintext, binding.as_bytes()),
            Self::Hpke(context) => hpke::seal(context, plaintext, binding.as_bytes()),
        }
    }
}

impl Opener {
    pub(super) fn open(
        &mut self,
        ciphertext: &[u8],
        binding: &Binding,
    ) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        match self {
            Self::Ecies(half) => half.open(ciphertext, binding.as_bytes()),
            Self::Hpke(context) => hpke::open(context, ciphertext, binding.as_bytes()),
        }
    }

    /// After a failure: the same as the message that is counted after it. A context of HPKE counts
    /// only what it has opened.
    pub(super) fn open_past_one(
        &mut self,
        ciphertext: &[u8],
        binding: &Binding,
    ) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Ecies(half) => half.open(ciphertext, binding.as_bytes()).ok(),
            Self::Hpke(_) => None,
        }
    }
}

impl Awaited {
    /// Step 6: opens LoginOk.
    pub(super) fn open(
        self,
        login_ok: &[u8],
        binding: &Binding,
    ) -> Result<(Opener, Zeroizing<Vec<u8>>), ChannelError> {
        match self {
            Self::Ecies(mut half) => {
                let plaintext = half.open(login_ok, binding.as_bytes())?;
                Ok((Opener::Ecies(half), plaintext))
            }
            Self::Hpke(awaited) => awaited.open(login_ok, binding.as_bytes()),
        }
    }
}
