#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    io::Cursor,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc as std_mpsc,
    },
};

use super::*;

/// Hands out a few bytes at a time.
struct Trickle(Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

/// The lines, with `-` for one that is no text and `+` for one that is too long.
fn lines(input: &[u8], at_once: usize) -> Vec<String> {
    let mut lines = Lines::new(Trickle(Cursor::new(input.to_vec()), at_once));
    let mut read = Vec::new();
    while let Some(line) = lines.next() {
        read.push(match line {
            InputLine::Text(text) => text.to_string(),
            InputLine::NotText => "-".to_owned(),
            InputLine::TooLong => "+".to_owned(),
        });
    }
    read
}

#[test]
fn lines_are_read_however_they_arrive() {
    for at_once in [1, 2, 5, 1000] {
        assert_eq!(lines(b"", at_once), Vec::<String>::new());
        assert_eq!(
            lines("one\n\n  \r\nzwö\n".as_bytes(), at_once),
            ["one", "zwö"]
        );
        assert_eq!(lines(b"one\n\xff\ntwo\n", at_once), ["one", "-", "two"]);
        assert_eq!(lines(b"one\ncut off", at_once), ["one"]);
    }
}

#[test]
fn a_line_may_have_a_mebibyte_and_no_more() {
    let longest = "x".repeat(MAX_LINE);
    let text = format!("{longest}\nnext\n{longest}x\nlast\n{longest}{longest}{longest}");
    let read = lines(text.as_bytes(), 70_000);
    assert_eq!(read[0].len(), MAX_LINE);
    assert_eq!(read[1..], ["next", "+", "last", "+"]);
}

#[test]
fn what_was_read_is_wiped() {
    let mut lines = Lines::new(&b"a secret\nno\n"[..]);
    lines.next().unwrap();
    assert_eq!(&lines.buffer[..12], b"no\n\0\0\0\0\0\0\0\0\0");
}

#[test]
fn a_line_is_written_if_it_fits() {
    assert_eq!(line(&"é\n").unwrap().as_slice(), "\"é\\n\"\n".as_bytes());
    assert_eq!(line(&"x".repeat(MAX_LINE - 2)).unwrap().len(), MAX_LINE + 1);
    assert!(line(&"x".repeat(MAX_LINE - 1)).is_none());
}

/// Takes what it is given, once the test says so.
struct SlowReader {
    may_read: std_mpsc::Receiver<()>,
    read: Arc<Mutex<Vec<u8>>>,
    /// How many times it was given something.
    given: Arc<AtomicUsize>,
}

impl Write for SlowReader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.given.fetch_add(1, Ordering::SeqCst);
        if self.may_read.recv().is_err() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.read.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_for_half_a_minute_ends_it() {
    let (reads, may_read) = std_mpsc::channel();
    let read = Arc::new(Mutex::new(Vec::new()));
    let given = Arc::new(AtomicUsize::new(0));
    let reader = SlowReader {
        may_read,
        read: read.clone(),
        given: given.clone(),
    };
    let (queue, lines) = mpsc::channel(4);
    let writing = tokio::spawn(write(reader, lines));
    for number in 0..3 {
        queue.send(line(&number).unwrap()).await.unwrap();
    }
    reads.send(()).unwrap();
    // The second line's half minute does not begin before.
    while given.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(29)).await;
    tokio::task::yield_now().await;
    assert!(!writing.is_finished());
    tokio::time::advance(Duration::from_secs(31)).await;
    writing.await.unwrap();
    assert_eq!(read.lock().unwrap().as_slice(), b"0\n");
    assert!(queue.send(line(&3).unwrap()).await.is_err());
    drop(reads);
}

/// A homeserver could write messages to the caller in our name otherwise.
#[test]
fn a_message_is_one_line_whatever_is_passed_on() {
    let foreign = "{\"a\":[\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n],\"b\":\"c\\n\"}";
    let foreign = serde_json::value::RawValue::from_string(foreign.to_owned()).unwrap();
    let written = line(&serde_json::json!({ "identity": 1 })).unwrap();
    assert_eq!(*written, b"{\"identity\":1}\n");
    let written = line(&[&foreign]).unwrap();
    let text = str::from_utf8(&written).unwrap();
    assert_eq!(text.matches(['\n', '\r']).count(), 1, "{text}");
    let (sent, read): (serde_json::Value, serde_json::Value) = (
        serde_json::from_str(foreign.get()).unwrap(),
        serde_json::from_str(text).unwrap(),
    );
    assert_eq!(read[0], sent);
}
