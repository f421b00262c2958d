#![allow(clippy::unwrap_used)]
use super::*;

fn parse(text: &str) -> RedisUrl {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn it_is_printed_without_secrets() {
    for (text, printed) in [
        ("redis://redis.example", "redis://redis.example:6379/0"),
        (
            "redis://[2001:db8::1]:6380/2",
            "redis://[2001:db8::1]:6380/2",
        ),
        (
            "valkeys://user:geheim@a.example:1/",
            "valkeys://[redacted]@a.example:1/0",
        ),
        (
            "rediss://:geheim@a.example/15",
            "rediss://[redacted]@a.example:6379/15",
        ),
        (
            "redis+cluster://:geheim@a:7000,b:7001",
            "redis+cluster://[redacted]@a:7000,b:7001",
        ),
        (
            "rediss+sentinel://a,b:1/mymaster/3",
            "rediss+sentinel://a:26379,b:1/mymaster/3",
        ),
        (
            "redis+sentinel://a/m?sentinel-password=geheim",
            "redis+sentinel://[redacted]@a:26379/m/0",
        ),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=0"),
        (
            "unix:///run/redis.sock?db=2&user=u&pass=geheim",
            "unix://[redacted]@/run/redis.sock?db=2",
        ),
        (
            "redis+unix://:geheim@/run/a%20b.sock",
            "redis+unix://[redacted]@/run/a b.sock?db=0",
        ),
    ] {
        let url = parse(text);
        assert_eq!(
            (url.to_string().as_str(), format!("{url:?}").as_str()),
            (printed, printed)
        );
        assert_eq!(url.has_secret(), printed.contains("redacted"), "{text}");
        assert_eq!(
            url.has_tls(),
            ["rediss", "valkeys"]
                .iter()
                .any(|scheme| text.starts_with(scheme))
        );
    }
}

#[test]
fn what_is_printed_without_secrets_is_not_read_back() {
    assert!(
        "redis://[redacted]@a.example:6379/0"
            .parse::<RedisUrl>()
            .is_err()
    );
    let url = parse("rediss+sentinel://a,b:1/mymaster/3");
    assert!(parse(&url.to_string()) == url);
}

#[test]
fn credentials_are_decoded() {
    for (text, user, password) in [
        ("redis://:p%40ss%2Fw%23%25@a", None, "p@ss/w#%"),
        ("redis://u%3A:p@ss:w@a", Some("u:"), "p@ss:w"),
        ("redis://u:@a", Some("u"), ""),
        ("unix:///s?pass=p%26s%3D", None, "p&s="),
        ("unix://u:p@/s", Some("u"), "p"),
    ] {
        let credentials = parse(text).credentials.unwrap();
        assert_eq!(
            (
                credentials.user.as_ref().map(|user| user.as_str()),
                credentials.password.as_str()
            ),
            (user, password)
        );
    }
}

/// Each of these, taken loosely, would show a part of the secret or ask another host than the one
/// that was meant.
#[test]
fn invalid_urls_are_refused_and_not_repeated() {
    for text in [
        "",
        "memory",
        "a.example:6379",
        "http://:geheim@a.example",
        "redis://",
        "redis://:geheim@",
        "redis://geheim@a.example",
        "redis://user:1234#geheim@a.example",
        "redis://user:1234/geheim@a.example",
        "redis://user:1234?geheim@a.example",
        "redis://user:1234/0?pass=geheim",
        "redis://:g@geheim/x@a.example",
        "redis://:geheim@a.example:0",
        "redis://:geheim@a.example:x",
        "redis://:geheim@a.example:",
        "redis://:geheim@[::1",
        "redis://:geheim@[::1]6379",
        "redis://:geheim@[geheim]:1",
        "redis://:geheim@a.example,b.example",
        "redis://:geheim@a.example/x",
        "redis://:geheim@a.example/0/1",
        "redis://:geheim%zz@a.example",
        "redis://:geheim%4@a.example",
        "redis://:geheim%ff@a.example",
        "redis://:geheim @a.example",
        "redis://:geheim@a.example\n",
        "redis+cluster://:geheim@a.example/1",
        "redis+cluster://:geheim@a.example,",
        "redis+sentinel://:geheim@a.example",
        "redis+sentinel://:geheim@a.example/geheim@m",
        "redis+sentinel://a.example/m?password=geheim",
        "redis+sentinel://a.example/m?sentinel-user=geheim",
        "rediss+unix:///geheim",
        "unix://geheim",
        "unix://geheim/s",
        "unix:///s?password=geheim",
        "unix:///s?pass=geheim&pass=geheim",
        "unix://:geheim@/s?pass=geheim",
        "unix:///s?user=geheim",
        "unix:///s?geheim",
    ] {
        let error = text.parse::<RedisUrl>().unwrap_err().to_string();
        assert!(!error.contains("geheim"), "{text}: {error}");
    }
    let of_length = |n: usize| format!("redis://:{}@a", "x".repeat(n - 11)).parse::<RedisUrl>();
    assert!(of_length(LONGEST).is_ok() && of_length(LONGEST + 1).is_err());
}
