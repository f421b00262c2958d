#![allow(clippy::unwrap_used)]
use std::{fs, time::Duration};

use clap::Parser;
use matrix_qr_rendezvous::{ForwardedHeader, Limits, Rate};

use super::*;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

fn said(arguments: &[&str]) -> Settings {
    CommandLine::try_parse_from([&["x"], arguments].concat())
        .unwrap()
        .settings
}

fn file(text: &str) -> tempfile::TempPath {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file.into_temp_path()
}

fn loaded(arguments: &[&str], text: &str) -> Result<LoadedSettings, String> {
    let path = file(text);
    load(&said(arguments), Some(&path.to_path_buf())).map_err(|error| error.to_string())
}

#[test]
fn a_flag_overrides_the_file_and_that_the_default() {
    let text = "public-url = \"https://file.example\"\nlifetime = 120\n[limits]\nmax-sessions = 5\ncreates-burst = 7\n";
    let loaded = loaded(
        &[
            "--public-url",
            "https://flag.example",
            "--max-sessions",
            "6",
        ],
        text,
    )
    .unwrap();
    let config = loaded.config;
    assert_eq!(config.public_url.as_str(), "https://flag.example/");
    assert_eq!(config.lifetime, Duration::from_secs(120));
    assert_eq!(config.limits.max_sessions, 6);
    assert_eq!(config.limits.creates, Rate::new(60, 7));
    assert_eq!(config.limits.requests, Limits::default().requests);
}

#[test]
fn the_defaults_are_those_of_the_library() {
    let loaded = load(&said(&["--public-url", "https://a.example"]), None).unwrap();
    let (ours, library) = (
        loaded.config,
        Config::new("https://a.example".parse().unwrap()),
    );
    assert_eq!(format!("{ours:?}"), format!("{library:?}"));
}

#[test]
fn what_is_printed_can_be_read_back() {
    let said = said(&[
        "--public-url",
        "https://a.example",
        "--deny",
        "10.0.0.0/8,192.0.2.1",
        "--metrics-listen",
        "[::1]:1",
    ]);
    let settings = load(&said, None).unwrap().settings;
    let text = toml::to_string(&settings).unwrap();
    assert_eq!(loaded(&[], &text).unwrap().settings, settings, "{text}");
}

#[cfg(feature = "redis")]
#[test]
fn any_header_may_name_the_client() {
    for (said_, printed, header) in [
        (
            "X-Forwarded-For",
            "x-forwarded-for",
            ForwardedHeader::XForwardedFor,
        ),
        ("forwarded", "forwarded", ForwardedHeader::Forwarded),
        (
            "CF-Connecting-IP",
            "cf-connecting-ip",
            ForwardedHeader::Single("cf-connecting-ip".parse().unwrap()),
        ),
    ] {
        let said = said(&[
            "--public-url",
            "https://a.example",
            "--client-header",
            said_,
        ]);
        let loaded = load(&said, None).unwrap();
        assert_eq!(loaded.config.proxies.header, header);
        let text = toml::to_string(&loaded.settings).unwrap();
        assert!(
            text.contains(&format!("client-header = \"{printed}\"")),
            "{text}"
        );
    }
    let refused = loaded(&[], "client-header = \"a b\"").unwrap_err();
    assert!(refused.contains("the name of a header"), "{refused}");
}

#[test]
fn a_password_is_not_printed() {
    let text =
        "public-url = \"https://a.example\"\nstore = \"redis://user:geheim@redis.example:1/2\"\n";
    let loaded = loaded(&[], text).unwrap();
    let printed = toml::to_string(&loaded.settings).unwrap();
    assert!(
        printed.contains("redis://[redacted]@redis.example:1/2"),
        "{printed}"
    );
    assert!(!format!("{loaded:?}{printed}").contains("geheim"));
    let said = said(&["--store", "redis://:geheim@a"]);
    assert!(!format!("{said:?}{}", toml::to_string(&said).unwrap()).contains("geheim"));
}

/// Whatever a setting is, and whatever is wrong with it, its value is not repeated: it could be a
/// secret, given in the wrong place.
#[test]
fn no_value_of_a_file_is_repeated() {
    let value = "redis://:geheim@a, expected geheim";
    let settings = toml::to_string(
        &load(&said(&["--public-url", "https://a.example"]), None)
            .unwrap()
            .settings,
    )
    .unwrap();
    let names = settings
        .lines()
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    let more = [
        "store-file",
        "store-ca-file",
        "metrics-listen",
        "homeserver",
        "redis://:geheim@a",
        "geheim x",
    ];
    let names: Vec<_> = names.chain(more).collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        let values = [
            format!("\"{value}\""),
            format!("[\"{value}\"]"),
            format!("{{ \"{value}\" = 1 }}"),
            format!("\"\"\"\n{value}\"\"\""),
            format!("\"{value}"),
            value.to_owned(),
            format!("\"x\" \"{value}\""),
            format!("\"x\"\n{name} = \"{value}\""),
            format!("\"x\"\n\"{value}\" = \"{value}\""),
        ];
        for value in values {
            for (table, key) in [
                ("", name.to_owned()),
                ("[limits]\n", name.to_owned()),
                ("", format!("\"{name}\"")),
            ] {
                let text = format!("public-url = \"https://a.example\"\n{table}{key} = {value}\n");
                let error = loaded(&[], &text).map(drop).unwrap_err();
                assert!(
                    !error.contains("geheim") && !error.contains("redis://:"),
                    "{text}: {error}"
                );
            }
        }
    }
}

