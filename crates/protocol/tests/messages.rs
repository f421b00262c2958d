//! "Message reference": what is written, what is read, what is refused.

#![allow(missing_docs, clippy::unwrap_used)]

use matrix_qr_protocol::{
    homeserver::HomeserverAddress,
    login::message::{
        Authorization, Backup, CrossSigning, DeviceId, Message, Protocol, Protocols, Reason,
        SecretKey, SecretText, Secrets, Unreadable, VerificationLink,
    },
    revision::Revision,
};

const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

fn secrets(backup: Option<Backup>) -> Message {
    let key = || SecretKey::new(&[1; 32]);
    let cross_signing = CrossSigning {
        master_key: key(),
        self_signing_key: key(),
        user_signing_key: key(),
    };
    Message::Secrets(Secrets {
        cross_signing,
        backup,
    })
}

fn protocol(complete: Option<&str>) -> Message {
    Message::Protocol(Protocol::DeviceAuthorizationGrant(Authorization {
        link: VerificationLink {
            verification_uri: "https://id.example.org/link".parse().unwrap(),
            verification_uri_complete: complete.map(|uri| uri.parse().unwrap()),
        },
        device_id: DeviceId::parse("ABCDEFGH").unwrap(),
    }))
}

fn examples() -> Vec<(Message, String)> {
    let homeserver = HomeserverAddress::parse("https://matrix-client.matrix.org").unwrap();
    let backup = Backup {
        algorithm: "m.megolm_backup.v1.curve25519-aes-sha2".into(),
        key: SecretText::new("c2VjcmV0".into()),
        backup_version: "3".into(),
    };
    let keys = format!(
        r#"{{"master_key":"{KEY}","self_signing_key":"{KEY}","user_signing_key":"{KEY}"}}"#
    );
    let of = |text: &str| text.to_owned();
    vec![
        (
            Message::Protocols(Protocols {
                device_authorization_grant: true,
                homeserver,
            }),
            of(
                r#"{"type":"m.login.protocols","protocols":["device_authorization_grant"],"homeserver":"https://matrix-client.matrix.org"}"#,
            ),
        ),
        (
            protocol(None),
            of(
                r#"{"type":"m.login.protocol","protocol":"device_authorization_grant","device_authorization_grant":{"verification_uri":"https://id.example.org/link"},"device_id":"ABCDEFGH"}"#,
            ),
        ),
        (
            protocol(Some("https://id.example.org/link?code=123456")),
            of(
                r#"{"type":"m.login.protocol","protocol":"device_authorization_grant","device_authorization_grant":{"verification_uri":"https://id.example.org/link","verification_uri_complete":"https://id.example.org/link?code=123456"},"device_id":"ABCDEFGH"}"#,
            ),
        ),
        (
            Message::ProtocolAccepted,
            of(r#"{"type":"m.login.protocol_accepted"}"#),
        ),
        (
            Message::Failure(Reason::DeviceNotFound),
            of(r#"{"type":"m.login.failure","reason":"device_not_found"}"#),
        ),
        (
            Message::Failure(Reason::Other("new".into())),
            of(r#"{"type":"m.login.failure","reason":"new"}"#),
        ),
        (Message::Declined, of(r#"{"type":"m.login.declined"}"#)),
        (Message::Success, of(r#"{"type":"m.login.success"}"#)),
        (
            secrets(None),
            format!(r#"{{"type":"m.login.secrets","cross_signing":{keys}}}"#),
        ),
        (
            secrets(Some(backup)),
            format!(
                r#"{{"type":"m.login.secrets","cross_signing":{keys},"backup":{{"algorithm":"m.megolm_backup.v1.curve25519-aes-sha2","key":"c2VjcmV0","backup_version":"3"}}}}"#
            ),
        ),
    ]
}

#[test]
fn messages_are_written_and_read_as_the_text_has_them() {
    for (message, json) in examples() {
        assert_eq!(
            String::from_utf8(message.encode(Revision::Msc4108).to_vec()).unwrap(),
            json
        );
        assert_eq!(
            Message::parse(json.as_bytes(), Revision::Msc4108),
            Ok(message)
        );
    }
}

/// matrix-sdk 0.19.1 writes absent optional fields as `null`.
#[test]
fn null_is_absent() {
    let json = r#"{"type":"m.login.protocol","protocol":"device_authorization_grant","device_authorization_grant":{"verification_uri":"https://id.example.org/link","verification_uri_complete":null},"device_id":"ABCDEFGH"}"#;
    assert_eq!(
        Message::parse(json.as_bytes(), Revision::Msc4108),
        Ok(protocol(None))
    );
    let json = format!(
        r#"{{"type":"m.login.secrets","cross_signing":{{"master_key":"{KEY}","self_signing_key":"{KEY}=","user_signing_key":"{KEY}"}},"backup":null}}"#
    );
    assert_eq!(
        Message::parse(json.as_bytes(), Revision::Msc4108),
        Ok(secrets(None))
    );
    let json = r#"{"type":"m.login.failure","reason":"user_cancelled","homeserver":null}"#;
    assert_eq!(
        Message::parse(json.as_bytes(), Revision::Msc4108),
        Ok(Message::Failure(Reason::UserCancelled))
    );
}

/// matrix-js-sdk names the homeserver by its server name.
#[test]
fn a_server_name_is_a_homeserver() {
    let json =
        r#"{"type":"m.login.protocols","protocols":["telepathy"],"homeserver":"example.org"}"#;
    let homeserver = HomeserverAddress::parse("example.org").unwrap();
    let expected = Message::Protocols(Protocols {
        device_authorization_grant: false,
        homeserver,
    });
    assert_eq!(
        Message::parse(json.as_bytes(), Revision::Msc4108),
        Ok(expected)
    );
}

#[test]
fn a_bundle_without_all_three_keys_is_no_bundle() {
    let short = "AQEBAQ";
    let long = "AQEB".repeat(11);
    for cross_signing in [
        "null".to_owned(),
        "{}".to_owned(),
        format!(r#"{{"self_signing_key":"{KEY}","user_signing_key":"{KEY}"}}"#),
        format!(r#"{{"master_key":"{KEY}","user_signing_key":"{KEY}"}}"#),
        format!(r#"{{"master_key":"{KEY}","self_signing_key":"{KEY}"}}"#),
        format!(r#"{{"master_key":null,"self_signing_key":"{KEY}","user_signing_key":"{KEY}"}}"#),
        format!(
            r#"{{"master_key":"{short}","self_signing_key":"{KEY}","user_signing_key":"{KEY}"}}"#
        ),
        format!(
            r#"{{"master_key":"{KEY}","self_signing_key":"{long}","user_signing_key":"{KEY}"}}"#
        ),
        format!(r#"{{"master_key":"{KEY}","self_signing_key":"{KEY}","user_signing_key":"!!!"}}"#),
    ] {
        let json = format!(r#"{{"type":"m.login.secrets","cross_signing":{cross_signing}}}"#);
        assert_eq!(
            Message::parse(json.as_bytes(), Revision::Msc4108),
            Err(Unreadable::Malformed("m.login.secrets")),
            "{json}"
        );
    }
    let without = br#"{"type":"m.login.secrets","backup":null}"#;
    assert_eq!(
        Message::parse(without, Revision::Msc4108),
        Err(Unreadable::Malformed("m.login.secrets"))
    );
}

#[test]
fn what_is_not_a_message_is_refused() {
    let long_id = "x".repeat(256);
    let with_id = |id: &str| {
        format!(
            r#"{{"type":"m.login.protocol","protocol":"device_authorization_grant","device_authorization_grant":{{"verification_uri":"https://e.org"}},"device_id":"{id}"}}"#
        )
    };
    for (json, why) in [
        (String::new(), Unreadable::NotAMessage),
        ("[]".into(), Unreadable::NotAMessage),
        (r#"{"type":7}"#.into(), Unreadable::NotAMessage),
        (
            r#"{"type":"m.login.telepathy"}"#.into(),
            Unreadable::UnknownType("m.login.telepathy".into()),
        ),
        (
            r#"{"type":"m.login.failure"}"#.into(),
            Unreadable::Malformed("m.login.failure"),
        ),
        (
            r#"{"type":"m.login.protocols","protocols":[]}"#.into(),
            Unreadable::Malformed("m.login.protocols"),
        ),
        (
            r#"{"type":"m.login.protocols","protocols":[],"homeserver":"ftp://example.org"}"#
                .into(),
            Unreadable::Malformed("m.login.protocols"),
        ),
        (
            r#"{"type":"m.login.protocol","protocol":"device_authorization_grant"}"#.into(),
            Unreadable::Malformed("m.login.protocol"),
        ),
        (with_id(""), Unreadable::Malformed("m.login.protocol")),
        (with_id(&long_id), Unreadable::Malformed("m.login.protocol")),
        (with_id("A B"), Unreadable::Malformed("m.login.protocol")),
        (
            with_id("A\\u001b[2J"),
            Unreadable::Malformed("m.login.protocol"),
        ),
        (
            with_id("A\u{202e}B"),
            Unreadable::Malformed("m.login.protocol"),
        ),
    ] {
        assert_eq!(
            Message::parse(json.as_bytes(), Revision::Msc4108),
            Err(why),
            "{json}"
        );
    }
}

/// An unknown protocol has an answer of its own, `unsupported_protocol`, whatever else it brings.
#[test]
fn an_unknown_protocol_is_well_formed() {
    let json = br#"{"type":"m.login.protocol","protocol":"telepathy","device_id":7}"#;
    assert_eq!(
        Message::parse(json, Revision::Msc4108),
        Ok(Message::Protocol(Protocol::Other("telepathy".into())))
    );
}

/// msc4108 has no word for it.
#[test]
fn a_link_that_does_not_open_is_a_refusal_in_the_first_revision() {
    let json = Message::Failure(Reason::UnableToOpenVerificationUri).encode(Revision::Msc4108);
    assert_eq!(
        Message::parse(&json, Revision::Msc4108),
        Ok(Message::Failure(Reason::UserCancelled))
    );
}

/// MSC4108 of 2026 says three things otherwise: where the account lives, with what, and why a link
/// was not opened.
#[test]
fn the_later_revision_has_its_own_words() {
    for text in ["https://matrix-client.matrix.org", "https://example.org/"] {
        let homeserver = HomeserverAddress::parse(text).unwrap();
        for (device_authorization_grant, names) in
            [(true, "\"device_authorization_grant\""), (false, "")]
        {
            let message = Message::Protocols(Protocols {
                device_authorization_grant,
                homeserver: homeserver.clone(),
            });
            let json = format!(
                r#"{{"type":"m.login.protocols","protocols":[{names}],"base_url":"{text}"}}"#
            );
            assert_eq!(
                String::from_utf8(message.encode(Revision::Msc4388).to_vec()).unwrap(),
                json
            );
            assert_eq!(
                Message::parse(json.as_bytes(), Revision::Msc4388),
                Ok(message)
            );
            let malformed = Err(Unreadable::Malformed("m.login.protocols"));
            assert_eq!(
                Message::parse(json.as_bytes(), Revision::Msc4108),
                malformed
            );
        }
    }
    let json = br#"{"type":"m.login.failure","reason":"unable_to_open_verification_uri"}"#;
    let message = Message::Failure(Reason::UnableToOpenVerificationUri);
    assert_eq!(message.encode(Revision::Msc4388).as_slice(), json);
    assert_eq!(Message::parse(json, Revision::Msc4388), Ok(message));
    let unknown = Reason::Other("unable_to_open_verification_uri".into());
    assert_eq!(
        Message::parse(json, Revision::Msc4108),
        Ok(Message::Failure(unknown))
    );
}

#[test]
fn all_other_messages_are_the_same_in_both_revisions() {
    for (message, json) in examples().into_iter().skip(1) {
        assert_eq!(
            String::from_utf8(message.encode(Revision::Msc4388).to_vec()).unwrap(),
            json
        );
        assert_eq!(
            Message::parse(json.as_bytes(), Revision::Msc4388),
            Ok(message)
        );
    }
}

#[test]
fn the_later_revision_names_a_base_url_and_nothing_else() {
    for rest in [
        r#""base_url":"example.org""#,
        r#""base_url":"https:example.org""#,
        r#""base_url":"ftp://example.org""#,
        r#""base_url":null"#,
        r#""homeserver":"https://example.org""#,
    ] {
        let json = format!(r#"{{"type":"m.login.protocols","protocols":[],{rest}}}"#);
        let malformed = Err(Unreadable::Malformed("m.login.protocols"));
        assert_eq!(
            Message::parse(json.as_bytes(), Revision::Msc4388),
            malformed,
            "{json}"
        );
    }
}

#[test]
fn debug_shows_no_key() {
    let backup = Backup {
        algorithm: "a".into(),
        key: SecretText::new("c2VjcmV0".into()),
        backup_version: "3".into(),
    };
    let shown = format!("{:?}", secrets(Some(backup)));
    assert_eq!(
        shown,
        "Secrets(Secrets { cross_signing: CrossSigning { master_key: [redacted], self_signing_key: [redacted], \
         user_signing_key: [redacted] }, backup: Some(Backup { algorithm: \"a\", key: [redacted], backup_version: \"3\" }) })"
    );
}

#[test]
fn a_bundle_fits_into_a_payload() {
    let backup = Backup {
        algorithm: "m.megolm_backup.v1.curve25519-aes-sha2".into(),
        key: SecretText::new(KEY.into()),
        backup_version: "9".repeat(20),
    };
    assert!(secrets(Some(backup)).encode(Revision::Msc4108).len() < 3056 / 4);
}
