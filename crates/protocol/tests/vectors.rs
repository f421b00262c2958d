//! The published vectors, through the public interface alone, as another implementation would use
//! them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use matrix_qr_protocol::channel::{Generator, Initiated, PublicKey, SecureChannel};
use matrix_qr_protocol::qr::QrCode;
use matrix_qr_protocol::rendezvous::{Binding, Location, Payload};
use matrix_qr_protocol::revision::{Dialect, Revision, Role};
use serde::Deserialize;
use support::{FixedRng, QrVectors, assert_refused, hex};

#[derive(Deserialize)]
struct Valid {
    name: String,
    hex: String,
    shown_by: String,
    key: String,
    url: String,
    homeserver: Option<String>,
}

#[derive(Deserialize)]
struct Channel {
    dialect: String,
    secret_g: String,
    secret_s: String,
    public_g: String,
    public_s: String,
    check_code: String,
    device_id: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    from: String,
    plaintext: String,
    payload: String,
}

impl Message {
    fn payload(&self) -> Payload {
        self.payload.as_bytes().to_vec().into()
    }
}

fn qr_vectors() -> QrVectors<Valid> {
    serde_json::from_str(include_str!("../../../vectors/msc4108-qr.json")).unwrap()
}

#[test]
fn valid_qr_codes_say_what_they_should_and_encode_to_the_byte() {
    let vectors = qr_vectors().valid;
    assert_eq!(vectors.len(), 4);
    for v in vectors {
        let code = QrCode::decode(&hex(&v.hex)).unwrap_or_else(|e| panic!("{}: {e}", v.name));
        let role = if v.shown_by == "new" {
            Role::New
        } else {
            Role::Existing
        };
        let Location::Url(url) = &code.location else {
            panic!("{}: {code:?}", v.name)
        };
        assert_eq!(
            (code.role(), url.as_str()),
            (role, v.url.as_str()),
            "{}",
            v.name
        );
        assert_eq!(
            code.key,
            PublicKey::from_base64(&v.key).unwrap(),
            "{}",
            v.name
        );
        assert_eq!(
            code.homeserver().map(|h| h.as_str().to_owned()),
            v.homeserver,
            "{}",
            v.name
        );
        assert_eq!(code.encode().unwrap(), hex(&v.hex), "{}", v.name);
    }
}

#[test]
fn invalid_qr_codes_are_refused_for_their_own_reason() {
    let vectors = qr_vectors().invalid;
    assert_eq!(vectors.len(), 28);
    assert_refused(&vectors);
}

#[test]
fn the_channel_makes_the_published_messages_and_opens_them() {
    let vectors: Vec<Channel> =
        serde_json::from_str(include_str!("../../../vectors/msc4108-channel.json")).unwrap();
    let seen: Vec<_> = vectors
        .iter()
        .map(|v| (v.dialect.as_str(), v.check_code.starts_with('0')))
        .collect();
    assert_eq!(
        seen,
        [
            ("AsDeployed", false),
            ("AsDeployed", true),
            ("AsWritten", false),
            ("AsWritten", true)
        ]
    );
    vectors.iter().for_each(replay);
}

/// Two devices with the published secrets: they say what is published, byte for byte.
fn replay(v: &Channel) {
    let dialect = if v.dialect == "AsWritten" {
        Dialect::AsWritten
    } else {
        Dialect::AsDeployed
    };
    let [initiate, ok, later @ ..] = v.messages.as_slice() else {
        panic!("there are two greetings")
    };
    let generator = Generator::new(
        Revision::Msc4108,
        dialect,
        &mut FixedRng::new(&hex(&v.secret_g)),
    );
    assert_eq!(generator.public_key().to_base64(), v.public_g);
    let mut rng = FixedRng::new(&hex(&v.secret_s));
    let (initiated, payload) = Initiated::new(
        &generator.public_key(),
        Revision::Msc4108,
        dialect,
        Binding::default(),
        &mut rng,
    )
    .unwrap();
    assert_eq!(payload, initiate.payload());
    assert!(initiate.payload.ends_with(&v.public_s));
    let (unconfirmed, payload) = generator
        .accept(&initiate.payload(), Binding::default())
        .unwrap();
    assert_eq!(payload, ok.payload());
    let (mut s, code) = initiated.finish(&ok.payload()).unwrap();
    assert_eq!(code.to_string(), v.check_code);
    assert_eq!(s.device_id().as_str(), v.device_id);
    assert_eq!(unconfirmed.device_id(), s.device_id());
    let mut g = unconfirmed
        .confirm(&v.check_code.parse().unwrap())
        .expect("the published code is the code");
    assert_eq!(later.len(), 4);
    for message in later {
        let (from, to) = if message.from == "S" {
            (&mut s, &mut g)
        } else {
            (&mut g, &mut s)
        };
        exchange(from, to, message);
    }
}

fn exchange(from: &mut SecureChannel, to: &mut SecureChannel, message: &Message) {
    let sealed = from
        .seal(message.plaintext.as_bytes(), Binding::default())
        .unwrap();
    assert_eq!(sealed, message.payload());
    assert_eq!(
        *to.open(&message.payload()).unwrap(),
        message.plaintext.as_bytes()
    );
}
