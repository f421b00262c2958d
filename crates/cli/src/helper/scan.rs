//! The other device's code, which the person at the caller scans or pastes.

use matrix_qr_protocol::qr::QrCode;
use serde::Deserialize;

use crate::{
    exit::{Exit, Failure},
    qr_text::{self, MAX_TEXT},
};

/// The answer to `scan_code`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScannedText {
    code: String,
}

impl ScannedText {
    /// # Errors
    ///
    /// There is no code in it. The error quotes nothing of it.
    pub(super) fn read(&self) -> Result<QrCode, Failure> {
        if self.code.len() > MAX_TEXT {
            let advice = "Copy only what the other device shows.";
            return Err(Failure::new(Exit::QrCode, "the code is too long", advice));
        }
        let (code, _) = qr_text::find(&self.code)?;
        Ok(code)
    }
}
