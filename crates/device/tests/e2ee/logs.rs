//! No secret in anything that is logged, at the most talkative level, by us or by what we build on.

use matrix_qr_device::first_device;
use matrix_qr_protocol::login::message::Secrets;
use matrix_sdk_crypto::vodozemac::base64_decode;

use crate::{
    log_capture::CapturedLog,
    test_env::{SignInSteps as _, TestEnv},
};

/// Each secret of a bundle in every form in which it might be printed.
pub(crate) fn secrets(bundle: &Secrets) -> Vec<String> {
    let keys = [
        &bundle.cross_signing.master_key,
        &bundle.cross_signing.self_signing_key,
        &bundle.cross_signing.user_signing_key,
    ]
    .map(|key| key.to_base64().to_string());
    let backup = bundle
        .backup
        .iter()
        .map(|backup| backup.key.as_str().to_owned());
    keys.into_iter().chain(backup).flat_map(forms).collect()
}

fn forms(base64: String) -> Vec<String> {
    let bytes = base64_decode(&base64).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{:?}", &bytes[..8])
        .trim_matches(['[', ']'])
        .to_owned();
    let url_safe = base64.replace('+', "-").replace('/', "_");
    vec![hex.to_uppercase(), hex, list, url_safe, base64]
}

#[tokio::test]
async fn no_secret_is_logged() {
    let log = CapturedLog::start();

    let (world, first) = TestEnv::with_first_device().await;
    let room = first_device::send_messages(&first.homeserver, &first.encryption, &["a plain text"])
        .await
        .unwrap();
    first_device::back_up(&first.homeserver, &first.encryption)
        .await
        .unwrap();
    let bundle = first.bundle().await;
    let session = world.sandbox.first_session("NEWDEVICE01").await.unwrap();
    let homeserver = world.homeserver_with(matrix_qr_device::secret::Secret::new(
        session.access_token.clone(),
    ));
    let encryption = world.encryption("NEWDEVICE01").await;
    encryption
        .import_bundle(&homeserver, &bundle)
        .await
        .unwrap();
    encryption.restore_keys(&homeserver).await.unwrap();
    let read = first_device::latest_messages(&homeserver, &encryption, &room)
        .await
        .unwrap();
    assert_eq!(read, ["a plain text"]);

    let printed = log.text();
    assert!(
        printed.contains("Successfully imported the private cross-signing keys"),
        "the log was listened to"
    );
    let tokens = [
        session.access_token,
        session.refresh_token,
        "a plain text".to_owned(),
    ];
    for secret in secrets(&bundle).into_iter().chain(tokens) {
        assert!(
            !printed.contains(&secret),
            "logged: {}",
            line_of(&printed, &secret)
        );
    }
}

fn line_of<'a>(printed: &'a str, secret: &str) -> &'a str {
    printed
        .lines()
        .find(|line| line.contains(secret))
        .unwrap_or_default()
}
