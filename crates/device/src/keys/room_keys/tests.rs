#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use serde_json::{Value, json};
use vodozemac::{Curve25519SecretKey, base64_encode, pk_encryption::PkEncryption};

use super::*;

const ROOM: &str = "!room:a.example";

fn secret() -> Curve25519SecretKey {
    Curve25519SecretKey::from_slice(&[7; 32])
}

/// The data of an entry that this key opens.
fn entry() -> Value {
    let key = json!({
        "algorithm": "m.megolm.v1.aes-sha2", "sender_key": "sender", "session_key": "session",
    });
    let public = Curve25519PublicKey::from(&secret());
    let encrypted = PkEncryption::from(public).encrypt(key.to_string().as_bytes());
    let encrypted = encrypted.unwrap();
    json!({
        "first_message_index": 0, "forwarded_count": 0, "is_verified": true,
        "session_data": {
            "ephemeral": encrypted.ephemeral_key.to_base64(),
            "ciphertext": base64_encode(encrypted.ciphertext),
            "mac": base64_encode(encrypted.mac),
        },
    })
}

fn answer(sessions: &[(String, Value)]) -> Vec<u8> {
    let sessions: serde_json::Map<_, _> = sessions.iter().cloned().collect();
    let answer = json!({ "rooms": { ROOM: { "sessions": sessions } } });
    answer.to_string().into()
}

async fn read(answer: &[u8]) -> Option<BackedUpRoomKeys> {
    BackedUpRoomKeys::new(answer.to_vec(), PkDecryption::from_key(secret()), None).await
}

#[tokio::test]
async fn room_keys_are_decrypted_as_they_are_taken() {
    let entry = entry();
    let sessions: Vec<_> = (0..5 * BATCH + 7)
        .map(|i| (format!("session{i}"), entry.clone()))
        .collect();
    let answer = answer(&sessions);
    let mut room_keys = read(&answer).await.unwrap();
    let mut lengths = Vec::new();
    while let Some(batch) = room_keys.next().await {
        assert!(room_keys.batches.len() <= 1, "what waits is one batch");
        lengths.push(batch.len());
    }
    assert_eq!(lengths, [BATCH, BATCH, BATCH, BATCH, BATCH, 7]);
    assert_eq!(room_keys.undecryptable(), 0);
}

/// The thread that decrypts does not live longer than whoever takes the keys.
#[tokio::test]
async fn what_nobody_takes_is_not_decrypted() {
    let entry = entry();
    let sessions: Vec<_> = (0..4 * BATCH)
        .map(|i| (format!("session{i}"), entry.clone()))
        .collect();
    let answer = answer(&sessions);
    let (sender, mut batches) = mpsc::channel(1);
    let decrypting = spawn_blocking(move || {
        decrypt_all(&answer, &PkDecryption::from_key(secret()), &sender);
    });
    assert_eq!(batches.recv().await.unwrap().len(), BATCH);
    assert!(!decrypting.is_finished());
    drop(batches);
    decrypting.await.unwrap();
}

#[tokio::test]
async fn entries_that_cannot_be_read_are_counted() {
    let (good, huge) = (entry(), json!({ "x": "x".repeat(MAX_ENTRY) }));
    let with_names = |id: &str| (id.to_owned(), good.clone());
    let sessions = [
        with_names("good"),
        with_names("a b"),
        with_names("\u{1b}[2J"),
        with_names(&"x".repeat(256)),
        ("null".to_owned(), Value::Null),
        ("huge".to_owned(), huge),
        ("empty".to_owned(), json!({})),
    ];
    let mut room_keys = read(&answer(&sessions)).await.unwrap();
    let batch = room_keys.next().await.unwrap();
    assert_eq!((batch.len(), batch[0].session_id.as_str()), (1, "good"));
    assert!(room_keys.next().await.is_none());
    assert_eq!(room_keys.undecryptable(), 6);
    let rooms = json!({ "rooms": {
        "not a room": { "sessions": { "a": good } },
        "!a\nb": { "sessions": { "a": good, "b": good } },
        ROOM: { "sessions": {}, "other": 1 },
    } });
    let mut room_keys = read(rooms.to_string().as_bytes()).await.unwrap();
    assert!(room_keys.next().await.is_none());
    assert_eq!(room_keys.undecryptable(), 3);
}

#[tokio::test]
async fn what_is_no_backup_is_refused_as_a_whole() {
    let deep = format!("{{\"rooms\":{}", "[".repeat(1 << 20));
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"rooms":[]}"#,
        r#"{"rooms":{"!a:b":[]}}"#,
        r#"{"rooms":{"!a:b":{}}}"#,
        r#"{"rooms":{"!a:b":{"sessions":{"a":{}}}}"#,
        r#"{"rooms":{},"rooms":{}}"#,
        &deep,
    ] {
        assert!(read(bad.as_bytes()).await.is_none());
    }
    let mut none = read(br#"{"rooms":{}}"#).await.unwrap();
    assert!(none.next().await.is_none());
}
