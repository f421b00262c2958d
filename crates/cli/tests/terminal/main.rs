//! The program in a terminal of its own. A strict scanner reads the screen.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)]
mod camera;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use self::{
    camera::{DARK, Gap, LIGHT, Spacing, TIGHT, Theme},
    support::{
        sandbox::{SandboxProcess, decide},
        terminal::TestTerminal,
    },
};

const WIDE: Spacing = Spacing(1.5, Gap::Below);

/// A new device that shows its code.
fn login(
    sandbox: &SandboxProcess,
    size: (u16, u16),
    args: &[&str],
    variables: &[(&str, &str)],
) -> TestTerminal {
    let directory = sandbox.path("new");
    let fixed = [
        "login",
        "--allow-loopback-http",
        "--homeserver",
        sandbox.homeserver(),
        "--directory",
    ];
    let args = [&fixed[..], &[directory.to_str().unwrap()], args].concat();
    TestTerminal::open(env!("CARGO_BIN_EXE_matrix-qr"), &args, size, variables)
}

/// What the screen shows: a code, or the size that is needed.
#[derive(Debug, PartialEq, Eq)]
enum ScreenContent {
    Code,
    Needs(u16, u16),
}

/// The content, once the waiting line is there: before that, the screen is incomplete.
fn seen(
    screen: &vt100::Screen,
    sandbox: &SandboxProcess,
    theme: Theme,
    spacing: Spacing,
) -> Option<ScreenContent> {
    let text = screen.contents().replace('\n', " ");
    text.contains("Waiting for the other device")
        .then_some(())?;
    let sentence = text.split_once("the code needs ");
    if let Some((_, sentence)) = sentence {
        let mut words = sentence.split_whitespace();
        let columns = words.next()?.parse().ok()?;
        return Some(ScreenContent::Needs(columns, words.nth(2)?.parse().ok()?));
    }
    let codes = camera::scan(screen, theme, spacing);
    let ours = |code: &Vec<u8>| {
        code.starts_with(b"MATRIX\x02\x03")
            && String::from_utf8_lossy(code).contains(sandbox.homeserver())
    };
    (codes.len() == 1 && codes.iter().all(ours)).then_some(ScreenContent::Code)
}

#[test]
fn in_a_window_of_any_size_the_code_can_be_scanned_or_the_sentence_is_true() {
    let sandbox = SandboxProcess::start();
    let low = (22..=32).map(|rows| (80, rows));
    for size in low.chain([
        (40, 16),
        (44, 60),
        (45, 23),
        (45, 24),
        (60, 22),
        (100, 40),
        (120, 60),
    ]) {
        let window = login(&sandbox, size, &[], &[]);
        let at_first = window.until(|screen| seen(screen, &sandbox, DARK, WIDE));
        let ScreenContent::Needs(columns, rows) = at_first else {
            continue;
        };
        assert!(
            columns > size.0 || rows > size.1,
            "{size:?}: {columns}×{rows}"
        );
        window.resize(columns, rows);
        window.until(|screen| {
            seen(screen, &sandbox, DARK, WIDE).filter(|seen| *seen == ScreenContent::Code)
        });
        window.resize(columns, rows - 1);
        let needs = ScreenContent::Needs(columns, rows);
        window.until(|screen| seen(screen, &sandbox, DARK, WIDE).filter(|seen| *seen == needs));
    }
}

#[test]
fn a_window_that_is_resized_shows_one_code_and_one_line_that_waits() {
    let sandbox = SandboxProcess::start();
    let window = login(&sandbox, (120, 60), &[], &[]);
    for (columns, rows) in [
        (120, 60),
        (80, 24),
        (100, 40),
        (46, 30),
        (120, 30),
        (80, 60),
    ] {
        window.resize(columns, rows);
        window.until(|screen| {
            let text = screen.contents();
            let once = ["Waiting for the other device", "scan this code"]
                .iter()
                .all(|words| text.replace('\n', " ").matches(words).count() <= 1);
            // If there is space, nothing of the older screens is above.
            let alone = rows < 40 || text.starts_with("If the other device has no camera");
            (once && alone && seen(screen, &sandbox, DARK, TIGHT)? == ScreenContent::Code)
                .then_some(())
        });
    }
    window.resize(80, 12);
    window.until(|screen| {
        let warnings = screen.contents().matches("warning:").count();
        (warnings == 1
            && matches!(
                seen(screen, &sandbox, DARK, TIGHT)?,
                ScreenContent::Needs(..)
            ))
        .then_some(())
    });
}

