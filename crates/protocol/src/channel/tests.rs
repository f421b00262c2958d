#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use getrandom::SysRng;
use rand_core::UnwrapErr;

use super::*;

const BOTH: [Dialect; 2] = [Dialect::AsDeployed, Dialect::AsWritten];

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// Steps 1 to 6: both devices, and the code that device S shows.
fn meet(dialect: Dialect) -> (Unconfirmed, SecureChannel, CheckCode) {
    let generator = Generator::new(&mut rng());
    let (initiated, initiate) = Initiated::new(&generator.public_key(), dialect, &mut rng()).unwrap();
    let (unconfirmed, ok) = generator.accept(&initiate).unwrap();
    let (s, code) = initiated.finish(&ok).unwrap();
    (unconfirmed, s, code)
}

fn established() -> (SecureChannel, SecureChannel) {
    let (unconfirmed, s, code) = meet(Dialect::AsDeployed);
    (unconfirmed.confirm(&code).unwrap(), s)
}

fn other_than(code: &CheckCode) -> CheckCode {
    let wrong = if code.to_string() == "42" { "43" } else { "42" };
    wrong.parse().unwrap()
}

#[test]
fn the_generator_understands_both_dialects() {
    for dialect in BOTH {
        let (unconfirmed, mut s, code) = meet(dialect);
        let mut g = unconfirmed.confirm(&code).unwrap();
        for n in 0..5u8 {
            let payload = g.seal(&[n; 9]).unwrap();
            assert_eq!(*s.open(&payload).unwrap(), [n; 9]);
            let payload = s.seal(&[n; 7]).unwrap();
            assert_eq!(*g.open(&payload).unwrap(), [n; 7]);
        }
    }
}

#[test]
fn each_side_may_speak_several_times_in_a_row() {
    let (mut g, mut s) = established();
    let payloads: Vec<_> = (0..3u8).map(|n| s.seal(&[n]).unwrap()).collect();
    for (n, payload) in (0..3u8).zip(payloads) {
        assert_eq!(*g.open(&payload).unwrap(), [n]);
    }
}

#[test]
fn a_payload_may_come_before_the_check_code() {
    let (mut unconfirmed, mut s, code) = meet(Dialect::AsDeployed);
    let early = s.seal(b"m.login.protocol").unwrap();
    assert_eq!(*unconfirmed.open(&early).unwrap(), b"m.login.protocol");
    let mut g = unconfirmed.confirm(&code).unwrap();
    assert_eq!(*g.open(&s.seal(b"next").unwrap()).unwrap(), b"next");
}

#[test]
fn every_wrong_code_is_refused_and_leaves_one_last_word() {
    for _ in 0..3 {
        let (unconfirmed, mut s, code) = meet(Dialect::AsDeployed);
        let Err(refused) = unconfirmed.confirm(&other_than(&code)) else { panic!("a wrong code was taken") };
        let farewell = refused.last_word(b"m.login.failure").unwrap();
        assert_eq!(*s.open(&farewell).unwrap(), b"m.login.failure");
    }
}

#[test]
fn a_refusal_without_an_attempt_leaves_one_last_word() {
    let (unconfirmed, mut s, _) = meet(Dialect::AsWritten);
    let farewell = unconfirmed.refuse().last_word(b"m.login.failure").unwrap();
    assert_eq!(*s.open(&farewell).unwrap(), b"m.login.failure");
}

#[test]
fn a_man_in_the_middle_shows_in_the_check_code() {
    // Specter scans the code as well, and puts its own message in the place of device S's.
    let generator = Generator::new(&mut rng());
    let gp = generator.public_key();
    let (_, of_s) = Initiated::new(&gp, Dialect::AsDeployed, &mut rng()).unwrap();
    let (specter, of_specter) = Initiated::new(&gp, Dialect::AsDeployed, &mut rng()).unwrap();
    assert_ne!(of_s, of_specter);
    let (unconfirmed, ok) = generator.accept(&of_specter).unwrap();
    // Device S never shows a code: LoginOk is not for it.
    let (s, _) = Initiated::new(&gp, Dialect::AsDeployed, &mut rng()).unwrap();
    assert_eq!(s.finish(&ok).err(), Some(ChannelError::NotAuthentic));
    let (_, specters_code) = specter.finish(&ok).unwrap();
    assert!(unconfirmed.confirm(&other_than(&specters_code)).is_err());
}

#[test]
fn login_initiate_has_the_form_of_the_text() {
    let generator = Generator::new(&mut rng());
    let (_, payload) = Initiated::new(&generator.public_key(), Dialect::AsDeployed, &mut rng()).unwrap();
    let text = String::from_utf8(payload).unwrap();
    let (ciphertext, key) = text.split_once('|').unwrap();
    assert_eq!((ciphertext.len(), key.len()), (ecies::payload_len(INITIATE.len()), 43));
    assert!(!text.contains('='));
}

