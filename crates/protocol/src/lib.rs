//! Matrix sign-in by QR code, MSC4108 and its successor MSC4388: the protocol, without I/O.
//!
//! An existing, signed-in device signs in a new one. One shows a QR code, the other scans it; the
//! person types two digits and agrees in a browser; the new device ends up cross-signed and with
//! the key to the backup. This crate is everything that the two devices must agree on. It knows no
//! clock, no network, no files and no async runtime.
//!
//! | section of either proposal | module |
//! |---|---|
//! | Insecure rendezvous session | [`rendezvous`]: requests and responses as values |
//! | Secure channel | [`channel`]: device G is a [`Generator`](channel::Generator), device S is [`Initiated`](channel::Initiated) |
//! | QR code format | [`qr`] |
//! | The OAuth login part and set up of E2EE | [`login`]: a function from inputs to outputs |
//! | Message reference | [`login::message`] |
//! | all of it, in order | [`driver`]: a whole sign-in, over a [`Host`](driver::Host) that does what touches the world |
//!
//! What these modules share:
//!
//! | module | what it has |
//! |---|---|
//! | [`revision`] | which proposal, which reading of it, which names, which role |
//! | [`error`] | why a sign-in ended: one type for both roles |
//! | `user_error`, `reason` | what a person is told; the reasons of `m.login.failure`, one table |
//! | [`homeserver`], [`web_url`] | how a homeserver is named; the checks on URLs that others gave |
//! | `device_id`, `base64` | device IDs; Matrix's base64 |
//! | `printable` | text that others wrote: made fit to be shown, or refused as an identifier |
//!
//! A [`Location`](rendezvous::Location) says which of the two is spoken, and so does every scanned
//! code. It is matched on in four places: the bytes of the QR code, the dialect of the rendezvous
//! session, the channel's constructors and the JSON of the messages.
//!
//! A device that wants the whole of it implements [`driver::NewDeviceHost`] or
//! [`driver::ExistingDeviceHost`], and calls the function of [`driver`] for its role that shows or
//! scans the code. Here is a sign-in by hand, in one piece of memory: the new device shows the code,
//! the existing one scans it.
//!
//! ```
//! use getrandom::SysRng;
//! use matrix_qr_protocol::{
//!     channel::{Generator, Initiated},
//!     homeserver::HomeserverAddress,
//!     login::{
//!         DeviceLookup, ExistingDeviceAnswer, ExistingDeviceAsk, ExistingDeviceLogin, Input,
//!         NewDeviceAnswer, NewDeviceAsk, NewDeviceLogin, Output, message::*,
//!     },
//!     qr::{QrCode, ShownBy},
//!     rendezvous::{Binding, Location, SessionUrl},
//!     revision::Dialect,
//! };
//! use rand_core::UnwrapErr;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Device G, here the new one, shows its key and where the session is.
//! let location = Location::Url(SessionUrl::parse("https://rendezvous.example.org/abc")?);
//! let generator = Generator::new(&location, Dialect::default(), &mut UnwrapErr(SysRng));
//! let shown = QrCode { shown_by: ShownBy::New, key: generator.public_key(), location }.encode()?;
//!
//! // Device S scans, and the two establish the secure channel. In this revision no payload says
//! // what it was written against.
//! let scanned = QrCode::decode(&shown)?;
//! let at = &scanned.location;
//! let unbound = Binding::default;
//! let (initiated, login_initiate) =
//!     Initiated::new(&scanned.key, at, Dialect::default(), unbound(), &mut UnwrapErr(SysRng))?;
//! let (unconfirmed, login_ok) = generator.accept(&login_initiate, unbound())?;
//! let (mut existing_channel, check_code) = initiated.finish(&login_ok)?;
//! let confirmed = unconfirmed.confirm(&check_code);
//! let mut new_channel = confirmed.map_err(|_| "the person typed other digits")?;
//!
//! // The two logins. What one sends is sealed, opened and handed to the other; what one asks is
//! // answered.
//! let homeserver = HomeserverAddress::parse("https://matrix.example.org")?;
//! let (mut new, asked) = NewDeviceLogin::shown();
//! assert_eq!(asked, [Output::AskCheckCode]);
//! let mut new_does = new.handle(Input::CheckCode(true));
//! let (mut existing, mut existing_does) = ExistingDeviceLogin::scanned(homeserver);
//!
//! let mut stored = None;
//! while !new_does.is_empty() || !existing_does.is_empty() {
//!     for output in std::mem::take(&mut existing_does) {
//!         let answer = match output {
//!             Output::Send(message) => {
//!                 println!("the existing device: {}", message.kind());
//!                 let payload = existing_channel.seal(&message.encode(at), unbound())?;
//!                 let message = Message::parse(&new_channel.open(&payload)?, at)?;
//!                 new_does.extend(new.handle(Input::Message(message)));
//!                 continue;
//!             }
//!             Output::Ask(ExistingDeviceAsk::FindDevice(_)) => {
//!                 ExistingDeviceAnswer::FindDevice(Ok(DeviceLookup::Absent))
//!             }
//!             Output::Ask(ExistingDeviceAsk::OpenUri(_)) => ExistingDeviceAnswer::OpenUri(Ok(())),
//!             Output::Ask(ExistingDeviceAsk::AwaitDevice(_)) => {
//!                 ExistingDeviceAnswer::AwaitDevice(Ok(DeviceLookup::Present))
//!             }
//!             Output::Ask(ExistingDeviceAsk::ExportSecrets) => {
//!                 let key = |byte| SecretKey::new(&[byte; 32]);
//!                 let cross_signing = CrossSigning {
//!                     master_key: key(1),
//!                     self_signing_key: key(2),
//!                     user_signing_key: key(3),
//!                 };
//!                 ExistingDeviceAnswer::ExportSecrets(Ok(Secrets { cross_signing, backup: None }))
//!             }
//!             // It looks for the signed device while the new one works: not needed here.
//!             Output::Ask(ExistingDeviceAsk::AwaitVerified(_)) | Output::AskCheckCode => continue,
//!             Output::End(outcome) => {
//!                 outcome.result?;
//!                 continue;
//!             }
//!         };
//!         existing_does.extend(existing.handle(Input::Answer(answer)));
//!     }
//!     for output in std::mem::take(&mut new_does) {
//!         let answer = match output {
//!             Output::Send(message) => {
//!                 println!("the new device: {}", message.kind());
//!                 let payload = new_channel.seal(&message.encode(at), unbound())?;
//!                 let message = Message::parse(&existing_channel.open(&payload)?, at)?;
//!                 existing_does.extend(existing.handle(Input::Message(message)));
//!                 continue;
//!             }
//!             Output::Ask(NewDeviceAsk::RequestAuthorization(_)) => {
//!                 NewDeviceAnswer::RequestAuthorization(Ok(Authorization {
//!                     link: VerificationLink {
//!                         verification_uri: "https://id.example.org/link".parse()?,
//!                         verification_uri_complete: None,
//!                     },
//!                     device_id: DeviceId::parse("ABCDEFGHIJ").ok_or("no device ID")?,
//!                 }))
//!             }
//!             Output::Ask(NewDeviceAsk::AwaitToken) => NewDeviceAnswer::AwaitToken(Ok(())),
//!             Output::Ask(NewDeviceAsk::ImportSecrets(secrets)) => {
//!                 stored = Some(secrets);
//!                 NewDeviceAnswer::ImportSecrets(Ok(()))
//!             }
//!             Output::AskCheckCode => continue,
//!             Output::End(outcome) => {
//!                 outcome.result?;
//!                 continue;
//!             }
//!         };
//!         new_does.extend(new.handle(Input::Answer(answer)));
//!     }
//! }
//! assert!(stored.is_some(), "the new device has the secrets, and can sign itself");
//! # Ok(())
//! # }
//! ```

mod base64;
pub mod channel;
mod device_id;
pub mod driver;
pub mod error;
pub mod homeserver;
pub mod login;
mod printable;
pub mod qr;
mod reason;
pub mod rendezvous;
pub mod revision;
mod user_error;
pub mod web_url;

pub use printable::{harmless, is_identifier, printable};

/// The code of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
