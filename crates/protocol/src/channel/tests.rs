#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use getrandom::SysRng;
use rand_core::UnwrapErr;
use zeroize::Zeroizing;

use super::cipher::{Seal, SentInitiate};
use super::ecies::{Agreement, Half};
use super::keys::KeyPair;
use super::payload::{INITIATE, OK, TAG_BYTES, payload, payload_len};
use super::*;
use crate::base64;
use crate::homeserver::BaseUrl;
use crate::rendezvous::{ApiRoot, Binding, MAX_PAYLOAD_BYTES, Payload, SequenceToken, SessionId};
use crate::revision::{Dialect, Prefix, Revision};

type Variant = (Revision, Dialect);

const MSC4108: Variant = (Revision::Msc4108, Dialect::AsDeployed);
const MSC4388: Variant = (Revision::Msc4388, Dialect::AsDeployed);
const ALL: [Variant; 4] = [
    MSC4108,
    (Revision::Msc4108, Dialect::AsWritten),
    MSC4388,
    (Revision::Msc4388, Dialect::AsWritten),
];

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// Steps 1 and 4.
fn initiate(generator: &Generator, variant: Variant) -> (Initiated, Payload) {
    Initiated::new(
        &generator.public_key(),
        variant.0,
        variant.1,
        bare(),
        &mut rng(),
    )
    .unwrap()
}

/// Steps 1 to 6: both devices, and the code that device S shows.
fn meet(variant: Variant) -> (Unconfirmed, SecureChannel, CheckCode) {
    let generator = Generator::new(variant.0, variant.1, &mut rng());
    let (initiated, initiate) = initiate(&generator, other_dialect_is_no_matter(variant));
    let (unconfirmed, ok) = generator.accept(&initiate, bare()).unwrap();
    let (s, code) = initiated.finish(&ok).unwrap();
    (unconfirmed, s, code)
}

/// In MSC4388 device S understands both labels, whatever its own setting.
fn other_dialect_is_no_matter((revision, dialect): Variant) -> Variant {
    let dialect = if revision == Revision::Msc4388 {
        Dialect::AsDeployed
    } else {
        dialect
    };
    (revision, dialect)
}

fn established(variant: Variant) -> (SecureChannel, SecureChannel) {
    let (unconfirmed, s, code) = meet(variant);
    (unconfirmed.confirm(&code).unwrap(), s)
}

fn bare() -> Binding {
    Binding::default()
}

fn payload_of(bytes: impl AsRef<[u8]>) -> Payload {
    bytes.as_ref().to_vec().into()
}

/// What a payload of this session is written against after so many others.
fn at(base_url: &str, id: &str, token: &str) -> Binding {
    let api = ApiRoot::new(BaseUrl::parse(base_url).unwrap(), Prefix::Stable);
    Binding::new(
        &SessionId::parse(api, id).unwrap(),
        &SequenceToken::parse(token).unwrap(),
    )
}

fn other_than(code: &CheckCode) -> CheckCode {
    let wrong = if code.to_string() == "42" { "43" } else { "42" };
    wrong.parse().unwrap()
}

#[test]
fn each_revision_is_understood_in_both_dialects() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        for n in 0..5u8 {
            let payload = g.seal(&[n; 9], bare()).unwrap();
            assert_eq!(*s.open(&payload).unwrap(), [n; 9]);
            let payload = s.seal(&[n; 7], bare()).unwrap();
            assert_eq!(*g.open(&payload).unwrap(), [n; 7]);
        }
    }
}

#[test]
fn each_side_may_speak_several_times_in_a_row() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        let payloads: Vec<_> = (0..3u8).map(|n| s.seal(&[n], bare()).unwrap()).collect();
        for (n, payload) in (0..3u8).zip(payloads) {
            assert_eq!(*g.open(&payload).unwrap(), [n]);
        }
    }
}

#[test]
fn a_payload_may_come_before_the_check_code() {
    for variant in ALL {
        let (mut unconfirmed, mut s, code) = meet(variant);
        let early = s.seal(b"m.login.protocol", bare()).unwrap();
        assert_eq!(*unconfirmed.open(&early).unwrap(), b"m.login.protocol");
        let mut g = unconfirmed.confirm(&code).unwrap();
        assert_eq!(*g.open(&s.seal(b"next", bare()).unwrap()).unwrap(), b"next");
    }
}

#[test]
fn every_wrong_code_is_refused_and_leaves_one_last_word() {
    for variant in ALL {
        let (unconfirmed, mut s, code) = meet(variant);
        let Err(refused) = unconfirmed.confirm(&other_than(&code)) else {
            panic!("a wrong code was taken")
        };
        let farewell = refused.last_word(b"m.login.failure", bare()).unwrap();
        assert_eq!(*s.open(&farewell).unwrap(), b"m.login.failure");
    }
}

