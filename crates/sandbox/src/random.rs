//! Tokens, codes and identifiers that cannot be guessed, from the operating system.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The letters of a user code: upper case, no vowels (no words), nothing that looks like a digit.
/// RFC 8628, "User Code Recommendations".
const USER_CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LENGTH: usize = 6;

/// 192 random bits as 32 characters of URL-safe base64.
pub(crate) fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Six letters for a person to compare and to type (about 26 bits).
pub(crate) fn user_code() -> Result<String, getrandom::Error> {
    let mut rest = getrandom::u64()?;
    let letters = USER_CODE_LETTERS.len() as u64;
    let mut code = String::with_capacity(USER_CODE_LENGTH);
    while code.len() < USER_CODE_LENGTH {
        let letter = USER_CODE_LETTERS.get((rest % letters) as usize).copied();
        code.extend(letter.map(char::from));
        rest /= letters;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_user_code_is_six_unambiguous_upper_case_letters() {
        for _ in 0..1000 {
            let code = user_code().unwrap();
            assert_eq!(code.len(), 6);
            assert!(
                code.bytes().all(|b| USER_CODE_LETTERS.contains(&b)),
                "{code}"
            );
        }
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token().unwrap(), token().unwrap());
    }
}
