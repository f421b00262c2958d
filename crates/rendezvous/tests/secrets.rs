//! The program prints no part of a store's user or password: wherever it is in the URL, whatever is
//! wrong with it, and however it is passed.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(unix)]

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{BufRead, BufReader},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// No three consecutive letters of these occur in other output.
const USER: &str = "Xq7KzUj";
const PASSWORD: &str = "Wv9JyBx";
const MORE: &str = "Zp4QwGk";

/// The places of secrets in a URL: `U`, `P` and `M`. A fault replaces `%`.
const PLACES: &[&str] = &[
    "redis://U:P%@a.example:6379/0",
    "valkeys://:P%@a.example:6379/0",
    "redis://U:P#M%@a.example:6379/0",
    "redis://U:P@M%@a.example:6379/0",
    "redis://U:P/M%@a.example:6379/0",
    "redis://U:P?M%@a.example:6379/0",
    "redis://U:1234#P%@a.example:6379/0",
    "redis://U:P%%M%@a.example:6379/0",
    "redis+cluster://U:P%@a.example:7000,b.example:6379/0",
    "redis+sentinel://U:P@a.example:6379/m/0?sentinel-user=M&sentinel-password=P%",
    "unix:///run/redis.sock?db=0&user=U&pass=P%",
    "unix://U:P%@/run/redis.sock?db=0",
    "U:P%@a.example:6379/0",
    "P%",
];

/// The faults. Some of them are no faults.
fn wrong(url: &str) -> Vec<Vec<u8>> {
    let url = url
        .replace('U', USER)
        .replace('P', PASSWORD)
        .replace('M', MORE);
    let (right, in_secret) = (url.replace('%', ""), |what: &str| url.replace('%', what));
    let mut all: Vec<Vec<u8>> = vec![
        right.clone().into(),
        right.replace("redis", "http").into(),
        right.replace(":6379", ":63790").into(),
        right.replace(":6379", ":x").into(),
        right.replace("/0", "/x").replace("db=0", "db=x").into(),
        format!("{right}?pass={PASSWORD}").into(),
        format!("{right}&x={PASSWORD}").into(),
        format!("{right}/{PASSWORD}").into(),
        format!("{right} {PASSWORD}").into(),
        format!("{right}\n{PASSWORD}").into(),
        in_secret("%zz").into(),
        in_secret("%ff").into(),
        in_secret(" ").into(),
    ];
    all.push([right.as_bytes(), b"\xff"].concat());
    all
}

fn urls() -> impl Iterator<Item = Vec<u8>> {
    PLACES.iter().flat_map(|place| wrong(place))
}