#[test]
fn whatever_the_terminal_can_do_the_code_can_be_scanned() {
    let sandbox = SandboxProcess::start();
    let light = ["--qr-background", "light"];
    for (theme, spacing, args, variables) in [
        (LIGHT, WIDE, &[][..], &[("COLORTERM", "truecolor")][..]),
        (DARK, WIDE, &[], &[("NO_COLOR", "1")]),
        (LIGHT, WIDE, &light, &[("NO_COLOR", "1")]),
        (DARK, WIDE, &["--qr-style", "ascii"], &[]),
        (
            DARK,
            WIDE,
            &["--qr-style", "ascii", "--color", "never"],
            &[],
        ),
        (DARK, WIDE, &[], &[("LC_ALL", "C"), ("NO_COLOR", "1")]),
        (DARK, TIGHT, &[], &[("TERM", "dumb")]),
        (LIGHT, TIGHT, &light, &[("TERM", "dumb"), ("LC_ALL", "C")]),
    ] {
        let window = login(&sandbox, (120, 60), args, variables);
        let seen = window.until(|screen| seen(screen, &sandbox, theme, spacing));
        assert_eq!(seen, ScreenContent::Code, "{args:?} {variables:?}");
    }
}

/// In a locale without UTF-8, tmux shows every other character as an underscore.
#[test]
#[ignore = "needs tmux: cargo xtask test"]
fn in_tmux_without_utf_8_the_code_can_be_scanned() {
    let sandbox = SandboxProcess::start();
    let (socket, directory) = (sandbox.path("tmux"), sandbox.path("new"));
    let [socket, directory] = [&socket, &directory].map(|path| path.to_str().unwrap());
    let program = [
        env!("CARGO_BIN_EXE_matrix-qr"),
        "login",
        "--allow-loopback-http",
        "--homeserver",
    ];
    let tmux = ["-S", socket, "-f", "/dev/null", "new-session"];
    let args = [
        &tmux[..],
        &program,
        &[sandbox.homeserver(), "--directory", directory],
    ]
    .concat();
    let window = TestTerminal::open("tmux", &args, (120, 61), &[("LC_ALL", "C")]);
    let seen = window.until(|screen| seen(screen, &sandbox, DARK, WIDE));
    // The program ends with its terminal, and tmux with the program.
    let ended = std::process::Command::new("tmux")
        .args(["-S", socket, "kill-server"])
        .status();
    assert!(
        ended.unwrap().success(),
        "tmux is missing: apt-get install tmux"
    );
    assert_eq!(seen, ScreenContent::Code);
}

#[test]
fn what_is_pasted_after_the_code_answers_no_question_and_digits_may_be_typed_as_they_are_shown() {
    let sandbox = SandboxProcess::start();
    let mut login = sandbox.command(&["login", "--json", "--homeserver", sandbox.homeserver()]);
    let code = login.event("show")["code"].as_str().unwrap().to_owned();
    let existing = sandbox.path("existing");
    let args = [
        "link",
        "--allow-loopback-http",
        "--no-browser",
        "--directory",
        existing.to_str().unwrap(),
    ];
    let args = [&args[..], &["--scan", "-"]].concat();
    let link = TestTerminal::open(env!("CARGO_BIN_EXE_matrix-qr"), &args, (120, 40), &[]);
    link.until_text("did you start this yourself? [y/N]");
    link.type_in("y\n");
    link.until_text("then press Enter");
    let (first, second) = code.split_at(70);
    link.type_in(&format!("The code:\n\n\"{first}\n{second}\"\n\n\n"));
    let digits = link.until(|screen| {
        let text = screen.contents();
        let (_, boxed) = text.split_once("Type these two digits on the other device:")?;
        let line = boxed.lines().find(|line| line.contains('│'))?;
        Some(line.trim().trim_matches('│').trim().to_owned())
    });
    assert!(digits.len() == 3 && digits.contains(' '), "{digits:?}");
    login.question("check_code");
    login.say(&digits);
    let page = link.until(|screen| {
        let text = screen.contents();
        text.contains("Will you open it? [y/N]").then_some(())?;
        let (_, page) = text.split_once("link  ")?;
        page.split_whitespace().next().map(str::to_owned)
    });
    link.type_in("y\n");
    decide(&page, "allow");
    login.ends(0);
    link.until(|screen| screen.contents().contains("It is verified").then_some(()));
}