#[test]
fn padding_is_accepted_and_other_forms_of_base64_are_not() {
    let generator = Generator::new(&mut rng());
    let (initiated, payload) =
        Initiated::new(&generator.public_key(), Dialect::AsDeployed, &mut rng()).unwrap();
    let text = String::from_utf8(payload).unwrap();
    let (_, ok) = generator.accept(format!("{text}=").as_bytes()).unwrap();
    assert_eq!(ok.len(), 52);
    let (mut s, _) = initiated.finish(&ok).unwrap();
    assert_eq!(s.open(b"+_--"), Err(ChannelError::Malformed { what: "it is not base64" }));
}

#[test]
fn a_padded_message_opens() {
    let (mut g, mut s) = established();
    let mut payload = g.seal(b"12345678").unwrap();
    assert!(!payload.ends_with(b"="));
    while payload.len() % 4 != 0 {
        payload.push(b'=');
    }
    assert_eq!(*s.open(&payload).unwrap(), b"12345678");
}

#[test]
fn what_is_no_login_initiate_is_refused() {
    let key = Generator::new(&mut rng()).public_key().to_base64();
    let (mut g, _) = established();
    let sealed = String::from_utf8(g.seal(b"x").unwrap()).unwrap();
    let cases = [
        String::new(),
        sealed.clone(),
        "|".into(),
        format!("|{key}"),
        format!("{sealed}|"),
        format!("{sealed}|AAAA"),
        format!("{sealed}|{key}|{key}"),
        format!("{sealed}|{key}\n"),
        format!("é|{key}"),
        "A".repeat(5000),
        format!("{}|{key}", "A".repeat(5000)),
    ];
    for payload in cases {
        let error = Generator::new(&mut rng()).accept(payload.as_bytes()).err().unwrap();
        assert!(
            matches!(error, ChannelError::Malformed { .. } | ChannelError::NotAuthentic),
            "{payload}: {error}"
        );
    }
    assert!(Generator::new(&mut rng()).accept(b"\xff|\xff").is_err());
    let other = format!("{sealed}|{key}");
    assert_eq!(Generator::new(&mut rng()).accept(other.as_bytes()).err(), Some(ChannelError::NotAuthentic));
}

#[test]
fn the_first_messages_must_say_what_the_text_lays_down() {
    for dialect in BOTH {
        let generator = Generator::new(&mut rng());
        let gp = generator.public_key();
        let pair = KeyPair::new(&mut rng());
        let sp = pair.public;
        let keys = Agreement::new(pair, &gp, &gp, &sp).unwrap().derive(dialect).unwrap();
        let ciphertext = Half::new(&keys.from_s).seal(OK).unwrap();
        let payload = ecies::Initiate { ciphertext, key: sp }.encode();
        assert_eq!(generator.accept(&payload).err(), Some(ChannelError::UnexpectedGreeting));

        let mut ours = Half::new(&keys.from_s);
        ours.seal(INITIATE).unwrap();
        let channel = SecureChannel { ours, theirs: Some(Half::new(&keys.from_g)) };
        let initiated = Initiated { channel, code: keys.check_code };
        let payload = base64::encode(&Half::new(&keys.from_g).seal(INITIATE).unwrap());
        assert_eq!(initiated.finish(payload.as_bytes()).err(), Some(ChannelError::UnexpectedGreeting));
    }
}

#[test]
fn forged_keys_are_refused_by_both_devices() {
    let zero = PublicKey::from_bytes([0; 32]);
    assert!(zero.is_low_order() && !Generator::new(&mut rng()).public_key().is_low_order());
    let error = Initiated::new(&zero, Dialect::AsDeployed, &mut rng()).err();
    assert_eq!(error, Some(ChannelError::NonContributoryKey));
    let payload = format!("{}|{}", base64::encode(&[0; 45]), zero.to_base64());
    let error = Generator::new(&mut rng()).accept(payload.as_bytes()).err();
    assert_eq!(error, Some(ChannelError::NonContributoryKey));
}

#[test]
fn a_replayed_payload_is_refused_for_good() {
    let (mut g, mut s) = established();
    let first = s.seal(b"first").unwrap();
    g.open(&first).unwrap();
    assert_eq!(g.open(&first), Err(ChannelError::NotAuthentic));
    let second = s.seal(b"second").unwrap();
    assert_eq!(g.open(&second), Err(ChannelError::Broken));
}

#[test]
fn a_reordered_payload_is_refused() {
    let (mut g, mut s) = established();
    s.seal(b"first").unwrap();
    assert_eq!(g.open(&s.seal(b"second").unwrap()), Err(ChannelError::NotAuthentic));
}

#[test]
fn a_payload_sent_back_is_refused() {
    let (mut g, mut s) = established();
    let ours = g.seal(b"to device S").unwrap();
    assert_eq!(g.open(&ours), Err(ChannelError::NotAuthentic));
    let ours = s.seal(b"to device G").unwrap();
    assert_eq!(s.open(&ours), Err(ChannelError::NotAuthentic));
}