fn assert_no_secret(printed: &str, of: &[u8]) {
    for secret in [USER, PASSWORD, MORE] {
        for part in secret.as_bytes().windows(3) {
            let part = str::from_utf8(part).unwrap();
            assert!(
                !printed.contains(part),
                "{part} of {}, in:\n{printed}",
                String::from_utf8_lossy(of)
            );
        }
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-qr-rendezvous"));
    command
        .args(["--public-url", "https://a.example"])
        .stdin(Stdio::null());
    command
}

fn printed(output: Output) -> String {
    assert!(matches!(output.status.code(), Some(0 | 2)), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn no_secret_of_a_store_is_said_at_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let (config, file) = (
        directory.path().join("config.toml"),
        directory.path().join("store"),
    );
    let mut accepted = 0;
    for url in urls() {
        fs::write(&config, setting(&url)).unwrap();
        fs::write(&file, &url).unwrap();
        let value = OsString::from_vec(url.clone());
        let given = |give: &dyn Fn(&mut Command)| {
            let mut command = command();
            give(command.arg("--print-config"));
            let printed = printed(command.output().unwrap());
            assert_no_secret(&printed, &url);
            printed
        };
        let by_flag = given(&|command| {
            command.arg("--store").arg(&value);
        });
        assert!(by_flag.contains("--store"), "{by_flag}");
        let by_variable = given(&|command| {
            command.env("MATRIX_QR_RENDEZVOUS_STORE", &value);
        });
        let in_file = given(&|command| {
            command.arg("--config").arg(&config);
        });
        let by_file = given(&|command| {
            command.arg("--store-file").arg(&file);
        });
        accepted += usize::from(by_variable.contains("[redacted]@"));
        for (printed, place) in [
            (by_variable, "MATRIX_QR_RENDEZVOUS_STORE"),
            (in_file, "config.toml"),
            (by_file, "--store-file"),
        ] {
            assert!(
                printed.contains("listen = ") || printed.contains(place),
                "{printed}"
            );
        }
        given(&|command| {
            command.arg("--store-file").arg(&value);
        });
        given(&|command| {
            command
                .env("MATRIX_QR_RENDEZVOUS_STORE", &value)
                .arg("--help");
        });
    }
    assert!(
        accepted > 10,
        "most of these are wrong, and {accepted} are right"
    );
}

/// In a shell, a space without quotation marks makes two arguments of one.
#[test]
fn no_part_of_a_secret_that_went_astray_is_said() {
    for stray in [
        &[PASSWORD][..],
        &["--store", "redis://:x", PASSWORD],
        &["store=redis://:Wv9JyBx@a"],
        &["--store", "redis://:x", "--Wv9JyBx@a"],
        &["--store", "redis://:x", "-x", "Wv9JyBx@a"],
        &["--", "--Wv9JyBx"],
        &["--listen", "redis://:Wv9JyBx@a"],
        &["--log-format", "redis://:Wv9JyBx@a"],
        &["--drain", "redis://:Wv9JyBx@a"],
    ] {
        let printed = printed(command().args(stray).output().unwrap());
        assert!(
            printed.contains("(not shown)") || printed.contains("'-x'"),
            "{printed}"
        );
        assert_no_secret(&printed, PASSWORD.as_bytes());
    }
    let misspelt = printed(
        command()
            .arg(format!("--stor=redis://:{PASSWORD}@a"))
            .output()
            .unwrap(),
    );
    assert!(
        misspelt.contains("--stor") && misspelt.contains("--store"),
        "{misspelt}"
    );
    assert_no_secret(&misspelt, PASSWORD.as_bytes());
}

#[test]
fn no_secret_of_a_store_is_said_at_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let (config, file) = (
        directory.path().join("config.toml"),
        directory.path().join("store"),
    );
    fs::write(&config, "").unwrap();
    fs::write(&file, "memory").unwrap();
    let mut in_config = Running::start(&[OsStr::new("--config"), config.as_os_str()]);
    let mut in_file = Running::start(&[OsStr::new("--store-file"), file.as_os_str()]);
    for url in urls() {
        in_config.reload(&config, &setting(&url), &url);
        // As a person writes it who forgets the quotation marks or uses a wrong name.
        in_config.reload(&config, &[b"store = ", &url[..], b"\n"].concat(), &url);
        in_config.reload(&config, &[b"stroe = \"", &url[..], b"\"\n"].concat(), &url);
        in_config.reload(
            &config,
            &[b"log-format = \"", &url[..], b"\"\n"].concat(),
            &url,
        );
        in_file.reload(&file, &url, &url);
    }
}

/// A line of the file: escaped as TOML requires. Bytes that are not UTF-8 stay.
fn setting(url: &[u8]) -> Vec<u8> {
    [
        b"store = \"",
        &url.to_vec().replace(b'\n', b"\\n")[..],
        b"\"\n",
    ]
    .concat()
}

trait Replace {
    fn replace(self, byte: u8, with: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace(self, byte: u8, with: &[u8]) -> Vec<u8> {
        self.into_iter()
            .flat_map(|other| {
                if other == byte {
                    with.to_vec()
                } else {
                    vec![other]
                }
            })
            .collect()
    }
}

/// Ends with the test.
struct Running {
    process: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    fn start(arguments: &[&OsStr]) -> Self {
        let mut command = command();
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .env("RUST_LOG", "trace");
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut running = Self { process, log };
        running.until(&["listening"]);
        running
    }

    fn reload(&mut self, path: &Path, text: &[u8], url: &[u8]) {
        // In one step, so that it is never read incompletely.
        let new = PathBuf::from(
            OsStr::from_bytes(&[path.as_os_str().as_bytes(), b".new"].concat()).to_owned(),
        );
        fs::write(&new, text).unwrap();
        fs::rename(&new, path).unwrap();
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        );
        let printed = self.until(&["invalid settings", "need a restart"]);
        assert_no_secret(&printed, url);
    }

    fn until(&mut self, words: &[&str]) -> String {
        let mut printed = String::new();
        while !words.iter().any(|word| printed.contains(word)) {
            assert_ne!(self.log.read_line(&mut printed).unwrap(), 0, "{printed}");
        }
        printed
    }
}
