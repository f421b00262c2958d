//! Every way to an OAuth server's metadata, and every way that ends before it.

use crate::server::{Asked, Reply, Server, http};
use matrix_qr_device::discovery::{DiscoveryError, resolve, server_metadata};
use matrix_qr_device::http::{Http, HttpError, Policy};
use matrix_qr_protocol::{
    error::{ToUserError, UserError},
    homeserver::HomeserverAddress,
};
use serde_json::{Value, json};
use url::Url;

const V1: &str = "/_matrix/client/v1/auth_metadata";
const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata";
const ISSUER_V1: &str = "/_matrix/client/v1/auth_issuer";
const ISSUER_UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer";
const OPENID: &str = "/.well-known/openid-configuration";

fn own(asked: &Asked, path: &str) -> String {
    format!("http://{}{path}", asked.header("host").unwrap())
}

fn metadata(asked: &Asked) -> Value {
    json!({
        "issuer": own(asked, "/"),
        "token_endpoint": own(asked, "/token"),
        "registration_endpoint": null,
        "device_authorization_endpoint": own(asked, "/device"),
        "grant_types_supported": ["refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    })
}

/// A homeserver and its own OAuth server, which have the document at these paths only.
async fn server(paths: &'static [&'static str]) -> Server {
    Server::start(|asked| match asked.path.as_str() {
        path if !paths.contains(&path) => Reply::unrecognized(),
        ISSUER_V1 | ISSUER_UNSTABLE => Reply::json(200, json!({ "issuer": own(asked, "/") })),
        _ => Reply::json(200, metadata(asked)),
    })
    .await
}

/// A homeserver that answers everything the same way.
async fn always(
    reply: impl Fn(&Asked) -> Reply + Send + 'static,
) -> (Server, Result<(), DiscoveryError>) {
    let server = Server::start(move |asked| reply(asked)).await;
    let outcome = server_metadata(&http(), &server.url).await.map(drop);
    (server, outcome)
}

fn gets(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("GET {path}")).collect()
}

#[tokio::test]
async fn the_stable_form_is_enough() {
    let server = server(&[V1, UNSTABLE, ISSUER_V1, ISSUER_UNSTABLE, OPENID]).await;
    let found = server_metadata(&http(), &server.url).await.unwrap();
    assert_eq!(found.issuer, server.url);
    assert_eq!(found.token_endpoint, server.at("/token"));
    assert_eq!(found.device_grant().unwrap(), &server.at("/device"));
    assert_eq!(
        (found.registration_endpoint, found.revocation_endpoint),
        (None, None)
    );
    assert_eq!(server.lines(), gets(&[V1]));
}

#[tokio::test]
async fn each_form_is_tried_after_the_one_before() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&[UNSTABLE], &[V1, UNSTABLE]),
        (&[ISSUER_V1, OPENID], &[V1, UNSTABLE, ISSUER_V1, OPENID]),
        (
            &[ISSUER_UNSTABLE, OPENID],
            &[V1, UNSTABLE, ISSUER_V1, ISSUER_UNSTABLE, OPENID],
        ),
    ];
    for (there, asked) in cases {
        let server = server(there).await;
        assert_eq!(
            server_metadata(&http(), &server.url).await.unwrap().issuer,
            server.url
        );
        assert_eq!(server.lines(), gets(asked));
    }
}

#[tokio::test]
async fn a_base_url_may_have_a_path() {
    let server = Server::start(|asked| match asked.path.strip_prefix("/base") {
        Some(V1) => Reply::json(200, metadata(asked)),
        _ => Reply::unrecognized(),
    })
    .await;
    for base in ["/base", "/base/"] {
        assert!(
            server_metadata(&http(), &server.at(base)).await.is_ok(),
            "{base}"
        );
    }
}

#[tokio::test]
async fn a_homeserver_without_oauth_says_so() {
    let server = server(&[]).await;
    let error = server_metadata(&http(), &server.url).await.unwrap_err();
    assert_eq!(
        error,
        DiscoveryError::NoOauth {
            host: "127.0.0.1".to_owned()
        }
    );
    assert_eq!(
        server.lines(),
        gets(&[V1, UNSTABLE, ISSUER_V1, ISSUER_UNSTABLE])
    );
    // Older servers do not know the path with another status.
    for status in [400, 405] {
        let (_server, outcome) =
            always(move |_| Reply::json(status, json!({ "errcode": "M_UNRECOGNIZED" }))).await;
        assert!(
            matches!(outcome, Err(DiscoveryError::NoOauth { .. })),
            "{status}"
        );
    }
}

/// What a server refuses today it refuses tomorrow.
#[tokio::test]
async fn only_what_may_pass_is_for_later() {
    for (status, later) in [(401, false), (403, false), (429, true), (502, true)] {
        let (_server, outcome) = always(move |_| Reply::html(status)).await;
        let advice = outcome.unwrap_err().advice();
        assert_eq!(advice == "Try again later.", later, "{advice}");
        assert_eq!(advice == "Tell its administrator.", !later, "{advice}");
    }
}

