//! Standard input, a line at a time, without holding up anything else.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    thread,
};

use tokio::sync::{Mutex, mpsc};
use zeroize::Zeroizing;

use crate::{exit::Failure, output::Output};

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;

type Line = Zeroizing<String>;

/// Reads lines once they are asked for. A question that is not needed any more loses nothing: its
/// line stays for the next.
#[derive(Debug, Default)]
pub(crate) struct Keyboard(Mutex<Option<mpsc::Receiver<Line>>>);

impl Keyboard {
    /// The next line without its end; nothing at the end of the input.
    pub(crate) async fn line(&self) -> Option<Line> {
        self.0.lock().await.get_or_insert_with(listen).recv().await
    }

    /// Reads ahead from now on.
    pub(crate) async fn listen(&self) {
        self.0.lock().await.get_or_insert_with(listen);
    }

    /// On a terminal, forgets what was typed before there was a question: it was not meant as its
    /// answer.
    pub(crate) async fn forget(&self) {
        if !is_terminal() {
            return;
        }
        if let Some(lines) = self.0.lock().await.as_mut() {
            while lines.try_recv().is_ok() {}
        }
    }
}

/// What will be asked is refused before anything is begun, where nobody can answer. A script reads
/// the questions as events.
pub(crate) fn must_be_there(out: Output) -> Result<(), Failure> {
    if out == Output::Json || is_terminal() {
        Ok(())
    } else {
        Err(Failure::nobody_to_ask())
    }
}

pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A thread, since a read from a terminal cannot be called off. It ends with the process.
fn listen() -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(16);
    thread::spawn(
        move || while read_line().is_some_and(|line| sender.blocking_send(line).is_ok()) {},
    );
    receiver
}

fn read_line() -> Option<Line> {
    // One allocation that is large enough: one that grows would leave copies behind.
    let mut line = Zeroizing::new(String::with_capacity(MAX_LINE as usize));
    let read = io::stdin()
        .lock()
        .take(MAX_LINE)
        .read_line(&mut line)
        .ok()?;
    (read > 0).then_some(line)
}