#[test]
fn a_refusal_without_an_attempt_leaves_one_last_word() {
    for variant in ALL {
        let (unconfirmed, mut s, _) = meet(variant);
        let farewell = unconfirmed
            .refuse()
            .last_word(b"m.login.failure", bare())
            .unwrap();
        assert_eq!(*s.open(&farewell).unwrap(), b"m.login.failure");
    }
}

#[test]
fn a_man_in_the_middle_shows_in_the_check_code() {
    for variant in ALL {
        // Specter scans the code as well, and puts its own message in the place of device S's.
        let generator = Generator::new(variant.0, variant.1, &mut rng());
        let (s, of_s) = initiate(&generator, variant);
        let (specter, of_specter) = initiate(&generator, variant);
        assert_ne!(of_s, of_specter);
        let (unconfirmed, ok) = generator.accept(&of_specter, bare()).unwrap();
        // Device S never shows a code: LoginOk is not for it.
        assert_eq!(s.finish(&ok).err(), Some(ChannelError::NotAuthentic));
        let (_, specters_code) = specter.finish(&ok).unwrap();
        assert!(unconfirmed.confirm(&other_than(&specters_code)).is_err());
    }
}

#[test]
fn login_initiate_has_the_form_of_the_text() {
    let text = |variant: Variant| {
        let (_, payload) = initiate(&Generator::new(variant.0, variant.1, &mut rng()), variant);
        String::from_utf8(payload.bytes).unwrap()
    };
    let ecies = text(MSC4108);
    let (ciphertext, key) = ecies.split_once('|').unwrap();
    assert_eq!(
        (ciphertext.len(), key.len()),
        (payload_len(INITIATE.len()), 43)
    );
    // Sp and ResponseNonce stand before the ciphertext, in one piece of base64.
    let hpke = text(MSC4388);
    assert_eq!(
        base64::decode(&hpke).unwrap().len(),
        32 + INITIATE.len() + TAG_BYTES
    );
    assert!(!ecies.contains('=') && !hpke.contains('='));
}

#[test]
fn padding_is_accepted_and_other_forms_of_base64_are_not() {
    let generator = Generator::new(MSC4108.0, MSC4108.1, &mut rng());
    let (initiated, payload) = initiate(&generator, MSC4108);
    let (_, ok) = generator
        .accept(&payload_of([&payload.bytes[..], b"="].concat()), bare())
        .unwrap();
    assert_eq!(ok.bytes.len(), 52);
    let (mut s, _) = initiated.finish(&ok).unwrap();
    assert_eq!(
        s.open(&payload_of("+_--")),
        Err(ChannelError::Malformed {
            what: "it is not base64"
        })
    );
}

#[test]
fn a_padded_message_opens() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        let mut payload = g.seal(b"12345678", bare()).unwrap();
        assert!(!payload.bytes.ends_with(b"="));
        while payload.bytes.len() % 4 != 0 {
            payload.bytes.push(b'=');
        }
        assert_eq!(*s.open(&payload).unwrap(), b"12345678");
    }
}

#[test]
fn what_is_no_login_initiate_is_refused() {
    let key = Generator::new(MSC4108.0, MSC4108.1, &mut rng())
        .public_key()
        .to_base64();
    let (mut g, _) = established(MSC4108);
    let sealed = String::from_utf8(g.seal(b"x", bare()).unwrap().bytes).unwrap();
    let cases = [
        String::new(),
        sealed.clone(),
        "|".into(),
        format!("|{key}"),
        format!("{sealed}|"),
        format!("{sealed}|AAAA"),
        format!("{sealed}|{key}|{key}"),
        format!("{sealed}|{key}\n"),
        format!("{key}{sealed}"),
        format!("{key}A"),
        format!("é|{key}"),
        "A".repeat(5000),
        format!("{}|{key}", "A".repeat(5000)),
    ];
    for (variant, payload) in ALL
        .into_iter()
        .flat_map(|variant| cases.iter().map(move |case| (variant, case)))
    {
        let error = Generator::new(variant.0, variant.1, &mut rng())
            .accept(&payload_of(payload), bare())
            .err()
            .unwrap();
        assert!(
            matches!(
                error,
                ChannelError::Malformed { .. } | ChannelError::NotAuthentic
            ),
            "{payload}: {error}"
        );
    }
    for variant in ALL {
        assert!(
            Generator::new(variant.0, variant.1, &mut rng())
                .accept(&payload_of(b"\xff|\xff"), bare())
                .is_err()
        );
    }
    let other = payload_of(format!("{sealed}|{key}"));
    let refused = Generator::new(MSC4108.0, MSC4108.1, &mut rng()).accept(&other, bare());
    assert_eq!(refused.err(), Some(ChannelError::NotAuthentic));
}

