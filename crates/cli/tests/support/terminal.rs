//! A command in a terminal of its own, and the screen of that terminal.

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU16,
    process::Child,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{Command, Pty, open},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The command is killed when the test ends.
pub(crate) struct TestTerminal {
    child: Child,
    pty: Arc<Pty>,
    terminal: Arc<Mutex<vt100::Parser>>,
}

impl TestTerminal {
    /// Opens a terminal with this many columns and rows. The environment says nothing else about
    /// it, except for these variables.
    pub(crate) fn open(
        program: &str,
        args: &[&str],
        size: (u16, u16),
        variables: &[(&str, &str)],
    ) -> Self {
        Self::open_after("", program, args, size, variables)
    }

    /// The same, where this was typed before the command began.
    pub(crate) fn open_after(
        typed: &str,
        program: &str,
        args: &[&str],
        size: (u16, u16),
        variables: &[(&str, &str)],
    ) -> Self {
        let (pty, inside) = open().unwrap();
        (&pty).write_all(typed.as_bytes()).unwrap();
        pty.resize(Size::new(size.1, size.0)).unwrap();
        let mut command = Command::new(program)
            .args(args)
            .env("TERM", "xterm-256color");
        for name in [
            "NO_COLOR",
            "COLORTERM",
            "LC_ALL",
            "LC_CTYPE",
            "TMUX",
            "CLICOLOR",
            "CLICOLOR_FORCE",
        ] {
            command = command.env_remove(name);
        }
        let command = command
            .env("LANG", "C.UTF-8")
            .envs(variables.iter().copied());
        let child = command
            .spawn(inside)
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let terminal = vt100::Parser::new(side(size.1), side(size.0), 0);
        let opened = Self {
            child,
            pty: Arc::new(pty),
            terminal: Arc::new(Mutex::new(terminal)),
        };
        opened.listen();
        opened
    }

    fn listen(&self) {
        let (pty, terminal) = (self.pty.clone(), self.terminal.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = (&*pty).read(&mut bytes) {
                terminal.lock().unwrap().process(&bytes[..read]);
            }
        });
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.terminal
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(side(rows), side(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    pub(crate) fn type_in(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `wanted` finds something on the screen.
    pub(crate) fn until<T>(&self, wanted: impl Fn(&vt100::Screen) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.terminal.lock().unwrap().screen().clone();
            if let Some(found) = wanted(&screen) {
                return found;
            }
            assert!(
                Instant::now() < until,
                "{:?}:\n{}",
                screen.size(),
                screen.contents()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl TestTerminal {
    /// Waits until the screen contains the text. Returns the whole screen.
    pub(crate) fn until_text(&self, text: &str) -> String {
        self.until(|screen| Some(screen.contents()).filter(|contents| contents.contains(text)))
    }

    /// Waits for the end with this exit code.
    pub(crate) fn ends(&mut self, code: i32) {
        let ended = self.child.wait().unwrap().code();
        assert_eq!(
            ended,
            Some(code),
            "{}",
            self.terminal.lock().unwrap().screen().contents()
        );
    }
}

impl Drop for TestTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn side(length: u16) -> NonZeroU16 {
    NonZeroU16::new(length).unwrap()
}
