//! Steps 6 and 7: the two digits that a person carries from device S to device G.

use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The two digits. A leading zero is shown, and must be typed: `07`.
///
/// Compared in constant time. `Display` shows the digits; `Debug` does not.
#[derive(Clone, Eq, Zeroize, ZeroizeOnDrop)]
pub struct CheckCode([u8; 2]);

/// What was typed is not two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the code is the two digits that the other device shows, with a leading zero if it has one"
)]
pub struct CheckCodeError;

impl CheckCode {
    /// Step 6 of MSC4108: `NumToString(CheckBytes[0] % 10) || NumToString(CheckBytes[1] % 10)`.
    pub(super) fn from_check_bytes([tens, ones]: [u8; 2]) -> Self {
        Self([tens % 10, ones % 10])
    }

    /// Step 6 of MSC4388: `NumToString((CheckBytes[0] % 9) + 1) || NumToString(CheckBytes[1] %
    /// 10)`, from 10 to 99.
    pub(super) fn without_leading_zero([tens, ones]: [u8; 2]) -> Self {
        Self([tens % 9 + 1, ones % 10])
    }
}

impl PartialEq for CheckCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl FromStr for CheckCode {
    type Err = CheckCodeError;

    /// Exactly two ASCII digits, as a person types them: white space around them, and between them,
    /// where devices show it, does not count.
    fn from_str(text: &str) -> Result<Self, CheckCodeError> {
        let mut typed = text.chars().filter(|c| !c.is_whitespace());
        let mut digit = || Some(typed.next()?.to_digit(10)? as u8);
        match ([digit(), digit()], typed.next()) {
            ([Some(tens), Some(ones)], None) => Ok(Self([tens, ones])),
            _ => Err(CheckCodeError),
        }
    }
}

impl fmt::Display for CheckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [tens, ones] = self.0;
        write!(f, "{tens}{ones}")
    }
}

impl fmt::Debug for CheckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckCode([redacted])")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_code_is_shown_as_it_must_be_typed() {
        for n in 0..100 {
            let code: CheckCode = format!("{n:02}").parse().unwrap();
            assert_eq!(code.to_string(), format!("{n:02}"));
        }
    }

    #[test]
    fn the_digits_are_the_bytes_modulo_ten() {
        for (bytes, digits) in [
            ([0, 0], "00"),
            ([10, 7], "07"),
            ([255, 255], "55"),
            ([249, 130], "90"),
        ] {
            assert_eq!(CheckCode::from_check_bytes(bytes).to_string(), digits);
        }
    }

    #[test]
    fn without_a_leading_zero_every_code_from_10_to_99_can_come() {
        for (bytes, digits) in [
            ([0, 0], "10"),
            ([8, 9], "99"),
            ([9, 7], "17"),
            ([255, 255], "45"),
        ] {
            assert_eq!(CheckCode::without_leading_zero(bytes).to_string(), digits);
        }
        let pairs = (0..=255).flat_map(|a| (0..=255).map(move |b| [a, b]));
        let all: std::collections::BTreeSet<_> = pairs
            .map(|bytes| CheckCode::without_leading_zero(bytes).to_string())
            .collect();
        assert_eq!(
            (
                all.len(),
                all.first().unwrap().as_str(),
                all.last().unwrap().as_str()
            ),
            (90, "10", "99")
        );
    }

    #[test]
    fn a_code_equals_itself_and_no_other() {
        let codes: Vec<CheckCode> = (0..100)
            .map(|n| format!("{n:02}").parse().unwrap())
            .collect();
        for (i, a) in codes.iter().enumerate() {
            for (j, b) in codes.iter().enumerate() {
                assert_eq!(a == b, i == j);
            }
        }
    }

    #[test]
    fn only_two_ascii_digits_are_a_code() {
        for text in ["07", " 07\n", "0 7", " 0\u{a0}7\r\n"] {
            assert_eq!(text.parse::<CheckCode>().unwrap().to_string(), "07");
        }
        for text in [
            "", "7", "7 ", "007", "0 0 7", "+7", "-7", "0x", "٠٧", "７7", "7.", "ab",
        ] {
            assert_eq!(text.parse::<CheckCode>(), Err(CheckCodeError), "{text}");
        }
    }

    #[test]
    fn debug_tells_nothing() {
        let code: CheckCode = "42".parse().unwrap();
        assert_eq!(format!("{code:?}"), "CheckCode([redacted])");
    }
}
