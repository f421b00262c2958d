//! Section "Secure channel" of MSC4108 and of MSC4388: only the two devices that met over a QR code
//! can read what follows.
//!
//! Device G generates the QR code, device S scans it; either can be the new or the existing one,
//! and this module does not know which. The types follow the numbered steps of "Establishment":
//!
//! ```text
//! device G   Generator (1)   --accept (5)-->  Unconfirmed  --confirm (7)-->  SecureChannel | Refused
//! device S   Initiated (1, 4)  ------------------------finish (6)------->  SecureChannel + CheckCode
//! ```
//!
//! Every step consumes the one before it, so a key pair serves one exchange and a check code is
//! tried once:
//!
//! ```
//! # use matrix_qr_protocol::channel::{CheckCode, SecureChannel, Unconfirmed};
//! fn try_once(unconfirmed: Unconfirmed, code: &CheckCode) -> Option<SecureChannel> {
//!     unconfirmed.confirm(code).ok()
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use matrix_qr_protocol::channel::{CheckCode, SecureChannel, Unconfirmed};
//! fn try_twice(unconfirmed: Unconfirmed, first: &CheckCode, second: &CheckCode) -> Option<SecureChannel> {
//!     unconfirmed.confirm(first).or_else(|_| unconfirmed.confirm(second)).ok()
//! }
//! ```
//!
//! Before the check code there is no way to send, and after a refusal there is one message and no
//! more:
//!
//! ```compile_fail,E0599
//! # use matrix_qr_protocol::channel::Unconfirmed;
//! fn speak_too_early(mut unconfirmed: Unconfirmed) {
//!     let _ = unconfirmed.seal(b"m.login.secrets", Default::default());
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use matrix_qr_protocol::channel::Refused;
//! fn two_last_words(refused: Refused) {
//!     let _ = refused.last_word(b"one", Default::default());
//!     let _ = refused.last_word(b"two", Default::default());
//! }
//! ```

mod check_code;
mod cipher;
mod device_g;
mod device_s;
mod ecies;
mod error;
mod hpke;
mod keys;
mod payload;
mod secure_channel;

use std::fmt;

pub use self::check_code::{CheckCode, CheckCodeError};
pub use self::device_g::{Generator, Refused, Unconfirmed};
pub use self::device_s::Initiated;
pub use self::error::ChannelError;
pub use self::keys::PublicKey;
pub use self::secure_channel::SecureChannel;

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    )*};
}

redacted!(Generator, Unconfirmed, Refused, Initiated, SecureChannel);

#[cfg(test)]
mod tests;
