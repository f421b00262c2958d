use serde_json::{Value, json};

use crate::common::{FIRST, TestEnv, env, text};

async fn room(env: &TestEnv, token: &str) -> String {
    let encryption =
        json!({ "type": "m.room.encryption", "content": { "algorithm": "m.megolm.v1.aes-sha2" } });
    let body = json!({ "name": "Old messages", "initial_state": [encryption] });
    let (status, body) = env.post(token, "v3/createRoom", &body).await;
    assert_eq!(status, 200, "{body}");
    text(&body, "room_id")
}

fn bodies(chunk: &Value) -> Vec<&str> {
    chunk
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["content"]["body"].as_str())
        .collect()
}

#[tokio::test]
async fn messages_are_kept_in_order_and_sent_once() {
    let env = env().await;
    let token = env.first().await;
    let room = room(&env, &token).await;
    for (n, text) in ["one", "two", "three", "three"].iter().enumerate() {
        let path = format!("v3/rooms/{room}/send/m.room.message/txn{}", n.min(2));
        assert_eq!(
            env.put(&token, &path, &json!({ "body": text })).await.0,
            200
        );
    }
    let (_, joined) = env.get(&token, "v3/joined_rooms").await;
    assert_eq!(joined, json!({ "joined_rooms": [&room] }));
    let (_, page) = env
        .get(&token, &format!("v3/rooms/{room}/messages?dir=b&limit=2"))
        .await;
    assert_eq!(bodies(&page["chunk"]), ["three", "two"]);
    let rest = format!("v3/rooms/{room}/messages?dir=b&from={}", text(&page, "end"));
    let (_, page) = env.get(&token, &rest).await;
    assert_eq!(bodies(&page["chunk"]), ["one"]);
    assert_eq!(page.get("end"), None);
    let (_, page) = env
        .get(&token, &format!("v3/rooms/{room}/messages?dir=f&limit=100"))
        .await;
    assert_eq!(bodies(&page["chunk"]), ["one", "two", "three"]);
}

#[tokio::test]
async fn the_state_says_who_is_there_and_that_it_is_encrypted() {
    let env = env().await;
    let token = env.first().await;
    let room = room(&env, &token).await;
    let (_, state) = env.get(&token, &format!("v3/rooms/{room}/state")).await;
    let of = |kind: &str| {
        state
            .as_array()
            .unwrap()
            .iter()
            .find(|event| event["type"] == kind)
            .cloned()
            .unwrap()
    };
    assert_eq!(of("m.room.member")["state_key"], env.sandbox.user_id());
    assert_eq!(
        of("m.room.encryption")["content"]["algorithm"],
        "m.megolm.v1.aes-sha2"
    );
    assert_eq!(of("m.room.name")["content"]["name"], "Old messages");
    let (_, members) = env
        .get(&token, &format!("v3/rooms/{room}/joined_members"))
        .await;
    assert_eq!(members, json!({ "joined": { env.sandbox.user_id(): {} } }));
    assert_eq!(
        env.get(&token, "v3/rooms/!other:example/state").await.0,
        403
    );
}

#[tokio::test]
async fn sync_tells_what_is_new_and_wakes_up() {
    let env = env().await;
    let token = env.first().await;
    let room = room(&env, &token).await;
    let (_, first) = env.get(&token, "v3/sync").await;
    assert!(
        !first["rooms"]["join"][&room]["state"]["events"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let since = text(&first, "next_batch");

    let (_, nothing) = env.get(&token, &format!("v3/sync?since={since}")).await;
    assert_eq!(nothing["rooms"]["join"], json!({}));
    let again = format!("v3/sync?since={since}&full_state=true");
    let (_, again) = env.get(&token, &again).await;
    let (was, is) = (
        &first["rooms"]["join"][&room],
        &again["rooms"]["join"][&room],
    );
    assert_eq!(is["state"], was["state"]);
    assert_eq!(is["timeline"]["events"], json!([]));
    let waiting = format!("v3/sync?since={since}&timeout=30000");
    let path = format!("v3/rooms/{room}/send/m.room.message/1");
    let message = json!({ "body": "hello" });
    let ((_, woken), _) = tokio::join!(env.get(&token, &waiting), env.put(&token, &path, &message));
    assert_eq!(
        bodies(&woken["rooms"]["join"][&room]["timeline"]["events"]),
        ["hello"]
    );
}

#[tokio::test]
async fn to_device_messages_arrive_until_acknowledged() {
    let env = env().await;
    let token = env.first().await;
    let message = json!({ "messages": { env.sandbox.user_id(): { FIRST: { "n": 1 } } } });
    for _ in 0..2 {
        assert_eq!(
            env.put(&token, "v3/sendToDevice/m.test/txn", &message)
                .await
                .0,
            200
        );
    }
    for _ in 0..2 {
        let (_, sync) = env.get(&token, "v3/sync").await;
        let expected =
            json!([{ "type": "m.test", "sender": env.sandbox.user_id(), "content": { "n": 1 } }]);
        assert_eq!(sync["to_device"]["events"], expected);
    }
    let (_, sync) = env.get(&token, "v3/sync").await;
    let path = format!("v3/sync?since={}", text(&sync, "next_batch"));
    assert_eq!(
        env.get(&token, &path).await.1["to_device"]["events"],
        json!([])
    );
    assert_eq!(
        env.get(&token, "v3/sync").await.1["to_device"]["events"],
        json!([])
    );
}

#[tokio::test]
async fn account_data_is_the_users_own() {
    let env = env().await;
    let token = env.first().await;
    let own = format!("v3/user/{}/account_data/m.test", env.sandbox.user_id());
    assert_eq!(env.get(&token, &own).await.0, 404);
    assert_eq!(env.put(&token, &own, &json!({ "n": 1 })).await.0, 200);
    assert_eq!(env.get(&token, &own).await.1, json!({ "n": 1 }));
    assert_eq!(
        env.get(&token, "v3/user/@bob:example/account_data/m.test")
            .await
            .0,
        403
    );
    let (_, sync) = env.get(&token, "v3/sync").await;
    assert_eq!(
        sync["account_data"]["events"][0]["content"],
        json!({ "n": 1 })
    );
}

#[tokio::test]
async fn bodies_are_bounded_json_objects() {
    let env = env().await;
    let token = env.first().await;
    let post = |body: String| {
        env.http
            .post(env.hs("v3/createRoom"))
            .bearer_auth(&token)
            .body(body)
    };
    for (body, status, errcode) in [
        ("not json".to_owned(), 400, "M_NOT_JSON"),
        ("[]".to_owned(), 400, "M_BAD_JSON"),
        (" ".repeat(1024 * 1024 + 1), 413, "M_TOO_LARGE"),
    ] {
        let (got, answer) = crate::common::reply(post(body)).await;
        assert_eq!(
            (got.as_u16(), &answer["errcode"]),
            (status, &json!(errcode))
        );
    }
}
