//! MSC4388's channel against vodozemac's `hpke`, which the coming clients speak: both roles, with
//! later messages, and everything bound to a session.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use getrandom::SysRng;
use matrix_qr_protocol::channel::{ChannelError, Generator, Initiated, PublicKey, SecureChannel};
use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{ApiRoot, Binding, Payload, SequenceToken, SessionId};
use matrix_qr_protocol::revision::{Dialect, Prefix, Revision};
use rand_core::UnwrapErr;
use vodozemac::Curve25519PublicKey;
use vodozemac::hpke::{
    BidirectionalCreationResult, CheckCode as TheirCode, DigitMode, EstablishedHpkeChannel,
    HpkeRecipientChannel, HpkeSenderChannel, InitialMessage, InitialResponse, Message,
    RecipientCreationResult, SenderCreationResult,
};

const INITIATE: &[u8] = b"MATRIX_QR_CODE_LOGIN_INITIATE";
const OK: &[u8] = b"MATRIX_QR_CODE_LOGIN_OK";

const SESSIONS: usize = 64;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// What the payload after so many others is written against.
fn at(payloads: usize) -> Binding {
    let api = ApiRoot::new(
        BaseUrl::parse("https://matrix.example.org").unwrap(),
        Prefix::Unstable,
    );
    let token = SequenceToken::parse(&format!("{payloads}=")).unwrap();
    Binding::new(
        &SessionId::parse(api, "e8da6355-550b-4a32-a193-1619d9830668").unwrap(),
        &token,
    )
}

fn payload(text: String, binding: Binding) -> Payload {
    Payload {
        bytes: text.into_bytes(),
        binding,
    }
}

fn text(payload: Payload) -> String {
    String::from_utf8(payload.bytes).unwrap()
}

fn as_shown(code: &TheirCode) -> String {
    code.to_digit(DigitMode::NoLeadingZero).to_string()
}

#[test]
fn we_generate_and_vodozemac_scans() {
    for _ in 0..SESSIONS {
        let generator = Generator::new(Revision::Msc4388, Dialect::AsDeployed, &mut rng());
        let gp = Curve25519PublicKey::from_bytes(*generator.public_key().as_bytes());
        let SenderCreationResult { channel, message } = HpkeSenderChannel::new()
            .establish_channel(gp, INITIATE, at(1).as_bytes())
            .unwrap();
        let (unconfirmed, ok) = generator
            .accept(&payload(message.encode(), at(1)), at(2))
            .unwrap();
        let response = InitialResponse::decode(&text(ok)).unwrap();
        let BidirectionalCreationResult { channel, message } = channel
            .establish_bidirectional_channel(&response, at(2).as_bytes())
            .unwrap();
        assert_eq!(message, OK);
        let code = as_shown(channel.check_code()).parse().unwrap();
        talk(
            unconfirmed.confirm(&code).expect("both show the same code"),
            channel,
        );
    }
}

#[test]
fn vodozemac_generates_and_we_scan() {
    for _ in 0..SESSIONS {
        let generator = HpkeRecipientChannel::new();
        let gp = PublicKey::from_base64(&generator.public_key().to_base64()).unwrap();
        let (initiated, initiate) = Initiated::new(
            &gp,
            Revision::Msc4388,
            Dialect::AsDeployed,
            at(1),
            &mut rng(),
        )
        .unwrap();
        let initiate = InitialMessage::decode(&text(initiate)).unwrap();
        let RecipientCreationResult { channel, message } = generator
            .establish_channel(&initiate, at(1).as_bytes())
            .unwrap();
        assert_eq!(message, INITIATE);
        let BidirectionalCreationResult { channel, message } =
            channel.establish_bidirectional_channel(OK, at(2).as_bytes());
        let (ours, code) = initiated.finish(&payload(message.encode(), at(2))).unwrap();
        assert_eq!(code.to_string(), as_shown(channel.check_code()));
        talk(ours, channel);
    }
}

/// Later messages, in turns and several in a row, each written against the one before it.
fn talk(mut ours: SecureChannel, mut theirs: EstablishedHpkeChannel) {
    let mut count = 3;
    for n in 0..4u8 {
        for _ in 0..n {
            let plaintext = vec![n; usize::from(n) * 100];
            let message =
                Message::decode(&text(ours.seal(&plaintext, at(count)).unwrap())).unwrap();
            assert_eq!(
                theirs.open(&message, at(count).as_bytes()).unwrap(),
                plaintext
            );
            count += 1;
        }
        let message = theirs.seal(&[n], at(count).as_bytes());
        assert_eq!(
            *ours.open(&payload(message.encode(), at(count))).unwrap(),
            [n]
        );
        count += 1;
    }
    let message = theirs.seal(b"m.login.secrets", at(count).as_bytes());
    assert_eq!(
        ours.open(&payload(message.encode(), at(count - 1))),
        Err(ChannelError::NotAuthentic)
    );
}

#[test]
fn vodozemac_does_not_understand_the_label_of_the_text() {
    let generator = Generator::new(Revision::Msc4388, Dialect::AsWritten, &mut rng());
    let gp = Curve25519PublicKey::from_bytes(*generator.public_key().as_bytes());
    let SenderCreationResult { channel, message } = HpkeSenderChannel::new()
        .establish_channel(gp, INITIATE, at(1).as_bytes())
        .unwrap();
    let (_, ok) = generator
        .accept(&payload(message.encode(), at(1)), at(2))
        .unwrap();
    let response = InitialResponse::decode(&text(ok)).unwrap();
    assert!(
        channel
            .establish_bidirectional_channel(&response, at(2).as_bytes())
            .is_err()
    );
}

#[test]
fn a_greeting_of_another_application_is_refused() {
    let generator = Generator::new(Revision::Msc4388, Dialect::AsDeployed, &mut rng());
    let gp = Curve25519PublicKey::from_bytes(*generator.public_key().as_bytes());
    let SenderCreationResult { message, .. } = HpkeSenderChannel::new()
        .establish_channel(gp, b"something else", &[])
        .unwrap();
    let refused = generator.accept(&payload(message.encode(), Binding::default()), at(2));
    assert_eq!(refused.err(), Some(ChannelError::UnexpectedGreeting));

    let generator = HpkeRecipientChannel::new();
    let gp = PublicKey::from_base64(&generator.public_key().to_base64()).unwrap();
    let (initiated, initiate) = Initiated::new(
        &gp,
        Revision::Msc4388,
        Dialect::AsDeployed,
        at(1),
        &mut rng(),
    )
    .unwrap();
    let initiate = InitialMessage::decode(&text(initiate)).unwrap();
    let RecipientCreationResult { channel, .. } = generator
        .establish_channel(&initiate, at(1).as_bytes())
        .unwrap();
    let response = channel
        .establish_bidirectional_channel(INITIATE, at(2).as_bytes())
        .message;
    let refused = initiated.finish(&payload(response.encode(), at(2)));
    assert_eq!(refused.err(), Some(ChannelError::UnexpectedGreeting));
}

#[test]
fn another_application_s_context_is_refused() {
    let generator = Generator::new(Revision::Msc4388, Dialect::AsDeployed, &mut rng());
    let gp = Curve25519PublicKey::from_bytes(*generator.public_key().as_bytes());
    let SenderCreationResult { message, .. } = HpkeSenderChannel::with_info("SOMETHING_ELSE")
        .establish_channel(gp, INITIATE, &[])
        .unwrap();
    let refused = generator.accept(&payload(message.encode(), Binding::default()), at(2));
    assert_eq!(refused.err(), Some(ChannelError::NotAuthentic));
}
