//! `helper`: sign-ins for another program, with JSON-RPC 2.0 over standard input and output
//! (docs/helper.md).
//!
//! | module | what it has |
//! |---|---|
//! | `lines`, `message` | lines on the pipe, and what each of them is |
//! | `caller` | the program at the other end: what it is told and asked, and its answers |
//! | `requests`, `params` | what the caller asks for |
//! | `sign_in`, `account` | what is done then |
//! | `person`, `scan`, `keys` | the person, the other device's code, and the device's keys, for which we ask the caller |
//! | `errors` | errors in both directions |

mod account;
mod caller;
mod errors;
mod keys;
mod lines;
mod message;
mod params;
mod person;
mod requests;
mod scan;
mod sign_in;

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read, Write},
    os::fd::AsFd,
    thread,
    time::Duration,
};

use matrix_qr_device::http::Policy;
use tokio::{sync::mpsc, time::timeout};

use self::{
    caller::{QUEUE, RemoteCaller},
    errors::{NoAnswer, RpcError},
    lines::{InputLine, Lines, MAX_LINE},
    message::CallerMessage,
    requests::{RequestEnd, Requests},
};
use crate::{
    args::HelperArgs,
    cancel::Cancel,
    exit::{Exit, Failure},
    online,
};

/// How long it may take at the end to tell the other device, and to sign the new one out again.
const CLEAN_UP: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: &HelperArgs) -> Result<Exit, Failure> {
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        let what = "standard input or standard output is a terminal, and a program must be there";
        let advice = "To sign in by hand, use `matrix-qr login`. docs/helper.md says how a program \
                      talks to the helper.";
        return Err(Failure::new(Exit::Usage, what, advice));
    }
    // Not through the buffers of the standard library: they would keep copies of secrets.
    let input = file(&io::stdin())?;
    let output = file(&io::stdout())?;
    let cancel = Cancel::on_signals(|| {})?;
    Ok(converse(
        input,
        output,
        online::policy(args.allow_loopback_http),
        cancel,
    )
    .await)
}

fn file(stream: &impl AsFd) -> Result<File, Failure> {
    let file = stream.as_fd().try_clone_to_owned();
    file.map(File::from).map_err(|error| {
        let what = format!("standard input or output cannot be used: {error}");
        Failure::here(what, "Try again.")
    })
}

/// Until the input ends, nobody reads any more, or a signal says so.
async fn converse(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    policy: Policy,
    cancel: Cancel,
) -> Exit {
    let (queue, written) = mpsc::channel(QUEUE);
    let mut writing = tokio::spawn(lines::write(output, written));
    let caller = RemoteCaller::new(queue);
    let mut requests = Requests::new(caller.clone(), policy);
    let mut lines = listen(input);
    loop {
        let line = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            _ = &mut writing => None,
            line = lines.recv() => line,
        };
        let Some(line) = line else { break };
        take(line, &caller, &mut requests);
        requests.tidy();
    }
    requests.tidy();
    let had_sign_in = requests.cancel_sign_in(Failure::cancelled());
    caller.hang_up();
    let end = timeout(CLEAN_UP, requests.end()).await;
    caller.close();
    if !writing.is_finished() {
        // A reader that hangs is waited for long enough there.
        let _ = writing.await;
    }
    match end {
        Ok(RequestEnd::SignInFailed) if had_sign_in => Exit::Cancelled,
        Ok(_) => Exit::Done,
        Err(_) => Exit::LeftAtOnce,
    }
}

/// A thread, because a read from a pipe cannot be cancelled. It ends with the process.
fn listen(input: impl Read + Send + 'static) -> mpsc::Receiver<InputLine> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut lines = Lines::new(input);
        while let Some(line) = lines.next() {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn take(line: InputLine, caller: &RemoteCaller, requests: &mut Requests) {
    let message = match line {
        InputLine::Text(line) => message::read(&line),
        InputLine::NotText => Err(RpcError::not_json("the line is not UTF-8")),
        InputLine::TooLong => {
            let message = format!("the line is longer than {MAX_LINE} bytes");
            Err(RpcError::not_a_request(message))
        }
    };
    match message {
        Ok(CallerMessage::Request(request)) => requests.begin(request),
        Ok(CallerMessage::Answer {
            id: Some(id),
            answer,
        }) => caller.take(id, answer),
        Ok(CallerMessage::Answer { id: None, .. }) => {
            requests.cancel_sign_in(NoAnswer::LostLine.into());
        }
        Err(error) => {
            // It may have been an answer.
            requests.cancel_sign_in(NoAnswer::LostLine.into());
            caller.answer(&serde_json::Value::Null, Err(error));
        }
    }
}
