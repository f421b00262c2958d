//! The one loop: it waits for whichever comes first, the outstanding answer, the other device's
//! next payload or the person who gives up, hands it to [`Login`], does what `Login` says, and
//! leaves the session as its end asks for.
//!
//! It knows no clock and no network: a [`Host`] does what touches the world.

mod channel_state;
mod next;

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use rand_core::CryptoRng;

use self::{
    channel_state::ChannelState,
    next::{Event, Reply, answer, next},
};
use crate::{
    channel::{ChannelError, CheckCode, Generator, Initiated},
    error::{Cause, Error, UserError},
    homeserver::HomeserverAddress,
    login::{Answer, Ask, Ended, Input, Leave, Login, Outcome, Output, message::Message},
    qr::{QrCode, QrError, ShownBy, ShownCode},
    rendezvous::{Binding, Location, Payload},
    revision::{Dialect, Role},
};

/// What became of a payload that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It stands in the session.
    Done,
    /// Another payload stands there, and [`Host::receive`] gives it next. Either the other device
    /// answered what we thought was lost, or it wrote at the same moment: what it says tells which.
    Overtaken,
}

/// The device and the person that a sign-in runs on. Every future may be dropped at any time, but
/// that of [`Host::send`] should be driven to its end: a payload that is sealed and never written
/// cannot be replaced.
pub trait Host {
    /// Waits for the next payload that this device did not write itself.
    fn receive(&self) -> impl Future<Output = Result<Payload, Ended>>;
    /// What the next payload is written against: the last one that was received or sent.
    fn binding(&self) -> Binding;
    /// Writes a payload, trying again until it is known what became of it, within the session's
    /// time.
    fn send(&self, payload: Payload) -> impl Future<Output = Result<Delivery, Ended>>;
    /// Is ready when what this device wrote last has been answered, or has stood there long enough
    /// to be read, or when the session is over. What answers it is not given again: a last word
    /// waits for this, and so does the end of a session that holds one.
    fn until_read(&self) -> impl Future<Output = ()>;
    /// Deletes the rendezvous session, as well as it can.
    fn delete(&self) -> impl Future<Output = ()>;
    /// Does what is asked. [`Ask::CheckCode`] does not come here.
    fn answer(&self, ask: Ask) -> impl Future<Output = Answer>;
    /// Asks the person for the two digits that the other device shows.
    fn enter_check_code(&self) -> impl Future<Output = CheckCode>;
    /// Is ready as soon as the person at this device has given up, however often it is asked.
    fn cancelled(&self) -> impl Future<Output = ()>;
    /// Is ready when a last word has had time enough to be written: a few seconds.
    fn patience(&self) -> impl Future<Output = ()>;
    /// Shows the person where the sign-in is.
    fn tell(&self, progress: Progress<'_>);
}

/// Where a sign-in is.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Show this code to the other device.
    Show(&'a ShownCode),
    /// The other device answered; the channel is not yet known to be with it.
    Connected,
    /// Show these digits to the person, to be typed on the other device. The channel is secure.
    Secure(&'a CheckCode),
    /// The digits were right. The channel is secure.
    Confirmed,
    /// A message went out.
    Sent(&'static str),
    /// A message came in.
    Received(&'static str),
}

/// Device G: shows a QR code for this session, and signs in with whoever scans it.
///
/// # Errors
///
/// Why the sign-in ended. The session has then been left as it should be.
pub async fn show<H: Host>(
    host: &H,
    (location, dialect): (Location, Dialect),
    shown_by: ShownBy,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let generator = Generator::new(&location, dialect, rng);
    let code = QrCode {
        key: generator.public_key(),
        location,
        shown_by,
    };
    let shown = abandon_if_err(host, ShownCode::new(code).map_err(unshowable)).await?;
    host.tell(Progress::Show(&shown));
    let code = shown.code();
    let initiate = establish(host, host.receive()).await?;
    host.tell(Progress::Connected);
    let (unconfirmed, login_ok) =
        abandon_if_err(host, generator.accept(&initiate, host.binding())).await?;
    establish(host, host.send(login_ok)).await?;
    run(
        host,
        ChannelState::unconfirmed(unconfirmed, &code.location),
        Login::start(code.role(), None),
    )
    .await
}

/// Device S: signs in with the device whose QR code was scanned. The host has joined the code's
/// session: what stood there at first is device G's own and empty, and only shows what to write
/// against. `ours` is the homeserver that an existing device announces, a base URL where the other
/// one should understand it for certain; a new device passes none and takes the code's.
///
/// # Errors
///
/// Why the sign-in ended. The session has then been left as it should be. [`Error::SameRole`] comes
/// before any contact with the session.
pub async fn scan<H: Host>(
    host: &H,
    code: &QrCode,
    (dialect, ours): (Dialect, Option<HomeserverAddress>),
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let (role, homeserver) = part(code, ours)?;
    let initiated = Initiated::new(&code.key, &code.location, dialect, host.binding(), rng);
    let (initiated, initiate) = abandon_if_err(host, initiated).await?;
    establish(host, host.send(initiate)).await?;
    let login_ok = establish(host, host.receive()).await?;
    let (channel, check_code) = abandon_if_err(host, initiated.finish(&login_ok)).await?;
    host.tell(Progress::Secure(&check_code));
    run(
        host,
        ChannelState::secure(channel, &code.location),
        Login::start(role, Some(homeserver)),
    )
    .await
}

/// Our part in a sign-in with the device that shows this code, and the homeserver that goes with
/// it.
fn part(
    code: &QrCode,
    ours: Option<HomeserverAddress>,
) -> Result<(Role, HomeserverAddress), Error> {
    match (&code.shown_by, ours) {
        (ShownBy::New, Some(ours)) => Ok((Role::Existing, ours)),
        (ShownBy::Existing(theirs), None) => Ok((Role::New, theirs.clone())),
        (ShownBy::New, None) => Err(Error::SameRole(Role::New)),
        (ShownBy::Existing(_), Some(_)) => Err(Error::SameRole(Role::Existing)),
    }
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

async fn abandon_if_err<H: Host, T, E: Into<Error>>(
    host: &H,
    result: Result<T, E>,
) -> Result<T, Error> {
    let result = result.map_err(Into::into);
    if result.is_err() {
        race(host.delete(), host.patience()).await;
    }
    result
}

impl From<ChannelError> for Error {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

async fn run<H: Host>(
    host: &H,
    mut channel: ChannelState<'_>,
    (mut login, outputs): (Login, Vec<Output>),
) -> Result<(), Error> {
    let mut outputs = VecDeque::from(outputs);
    let (mut asked, mut receiving) = (None, None);
    let (mut listening, mut unsaid) = (true, false);
    loop {
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send(message) => {
                    // What is written is what would be read next. Until then whoever listens goes
                    // on listening.
                    receiving = None;
                    let last = matches!(outputs.front(), Some(Output::End(_)));
                    let said = say(host, &mut channel, &message, last).await;
                    unsaid = said.is_err();
                    outputs.extend(said.err().into_iter().flat_map(|input| login.handle(input)));
                }
                Output::Ask(ask) => asked = Some(Box::pin(answer(host, ask))),
                Output::End(over) => return finish(host, over, unsaid).await,
            }
        }
        let heard = listening.then(|| receiving.get_or_insert_with(|| Box::pin(host.receive())));
        let event = next(host, asked.as_mut(), heard).await;
        if matches!(event, Event::Received(_)) {
            receiving = None;
        }
        let input = match event {
            Event::Cancelled => Input::Cancel,
            Event::Answered(Reply::Answer(answer)) => Input::Answer(answer),
            Event::Answered(Reply::CheckCode(code)) => Input::CheckCode(channel.confirm(&code)),
            Event::Received(Ok(payload)) => channel.hear(host, &payload),
            Event::Received(Err(ended)) => Input::Ended(ended),
        };
        // An answer is taken once; after the end of the session, or a payload of somebody else,
        // there is nothing to hear.
        if matches!(input, Input::Answer(_) | Input::CheckCode(_)) {
            asked = None;
        }
        listening &= !matches!(input, Input::Ended(_) | Input::Tampered);
        if matches!(input, Input::CheckCode(true)) {
            host.tell(Progress::Confirmed);
        }
        outputs.extend(login.handle(input));
    }
}

/// Seals and writes a message. The error is what `Login` should hear instead.
async fn say<H: Host>(
    host: &H,
    channel: &mut ChannelState<'_>,
    message: &Message,
    last: bool,
) -> Result<(), Input> {
    if last {
        // Before it is sealed: it says against what it is written.
        race(host.until_read(), host.patience()).await;
    }
    let payload = channel.seal(message, host.binding()).map_err(unsealable)?;
    let first = deliver(host, payload.clone(), last).await?;
    // Nobody waits for an answer to a last word: take what overtook it out of the way, and write.
    if last && first == Delivery::Overtaken {
        host.receive().await.map_err(Input::Unsent)?;
        return last_again(host, payload, message.kind()).await;
    }
    host.tell(Progress::Sent(message.kind()));
    Ok(())
}

/// A payload that says what it was written against cannot stand anywhere else, and to seal another
/// in its place would use a nonce twice, or leave a gap that the other device cannot open: then the
/// end of the session has to say it.
async fn last_again<H: Host>(host: &H, payload: Payload, kind: &'static str) -> Result<(), Input> {
    if payload.binding != host.binding() {
        return Err(Input::Cancel);
    }
    deliver(host, payload, true).await?;
    host.tell(Progress::Sent(kind));
    Ok(())
}

/// Mostly the server's part is too long for a code.
fn unshowable(error: QrError) -> Error {
    let cause = if matches!(error, QrError::TooLong(_)) {
        Cause::RendezvousServer
    } else {
        Cause::Here
    };
    Error::Rendezvous(UserError::split(
        cause,
        &error.to_string(),
        "Use another rendezvous server.",
    ))
}

fn unsealable(error: ChannelError) -> Input {
    let advice = "Begin again; if it stays, report it: this is a defect.";
    Input::Unsent(Ended::Unusable(UserError::new(
        Cause::Here,
        error.to_string(),
        advice,
    )))
}

/// A payload under way is given a little more time when the person gives up: the last word must
/// follow it in order.
async fn deliver<H: Host>(host: &H, payload: Payload, last: bool) -> Result<Delivery, Input> {
    let out_of_patience = async {
        if !last {
            host.cancelled().await;
        }
        host.patience().await;
        Err(Input::Cancel)
    };
    race(
        async { host.send(payload).await.map_err(Input::Unsent) },
        out_of_patience,
    )
    .await
}

/// Whoever polls has read a last word by the time that it is deleted. Whoever waits for its user
/// instead, as matrix-js-sdk does, would hang until the session's time is up if it were not.
async fn finish<H: Host>(host: &H, over: Outcome, unsaid: bool) -> Result<(), Error> {
    if over.session == Leave::DeleteOnceRead && !unsaid {
        race(host.until_read(), host.patience()).await;
    }
    if over.session != Leave::Alone {
        race(host.delete(), host.patience()).await;
    }
    over.result
}

async fn race<T>(left: impl Future<Output = T>, right: impl Future<Output = T>) -> T {
    let mut left = pin!(left);
    let mut right = pin!(right);
    poll_fn(|context| match left.as_mut().poll(context) {
        Poll::Pending => right.as_mut().poll(context),
        ready => ready,
    })
    .await
}
