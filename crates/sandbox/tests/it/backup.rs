use serde_json::{Value, json};

use crate::common::{TestEnv, env};

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";

fn version(key: &str) -> Value {
    json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": key } })
}

fn session(index: u64, verified: bool) -> Value {
    json!({ "first_message_index": index, "forwarded_count": 0, "is_verified": verified, "session_data": {} })
}

async fn with_backup() -> (TestEnv, String) {
    let env = env().await;
    let token = env.first().await;
    assert_eq!(env.get(&token, "v3/room_keys/version").await.0, 404);
    let (status, body) = env
        .post(&token, "v3/room_keys/version", &version(KEY))
        .await;
    assert_eq!((status.as_u16(), body), (200, json!({ "version": "1" })));
    (env, token)
}

#[tokio::test]
async fn a_backup_has_versions_and_the_last_is_current() {
    let (env, token) = with_backup().await;
    let (_, current) = env.get(&token, "v3/room_keys/version").await;
    assert_eq!(
        (&current["version"], &current["count"]),
        (&json!("1"), &json!(0))
    );
    assert_eq!(current["auth_data"]["public_key"], KEY);
    assert_eq!(env.sandbox.record().backup_version.as_deref(), Some("1"));

    env.post(&token, "v3/room_keys/version", &version(KEY))
        .await;
    assert_eq!(
        env.get(&token, "v3/room_keys/version").await.1["version"],
        "2"
    );
    assert_eq!(
        env.get(&token, "v3/room_keys/version/1").await.1["version"],
        "1"
    );
    for unknown in ["0", "3", "01", "x"] {
        assert_eq!(
            env.get(&token, &format!("v3/room_keys/version/{unknown}"))
                .await
                .0,
            404
        );
    }
}

#[tokio::test]
async fn a_version_can_be_signed_again_but_not_changed() {
    let (env, token) = with_backup().await;
    let mut new = version(KEY);
    new["auth_data"]["signatures"] = json!({});
    assert_eq!(env.put(&token, "v3/room_keys/version/1", &new).await.0, 200);
    assert_eq!(
        env.get(&token, "v3/room_keys/version/1").await.1["auth_data"]["signatures"],
        json!({})
    );
    new["version"] = "2".into();
    assert_eq!(env.put(&token, "v3/room_keys/version/1", &new).await.0, 400);
    let other = json!({ "algorithm": "m.other", "auth_data": {} });
    assert_eq!(
        env.put(&token, "v3/room_keys/version/1", &other).await.0,
        400
    );
    assert_eq!(
        env.post(&token, "v3/room_keys/version", &version("short"))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn keys_come_back_as_all_as_room_and_as_session() {
    let (env, token) = with_backup().await;
    let all = json!({ "rooms": { "!r:x": { "sessions": { "a/b": session(0, true) } } } });
    let (status, body) = env.put(&token, "v3/room_keys/keys?version=1", &all).await;
    assert_eq!(
        (status.as_u16(), &body["count"], &body["etag"]),
        (200, &json!(1), &json!("1"))
    );
    let room = json!({ "sessions": { "c": session(1, false) } });
    env.put(&token, "v3/room_keys/keys/!r:x?version=1", &room)
        .await;
    env.put(
        &token,
        "v3/room_keys/keys/!s:x/d?version=1",
        &session(2, false),
    )
    .await;

    let (_, body) = env.get(&token, "v3/room_keys/keys?version=1").await;
    assert_eq!(body["rooms"]["!r:x"]["sessions"]["a/b"], session(0, true));
    assert_eq!(body["rooms"]["!s:x"]["sessions"]["d"], session(2, false));
    let (_, body) = env.get(&token, "v3/room_keys/keys/!r:x?version=1").await;
    assert_eq!(body["sessions"].as_object().unwrap().len(), 2);
    let (_, body) = env
        .get(&token, "v3/room_keys/keys/!r:x/a%2Fb?version=1")
        .await;
    assert_eq!(body, session(0, true));
    assert_eq!(
        env.get(&token, "v3/room_keys/keys/!r:x/e?version=1")
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn the_better_key_for_a_session_stays() {
    let (env, token) = with_backup().await;
    let path = "v3/room_keys/keys/!r:x/a?version=1";
    let steps = [
        (5, false, 5),
        (7, false, 5),
        (3, false, 3),
        (9, true, 9),
        (0, false, 9),
    ];
    for (index, verified, kept) in steps {
        env.put(&token, path, &session(index, verified)).await;
        assert_eq!(env.get(&token, path).await.1["first_message_index"], kept);
    }
}

#[tokio::test]
async fn only_the_current_version_is_written_to() {
    let (env, token) = with_backup().await;
    env.post(&token, "v3/room_keys/version", &version(KEY))
        .await;
    let keys = json!({ "rooms": {} });
    let (status, body) = env.put(&token, "v3/room_keys/keys?version=1", &keys).await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (403, &json!("M_WRONG_ROOM_KEYS_VERSION"))
    );
    assert_eq!(body["current_version"], "2");
    let (status, body) = env.put(&token, "v3/room_keys/keys?version=3", &keys).await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (404, &json!("M_NOT_FOUND"))
    );
    assert_eq!(env.get(&token, "v3/room_keys/keys?version=3").await.0, 404);
    let (status, body) = env.get(&token, "v3/room_keys/keys").await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (400, &json!("M_MISSING_PARAM"))
    );
    let malformed = json!({ "rooms": { "!r:x": { "sessions": { "a": {} } } } });
    assert_eq!(
        env.put(&token, "v3/room_keys/keys?version=2", &malformed)
            .await
            .0,
        400
    );
}
