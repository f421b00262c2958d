//! MSC4388's primitives of the channel: HPKE (RFC 9180) in base mode from device S to device G, and
//! back with a response context in the manner of Oblivious HTTP (RFC 9458, section 4.4).
//!
//! The pseudo code passes the bare result of ECDH to `KeySchedule`. HPKE "instantiated with
//! X25519", which the prose asks for and deployed code does, puts DHKEM's `ExtractAndExpand`
//! between the two (RFC 9180, section 4.1).

use ::hpke::{
    Deserializable, HpkeError, Kem as _, OpModeR, OpModeS, Serializable,
    aead::{AeadCtxR, AeadCtxS, ChaCha20Poly1305},
    danger::streaming_enc::{
        AeadKey, AeadNonce, ExporterSecret, create_receiver_context, create_sender_context,
    },
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    setup_receiver, setup_sender_with_rng,
};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::check_code::CheckCode;
use super::cipher::{AcceptedInitiate, AwaitOk, Open, Opened, Seal, SentInitiate};
use super::error::ChannelError;
use super::keys::PublicKey;
use super::payload::{INITIATE, decode};
use crate::rendezvous::{Binding, Payload};
use crate::{base64, device_id::DeviceId, revision::Dialect};

/// Step 4: `info`.
const INFO: &[u8] = b"MATRIX_QR_CODE_LOGIN";
/// Step 5: what the response context is exported under. The text has the first, deployed code the
/// second.
const LABEL_RESPONSE_AS_WRITTEN: &[u8] = b"MATRIX_QR_CODE_LOGIN response";
const LABEL_RESPONSE_AS_DEPLOYED: &[u8] = b"MATRIX_QR_CODE_LOGIN_RESPONSE";
/// Step 6, the check code's; `Gp || Sp` follows.
const LABEL_CHECK_CODE: &[u8] = b"MATRIX_QR_CODE_LOGIN_CHECKCODE";
/// Ours: the device ID's (docs/design.md, "Bound device IDs"); `Gp || Sp` follows.
const LABEL_DEVICE_ID: &[u8] = b"MATRIX_QR_CODE_LOGIN_DEVICE_ID";

type Kem = X25519HkdfSha256;
/// What seals. The contexts wipe their keys.
type Sealing = AeadCtxS<ChaCha20Poly1305, HkdfSha256, Kem>;
/// What opens.
type Opening = AeadCtxR<ChaCha20Poly1305, HkdfSha256, Kem>;

type Secret = Zeroizing<[u8; 32]>;

/// Device G before step 5. The key wipes itself.
pub(super) struct Waiting {
    secret: <Kem as ::hpke::Kem>::PrivateKey,
    pub(super) public: PublicKey,
    dialect: Dialect,
    /// Drawn with the key, so that accepting needs no randomness. It is sent in the clear.
    response_nonce: [u8; 32],
}

impl Waiting {
    /// Step 1.
    pub(super) fn new(dialect: Dialect, rng: &mut impl CryptoRng) -> Self {
        let (secret, public) = Kem::gen_keypair_with_rng(rng);
        let mut response_nonce = [0; 32];
        rng.fill_bytes(&mut response_nonce);
        Self {
            secret,
            public: PublicKey::from_bytes(public.to_bytes().into()),
            dialect,
            response_nonce,
        }
    }

    /// Step 5: `(Sp, TaggedCiphertext) := Unpack(LoginInitiateMessage)`, then LoginOk's context.
    pub(super) fn accept(self, initiate: &Payload) -> Result<AcceptedInitiate, ChannelError> {
        let message = decode(&initiate.bytes)?;
        let (sp, ciphertext) = unpack(&message)?;
        let encapsulated = Deserializable::from_bytes(sp).map_err(|_| ChannelError::Cipher)?;
        // RFC 9180, section 7.1.4: the only way to fail is an all-zero shared secret.
        let mut theirs: Opening = setup_receiver(&OpModeR::Base, &self.secret, &encapsulated, INFO)
            .map_err(|_| ChannelError::NonContributoryKey)?;
        let greeting = Open::open(&mut theirs, ciphertext, initiate.binding.as_bytes())?;
        let sp = PublicKey::from_bytes(*sp);
        let secret = export(|out| theirs.export(response_label(self.dialect), out))?;
        let response = Response::new(&secret, &sp, &self.response_nonce)?;
        let keys = [self.public, sp];
        let check_bytes = export(|out| theirs.export(&label(LABEL_CHECK_CODE, keys), out))?;
        let id_bytes = export(|out| theirs.export(&label(LABEL_DEVICE_ID, keys), out))?;
        Ok(AcceptedInitiate {
            ours: Box::new(response.sealing()),
            theirs: Box::new(theirs),
            code: CheckCode::without_leading_zero(*check_bytes),
            device_id: DeviceId::from_bytes(&id_bytes),
            greeting,
            preface: self.response_nonce.to_vec(),
        })
    }
}

