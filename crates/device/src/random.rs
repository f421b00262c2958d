//! The operating system's randomness.

use rand_core::UnwrapErr;

/// A generator of random numbers. It ends the process where the system has none: there is no key
/// without them.
pub(crate) fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}
