//! Standard input, one line at a time, without blocking anything else.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    thread,
};

use tokio::sync::{Mutex, mpsc};
use zeroize::Zeroizing;

use crate::{exit::Failure, output::Printer};

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;

type TypedLine = Zeroizing<String>;

/// Reads lines on demand. A question that is no longer needed loses nothing: the next one gets its
/// line.
#[derive(Debug, Default)]
pub(crate) struct Keyboard(Mutex<Option<mpsc::Receiver<TypedLine>>>);

impl Keyboard {
    /// The next line; `None` at the end of the input.
    pub(crate) async fn line(&self) -> Option<TypedLine> {
        self.0.lock().await.get_or_insert_with(listen).recv().await
    }

    /// Reads in the background from now on.
    pub(crate) async fn listen(&self) {
        self.0.lock().await.get_or_insert_with(listen);
    }

    /// On a terminal, discards what was typed before the question: it is not an answer to it.
    pub(crate) async fn forget(&self) {
        if !is_terminal() {
            return;
        }
        if let Some(lines) = self.0.lock().await.as_mut() {
            while lines.try_recv().is_ok() {}
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
fn listen() -> mpsc::Receiver<TypedLine> {
    let (sender, receiver) = mpsc::channel(16);
    thread::spawn(
        move || while read_line().is_some_and(|line| sender.blocking_send(line).is_ok()) {},
    );
    receiver
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
