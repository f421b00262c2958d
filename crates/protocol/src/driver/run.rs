//! The one loop: it waits for whichever comes first, the outstanding answer, the other device's
//! next payload or the person who gives up, hands it to [`Login`], does what `Login` says, and
//! leaves the session as its end asks for.

use std::collections::VecDeque;

use super::{
    channel_state::ChannelState,
    host::{Host, Progress},
    questions::AnsweredBy,
    say::{say, say_last},
    wait::{HostReply, LoginEvent, next, race},
};
use crate::{
    error::Error,
    login::{Input, Leave, Login, Outcome, Output, message::DeviceId},
};

/// What the login asks of this device, or of its person.
enum HostQuestion<Q> {
    CheckCode,
    /// With the device ID that is bound to the channel.
    Device(Q, DeviceId),
}

/// A login, from its first outputs to its end.
pub(super) async fn run<H: Host, S: AnsweredBy<H>>(
    host: &H,
    mut channel: ChannelState<'_>,
    mut login: Login<S>,
    outputs: Vec<Output<S::Ask>>,
) -> Result<(), Error> {
    let mut outputs = VecDeque::from(outputs);
    let (mut asked, mut receiving) = (None, None);
    let (mut listening, mut unsaid) = (true, false);
    loop {
        while let Some(output) = outputs.pop_front() {
            let question = match output {
                Output::Send(message) => {
                    // What is written is what would be read next. Until then whoever listens goes
                    // on listening.
                    receiving = None;
                    let said = match outputs.front() {
                        Some(Output::End(_)) => say_last(host, &mut channel, &message).await,
                        _ => say(host, &mut channel, &message).await,
                    };
                    unsaid = said.is_err();
                    if let Err(unsaid) = said {
                        outputs.extend(login.handle(unsaid.into()));
                    }
                    continue;
                }
                Output::End(outcome) => return finish(host, outcome, unsaid).await,
                Output::AskCheckCode => HostQuestion::CheckCode,
                Output::Ask(ask) => HostQuestion::Device(ask, channel.device_id().clone()),
            };
            asked = Some(Box::pin(put::<H, S>(host, question)));
        }
        let heard = listening.then(|| receiving.get_or_insert_with(|| Box::pin(host.receive())));
        let event = next(host, asked.as_mut(), heard).await;
        // An answer is taken once, and a payload, too.
        match event {
            LoginEvent::Cancelled => {}
            LoginEvent::Answered(_) => asked = None,
            LoginEvent::Received(_) => receiving = None,
        }
        let input = match event {
            LoginEvent::Cancelled => Input::Cancel,
            LoginEvent::Answered(HostReply::Answer(answer)) => Input::Answer(answer),
            LoginEvent::Answered(HostReply::CheckCode(code)) => {
                Input::CheckCode(channel.confirm(&code))
            }
            LoginEvent::Received(Ok(payload)) => channel.hear(host, &payload),
            LoginEvent::Received(Err(ended)) => Input::Ended(ended),
        };
        // After the end of the session, or a payload of somebody else, there is nothing to hear.
        listening &= !matches!(input, Input::Ended(_) | Input::Tampered);
        if matches!(input, Input::CheckCode(true)) {
            host.tell(Progress::Confirmed);
        }
        outputs.extend(login.handle(input));
    }
}

async fn put<H: Host, S: AnsweredBy<H>>(
    host: &H,
    question: HostQuestion<S::Ask>,
) -> HostReply<S::Answer> {
    match question {
        HostQuestion::CheckCode => HostReply::CheckCode(host.enter_check_code().await),
        HostQuestion::Device(ask, bound) => HostReply::Answer(S::put_to(host, ask, &bound).await),
    }
}

/// Whoever polls has read a last word by the time that it is deleted. Whoever waits for its user
/// instead, as matrix-js-sdk does, would hang until the session's time is up if it were not.
async fn finish<H: Host>(host: &H, outcome: Outcome, unsaid: bool) -> Result<(), Error> {
    if outcome.session == Leave::DeleteOnceRead && !unsaid {
        race(host.until_read(), host.patience()).await;
    }
    if outcome.session != Leave::Alone {
        race(host.delete(), host.patience()).await;
    }
    outcome.result
}
