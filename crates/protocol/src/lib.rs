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
//! | all of it, in order | [`driver`]: the loop, over a [`Host`](driver::Host) that does what touches the world |
//!
//! Which of the two is spoken, a [`Location`](rendezvous::Location) says, and with it every scanned
//! code. It is matched on in four places: the bytes of the QR code, the API of the rendezvous
//! session, the channel's constructors and [`login::message`].
//!
//! A device that wants the whole of it implements [`driver::Host`] and calls [`driver::show`] or
//! [`driver::scan`]. Here is a sign-in by hand, in one piece of memory: the new device shows the
//! code, the existing one scans it.
//!
//! ```
//! use getrandom::SysRng;
//! use matrix_qr_protocol::{
//!     channel::{Generator, Initiated},
//!     homeserver::HomeserverAddress,
//!     login::{Answer, Ask, DeviceLookup, Input, Login, Output, message::*},
//!     qr::{QrCode, ShownBy},
//!     rendezvous::{Binding, Location, SessionUrl},
//!     revision::{Dialect, Role},
//! };
//! use rand_core::UnwrapErr;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Device G, here the new one, shows its key and where the session is.
//! let location = Location::Url(SessionUrl::parse("https://rendezvous.example.org/abc")?);
//! let generator = Generator::new(&location, Dialect::default(), &mut UnwrapErr(SysRng));
//! let shown = QrCode { shown_by: ShownBy::New, key: generator.public_key(), location }.encode()?;
//!
//! // Device S scans, and the two establish the secure channel. In this revision no payload says what it was written against.
//! let scanned = QrCode::decode(&shown)?;
//! let at = &scanned.location;
//! let unbound = Binding::default;
//! let (initiated, login_initiate) =
//!     Initiated::new(&scanned.key, at, Dialect::default(), unbound(), &mut UnwrapErr(SysRng))?;
//! let (unconfirmed, login_ok) = generator.accept(&login_initiate, unbound())?;
//! let (mut existing_channel, check_code) = initiated.finish(&login_ok)?;
//! let mut new_channel = unconfirmed.confirm(&check_code).map_err(|_| "the person typed other digits")?;
//!
//! // The two logins. What one sends is sealed, opened and handed to the other; what one asks for is answered.
//! let homeserver = HomeserverAddress::parse("https://matrix.example.org")?;
//! let (mut new, asked) = Login::start(Role::New, None);
//! assert_eq!(asked, [Output::Ask(Ask::CheckCode)]);
//! new.handle(Input::CheckCode(true));
//! let (mut existing, mut outputs) = Login::start(Role::Existing, Some(homeserver));
//!
//! let mut speaker = Role::Existing;
//! let mut stored = None;
//! while let Some(output) = outputs.pop() {
//!     let input = match output {
//!         Output::Send(message) => {
//!             println!("{speaker:?}: {}", message.kind());
//!             let (from, to) = match speaker {
//!                 Role::New => (&mut new_channel, &mut existing_channel),
//!                 Role::Existing => (&mut existing_channel, &mut new_channel),
//!             };
//!             let payload = from.seal(&message.encode(at), unbound())?;
//!             speaker = speaker.other();
//!             Input::Message(Message::parse(&to.open(&payload)?, at)?)
//!         }
//!         Output::Ask(Ask::RequestAuthorization(_)) => Input::Answer(Answer::Authorization(Ok(Authorization {
//!             link: VerificationLink {
//!                 verification_uri: "https://id.example.org/link".parse()?,
//!                 verification_uri_complete: None,
//!             },
//!             device_id: DeviceId::parse("ABCDEFGHIJ").ok_or("no device ID")?,
//!         }))),
//!         Output::Ask(Ask::FindDevice(_)) => Input::Answer(Answer::Device(Ok(DeviceLookup::Absent))),
//!         Output::Ask(Ask::OpenUri(_)) => Input::Answer(Answer::Opened(Ok(()))),
//!         Output::Ask(Ask::AwaitToken) => Input::Answer(Answer::Token(Ok(()))),
//!         Output::Ask(Ask::AwaitDevice(_)) => Input::Answer(Answer::Device(Ok(DeviceLookup::Present))),
//!         Output::Ask(Ask::ExportSecrets) => {
//!             let key = |byte| SecretKey::new(&[byte; 32]);
//!             let cross_signing =
//!                 CrossSigning { master_key: key(1), self_signing_key: key(2), user_signing_key: key(3) };
//!             Input::Answer(Answer::Exported(Ok(Secrets { cross_signing, backup: None })))
//!         }
//!         Output::Ask(Ask::ImportSecrets(secrets)) => {
//!             stored = Some(secrets);
//!             Input::Answer(Answer::Imported(Ok(())))
//!         }
//!         // The existing device looks for the signed device while the new one works: not needed here.
//!         Output::Ask(Ask::AwaitVerified(_) | Ask::CheckCode) => continue,
//!         Output::End(outcome) => {
//!             outcome.result?;
//!             break;
//!         }
//!     };
//!     outputs.extend(match speaker {
//!         Role::New => new.handle(input),
//!         Role::Existing => existing.handle(input),
//!     });
//! }
//! assert!(stored.is_some(), "the new device has the secrets, and can sign itself");
//! # Ok(())
//! # }
//! ```

mod base64;
pub mod channel;
pub mod driver;
pub mod error;
pub mod homeserver;
pub mod login;
mod printable;
pub mod qr;
pub mod rendezvous;
pub mod revision;
pub mod web_url;

pub use printable::{harmless, printable};
