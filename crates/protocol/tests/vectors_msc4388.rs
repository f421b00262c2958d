//! The published vectors of the later revision, through the public interface alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use matrix_qr_protocol::channel::{Generator, Initiated, PublicKey, SecureChannel};
use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::qr::QrCode;
use matrix_qr_protocol::rendezvous::{
    ApiRoot, Binding, Location, Payload, SequenceToken, SessionId,
};
use matrix_qr_protocol::revision::{Dialect, Prefix, Revision, Role};
use serde::Deserialize;
use support::{FixedRng, QrVectors, assert_refused, hex};

#[derive(Deserialize)]
struct Valid {
    name: String,
    hex: String,
    shown_by: String,
    key: String,
    prefix: String,
    id: String,
    base_url: String,
}

#[derive(Deserialize)]
struct Channel {
    dialect: String,
    base_url: String,
    id: String,
    ikm_g: String,
    ikm_s: String,
    public_g: String,
    public_s: String,
    response_nonce: String,
    check_code: String,
    device_id: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    from: String,
    plaintext: String,
    sequence_token: String,
    aad: String,
    payload: String,
}

fn qr_vectors() -> QrVectors<Valid> {
    serde_json::from_str(include_str!("../../../vectors/msc4388-qr.json")).unwrap()
}

#[test]
fn valid_qr_codes_say_what_they_should_and_encode_to_the_byte() {
    let vectors = qr_vectors().valid;
    assert_eq!(vectors.len(), 7);
    for v in vectors {
        let code = QrCode::decode(&hex(&v.hex)).unwrap_or_else(|e| panic!("{}: {e}", v.name));
        let role = if v.shown_by == "new" {
            Role::New
        } else {
            Role::Existing
        };
        let prefix = if v.prefix == "stable" {
            Prefix::Stable
        } else {
            Prefix::Unstable
        };
        let Location::Id(session) = &code.location else {
            panic!("{}: {code:?}", v.name)
        };
        assert_eq!(
            (code.role(), session.api().prefix()),
            (role, prefix),
            "{}",
            v.name
        );
        assert_eq!(
            (session.as_str(), session.api().base_url().as_str()),
            (&*v.id, &*v.base_url),
            "{}",
            v.name
        );
        assert_eq!(
            code.key,
            PublicKey::from_base64(&v.key).unwrap(),
            "{}",
            v.name
        );
        let named = code.homeserver().map(|homeserver| homeserver.as_str());
        assert_eq!(
            named,
            (role == Role::Existing).then_some(&*v.base_url),
            "{}",
            v.name
        );
        assert_eq!(code.encode().unwrap(), hex(&v.hex), "{}", v.name);
    }
}

#[test]
fn invalid_qr_codes_are_refused_for_their_own_reason() {
    let vectors = qr_vectors().invalid;
    assert_eq!(vectors.len(), 33);
    assert_refused(&vectors);
}

#[test]
fn the_channel_makes_the_published_messages_and_opens_them() {
    let vectors: Vec<Channel> =
        serde_json::from_str(include_str!("../../../vectors/msc4388-channel.json")).unwrap();
    let seen: Vec<_> = vectors.iter().map(|v| v.dialect.as_str()).collect();
    assert_eq!(seen, ["AsDeployed", "AsDeployed", "AsWritten", "AsWritten"]);
    vectors.iter().for_each(replay);
}

impl Channel {
    fn binding(&self, message: &Message) -> Binding {
        let api = ApiRoot::new(BaseUrl::parse(&self.base_url).unwrap(), Prefix::Unstable);
        let session = SessionId::parse(api, &self.id).unwrap();
        let binding = Binding::new(
            &session,
            &SequenceToken::parse(&message.sequence_token).unwrap(),
        );
        assert_eq!(binding.as_bytes(), hex(&message.aad));
        binding
    }

    fn payload(&self, message: &Message) -> Payload {
        Payload {
            bytes: message.payload.as_bytes().to_vec(),
            binding: self.binding(message),
        }
    }
}

/// Two devices with the published randomness: they say what is published, byte for byte.
fn replay(v: &Channel) {
    let dialect = if v.dialect == "AsWritten" {
        Dialect::AsWritten
    } else {
        Dialect::AsDeployed
    };
    let [initiate, ok, later @ ..] = v.messages.as_slice() else {
        panic!("there are two greetings")
    };
    let random = [hex(&v.ikm_g), hex(&v.response_nonce)].concat();
    let generator = Generator::new(Revision::Msc4388, dialect, &mut FixedRng::new(&random));
    assert_eq!(generator.public_key().to_base64(), v.public_g);
    let mut rng = FixedRng::new(&hex(&v.ikm_s));
    let (initiated, payload) = Initiated::new(
        &generator.public_key(),
        Revision::Msc4388,
        // Device S is not told the label.
        Dialect::default(),
        v.binding(initiate),
        &mut rng,
    )
    .unwrap();
    assert_eq!(payload, v.payload(initiate));
    // 42 of 43 characters: the last one shares its bits with the ciphertext.
    assert!(initiate.payload.starts_with(&v.public_s[..42]));
    let (unconfirmed, payload) = generator
        .accept(&v.payload(initiate), v.binding(ok))
        .unwrap();
    assert_eq!(payload, v.payload(ok));
    let (mut s, code) = initiated.finish(&v.payload(ok)).unwrap();
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
        exchange(from, to, v, message);
    }
}

fn exchange(from: &mut SecureChannel, to: &mut SecureChannel, v: &Channel, message: &Message) {
    let payload = v.payload(message);
    assert_eq!(
        from.seal(message.plaintext.as_bytes(), payload.binding.clone())
            .unwrap(),
        payload
    );
    assert_eq!(*to.open(&payload).unwrap(), message.plaintext.as_bytes());
}
