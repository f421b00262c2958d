//! Where sessions are kept. A store knows neither HTTP nor a clock: its caller passes the time.

pub(crate) mod id;
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod session;
pub(crate) mod unavailable;

use std::{convert::Infallible, future::Future, time::Instant};

use self::{
    id::{SessionId, WriteTag},
    session::{NewSession, ReadOutcome, SessionSnapshot, StoreChange, Write, WriteOutcome},
    unavailable::Unavailable,
};

/// Where sessions are kept: in this process ([`Memory`](crate::Memory)), or shared by several
/// instances (`Redis`).
///
/// Every method sees only sessions that live at the moment it is given. Times are of this process's
/// clock; a store that has its own clock converts them.
pub trait Store: Send + Sync + 'static {
    /// Whether sessions are kept in this process. Its operations are then too fast to be worth
    /// measuring.
    const LOCAL: bool = false;

    /// Keeps a new session. Its ID is random, so no other session has it.
    fn create(
        &self,
        id: SessionId,
        new: NewSession,
    ) -> impl Future<Output = Result<SessionSnapshot, Unavailable>> + Send;

    /// The session, compared with what the reader has `seen`.
    fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> impl Future<Output = Result<ReadOutcome, Unavailable>> + Send;

    /// Replaces the payload if its tag is still the `expected` one. Comparing and writing is one
    /// atomic step, so of two writers that have seen the same payload one wins (MSC4108, "The send
    /// mechanism").
    fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> impl Future<Output = Result<WriteOutcome, Unavailable>> + Send;

    /// Ends a session. `false` if there was none.
    fn delete(
        &self,
        id: SessionId,
        now: Instant,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Forgets expired sessions. The other methods never see them anyway: this frees memory, and
    /// their permits.
    fn sweep(&self, now: Instant);

    /// How many sessions have expired since the store was created.
    fn expired(&self) -> u64;

    /// Whether the store can be used now: does everything that a sign-in needs. This costs as much
    /// as a sign-in, so it is called at most once a second.
    fn check(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Reports which sessions other processes have changed, for as long as it is polled.
    fn watch(
        &self,
        changed: impl Fn(StoreChange) + Send + Sync,
    ) -> impl Future<Output = Infallible> + Send;
}
