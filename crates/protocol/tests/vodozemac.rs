//! The channel against vodozemac, whose `ecies` every deployed client speaks: both directions, with
//! later messages.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use getrandom::SysRng;
use matrix_qr_protocol::channel::{
    ChannelError, CheckCode, Generator, Initiated, PublicKey, SecureChannel,
};
use matrix_qr_protocol::rendezvous::{Binding, Payload};
use matrix_qr_protocol::revision::{Dialect, Revision};
use rand_core::UnwrapErr;
use vodozemac::Curve25519PublicKey;
use vodozemac::ecies::{
    CheckCode as TheirCode, DigitMode, Ecies, EstablishedEcies, InitialMessage, Message,
};

const INITIATE: &[u8] = b"MATRIX_QR_CODE_LOGIN_INITIATE";
const OK: &[u8] = b"MATRIX_QR_CODE_LOGIN_OK";

/// Enough that codes with a leading zero are among them, nearly always.
const SESSIONS: usize = 64;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn as_shown(code: &TheirCode) -> String {
    format!("{:02}", code.to_digit(DigitMode::AllowLeadingZero))
}

fn text(payload: Payload) -> String {
    String::from_utf8(payload.bytes).unwrap()
}

fn initiate(gp: &PublicKey, dialect: Dialect) -> Result<(Initiated, Payload), ChannelError> {
    Initiated::new(
        gp,
        Revision::Msc4108,
        dialect,
        Binding::default(),
        &mut rng(),
    )
}

#[test]
fn we_generate_and_vodozemac_scans() {
    for _ in 0..SESSIONS {
        let generator = Generator::new(Revision::Msc4108, Dialect::AsDeployed, &mut rng());
        let gp = Curve25519PublicKey::from_bytes(*generator.public_key().as_bytes());
        let theirs = Ecies::new()
            .establish_outbound_channel(gp, INITIATE)
            .unwrap();
        let (unconfirmed, ok) = generator
            .accept(
                &theirs.message.encode().into_bytes().into(),
                Binding::default(),
            )
            .unwrap();
        let mut s = theirs.ecies;
        assert_eq!(s.decrypt(&Message::decode(&text(ok)).unwrap()).unwrap(), OK);
        let code: CheckCode = as_shown(s.check_code()).parse().unwrap();
        let g = unconfirmed.confirm(&code).expect("both show the same code");
        talk(g, s);
    }
}

#[test]
fn vodozemac_generates_and_we_scan() {
    for _ in 0..SESSIONS {
        let generator = Ecies::new();
        let gp = PublicKey::from_base64(&generator.public_key().to_base64()).unwrap();
        let (initiated, initiate) = initiate(&gp, Dialect::AsDeployed).unwrap();
        let initiate = InitialMessage::decode(&text(initiate)).unwrap();
        let theirs = generator.establish_inbound_channel(&initiate).unwrap();
        assert_eq!(theirs.message, INITIATE);
        let mut g = theirs.ecies;
        let (s, code) = initiated
            .finish(&g.encrypt(OK).encode().into_bytes().into())
            .unwrap();
        assert_eq!(code.to_string(), as_shown(g.check_code()));
        talk(s, g);
    }
}

/// Later messages, in turns and several in a row.
fn talk(mut ours: SecureChannel, mut theirs: EstablishedEcies) {
    for n in 0..4u8 {
        for _ in 0..n {
            let plaintext = vec![n; usize::from(n) * 100];
            let payload = text(ours.seal(&plaintext, Binding::default()).unwrap());
            assert_eq!(
                theirs.decrypt(&Message::decode(&payload).unwrap()).unwrap(),
                plaintext
            );
        }
        let payload = theirs.encrypt(&[n]).encode();
        assert_eq!(*ours.open(&payload.into_bytes().into()).unwrap(), [n]);
    }
}

#[test]
fn vodozemac_does_not_understand_the_dialect_of_the_text() {
    let generator = Ecies::new();
    let gp = PublicKey::from_base64(&generator.public_key().to_base64()).unwrap();
    let (_, initiate) = initiate(&gp, Dialect::AsWritten).unwrap();
    let initiate = InitialMessage::decode(&text(initiate)).unwrap();
    assert!(generator.establish_inbound_channel(&initiate).is_err());
}

#[test]
fn a_greeting_of_another_application_is_refused() {
    let generator = Generator::new(Revision::Msc4108, Dialect::AsDeployed, &mut rng());
    let gp = Curve25519PublicKey::from_bytes(*generator.public_key().as_bytes());
    let theirs = Ecies::new()
        .establish_outbound_channel(gp, b"something else")
        .unwrap();
    let refused = generator.accept(
        &theirs.message.encode().into_bytes().into(),
        Binding::default(),
    );
    assert_eq!(refused.err(), Some(ChannelError::UnexpectedGreeting));
}
