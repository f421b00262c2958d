use serde_json::json;

use crate::common::{DEVICE_CODE, env, reply};

#[tokio::test]
async fn the_homeserver_is_found_and_says_what_it_can() {
    let env = env().await;
    let well_known = env
        .sandbox
        .homeserver()
        .join(".well-known/matrix/client")
        .unwrap();
    let (status, body) = reply(env.http.get(well_known)).await;
    let base_url = env
        .sandbox
        .homeserver()
        .as_str()
        .trim_end_matches('/')
        .to_owned();
    assert_eq!(
        (status.as_u16(), body),
        (200, json!({ "m.homeserver": { "base_url": base_url } }))
    );

    let (_, body) = reply(env.http.get(env.hs("versions"))).await;
    assert_eq!(body["unstable_features"]["org.matrix.msc4108"], true);
    assert!(
        body["versions"]
            .as_array()
            .unwrap()
            .contains(&json!("v1.15"))
    );
}

#[tokio::test]
async fn every_way_to_the_metadata_leads_to_the_same() {
    let env = env().await;
    let issuer = json!({ "issuer": env.sandbox.issuer() });
    for path in ["v1/auth_issuer", "unstable/org.matrix.msc2965/auth_issuer"] {
        assert_eq!(reply(env.http.get(env.hs(path))).await.1, issuer);
    }
    let (status, metadata) =
        reply(env.http.get(env.issuer(".well-known/openid-configuration"))).await;
    assert_eq!(status, 200);
    for path in [
        "v1/auth_metadata",
        "unstable/org.matrix.msc2965/auth_metadata",
    ] {
        assert_eq!(reply(env.http.get(env.hs(path))).await.1, metadata);
    }
    assert_eq!(metadata["issuer"], issuer["issuer"]);
    assert_eq!(
        metadata["grant_types_supported"],
        json!(["authorization_code", DEVICE_CODE, "refresh_token"])
    );
    assert!(
        metadata["scopes_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("openid"))
    );
    for endpoint in [
        "authorization",
        "token",
        "registration",
        "revocation",
        "device_authorization",
    ] {
        let url = metadata[format!("{endpoint}_endpoint")].as_str().unwrap();
        assert!(url.starts_with(env.sandbox.issuer().as_str()), "{url}");
    }
}

#[tokio::test]
async fn unknown_endpoints_are_unrecognized() {
    let env = env().await;
    let (status, body) = reply(env.http.get(env.hs("r0/devices"))).await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (404, &json!("M_UNRECOGNIZED"))
    );
    let (status, body) = reply(env.http.delete(env.hs("v3/devices"))).await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (405, &json!("M_UNRECOGNIZED"))
    );
}