#[test]
fn an_error_in_the_file_has_its_line_and_setting() {
    let start = "public-url = \"https://a.example\"\n";
    for (text, says) in [
        (
            "lifetime = \"x\"",
            "line 2, lifetime: invalid value, expected u32",
        ),
        (
            "\n[limits]\ndeny = 3",
            "line 4, deny: invalid value, expected a sequence",
        ),
        (
            "stroe = \"redis://:geheim@a\"",
            "line 2: unknown field `stroe`",
        ),
        ("log-format = \"xml\"", "`text` or `json`"),
        (
            "lifetime = 1\nlifetime = 2",
            "line 3, lifetime: duplicate key",
        ),
        ("store = \"redis://:geheim@a", "line 2, store: "),
        ("deny = [\"10.0.0\"]", "unknown field `deny`"),
    ] {
        let error = loaded(&[], &format!("{start}{text}\n")).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_store_is_set_in_one_place_only() {
    let url = file("memory\n");
    let url = url.to_str().unwrap();
    let text = "public-url = \"https://a.example\"\n";
    assert!(loaded(&["--store-file", url], text).unwrap().store.url == StoreUrl::Memory);
    let both = loaded(
        &["--store-file", url],
        &format!("{text}store = \"memory\"\n"),
    )
    .unwrap_err();
    assert!(
        both.contains("`store` in ") && both.contains("--store-file"),
        "{both}"
    );
    let none = loaded(&["--store-file", "redis://:geheim@a"], text).unwrap_err();
    assert!(
        none.contains("the file that --store-file names cannot be read")
            && !none.contains("geheim"),
        "{none}"
    );
    let large = file(&"x".repeat(5000));
    let large = loaded(&["--store-file", large.to_str().unwrap()], text).unwrap_err();
    assert!(large.contains("too large"), "{large}");
}

/// What is printed names the file and not what it has: both together would be refused.
#[cfg(all(feature = "redis", unix))]
#[test]
fn a_readable_secret_causes_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let url = file("redis://:geheim@a\r\n");
    let loaded = || {
        loaded(
            &["--store-file", url.to_str().unwrap()],
            "public-url = \"https://a.example\"\n",
        )
        .unwrap()
    };
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        fs::set_permissions(&url, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = loaded();
        assert_eq!(
            loaded.warnings.len(),
            warnings,
            "{mode:o} {:?}",
            loaded.warnings
        );
    }
    let printed = toml::to_string(&loaded().settings).unwrap();
    assert!(
        printed.contains("store-file = ") && !printed.contains("store = "),
        "{printed}"
    );
}

#[cfg(feature = "redis")]
#[test]
fn certificates_are_only_for_a_store_with_tls() {
    let text = "public-url = \"https://a.example\"\n";
    let pem = file("no certificate");
    let pem = pem.to_str().unwrap();
    for (arguments, says) in [
        (
            &["--store", "rediss://a", "--store-ca-file", pem][..],
            "the file of authorities",
        ),
        (
            &["--store", "rediss://a", "--store-cert-file", pem],
            "belong together",
        ),
        (
            &[
                "--store",
                "rediss://a",
                "--store-cert-file",
                pem,
                "--store-key-file",
                pem,
            ],
            "not one in PEM",
        ),
        (
            &["--store", "rediss://a", "--store-ca-file", "/nowhere"],
            "--store-ca-file names cannot be read",
        ),
    ] {
        let error = loaded(arguments, text).unwrap_err();
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}

#[test]
fn zero_is_no_limit() {
    let text = "public-url = \"https://a.example\"\n[limits]\nsessions-per-network = 0\ncreates-per-minute = 0\nrequests-per-minute = 0\n";
    let limits = loaded(&[], text).unwrap().config.limits;
    assert_eq!(
        (limits.sessions_per_network, limits.creates, limits.requests),
        (None, None, None)
    );
}

#[test]
fn errors_in_the_file_name_the_setting() {
    for (text, says) in [
        ("", "public-url"),
        ("public-url = \"http://a.example\"", "not https"),
        ("public-url = \"https://a.example/?b\"", "a scheme, a host"),
        ("public-url = 3", "line 1, public-url"),
        (
            "public-url = \"https://a.example\"\npublic-uri = \"x\"",
            "unknown field `public-uri`",
        ),
        (
            "public-url = \"https://a.example\"\nlifetime = 0",
            "lifetime is 0",
        ),
        (
            "public-url = \"https://a.example\"\nheader-timeout = 0",
            "header-timeout is 0",
        ),
        (
            "public-url = \"https://a.example\"\nstore = \"postgres://x\"",
            "redis://user:password@host:port",
        ),
        (
            "public-url = \"https://a.example\"\ncreate-path = \"x\"",
            "start with a slash",
        ),
        (
            "public-url = \"https://a.example\"\nhomeserver = \"a.example\"",
            "not a URL",
        ),
        (
            "public-url = \"https://a.example\"\nhomeserver = \"https://a:b@c.example\"",
            "nothing else",
        ),
        (
            "public-url = \"https://a.example\"\ncreation = \"nobody\"",
            "authenticated",
        ),
        (
            "public-url = \"https://a.example\"\ncreation = \"authenticated\"",
            "--homeserver",
        ),
        (
            "public-url = \"https://a.example\"\n[limits]\nmax-sessions = 0",
            "max-sessions is 0",
        ),
        (
            "public-url = \"https://a.example\"\n[limits]\nipv4-prefix = 33",
            "0 to 32",
        ),
        (
            "public-url = \"https://a.example\"\n[limits]\ndeny = [\"10.0.0\"]",
            "a network such as",
        ),
        (
            "public-url = \"https://a.example\"\n[limits]\nrequests-burst = 0",
            "no limit",
        ),
    ] {
        let error = loaded(&[], text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    // Found by fuzzing: an error quoted it.
    let long = format!("http://{}.example", "a".repeat(2000));
    for text in [
        format!("public-url = \"{long}\""),
        format!("public-url = \"https://a.example\"\nhomeserver = \"{long}\""),
    ] {
        let error = loaded(&[], &text).unwrap_err();
        assert!(
            error.contains("at most 1000") && error.len() < 1000,
            "{error}"
        );
    }
    let missing = load(
        &Settings::default(),
        Some(&PathBuf::from("/nowhere/x.toml")),
    )
    .unwrap_err();
    assert!(missing.to_string().contains("/nowhere/x.toml"));
}

#[test]
fn http_is_accepted_only_if_allowed() {
    let with = ["--public-url", "http://localhost:1", "--allow-http"];
    assert!(load(&said(&with), None).is_ok());
    assert!(load(&said(&with[..2]), None).is_err());
}

#[cfg(feature = "whoami")]
#[test]
fn who_may_create_follows_from_the_homeserver() {
    let creation = |arguments: &[&str]| {
        let said = said(&[&["--public-url", "https://a.example"], arguments].concat());
        let loaded = load(&said, None).map_err(|error| error.to_string())?;
        let printed = toml::to_string(&loaded.settings).unwrap();
        let line = printed
            .lines()
            .find(|line| line.starts_with("creation = "))
            .unwrap()
            .to_owned();
        Ok::<_, String>((format!("{:?}", loaded.config.creation), line))
    };
    let open = ("Open".to_owned(), "creation = \"open\"".to_owned());
    assert_eq!(creation(&[]), Ok(open.clone()));
    assert_eq!(
        creation(&["--homeserver", "https://hs.example", "--creation", "open"]),
        Ok(open)
    );
    for homeserver in [
        "https://hs.example",
        "http://127.0.0.1:8008",
        "http://[::1]:1",
        "http://localhost/x",
    ] {
        let (config, line) = creation(&["--homeserver", homeserver]).unwrap();
        assert!(
            config.starts_with("Authenticated(Homeserver(http"),
            "{config}"
        );
        assert_eq!(line, "creation = \"authenticated\"");
    }
    for homeserver in [
        "http://hs.example",
        "http://192.0.2.1",
        "http://localhost.example",
    ] {
        assert!(
            creation(&["--homeserver", homeserver])
                .unwrap_err()
                .contains("neither https nor")
        );
        assert!(creation(&["--homeserver", homeserver, "--allow-http"]).is_ok());
        assert!(creation(&["--homeserver", homeserver, "--creation", "open"]).is_ok());
    }
    assert!(
        creation(&["--creation", "authenticated"])
            .unwrap_err()
            .contains("--homeserver")
    );
}

#[test]
fn only_limits_can_differ_between_reloads() {
    let before = load(&said(&["--public-url", "https://a.example"]), None)
        .unwrap()
        .settings;
    let after = load(
        &said(&["--public-url", "https://a.example", "--max-sessions", "1"]),
        None,
    )
    .unwrap()
    .settings;
    assert_ne!(before, after);
    assert_eq!(before.with_limits_of(&after), after);
}