/// "No OAuth" would send the person elsewhere; trouble must not look like that.
#[tokio::test]
async fn trouble_is_not_absence() {
    for status in [400, 401, 403, 429, 500, 503] {
        let (_server, outcome) =
            always(move |_| Reply::json(status, json!({ "errcode": "M_X\u{7}" }))).await;
        let transient = outcome.as_ref().is_err_and(DiscoveryError::is_transient);
        assert_eq!(transient, matches!(status, 429 | 500..), "{status}");
        let errcode = Some("M_X\u{fffd}".to_owned());
        assert_eq!(
            outcome,
            Err(DiscoveryError::Refused {
                host: "127.0.0.1".to_owned(),
                status,
                errcode
            })
        );
    }
    let (server, outcome) = always(|_| Reply::Close).await;
    assert!(
        matches!(
            outcome,
            Err(DiscoveryError::Http(HttpError::Unreachable { .. }))
        ),
        "{outcome:?}"
    );
    assert!(outcome.unwrap_err().is_transient());
    assert_eq!(server.count("GET"), 1);
    let (server, outcome) = always(|_| Reply::html(200)).await;
    let document = server.at(V1).to_string();
    let what = "is a web page (HTML), not JSON".to_owned();
    assert_eq!(outcome, Err(DiscoveryError::BadDocument { document, what }));
    let (_server, outcome) = always(|_| Reply::new(200, &[], vec![b' '; 300 << 10])).await;
    assert!(
        matches!(
            outcome,
            Err(DiscoveryError::Http(HttpError::TooLarge { .. }))
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn metadata_is_never_redirected() {
    let (server, outcome) = always(|asked| Reply::redirect(307, &own(asked, "/elsewhere"))).await;
    assert!(
        matches!(outcome, Err(DiscoveryError::Refused { status: 307, .. })),
        "{outcome:?}"
    );
    assert_eq!(server.lines(), gets(&[V1]));
}

#[tokio::test]
async fn the_issuer_must_name_itself() {
    let server = Server::start(|asked| match asked.path.as_str() {
        ISSUER_V1 => Reply::json(200, json!({ "issuer": own(asked, "/") })),
        OPENID => {
            let mut other = metadata(asked);
            other["issuer"] = own(asked, "/other").into();
            Reply::json(200, other)
        }
        _ => Reply::unrecognized(),
    })
    .await;
    let error = server_metadata(&http(), &server.url).await.unwrap_err();
    assert!(
        matches!(
            error,
            DiscoveryError::Malformed {
                what: "its issuer differs from the advertised one",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_issuer_without_its_document_is_not_a_homeserver_without_oauth() {
    let server = server(&[ISSUER_V1]).await;
    let error = server_metadata(&http(), &server.url).await.unwrap_err();
    assert!(
        matches!(error, DiscoveryError::Malformed { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_issuer_that_must_not_be_contacted_is_not() {
    let server = Server::start(|asked| match asked.path.as_str() {
        ISSUER_V1 => Reply::json(200, json!({ "issuer": "http://a.example/" })),
        _ => Reply::unrecognized(),
    })
    .await;
    let error = server_metadata(&http(), &server.url).await.unwrap_err();
    let refused = HttpError::NotAllowed {
        scheme: "http".to_owned(),
        host: "a.example".to_owned(),
    };
    assert_eq!(error, DiscoveryError::Http(refused));
}

fn named(server: &Server) -> HomeserverAddress {
    HomeserverAddress::parse(&format!("127.0.0.1:{}", server.url.port().unwrap())).unwrap()
}

async fn well_known(body: Value) -> Result<Url, DiscoveryError> {
    let server = Server::start(move |_| Reply::json(200, body.clone())).await;
    resolve(&http(), &named(&server)).await
}

#[tokio::test]
async fn a_base_url_needs_no_look_up() {
    let https_only = Http::new(Policy::HttpsOnly).unwrap();
    let resolved = |http: Http, text: &'static str| async move {
        resolve(&http, &HomeserverAddress::parse(text).unwrap()).await
    };
    assert_eq!(
        resolved(https_only.clone(), "https://m.example/x")
            .await
            .unwrap()
            .as_str(),
        "https://m.example/x"
    );
    assert!(resolved(http(), "http://127.0.0.1:1").await.is_ok());
    assert!(matches!(
        resolved(https_only, "http://127.0.0.1:1").await,
        Err(DiscoveryError::Http(_))
    ));
    assert!(matches!(
        resolved(http(), "http://m.example").await,
        Err(DiscoveryError::Http(_))
    ));
}

#[tokio::test]
async fn a_server_name_is_looked_up() {
    let document = json!({ "m.homeserver": { "base_url": "https://m.example/" }, "m.other": 1 });
    assert_eq!(
        well_known(document).await.unwrap().as_str(),
        "https://m.example/"
    );
}

#[tokio::test]
async fn a_base_url_that_is_none_is_refused() {
    for base_url in [
        "m.example",
        "ftp://m.example",
        "https://a:b@m.example/",
        "https://m.example/?x",
    ] {
        let error = well_known(json!({ "m.homeserver": { "base_url": base_url } }))
            .await
            .unwrap_err();
        assert!(
            matches!(error, DiscoveryError::BadBaseUrl { .. }),
            "{base_url}: {error:?}"
        );
    }
    let error = well_known(json!({ "m.homeserver": { "base_url": "http://m.example/" } }))
        .await
        .unwrap_err();
    assert!(
        matches!(error, DiscoveryError::Http(HttpError::NotAllowed { .. })),
        "{error:?}"
    );
}

/// What stands there instead is said, with the document's name and the way around it.
#[tokio::test]
async fn a_document_that_cannot_be_read_is_named() {
    let good = r#"{"m.homeserver":{"base_url":"https://m.example/"}}"#;
    let cases = [
        (Reply::html(200), "is a web page (HTML)"),
        (Reply::new(200, &[], ""), "is empty"),
        (
            Reply::new(200, &[], format!("\u{feff}{good}")),
            "begins with a byte order mark",
        ),
        (
            Reply::new(200, &[], format!("// ours\n{good}")),
            "contains a comment",
        ),
        (Reply::new(200, &[], "{"), "is not JSON (line 1, column 1)"),
        (
            Reply::json(200, json!({ "m.homeserver": {} })),
            "does not have the expected content: missing field `base_url`",
        ),
        (Reply::html(403), "is refused with status 403"),
        (Reply::html(404), "no /.well-known/matrix/client"),
        (
            Reply::json(200, json!({ "m.homeserver": { "base_url": "m" } })),
            "not a usable base URL",
        ),
    ];
    for (reply, what) in cases {
        let server = Server::start(move |_| reply.clone()).await;
        let error = resolve(&http(), &named(&server)).await.unwrap_err();
        let UserError {
            what: text, advice, ..
        } = error.to_user_error();
        assert!(
            text.contains(what) && text.contains(server.url.authority()),
            "{text}"
        );
        assert!(
            advice.contains(
                "Give the homeserver's base URL instead of its name (--homeserver https://"
            ),
            "{advice}"
        );
        if what.starts_with("is ") {
            assert!(
                text.starts_with(server.at("/.well-known/matrix/client").as_str()),
                "{text}"
            );
        }
    }
    // A redirect's target is named, not where it began.
    let server = Server::start(|asked| match asked.path.as_str() {
        "/elsewhere?token=1" => Reply::html(200),
        _ => Reply::redirect(302, "/elsewhere?token=1"),
    })
    .await;
    let text = resolve(&http(), &named(&server))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with(&format!("{} is a web page", server.at("/elsewhere"))),
        "{text}"
    );
}

/// The sandbox without its flag: the cause is the command, not the server.
#[tokio::test]
async fn plain_http_to_this_machine_names_the_flag() {
    let server = server(&[V1]).await;
    let https_only = Http::new(Policy::HttpsOnly).unwrap();
    for name in [server.url.as_str(), "127.0.0.1:1"] {
        let error = resolve(&https_only, &HomeserverAddress::parse(name).unwrap())
            .await
            .unwrap_err();
        let flag = HttpError::LoopbackHttp {
            host: "127.0.0.1".to_owned(),
        };
        assert_eq!(error, DiscoveryError::Http(flag), "{name}");
    }
    assert_eq!(server.lines(), gets(&[]), "nobody was asked in plain http");
}

#[tokio::test]
async fn a_name_without_the_document_says_what_to_do() {
    let server = Server::start(|_| Reply::html(404)).await;
    let error = resolve(&http(), &named(&server)).await.unwrap_err();
    assert!(
        matches!(error, DiscoveryError::NoWellKnown { .. }),
        "{error:?}"
    );
    assert!(error.advice().contains("https://"), "{error}");
}

#[tokio::test]
async fn the_well_known_document_may_redirect_a_little() {
    for (hops, fine) in [(3, true), (4, false)] {
        let mut left = hops;
        let server = Server::start(move |_| {
            left -= 1;
            match left {
                0.. => Reply::redirect(301, &format!("/hop{left}")),
                _ => Reply::json(
                    200,
                    json!({ "m.homeserver": { "base_url": "https://m.example/" } }),
                ),
            }
        })
        .await;
        assert_eq!(
            resolve(&http(), &named(&server)).await.is_ok(),
            fine,
            "{hops} hops"
        );
        assert_eq!(server.count("GET"), 4);
    }
}

#[tokio::test]
async fn a_redirect_obeys_the_policy() {
    let server = Server::start(|_| Reply::redirect(302, "http://m.example/x")).await;
    let error = resolve(&http(), &named(&server)).await.unwrap_err();
    assert!(
        matches!(error, DiscoveryError::Http(HttpError::NotAllowed { .. })),
        "{error:?}"
    );
}