#[test]
fn the_revisions_do_not_understand_each_other() {
    for (ours, theirs) in [(MSC4108, MSC4388), (MSC4388, MSC4108)] {
        let generator = Generator::new(ours.0, ours.1, &mut rng());
        let (_, initiate) = initiate(&generator, theirs);
        assert!(generator.accept(&initiate, bare()).is_err());
    }
}

#[test]
fn the_first_messages_must_say_what_the_text_lays_down() {
    for dialect in [Dialect::AsDeployed, Dialect::AsWritten] {
        let generator = Generator::new(MSC4108.0, MSC4108.1, &mut rng());
        let gp = generator.public_key();
        let pair = KeyPair::new(&mut rng());
        let sp = pair.public;
        let keys = Agreement::new(pair, &gp, &gp, &sp)
            .unwrap()
            .derive(dialect)
            .unwrap();
        let ciphertext = Half::new(&keys.from_s).seal(OK, b"").unwrap();
        let payload = format!("{}|{}", base64::encode(&ciphertext), sp.to_base64());
        let payload = payload_of(payload);
        assert_eq!(
            generator.accept(&payload, bare()).err(),
            Some(ChannelError::UnexpectedGreeting)
        );

        let mut ours = Half::new(&keys.from_s);
        ours.seal(INITIATE, b"").unwrap();
        let initiated = Initiated(SentInitiate {
            ours: Box::new(ours),
            awaited: Box::new(Half::new(&keys.from_g)),
            code: keys.check_code,
            device_id: keys.device_id,
        });
        let payload = base64::encode(&Half::new(&keys.from_g).seal(INITIATE, b"").unwrap());
        assert_eq!(
            initiated.finish(&payload_of(payload)).err(),
            Some(ChannelError::UnexpectedGreeting)
        );
    }
}

#[test]
fn forged_keys_are_refused_by_both_devices() {
    let zero = PublicKey::from_bytes([0; 32]);
    for variant in ALL {
        assert!(
            zero.is_low_order()
                && !Generator::new(variant.0, variant.1, &mut rng())
                    .public_key()
                    .is_low_order()
        );
        let error = Initiated::new(&zero, variant.0, variant.1, bare(), &mut rng()).err();
        assert_eq!(error, Some(ChannelError::NonContributoryKey));
    }
    let payloads = [
        (
            MSC4108,
            format!("{}|{}", base64::encode(&[0; 45]), zero.to_base64()),
        ),
        (MSC4388, base64::encode(&[0; 77])),
    ];
    for (variant, payload) in payloads {
        let error = Generator::new(variant.0, variant.1, &mut rng())
            .accept(&payload_of(payload), bare())
            .err();
        assert_eq!(error, Some(ChannelError::NonContributoryKey));
    }
}

#[test]
fn a_replayed_payload_is_refused_for_good() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        let first = s.seal(b"first", bare()).unwrap();
        g.open(&first).unwrap();
        assert_eq!(g.open(&first), Err(ChannelError::NotAuthentic));
        let second = s.seal(b"second", bare()).unwrap();
        assert_eq!(g.open(&second), Err(ChannelError::Broken));
    }
}

#[test]
fn a_reordered_payload_is_refused() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        s.seal(b"first", bare()).unwrap();
        assert_eq!(
            g.open(&s.seal(b"second", bare()).unwrap()),
            Err(ChannelError::NotAuthentic)
        );
    }
}

#[test]
fn a_payload_sent_back_is_refused() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        let ours = g.seal(b"to device S", bare()).unwrap();
        assert_eq!(g.open(&ours), Err(ChannelError::NotAuthentic));
        let ours = s.seal(b"to device G", bare()).unwrap();
        assert_eq!(s.open(&ours), Err(ChannelError::NotAuthentic));
    }
}

#[test]
fn the_login_ok_of_another_session_is_refused() {
    for variant in ALL {
        let (initiated, _) = initiate(&Generator::new(variant.0, variant.1, &mut rng()), variant);
        let other = Generator::new(variant.0, variant.1, &mut rng());
        let (_, initiate) = initiate(&other, variant);
        let (_, ok) = other.accept(&initiate, bare()).unwrap();
        assert_eq!(
            initiated.finish(&ok).err(),
            Some(ChannelError::NotAuthentic)
        );
    }
}