/// Steps 1 and 4: `LoginInitiateMessage := UnpaddedBase64(Sp || TaggedCiphertext)`.
pub(super) fn initiate(
    generator: &PublicKey,
    binding: &Binding,
    rng: &mut impl CryptoRng,
) -> Result<(SentInitiate, Vec<u8>), ChannelError> {
    let gp = Deserializable::from_bytes(generator.as_bytes()).map_err(|_| ChannelError::Cipher)?;
    let (sp, mut ours): (_, Sealing) = setup_sender_with_rng(&OpModeS::<Kem>::Base, &gp, INFO, rng)
        .map_err(|_| ChannelError::NonContributoryKey)?;
    let sp = PublicKey::from_bytes(sp.to_bytes().into());
    let keys = [*generator, sp];
    let check_bytes = export(|out| ours.export(&label(LABEL_CHECK_CODE, keys), out))?;
    let id_bytes = export(|out| ours.export(&label(LABEL_DEVICE_ID, keys), out))?;
    let secret = |dialect| export(|out| ours.export(response_label(dialect), out));
    let secrets = [secret(Dialect::AsDeployed)?, secret(Dialect::AsWritten)?];
    let ciphertext = Seal::seal(&mut ours, INITIATE, binding.as_bytes())?;
    let payload = base64::encode(&[sp.as_bytes().as_slice(), &ciphertext].concat()).into_bytes();
    let sent = SentInitiate {
        ours: Box::new(ours),
        awaited: Box::new(Awaited { sp, secrets }),
        code: CheckCode::without_leading_zero(*check_bytes),
        device_id: DeviceId::from_bytes(&id_bytes),
    };
    Ok((sent, payload))
}

/// Device S before step 6: device G chose one of the two labels, and LoginOk will show which.
struct Awaited {
    sp: PublicKey,
    secrets: [Secret; 2],
}

impl AwaitOk for Awaited {
    /// Step 6: `(ResponseNonce, TaggedCiphertext) := Unpack(LoginOkMessage)`.
    fn finish(self: Box<Self>, login_ok: &[u8], aad: &[u8]) -> Result<Opened, ChannelError> {
        let (nonce, ciphertext) = unpack(login_ok)?;
        let attempt = |secret: &Secret| -> Result<Opened, ChannelError> {
            let mut theirs = Response::new(secret, &self.sp, nonce)?.opening();
            let plaintext = Open::open(&mut theirs, ciphertext, aad)?;
            Ok((Box::new(theirs), plaintext))
        };
        let [deployed, written] = &self.secrets;
        match attempt(deployed) {
            Err(ChannelError::NotAuthentic) => attempt(written),
            opened => opened,
        }
    }
}

/// `AeadKey` and `AeadNonce` of step 5, of which either end makes its side of the response context.
struct Response {
    key: AeadKey<ChaCha20Poly1305>,
    nonce: AeadNonce<ChaCha20Poly1305>,
}

impl Response {
    /// `HKDF_SHA256(Secret, .., salt = Sp || ResponseNonce)`.
    fn new(secret: &[u8; 32], sp: &PublicKey, nonce: &[u8; 32]) -> Result<Self, ChannelError> {
        let kdf = Hkdf::<Sha256>::new(Some(&[*sp.as_bytes(), *nonce].concat()), secret);
        let mut response = Self {
            key: AeadKey::default(),
            nonce: AeadNonce::default(),
        };
        kdf.expand(b"key", &mut response.key.0)
            .map_err(|_| ChannelError::Cipher)?;
        kdf.expand(b"nonce", &mut response.nonce.0)
            .map_err(|_| ChannelError::Cipher)?;
        Ok(response)
    }

    /// "MUST NOT be used": the exporter secret is a dummy. Nothing is exported from a `Response`'s
    /// context here.
    fn sealing(self) -> Sealing {
        create_sender_context(&self.key, self.nonce, ExporterSecret::default())
    }

    fn opening(self) -> Opening {
        create_receiver_context(&self.key, self.nonce, ExporterSecret::default())
    }
}

/// The export interface of the context from device S to device G, at either end. `N` is the size.
fn export<const N: usize>(
    into: impl Fn(&mut [u8]) -> Result<(), HpkeError>,
) -> Result<Zeroizing<[u8; N]>, ChannelError> {
    let mut out = Zeroizing::new([0; N]);
    into(out.as_mut_slice()).map_err(|_| ChannelError::Cipher)?;
    Ok(out)
}

fn response_label(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::AsDeployed => LABEL_RESPONSE_AS_DEPLOYED,
        Dialect::AsWritten => LABEL_RESPONSE_AS_WRITTEN,
    }
}

/// As in step 6: `Export("MATRIX_QR_CODE_LOGIN_CHECKCODE" || Gp || Sp, size=2)`.
fn label(label: &[u8], [gp, sp]: [PublicKey; 2]) -> Vec<u8> {
    [label, gp.as_bytes(), sp.as_bytes()].concat()
}

/// The first message of either device begins with 32 bytes in the clear.
fn unpack(message: &[u8]) -> Result<(&[u8; 32], &[u8]), ChannelError> {
    message.split_first_chunk().ok_or(ChannelError::Malformed {
        what: "the first message is too short",
    })
}

impl Seal for Sealing {
    fn seal(&mut self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, ChannelError> {
        AeadCtxS::seal(self, plaintext, aad).map_err(|error| failed(error, ChannelError::Cipher))
    }
}

impl Open for Opening {
    fn open(&mut self, ciphertext: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        AeadCtxR::open(self, ciphertext, aad)
            .map(Zeroizing::new)
            .map_err(|error| failed(error, ChannelError::NotAuthentic))
    }

    /// A context counts only what it has opened.
    fn open_past_one(&mut self, _: &[u8], _: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}

fn failed(error: HpkeError, usually: ChannelError) -> ChannelError {
    match error {
        HpkeError::MessageLimitReached => ChannelError::Exhausted,
        _ => usually,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After 2^64 messages: no test gets there.
    #[test]
    fn a_context_that_is_used_up_says_so() {
        let error = failed(HpkeError::MessageLimitReached, ChannelError::NotAuthentic);
        assert_eq!(error, ChannelError::Exhausted);
        let error = failed(HpkeError::OpenError, ChannelError::NotAuthentic);
        assert_eq!(error, ChannelError::NotAuthentic);
    }
}
