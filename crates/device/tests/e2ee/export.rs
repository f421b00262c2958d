//! Room keys in a file, opened again without what wrote it, and by what other clients import it
//! with.

use aes::Aes256;
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use hmac::{Hmac, Mac as _};
use matrix_qr_device::{
    encryption::{KeyExport, Passphrase},
    first_device,
    secret::Secret,
};
use matrix_sdk_crypto::{OlmMachine, decrypt_room_key_export};
use matrix_sdk_sqlite::SqliteCryptoStore;
use serde_json::Value;
use sha2_0_10::{Sha256, Sha512};

use crate::test_env::TestEnv;

const PASSPHRASE: &str = "pässword with blanks ";

fn passphrase() -> Passphrase {
    Passphrase::new(Secret::new(PASSPHRASE)).unwrap()
}

#[test]
fn an_empty_passphrase_is_none() {
    assert!(Passphrase::new(Secret::new("")).is_none());
    assert_eq!(format!("{:?}", passphrase()), "Passphrase([redacted])");
}

#[tokio::test]
async fn an_export_holds_every_room_key_as_the_text_says() {
    let (world, first) = TestEnv::with_first_device().await;
    let room = first_device::send_messages(&first.homeserver, &first.encryption, &["old"])
        .await
        .unwrap();
    let KeyExport { text, keys } = first.encryption.export_keys(&passphrase()).await.unwrap();
    assert_eq!(keys, 1);
    assert!(
        text.ends_with("-----\n") && !text.contains("MegolmV1") && !text.contains(room.as_str())
    );
    let opened: Value = serde_json::from_slice(&by_hand(&text, PASSPHRASE)).unwrap();
    assert_eq!(opened[0]["room_id"], room.as_str());
    assert_eq!(opened[0]["algorithm"], "m.megolm.v1.aes-sha2");

    // Another client imports it, and reads.
    let other = world.device("OTHERDEVICE").await;
    let read = async |encryption| {
        first_device::latest_messages(&other.homeserver, encryption, &room)
            .await
            .unwrap()
    };
    assert!(read(&other.encryption).await.is_empty());
    import(&world, "OTHERDEVICE", &text).await;
    assert_eq!(read(&world.encryption("OTHERDEVICE").await).await, ["old"]);
}

async fn import(world: &TestEnv, device: &str, text: &str) {
    let keys = decrypt_room_key_export(text.as_bytes(), PASSPHRASE).unwrap();
    let store = SqliteCryptoStore::open(&world.dir(device), None)
        .await
        .unwrap();
    let machine = OlmMachine::with_store(&world.user_id(), device.into(), store, None)
        .await
        .unwrap();
    machine
        .store()
        .import_exported_room_keys(keys, |_, _| {})
        .await
        .unwrap();
}

/// Client-Server API, "Key exports": version, salt, initial counter, rounds, ciphertext, HMAC of
/// all that.
fn by_hand(text: &str, passphrase: &str) -> Vec<u8> {
    let base64 = text
        .trim()
        .strip_prefix("-----BEGIN MEGOLM SESSION DATA-----\n")
        .and_then(|rest| rest.strip_suffix("\n-----END MEGOLM SESSION DATA-----"))
        .unwrap();
    let bytes = BASE64_STANDARD_NO_PAD
        .decode(base64.replace('\n', ""))
        .unwrap();
    let (signed, tag) = bytes.split_at(bytes.len() - 32);
    let rounds = u32::from_be_bytes(signed[33..37].try_into().unwrap());
    assert!(signed[0] == 1 && rounds >= 100_000, "{rounds}");
    let mut keys = [0; 64];
    pbkdf2::pbkdf2_hmac::<Sha512>(passphrase.as_bytes(), &signed[1..17], rounds, &mut keys);
    let mac = Hmac::<Sha256>::new_from_slice(&keys[32..])
        .unwrap()
        .chain_update(signed);
    mac.verify_slice(tag).unwrap();
    let mut plain = signed[37..].to_vec();
    Ctr128BE::<Aes256>::new_from_slices(&keys[..32], &signed[17..33])
        .unwrap()
        .apply_keystream(&mut plain);
    plain
}