#[test]
fn the_login_ok_of_another_session_is_refused() {
    let generator = Generator::new(&mut rng());
    let (initiated, _) = Initiated::new(&generator.public_key(), Dialect::AsDeployed, &mut rng()).unwrap();
    let other = Generator::new(&mut rng());
    let (_, initiate) = Initiated::new(&other.public_key(), Dialect::AsDeployed, &mut rng()).unwrap();
    let (_, ok) = other.accept(&initiate).unwrap();
    assert_eq!(initiated.finish(&ok).err(), Some(ChannelError::NotAuthentic));
}

#[test]
fn no_change_of_a_single_bit_goes_unnoticed() {
    let (mut g, _) = established();
    let payload = g.seal(b"m.login.secrets").unwrap();
    for i in 0..payload.len() * 8 {
        let (_, mut s) = established();
        let mut changed = payload.clone();
        changed[i / 8] ^= 1 << (i % 8);
        assert!(s.open(&changed).is_err());
    }
}

#[test]
fn no_change_of_login_initiate_is_accepted() {
    // A generator is consumed by the first attempt: the same secret again stands for it.
    let secret = FixedRng([5; 32]);
    let gp = Generator::new(&mut secret.clone()).public_key();
    let (_, ours) = Initiated::new(&gp, Dialect::AsDeployed, &mut rng()).unwrap();
    assert!(Generator::new(&mut secret.clone()).accept(&ours).is_ok());
    for i in 0..ours.len() * 8 {
        let mut changed = ours.clone();
        changed[i / 8] ^= 1 << (i % 8);
        assert!(Generator::new(&mut secret.clone()).accept(&changed).is_err(), "bit {i}");
    }
    for end in 0..ours.len() {
        assert!(Generator::new(&mut secret.clone()).accept(&ours[..end]).is_err(), "{end} bytes");
    }
}

#[test]
fn what_a_session_cannot_carry_is_refused_before_it_costs_anything() {
    let (mut g, mut s) = established();
    assert_eq!(g.seal(&[0; 3057]).err(), Some(ChannelError::TooLarge { size: 4098 }));
    // The counter has not moved: a message that fits still opens.
    let largest = g.seal(&[0; 3056]).unwrap();
    assert_eq!(largest.len(), MAX_PAYLOAD_BYTES);
    assert_eq!(*s.open(&largest).unwrap(), [0; 3056]);
}

#[test]
fn what_a_session_cannot_carry_is_not_opened_either() {
    let (mut g, mut s) = established();
    let genuine = base64::encode(&g.ours.seal(&[0; 3057]).unwrap());
    assert_eq!(
        s.open(genuine.as_bytes()),
        Err(ChannelError::Malformed { what: "it is larger than a rendezvous session carries" })
    );
}

#[test]
fn after_a_failure_there_is_still_a_farewell() {
    let (mut g, mut s) = established();
    for garbage in [&b"not base64!"[..], b"", b"AAAA", &[b'A'; 4096], &[b'A'; 5000]] {
        assert!(g.open(garbage).is_err());
        assert_eq!(g.open(garbage), Err(ChannelError::Broken));
        assert_eq!(*s.open(&g.seal(b"m.login.failure").unwrap()).unwrap(), b"m.login.failure");
        (g, s) = established();
    }
}

#[test]
fn a_failure_before_the_check_code_is_final_too() {
    let (mut unconfirmed, mut s, code) = meet(Dialect::AsDeployed);
    assert_eq!(unconfirmed.open(b"AAAA"), Err(ChannelError::NotAuthentic));
    let mut g = unconfirmed.confirm(&code).unwrap();
    assert_eq!(g.open(&s.seal(b"x").unwrap()), Err(ChannelError::Broken));
}

/// Of the parts that hold a secret; what is made of them holds nothing else. Without the features it does not compile.
#[test]
fn secrets_are_wiped_on_drop() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    is_wiped::<x25519_dalek::EphemeralSecret>();
    is_wiped::<x25519_dalek::SharedSecret>();
    is_wiped::<sha2::Sha256>();
    is_wiped::<sha2::Sha512>();
    is_wiped::<chacha20poly1305::ChaCha20Poly1305>();
    is_wiped::<Zeroizing<[u8; 32]>>();
    is_wiped::<CheckCode>();
}

#[test]
fn debug_tells_nothing() {
    let generator = Generator::new(&mut rng());
    let (initiated, initiate) =
        Initiated::new(&generator.public_key(), Dialect::AsDeployed, &mut rng()).unwrap();
    assert_eq!(format!("{generator:?}"), "Generator([redacted])");
    assert_eq!(format!("{initiated:?}"), "Initiated([redacted])");
    let (unconfirmed, ok) = generator.accept(&initiate).unwrap();
    assert_eq!(format!("{unconfirmed:?}"), "Unconfirmed([redacted])");
    assert_eq!(
        format!("{:?}", initiated.finish(&ok).unwrap()),
        "(SecureChannel([redacted]), CheckCode([redacted]))"
    );
    assert_eq!(format!("{:?}", unconfirmed.refuse()), "Refused([redacted])");
}

/// "Random" bytes that are always these: the same key pair again.
#[derive(Clone)]
pub(super) struct FixedRng(pub(super) [u8; 32]);

impl rand_core::TryRng for FixedRng {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("keys are made of bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("keys are made of bytes")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for FixedRng {}