const BASE_URL: &str = "https://matrix.example.org";

/// What is not where the other device wrote: another homeserver (if only by a slash), session or
/// moment, or none.
fn elsewhere() -> [Binding; 6] {
    [
        at("https://matrix.example.org/", "abc", "2"),
        at("https://matrix.example.net", "abc", "2"),
        at(BASE_URL, "abd", "2"),
        at(BASE_URL, "abc", "1"),
        at(BASE_URL, "abc2", "2"),
        bare(),
    ]
}

/// The same bytes, as if they were found in another place.
fn moved(payload: &Payload, binding: Binding) -> Payload {
    Payload {
        bytes: payload.bytes.clone(),
        binding,
    }
}

#[test]
fn a_payload_opens_only_where_it_was_written() {
    for variant in ALL {
        for elsewhere in elsewhere() {
            let (mut g, mut s) = established(variant);
            let here = at(BASE_URL, "abc", "2");
            for (from, to) in [(0, 1), (1, 0)] {
                let ends = [&mut g, &mut s];
                let payload = ends[from].seal(b"m.login.secrets", here.clone()).unwrap();
                assert_eq!(payload.binding, here);
                assert_eq!(
                    ends[to].open(&moved(&payload, elsewhere.clone())),
                    Err(ChannelError::NotAuthentic)
                );
                assert_eq!(ends[to].open(&payload), Err(ChannelError::Broken));
            }
        }
    }
}

#[test]
fn the_first_messages_open_only_where_they_were_written() {
    let here = || at(BASE_URL, "abc", "2");
    for variant in ALL {
        for elsewhere in elsewhere() {
            let generator = Generator::new(variant.0, variant.1, &mut rng());
            let (_, initiate) = Initiated::new(
                &generator.public_key(),
                variant.0,
                variant.1,
                here(),
                &mut rng(),
            )
            .unwrap();
            let refused = generator.accept(&moved(&initiate, elsewhere.clone()), here());
            assert_eq!(refused.err(), Some(ChannelError::NotAuthentic));

            let generator = Generator::new(variant.0, variant.1, &mut rng());
            let (initiated, initiate) = Initiated::new(
                &generator.public_key(),
                variant.0,
                variant.1,
                here(),
                &mut rng(),
            )
            .unwrap();
            let (_, ok) = generator.accept(&initiate, here()).unwrap();
            let refused = initiated.finish(&moved(&ok, elsewhere));
            assert_eq!(refused.err(), Some(ChannelError::NotAuthentic));
        }
    }
}

#[test]
fn no_change_of_a_single_bit_goes_unnoticed() {
    for variant in [MSC4108, MSC4388] {
        let (mut g, _) = established(variant);
        let payload = g.seal(b"m.login.secrets", bare()).unwrap();
        for i in 0..payload.bytes.len() * 8 {
            let (_, mut s) = established(variant);
            let mut changed = payload.clone();
            changed.bytes[i / 8] ^= 1 << (i % 8);
            assert!(s.open(&changed).is_err());
        }
    }
}

#[test]
fn no_change_of_login_initiate_is_accepted() {
    for variant in [MSC4108, MSC4388] {
        // A generator is consumed by the first attempt: the same secret again stands for it.
        let again = || Generator::new(variant.0, variant.1, &mut FixedRng([5; 32]));
        let (_, ours) = initiate(&again(), variant);
        assert!(again().accept(&ours, bare()).is_ok());
        for i in 0..ours.bytes.len() * 8 {
            let mut changed = ours.clone();
            changed.bytes[i / 8] ^= 1 << (i % 8);
            assert!(again().accept(&changed, bare()).is_err(), "bit {i}");
        }
        for end in 0..ours.bytes.len() {
            assert!(
                again()
                    .accept(&payload_of(&ours.bytes[..end]), bare())
                    .is_err(),
                "{end} bytes"
            );
        }
    }
}

#[test]
fn no_change_of_login_ok_is_accepted() {
    for variant in [MSC4108, MSC4388] {
        let generator = || Generator::new(variant.0, variant.1, &mut FixedRng([5; 32]));
        let again = || {
            let key = generator().public_key();
            Initiated::new(&key, variant.0, variant.1, bare(), &mut FixedRng([6; 32])).unwrap()
        };
        let (_, ok) = generator().accept(&again().1, bare()).unwrap();
        assert!(again().0.finish(&ok).is_ok());
        for i in 0..ok.bytes.len() * 8 {
            let mut changed = ok.clone();
            changed.bytes[i / 8] ^= 1 << (i % 8);
            assert!(again().0.finish(&changed).is_err(), "bit {i}");
        }
        for end in 0..ok.bytes.len() {
            assert!(
                again().0.finish(&payload_of(&ok.bytes[..end])).is_err(),
                "{end} bytes"
            );
        }
    }
}

