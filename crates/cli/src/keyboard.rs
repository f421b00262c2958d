//! Standard input, one line at a time, without blocking anything else.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    thread,
};

use rustix::termios::{QueueSelector, tcflush};
use tokio::sync::{
    Mutex,
    oneshot::{self, error::TryRecvError},
};
use zeroize::Zeroizing;

use crate::{exit::Failure, output::Printer};

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;

type TypedLine = Zeroizing<String>;

/// Reads a line when one is asked for, and nothing beyond it. A question that is no longer needed
/// loses nothing: the next one gets its line.
#[derive(Debug, Default)]
pub(crate) struct Keyboard(Mutex<Option<oneshot::Receiver<TypedLine>>>);

impl Keyboard {
    /// The next line; `None` at the end of the input.
    pub(crate) async fn line(&self) -> Option<TypedLine> {
        let mut reading = self.0.lock().await;
        let line = reading.get_or_insert_with(read).await;
        *reading = None;
        line.ok()
    }

    /// On a terminal, discards what was typed before the question: it is not an answer to it. Who
    /// gives a person commands to paste could otherwise give the answers, too.
    pub(crate) async fn forget(&self) {
        if !is_terminal() {
            return;
        }
        let mut reading = self.0.lock().await;
        // What the terminal holds and nobody has read yet. If it cannot, it holds nothing.
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        if let Some(line) = reading.as_mut()
            && !matches!(line.try_recv(), Err(TryRecvError::Empty))
        {
            *reading = None;
        }
    }
}

/// Refuses a command with questions if nobody can answer them, before anything is started. A script
/// reads the questions as events.
pub(crate) fn require_someone_to_answer(out: Printer) -> Result<(), Failure> {
    if out == Printer::Json || is_terminal() {
        Ok(())
    } else {
        Err(Failure::nobody_to_ask())
    }
}

pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A thread, because a read from a terminal cannot be cancelled. It ends with the process.
fn read() -> oneshot::Receiver<TypedLine> {
    let (sender, line) = oneshot::channel();
    thread::spawn(move || read_line().map(|line| sender.send(line)));
    line
}

fn read_line() -> Option<TypedLine> {
    // One allocation that is large enough: a growing one would leave copies of the text in memory.
    let mut line = Zeroizing::new(String::with_capacity(MAX_LINE as usize));
    let read = io::stdin()
        .lock()
        .take(MAX_LINE)
        .read_line(&mut line)
        .ok()?;
    (read > 0).then_some(line)
}
