//! A QR code as text, for devices without a camera. This program writes unpadded base64, and reads
//! it back with line breaks, with a label in front of it, in quotes, or from an editor.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use matrix_qr_protocol::{
    error::ToUserError as _,
    qr::{MAX_QR_BYTES, QrCode, QrError},
};
use thiserror::Error;

use crate::exit::{Exit, Failure};

/// The longest text that is read, in bytes, with everything around the code.
pub(crate) const MAX_TEXT: usize = 8 << 10;
/// The number of letters of the largest code, in hexadecimal.
const MAX_LETTERS: usize = 2 * MAX_QR_BYTES;
/// The number of letters that show whether a code begins there. A line is never broken earlier than
/// after `LEAST_HEAD` letters.
const HEAD: usize = 40;
const LEAST_HEAD: usize = 8;

/// Why a text contains no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NoCodeInText {
    #[error("the text is neither base64 nor hexadecimal")]
    NotText,
    #[error(transparent)]
    Refused(#[from] QrError),
}

impl NoCodeInText {
    /// Whether more text cannot change the error.
    pub(crate) fn is_final(self) -> bool {
        !matches!(
            self,
            Self::NotText | Self::Refused(QrError::NotMatrix | QrError::Truncated)
        )
    }
}

/// The advice is for a text, which cannot be scanned again.
impl From<NoCodeInText> for Failure {
    fn from(error: NoCodeInText) -> Self {
        let incomplete = "Copy the complete text that the other device shows.";
        let (what, advice) = match error {
            NoCodeInText::NotText => (error.to_string(), incomplete),
            NoCodeInText::Refused(error @ QrError::Truncated) => (error.what(), incomplete),
            NoCodeInText::Refused(error) => (error.what(), error.advice()),
        };
        Self::new(Exit::QrCode, what, advice)
    }
}

/// The first code in a text, and its bytes: hexadecimal, or base64 in either alphabet. Any other
/// characters may split it into pieces. It ends where it is complete.
pub(crate) fn find(text: &str) -> Result<(QrCode, Vec<u8>), NoCodeInText> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let pieces: Vec<&str> = text
        .split(|c| !is_letter(c))
        .filter(|piece| !piece.is_empty())
        .collect();
    let mut rests = (0..pieces.len()).filter_map(|start| pieces.get(start..));
    match rests.find(|rest| begins(rest)) {
        Some(rest) => complete(rest),
        None if is_encoded(text) => Err(QrError::NotMatrix.into()),
        None => Err(NoCodeInText::NotText),
    }
}

fn begins(pieces: &[&str]) -> bool {
    let long_enough = pieces
        .first()
        .is_some_and(|piece| piece.len() >= LEAST_HEAD);
    long_enough && {
        let head: String = pieces
            .iter()
            .flat_map(|piece| piece.chars())
            .take(HEAD)
            .collect();
        bytes(&head).is_some()
    }
}

/// Adds piece after piece until they are a code or cannot become one.
fn complete(pieces: &[&str]) -> Result<(QrCode, Vec<u8>), NoCodeInText> {
    let mut letters = String::new();
    for piece in pieces {
        letters.push_str(piece);
        let Some(bytes) = bytes(&letters) else { break };
        match QrCode::decode(&bytes) {
            Ok(code) => return Ok((code, bytes)),
            Err(QrError::Truncated) if letters.len() <= MAX_LETTERS => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(QrError::Truncated.into())
}

/// The bytes that these letters encode, if they begin like a code. An incomplete byte at the end is
/// left out.
fn bytes(letters: &str) -> Option<Vec<u8>> {
    let begins = |bytes: &Vec<u8>| QrCode::decode(bytes) != Err(QrError::NotMatrix);
    [from_hex(letters), from_base64(letters)]
        .into_iter()
        .flatten()
        .find(begins)
}

/// Whether the whole text is base64 of any kind.
fn is_encoded(text: &str) -> bool {
    let letters: String = text.split_ascii_whitespace().collect();
    let padding = letters.trim_end_matches('=');
    !padding.is_empty() && from_base64(padding).is_some() && padding.len() % 4 != 1
}

fn from_hex(letters: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = letters
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    Some(
        digits?
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

fn from_base64(letters: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let whole = if letters.len() % 4 == 1 {
        letters.get(..letters.len() - 1)?
    } else {
        letters
    };
    let decode = |alphabet| GeneralPurpose::new(alphabet, config).decode(whole).ok();
    decode(&alphabet::STANDARD).or_else(|| decode(&alphabet::URL_SAFE))
}

/// Decodes text that a person may have typed or pasted, or that an editor has saved: UTF-8 or
/// UTF-16, with or without a byte order mark. The bytes may be only the beginning of the text.
pub(crate) fn decoded(bytes: &[u8]) -> Option<String> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => utf8(bytes),
    }?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let is_text = !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_whitespace());
    is_text.then(|| text.to_owned())
}

fn utf8(bytes: &[u8]) -> Option<String> {
    let cut = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to())?,
        _ => bytes,
    };
    String::from_utf8(cut.to_vec()).ok()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, _) = bytes.as_chunks();
    String::from_utf16(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>()).ok()
}

#[cfg(test)]
mod tests;