#[test]
fn what_a_session_cannot_carry_is_refused_before_it_costs_anything() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        assert_eq!(
            g.seal(&[0; 3057], bare()).err(),
            Some(ChannelError::TooLarge { size: 4098 })
        );
        // The counter has not moved: a message that fits still opens.
        let largest = g.seal(&[0; 3056], bare()).unwrap();
        assert_eq!(largest.bytes.len(), MAX_PAYLOAD_BYTES);
        assert_eq!(*s.open(&largest).unwrap(), [0; 3056]);
    }
}

#[test]
fn what_a_session_cannot_carry_is_not_opened_either() {
    for variant in ALL {
        let (mut g, mut s) = established(variant);
        let genuine = payload(&g.ours.seal(&[0; 3057], b"").unwrap(), bare());
        assert_eq!(
            s.open(&genuine),
            Err(ChannelError::Malformed {
                what: "it is larger than a rendezvous session carries"
            })
        );
    }
}

#[test]
fn after_a_failure_there_is_still_a_farewell() {
    for variant in ALL {
        for garbage in [
            &b"not base64!"[..],
            b"",
            b"AAAA",
            &[b'A'; 4096],
            &[b'A'; 5000],
        ] {
            let (mut g, mut s) = established(variant);
            let garbage = payload_of(garbage);
            assert!(g.open(&garbage).is_err());
            assert_eq!(g.open(&garbage), Err(ChannelError::Broken));
            assert_eq!(
                *s.open(&g.seal(b"m.login.failure", bare()).unwrap())
                    .unwrap(),
                b"m.login.failure"
            );
        }
    }
}

#[test]
fn a_failure_before_the_check_code_is_final_too() {
    for variant in ALL {
        let (mut unconfirmed, mut s, code) = meet(variant);
        assert_eq!(
            unconfirmed.open(&payload_of("AAAA")),
            Err(ChannelError::NotAuthentic)
        );
        let mut g = unconfirmed.confirm(&code).unwrap();
        assert_eq!(
            g.open(&s.seal(b"x", bare()).unwrap()),
            Err(ChannelError::Broken)
        );
    }
}

/// Of the parts that hold a secret; what is made of them holds nothing else. Without the features
/// it does not compile.
#[test]
fn secrets_are_wiped_on_drop() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    is_wiped::<x25519_dalek::EphemeralSecret>();
    is_wiped::<x25519_dalek::StaticSecret>();
    is_wiped::<x25519_dalek::SharedSecret>();
    is_wiped::<sha2::Sha256>();
    is_wiped::<sha2::Sha512>();
    is_wiped::<chacha20poly1305::ChaCha20Poly1305>();
    is_wiped::<Zeroizing<[u8; 32]>>();
    is_wiped::<CheckCode>();
}

/// Also before the check code is typed: the other device may have overwritten its message.
#[test]
fn one_payload_may_be_missing_in_msc4108_and_none_in_msc4388() {
    for variant in ALL {
        for before_the_code in [true, false] {
            let (mut unconfirmed, mut s, code) = meet(variant);
            s.seal(b"overwritten", bare()).unwrap();
            let last = s.seal(b"last", bare()).unwrap();
            let opened = if before_the_code {
                assert!(unconfirmed.open(&last).is_err());
                unconfirmed.open_past_one(&last)
            } else {
                let mut g = unconfirmed.confirm(&code).unwrap();
                assert!(g.open(&last).is_err());
                g.open_past_one(&last)
            };
            let expected = (variant.0 == Revision::Msc4108).then_some(&b"last"[..]);
            assert_eq!(opened.as_ref().map(|text| text.as_slice()), expected);
        }
    }
}

#[test]
fn debug_tells_nothing() {
    for variant in ALL {
        let generator = Generator::new(variant.0, variant.1, &mut rng());
        let (initiated, initiate) = initiate(&generator, variant);
        assert_eq!(format!("{generator:?}"), "Generator([redacted])");
        assert_eq!(format!("{initiated:?}"), "Initiated([redacted])");
        let (unconfirmed, ok) = generator.accept(&initiate, bare()).unwrap();
        assert_eq!(format!("{unconfirmed:?}"), "Unconfirmed([redacted])");
        assert_eq!(
            format!("{:?}", initiated.finish(&ok).unwrap()),
            "(SecureChannel([redacted]), CheckCode([redacted]))"
        );
        assert_eq!(format!("{:?}", unconfirmed.refuse()), "Refused([redacted])");
    }
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
