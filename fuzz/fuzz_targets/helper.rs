//! What the helper reads from the program that runs it: lines of any bytes in pieces of any size.
//! Every line has one outcome, and no error quotes what may be a secret or drives a terminal.
#![no_main]

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read},
    rc::Rc,
};

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::harmless;

#[path = "../../crates/cli/src"]
#[allow(dead_code, unreachable_pub)]
mod command {
    pub(crate) mod exit;
    pub(crate) mod qr_text;
    pub(crate) mod typed;
}
#[path = "../../crates/cli/src/args"]
#[allow(dead_code, unreachable_pub)]
mod args {
    mod drawing;
    mod exchange;
    mod shared;
    mod sign_in;
    mod web;

    pub(crate) use self::{
        exchange::{DialectChoice, RevisionChoice, endpoint},
        sign_in::AnnounceChoice,
    };
}
/// The command's own source: it is a program, not a library.
#[path = "../../crates/cli/src/helper"]
#[allow(dead_code, unreachable_pub)]
mod helper {
    mod errors;
    mod lines;
    mod message;
    mod params;
    mod scan;

    use std::io::Read;

    use serde::de::DeserializeOwned;

    use self::{
        errors::RpcError,
        lines::{InputLine, Lines, MAX_LINE},
        message::{CallerAnswer, CallerMessage, CallerRequest},
        params::{
            CancelParams, InitializeParams, LinkParams, LoginParams, LogoutParams,
            RestoreKeysParams, TokenParams,
        },
        scan::ScannedText,
    };

    /// What became of a line.
    #[derive(Debug, PartialEq)]
    pub(super) enum LineRead {
        Text(String),
        NotText,
        TooLong,
    }

    /// Reads lines, as long as the input has more. One of these serves all inputs: its buffer has
    /// room for the longest line, and is wiped at the end.
    pub(super) struct Reader(Lines<Box<dyn Read>>);

    impl Reader {
        pub(super) fn new(input: impl Read + 'static) -> Self {
            Self(Lines::new(Box::new(input)))
        }

        pub(super) fn read(&mut self) -> Vec<LineRead> {
            std::iter::from_fn(|| self.0.next())
                .map(|line| match line {
                    InputLine::Text(text) => {
                        assert!(text.len() <= MAX_LINE);
                        LineRead::Text(text.as_str().to_owned())
                    }
                    InputLine::NotText => LineRead::NotText,
                    InputLine::TooLong => LineRead::TooLong,
                })
                .collect()
        }
    }

    /// Reads a line as the helper does, and returns what is answered where it cannot be read.
    pub(super) fn message(line: &str) -> Option<String> {
        let answer = match message::read(line) {
            Ok(CallerMessage::Request(request)) => {
                // The ID is given back as it came.
                assert!(request.id.is_string() || request.id.is_number());
                written(&parameters(&request)?)
            }
            Ok(CallerMessage::Answer { answer, .. }) => {
                // An answer that cannot be read is not quoted to anybody.
                if let CallerAnswer::Result(json) = answer {
                    let _ = json.read::<serde_json::Value>();
                    if let Ok(scanned) = json.read::<ScannedText>() {
                        let _ = scanned.read();
                    }
                }
                return None;
            }
            Err(error) => {
                let answer = written(&error);
                assert!(!answer.contains(super::SECRET), "{line}\n{answer}");
                answer
            }
        };
        Some(answer)
    }

    fn parameters(request: &CallerRequest) -> Option<RpcError> {
        fn check<T: DeserializeOwned>(request: &CallerRequest) -> Option<RpcError> {
            request.params::<T>().err()
        }
        match request.method.as_str() {
            "initialize" => check::<InitializeParams>(request),
            "login" => match request.params::<LoginParams>() {
                Ok(params) => params.check().err(),
                Err(error) => Some(error),
            },
            "link" => match request.params::<LinkParams>() {
                Ok(params) => params.check().err(),
                Err(error) => Some(error),
            },
            "token" => check::<TokenParams>(request),
            "restore_keys" => check::<RestoreKeysParams>(request),
            "logout" => check::<LogoutParams>(request),
            "cancel" => check::<CancelParams>(request),
            method => Some(RpcError::no_such_method(method)),
        }
    }

    /// The line of an answer, as it is sent.
    fn written(error: &RpcError) -> String {
        let answer = serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": error });
        match lines::line(&answer) {
            Some(line) => String::from_utf8(line.to_vec()).expect("JSON is text"),
            None => String::new(),
        }
    }
}

use command::{exit, qr_text, typed};

/// Gives so many bytes at a time, and is sometimes interrupted.
#[derive(Clone, Default)]
struct Pieces(Rc<RefCell<Pipe>>);

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    size: usize,
    interrupted: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        pipe.interrupted = !pipe.interrupted;
        if pipe.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        assert!(
            !buffer.is_empty(),
            "a read of nothing would be taken for the end"
        );
        let size = pipe.size.min(buffer.len());
        pipe.bytes.read(&mut buffer[..size])
    }
}

thread_local! {
    static INPUT: Pieces = Pieces::default();
    static READER: RefCell<helper::Reader> = RefCell::new(helper::Reader::new(INPUT.with(Clone::clone)));
}

/// What is read when these bytes have come, so many at a time.
fn lines(bytes: &[u8], size: usize) -> Vec<helper::LineRead> {
    INPUT.with(|input| {
        let mut pipe = input.0.borrow_mut();
        pipe.bytes.extend(bytes);
        pipe.size = size;
    });
    READER.with_borrow_mut(helper::Reader::read)
}

/// 0xFF becomes so many spaces that two of them are too long for a line: the fuzzer itself makes no
/// megabytes.
fn stretched(bytes: &[u8]) -> Vec<u8> {
    let mut stretched = Vec::new();
    for (number, part) in bytes.split(|byte| *byte == 0xff).enumerate() {
        if number > 0 {
            stretched.resize(stretched.len() + if number < 4 { 700_000 } else { 1 }, b' ');
        }
        stretched.extend_from_slice(part);
    }
    stretched
}

/// What the lines are, read at once: all but the last, which has no end.
fn expected(bytes: &[u8]) -> Vec<helper::LineRead> {
    const MAX_LINE: usize = 1 << 20;
    let lines = bytes.split(|byte| *byte == b'\n');
    let ended = bytes.iter().filter(|byte| **byte == b'\n').count();
    lines
        .enumerate()
        .filter_map(|(number, line)| match std::str::from_utf8(line) {
            _ if line.len() > MAX_LINE => Some(helper::LineRead::TooLong),
            _ if number == ended => None,
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(helper::LineRead::Text(text.to_owned())),
            Err(_) => Some(helper::LineRead::NotText),
        })
        .collect()
}

/// Stands for a secret in a line.
const SECRET: &str = "hunter2!";

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let (bytes, size) = match size {
        0 => (stretched(bytes), 1 << 18),
        size => (bytes.to_vec(), usize::from(size)),
    };
    let mut read = lines(&bytes, size);
    assert_eq!(read, expected(&bytes));
    // The end of the last line.
    read.extend(lines(b"\n", 1));
    assert_eq!(read, expected(&[&bytes, &b"\n"[..]].concat()));
    for line in &read {
        let helper::LineRead::Text(line) = line else {
            continue;
        };
        let Some(answer) = helper::message(line) else {
            continue;
        };
        let answer = answer.trim_end_matches('\n');
        assert_eq!(answer, harmless(answer));
    }
});
