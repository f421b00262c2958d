//! Lines from the caller and to it, as they are. What is read or written is wiped from memory.

use std::{
    io::{self, ErrorKind, Read, Write},
    mem, str,
    time::Duration,
};

use serde::Serialize;
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};
use zeroize::{Zeroize as _, Zeroizing};

/// The longest line, in bytes, without its line break.
pub(super) const MAX_LINE: usize = 1 << 20;
/// How long the caller may not read while there is something to read.
const UNREAD: Duration = Duration::from_secs(30);

/// A line to the caller, with its line break.
pub(super) type OutputLine = Zeroizing<Vec<u8>>;

/// A line from the caller that is not empty.
pub(super) enum InputLine {
    Text(Zeroizing<String>),
    NotText,
    TooLong,
}

/// Reads line by line.
pub(super) struct Lines<R> {
    input: R,
    /// One allocation that is large enough: a growing one would leave copies of secrets in memory.
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
    /// This much of it has no line break.
    searched: usize,
    /// Whether the beginning of the current line was too long to keep.
    skipping: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Zeroizing::new(vec![0; MAX_LINE + 1]),
            filled: 0,
            searched: 0,
            skipping: false,
        }
    }

    /// The next line; `None` at the end of the input. A line without an end was cut off.
    pub(super) fn next(&mut self) -> Option<InputLine> {
        loop {
            if let Some(end) = self.line_break() {
                let line = self.take(end);
                match line {
                    _ if mem::take(&mut self.skipping) => {}
                    InputLine::Text(text) if text.trim().is_empty() => {}
                    line => return Some(line),
                }
            } else if self.filled == self.buffer.len() {
                self.forget(self.filled);
                if !mem::replace(&mut self.skipping, true) {
                    return Some(InputLine::TooLong);
                }
            } else {
                self.read()?;
            }
        }
    }

    fn line_break(&mut self) -> Option<usize> {
        let unseen = self.buffer.get(self.searched..self.filled)?;
        let end = unseen.iter().position(|byte| *byte == b'\n');
        let end = end.map(|end| self.searched + end);
        self.searched = end.unwrap_or(self.filled);
        end
    }

    fn take(&mut self, end: usize) -> InputLine {
        let bytes = self.buffer.get(..end).unwrap_or_default();
        let line = match str::from_utf8(bytes) {
            Ok(text) => InputLine::Text(Zeroizing::new(text.to_owned())),
            Err(_) => InputLine::NotText,
        };
        self.forget(end + 1);
        line
    }

    /// Removes the beginning of the buffer.
    fn forget(&mut self, length: usize) {
        let length = length.min(self.filled);
        self.buffer.copy_within(length..self.filled, 0);
        let left = self.filled - length;
        if let Some(old) = self.buffer.get_mut(left..self.filled) {
            old.zeroize();
        }
        (self.filled, self.searched) = (left, 0);
    }

    fn read(&mut self) -> Option<()> {
        let free = self.buffer.get_mut(self.filled..)?;
        match self.input.read(free) {
            Ok(0) => None,
            Ok(read) => {
                self.filled += read;
                Some(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(()),
            Err(_) => None,
        }
    }
}

/// The line of a message; `None` if it is too long.
pub(super) fn line(message: &impl Serialize) -> Option<OutputLine> {
    let length = length(message).filter(|length| *length <= MAX_LINE)?;
    let mut line = Zeroizing::new(Vec::with_capacity(length + 1));
    serde_json::to_writer(&mut *line, message).ok()?;
    // JSON that is passed on as others wrote it may have line breaks between its tokens. Inside of
    // a text they are escaped.
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    line.push(b'\n');
    Some(line)
}

/// How long its line is, without the line break. Known in advance, it needs one allocation.
pub(super) fn length(message: &impl Serialize) -> Option<usize> {
    let mut length = ByteCount(0);
    serde_json::to_writer(&mut length, message).ok()?;
    Some(length.0)
}

/// Counts what is written.
struct ByteCount(usize);

impl Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes line by line, to the end of the queue. Ends earlier if nobody reads.
pub(super) async fn write(
    mut output: impl Write + Send + 'static,
    mut queue: mpsc::Receiver<OutputLine>,
) {
    while let Some(line) = queue.recv().await {
        let written = spawn_blocking(move || {
            let written = output.write_all(&line).and_then(|()| output.flush());
            written.map(|()| output)
        });
        output = match timeout(UNREAD, written).await {
            Ok(Ok(Ok(output))) => output,
            _ => return,
        };
    }
}

#[cfg(test)]
mod tests;
