//! The steps of both roles up to the confirmed channel.

use anyhow::Result;
use matrix_sdk::authentication::oauth::qrcode::{GeneratedQrProgress, QrCodeData, QrProgress};
use serde_json::json;

use crate::stdio::{answer, event, line};

/// Reads the code of the other device from standard input.
pub(crate) async fn scanned() -> Result<QrCodeData> {
    Ok(QrCodeData::from_base64(&line().await?)?)
}

/// The device that scanned shows the digits. The device that showed the code asks for them.
pub(crate) trait Establishing: Send + 'static {
    fn tell(self) -> impl Future<Output = Result<()>> + Send;
}

impl Establishing for QrProgress {
    async fn tell(self) -> Result<()> {
        event(&json!({ "event": "check_code", "digits": format!("{:02}", self.check_code) }));
        Ok(())
    }
}

impl Establishing for GeneratedQrProgress {
    async fn tell(self) -> Result<()> {
        match self {
            Self::QrReady(code) => event(&json!({ "event": "show", "code": code.to_base64() })),
            Self::QrScanned(sender) => {
                let digits =
                    answer(&json!({ "event": "question", "question": "check_code" })).await?;
                sender.send(digits.parse()?).await?;
            }
        }
        Ok(())
    }
}
