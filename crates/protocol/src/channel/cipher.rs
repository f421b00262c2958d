//! What the channel needs of either revision's cipher, and what the first steps leave behind.

use zeroize::Zeroizing;

use super::check_code::CheckCode;
use super::error::ChannelError;
use crate::device_id::DeviceId;

/// Our direction of the channel.
pub(super) trait Seal: Send + Sync {
    fn seal(&mut self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, ChannelError>;
}

/// The other device's direction.
pub(super) trait Open: Send + Sync {
    fn open(&mut self, ciphertext: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError>;

    /// After a failure: opens it as the message that is counted after the next one, where the
    /// cipher counts every attempt.
    fn open_past_one(&mut self, ciphertext: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// The other device's direction, and the first plaintext that came from it.
pub(super) type Opened = (Box<dyn Open>, Zeroizing<Vec<u8>>);

/// Device G's direction, as device S knows it before LoginOk.
pub(super) trait AwaitOk: Send + Sync {
    /// Step 6: opens LoginOk.
    fn finish(self: Box<Self>, login_ok: &[u8], aad: &[u8]) -> Result<Opened, ChannelError>;
}

/// Device S after step 4.
pub(super) struct SentInitiate {
    pub(super) ours: Box<dyn Seal>,
    pub(super) awaited: Box<dyn AwaitOk>,
    pub(super) code: CheckCode,
    pub(super) device_id: DeviceId,
}

/// Device G in step 5, once LoginInitiate has opened.
pub(super) struct AcceptedInitiate {
    pub(super) ours: Box<dyn Seal>,
    pub(super) theirs: Box<dyn Open>,
    pub(super) code: CheckCode,
    pub(super) device_id: DeviceId,
    pub(super) greeting: Zeroizing<Vec<u8>>,
    /// What LoginOk begins with, in front of the ciphertext.
    pub(super) preface: Vec<u8>,
}
