//! A sign-in up to the secure channel, steps 1 to 7 of "Secure channel": the device that shows the
//! code, and the one that scans it.

use std::future::Future;

use rand_core::CryptoRng;

use super::{
    channel_state::ChannelState,
    host::{ExistingDeviceHost, Host, NewDeviceHost, Progress},
    questions::AnsweredBy,
    run::run,
    wait::race,
};
use crate::{
    channel::{Generator, Initiated},
    error::Error,
    homeserver::HomeserverAddress,
    login::{Ended, ExistingDeviceState, Login, NewDeviceState},
    qr::{QrCode, ShownBy, ShownCode},
    rendezvous::Location,
    revision::{Dialect, Role},
};

/// The new device shows a QR code for this session, and is signed in by the device that scans it.
///
/// # Errors
///
/// Why the sign-in ended. The session has then been left as it should be.
pub async fn show_as_new_device<H: NewDeviceHost>(
    host: &H,
    location: Location,
    dialect: Dialect,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    show::<H, NewDeviceState>(host, location, dialect, ShownBy::New, rng).await
}

/// The existing device shows a QR code for this session and its homeserver, and signs in the device
/// that scans it.
///
/// # Errors
///
/// Why the sign-in ended. The session has then been left as it should be.
pub async fn show_as_existing_device<H: ExistingDeviceHost>(
    host: &H,
    location: Location,
    dialect: Dialect,
    homeserver: HomeserverAddress,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let shown_by = ShownBy::Existing(homeserver);
    show::<H, ExistingDeviceState>(host, location, dialect, shown_by, rng).await
}

/// The new device scanned this code of an existing one. The host has joined the code's session: its
/// first payload is device G's own and empty, and only shows what to write against.
///
/// # Errors
///
/// Why the sign-in ended. The session has then been left as it should be. [`Error::SameRole`] comes
/// before any contact with the session.
pub async fn scan_as_new_device<H: NewDeviceHost>(
    host: &H,
    code: &QrCode,
    dialect: Dialect,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let ShownBy::Existing(homeserver) = &code.shown_by else {
        return Err(Error::SameRole(Role::New));
    };
    scan::<H, NewDeviceState>(host, code, dialect, homeserver.clone(), rng).await
}

/// The existing device scanned this code of a new one, see [`scan_as_new_device`]. `homeserver` is
/// what it announces: a base URL where the other device should understand it for certain.
///
/// # Errors
///
/// Those of [`scan_as_new_device`].
pub async fn scan_as_existing_device<H: ExistingDeviceHost>(
    host: &H,
    code: &QrCode,
    dialect: Dialect,
    homeserver: HomeserverAddress,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    if code.shown_by != ShownBy::New {
        return Err(Error::SameRole(Role::Existing));
    }
    scan::<H, ExistingDeviceState>(host, code, dialect, homeserver, rng).await
}

/// Device G.
async fn show<H: Host, S: AnsweredBy<H>>(
    host: &H,
    location: Location,
    dialect: Dialect,
    shown_by: ShownBy,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let generator = Generator::new(&location, dialect, rng);
    let code = QrCode {
        key: generator.public_key(),
        location,
        shown_by,
    };
    let shown = ShownCode::new(code).map_err(|error| Error::Rendezvous(error.into()));
    let shown = abandon_if_err(host, shown).await?;
    host.tell(Progress::Show(&shown));
    let initiate = establish(host, host.receive()).await?;
    host.tell(Progress::Connected);
    let accepted = generator.accept(&initiate, host.binding());
    let (unconfirmed, login_ok) = abandon_if_err(host, accepted.map_err(Error::Channel)).await?;
    establish(host, host.send(login_ok)).await?;
    let channel = ChannelState::unconfirmed(unconfirmed, &shown.code().location);
    let (login, outputs) = Login::<S>::shown();
    run(host, channel, login, outputs).await
}

/// Device S.
async fn scan<H: Host, S: AnsweredBy<H>>(
    host: &H,
    code: &QrCode,
    dialect: Dialect,
    homeserver: HomeserverAddress,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let initiated = Initiated::new(&code.key, &code.location, dialect, host.binding(), rng);
    let (initiated, initiate) = abandon_if_err(host, initiated.map_err(Error::Channel)).await?;
    establish(host, host.send(initiate)).await?;
    let login_ok = establish(host, host.receive()).await?;
    let finished = initiated.finish(&login_ok).map_err(Error::Channel);
    let (channel, check_code) = abandon_if_err(host, finished).await?;
    host.tell(Progress::Secure(&check_code));
    let channel = ChannelState::secure(channel, &code.location);
    let (login, outputs) = Login::<S>::scanned(homeserver);
    run(host, channel, login, outputs).await
}

/// One step before there is a channel. Nothing can be said to the other device yet, so the end of
/// the session says it.
async fn establish<H: Host, T>(
    host: &H,
    step: impl Future<Output = Result<T, Ended>>,
) -> Result<T, Error> {
    let cancelled = async {
        host.cancelled().await;
        Err(Error::Cancelled)
    };
    let step = async { step.await.map_err(Error::from) };
    abandon_if_err(host, race(step, cancelled).await).await
}

async fn abandon_if_err<T>(host: &impl Host, result: Result<T, Error>) -> Result<T, Error> {
    if result.is_err() {
        race(host.delete(), host.patience()).await;
    }
    result
}
