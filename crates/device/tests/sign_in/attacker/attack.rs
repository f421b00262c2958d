//! What an attacker on the way to the rendezvous server, or the server itself, does.

use std::time::Duration;

use matrix_qr_protocol::{
    error::Cause,
    revision::{Revision, Role},
};

use self::{
    Act::{Answer, Request},
    Expect::{Ends, Good, GoodOrEnds},
};

/// A request of the rendezvous session. Messages are counted from 1: `LoginInitiate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SessionStep {
    Create,
    /// The first read of the device that scans.
    Join,
    Write(usize),
    /// The read that brings this message, or would.
    Read(usize),
    Delete(SessionSide),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SessionSide {
    Shows,
    Scans,
}

impl SessionStep {
    /// Whose request it is. The one that scans writes first, then they take turns.
    pub(crate) fn side(self) -> SessionSide {
        match self {
            Self::Create => SessionSide::Shows,
            Self::Join => SessionSide::Scans,
            Self::Write(message) => SessionSide::of_writer(message),
            Self::Read(message) => SessionSide::of_writer(message + 1),
            Self::Delete(side) => side,
        }
    }

    /// The message that is written or read, counted in both directions alike; otherwise a number
    /// below that of any.
    pub(crate) fn number(self, shown_by: Role) -> usize {
        match self {
            // A new device that scans knows its homeserver from the code: there is no third
            // message.
            Self::Write(message) | Self::Read(message) => {
                message + usize::from(shown_by == Role::Existing && message >= 3)
            }
            _ => 0,
        }
    }

    fn has_tag(self) -> bool {
        !matches!(self, Self::Delete(_))
    }

    fn is_in_session(self) -> bool {
        !matches!(self, Self::Create)
    }
}

impl SessionSide {
    fn of_writer(message: usize) -> Self {
        if message % 2 == 1 {
            Self::Scans
        } else {
            Self::Shows
        }
    }
}

/// What becomes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadChange {
    /// An earlier one of the same writer.
    Replayed,
    /// The last one of the other device.
    Reflected,
    /// Its first half, as whole groups of base64.
    Truncated,
    /// One bit, in the middle.
    Flipped,
    /// One bit, in the last character: `LoginInitiate` of MSC4108 has the key there.
    FlippedAtEnd,
    /// One bit, in the first characters: in MSC4388 the key of `LoginInitiate` and the nonce of
    /// `LoginOk` are there.
    FlippedAtStart,
    /// The same message of another sign-in.
    OtherSession,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnRequest {
    Lost,
    Late(Duration),
    /// Executed when the device has long given it up.
    AfterTimeout,
    Twice,
    /// Executed twice, and the second answer is given.
    TwiceSecondAnswer,
    Payload(PayloadChange),
    /// One bit of the tag that it names.
    Tag,
    /// One bit of the session's ID.
    Id,
    ToOtherSession,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnAnswer {
    Lost,
    Late(Duration),
    Never,
    Twice,
    /// The answer to the device's request before; the next one gets this one.
    Reordered,
    /// The whole answer that brought an earlier message.
    Old,
    Payload(PayloadChange),
    TagFlipped,
    TagNew,
    /// What the payload was written against, as our server states it.
    PreviousTokenNew,
    /// The same in all answers that follow, to a device that depends on it: this answer is lost.
    LostAndPreviousTokensNew,
    /// Where the session is.
    IdFlipped,
    OtherSessionsId,
    /// With this status and a page.
    Status(u16),
    /// 200, and the page on which one agrees to a network's terms.
    Portal,
    /// 302, to that page.
    Redirected,
    TooMany(u64),
    TenMegabytes,
    Drip,
    TooShort,
    TooShortAndOpen,
    TooLong,
    WrongType,
    WrongJson,
    Expired,
    ExpiresInAYear,
    ExpiresNever,
    ExpiresNonsense,
    NoTag,
    WeakTag,
    DecoratedTag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Request(OnRequest),
    Answer(OnAnswer),
}

/// How it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Both are signed in.
    Good,
    /// It fails, and nobody says that something else was the cause.
    Ends(&'static [Cause]),
    /// Either.
    GoodOrEnds(&'static [Cause]),
}

pub(crate) struct Attack {
    /// As the table names it.
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    /// From then on, with every request of that device.
    pub(crate) lasts: bool,
    pub(crate) expect: Expect,
}

impl Attack {
    pub(crate) fn fits(&self, step: SessionStep, revision: Revision) -> bool {
        let change = |change, step_fits: bool| {
            let (SessionStep::Write(message) | SessionStep::Read(message)) = step else {
                return false;
            };
            let first = match change {
                PayloadChange::Replayed => 3,
                PayloadChange::Reflected => 2,
                _ => 1,
            };
            step_fits && message >= first
        };
        match self.act {
            Request(OnRequest::Payload(what)) => {
                change(what, matches!(step, SessionStep::Write(_)))
            }
            Request(OnRequest::Tag) => matches!(step, SessionStep::Write(_) | SessionStep::Read(_)),
            Request(OnRequest::Id | OnRequest::ToOtherSession) => step.is_in_session(),
            Answer(OnAnswer::Payload(what)) => change(what, matches!(step, SessionStep::Read(_))),
            Answer(OnAnswer::Old) => change(
                PayloadChange::Replayed,
                matches!(step, SessionStep::Read(_)),
            ),
            Answer(OnAnswer::IdFlipped | OnAnswer::OtherSessionsId) => step == SessionStep::Create,
            Answer(OnAnswer::Reordered) => !matches!(step, SessionStep::Create | SessionStep::Join),
            Answer(
                OnAnswer::TagFlipped
                | OnAnswer::TagNew
                | OnAnswer::NoTag
                | OnAnswer::DecoratedTag
                | OnAnswer::Expired
                | OnAnswer::ExpiresInAYear
                | OnAnswer::ExpiresNever
                | OnAnswer::ExpiresNonsense,
            ) => step.has_tag(),
            Answer(OnAnswer::WeakTag) => step.has_tag() && revision == Revision::Msc4108,
            Answer(OnAnswer::PreviousTokenNew) => {
                matches!(step, SessionStep::Read(_)) && revision == Revision::Msc4388
            }
            Answer(OnAnswer::LostAndPreviousTokensNew) => {
                matches!(step, SessionStep::Write(_)) && revision == Revision::Msc4388
            }
            _ => true,
        }
    }
}

const fn once(name: &'static str, act: Act, expect: Expect) -> Attack {
    Attack {
        name,
        act,
        lasts: false,
        expect,
    }
}

const fn lasting(name: &'static str, act: Act, expect: Expect) -> Attack {
    Attack {
        name,
        act,
        lasts: true,
        expect,
    }
}

const SERVER: &[Cause] = &[Cause::RendezvousServer];
const THIRD: &[Cause] = &[Cause::ThirdParty];
const EITHER: &[Cause] = &[Cause::ThirdParty, Cause::RendezvousServer];
const SHORT: Duration = Duration::from_secs(10);

/// Every attack, in the order of the table.
pub(crate) const ATTACKS: &[Attack] = &[
    once("the request is lost", Request(OnRequest::Lost), Good),
    lasting(
        "every request from then on is lost",
        Request(OnRequest::Lost),
        Ends(SERVER),
    ),
    once("the answer is lost", Answer(OnAnswer::Lost), Good),
    once("the answer never comes", Answer(OnAnswer::Never), Good),
    lasting(
        "no answer comes from then on",
        Answer(OnAnswer::Never),
        Ends(SERVER),
    ),
    once(
        "the request is 10 s late",
        Request(OnRequest::Late(SHORT)),
        Good,
    ),
    once(
        "the request is executed after it was given up",
        Request(OnRequest::AfterTimeout),
        GoodOrEnds(EITHER),
    ),
    once(
        "the answer is 10 s late",
        Answer(OnAnswer::Late(SHORT)),
        Good,
    ),
    lasting(
        "every answer from then on is 10 s late",
        Answer(OnAnswer::Late(SHORT)),
        GoodOrEnds(SERVER),
    ),
    once(
        "the request is executed twice",
        Request(OnRequest::Twice),
        Good,
    ),
    once(
        "the request is executed twice, and the second answer is given",
        Request(OnRequest::TwiceSecondAnswer),
        GoodOrEnds(EITHER),
    ),
    once("the answer comes twice", Answer(OnAnswer::Twice), Good),
    once(
        "answers are in another order",
        Answer(OnAnswer::Reordered),
        GoodOrEnds(EITHER),
    ),
    once(
        "the payload on its way to the server is an earlier one of the same device",
        Request(OnRequest::Payload(PayloadChange::Replayed)),
        Ends(THIRD),
    ),
    once(
        "the payload on its way to the server is the last one of the other device",
        Request(OnRequest::Payload(PayloadChange::Reflected)),
        Ends(THIRD),
    ),
    once(
        "the payload on its way to the server is cut in half",
        Request(OnRequest::Payload(PayloadChange::Truncated)),
        Ends(THIRD),
    ),
    once(
        "a bit of the payload on its way to the server is flipped",
        Request(OnRequest::Payload(PayloadChange::Flipped)),
        Ends(THIRD),
    ),
    once(
        "a bit at the end of the payload on its way to the server is flipped",
        Request(OnRequest::Payload(PayloadChange::FlippedAtEnd)),
        Ends(THIRD),
    ),
    once(
        "a bit at the start of the payload on its way to the server is flipped",
        Request(OnRequest::Payload(PayloadChange::FlippedAtStart)),
        Ends(THIRD),
    ),
    once(
        "the payload on its way to the server is that of another sign-in",
        Request(OnRequest::Payload(PayloadChange::OtherSession)),
        Ends(THIRD),
    ),
    once(
        "the payload that is read is an earlier one",
        Answer(OnAnswer::Payload(PayloadChange::Replayed)),
        Ends(THIRD),
    ),
    once(
        "the payload that is read is the reader's own last one",
        Answer(OnAnswer::Payload(PayloadChange::Reflected)),
        Ends(THIRD),
    ),
    once(
        "the payload that is read is cut in half",
        Answer(OnAnswer::Payload(PayloadChange::Truncated)),
        Ends(THIRD),
    ),
    once(
        "a bit of the payload that is read is flipped",
        Answer(OnAnswer::Payload(PayloadChange::Flipped)),
        Ends(THIRD),
    ),
    once(
        "a bit at the end of the payload that is read is flipped",
        Answer(OnAnswer::Payload(PayloadChange::FlippedAtEnd)),
        Ends(THIRD),
    ),
    once(
        "a bit at the start of the payload that is read is flipped",
        Answer(OnAnswer::Payload(PayloadChange::FlippedAtStart)),
        Ends(THIRD),
    ),
    once(
        "the payload that is read is that of another sign-in",
        Answer(OnAnswer::Payload(PayloadChange::OtherSession)),
        Ends(THIRD),
    ),
    once(
        "the whole answer is one that brought an earlier payload",
        Answer(OnAnswer::Old),
        Ends(EITHER),
    ),
    once(
        "a bit of the ETag or token in the request is flipped",
        Request(OnRequest::Tag),
        GoodOrEnds(EITHER),
    ),
    once(
        "a bit of the session's ID in the request is flipped",
        Request(OnRequest::Id),
        GoodOrEnds(&[]),
    ),
    once(
        "the request goes to another session",
        Request(OnRequest::ToOtherSession),
        GoodOrEnds(EITHER),
    ),
    once(
        "a bit of the ETag or token in the answer is flipped",
        Answer(OnAnswer::TagFlipped),
        GoodOrEnds(EITHER),
    ),
    once(
        "the ETag or token in the answer is another one",
        Answer(OnAnswer::TagNew),
        GoodOrEnds(EITHER),
    ),
    once(
        "in MSC4388, the token that the payload was written against is another one, says the answer",
        Answer(OnAnswer::PreviousTokenNew),
        Good,
    ),
    once(
        "in MSC4388, the answer is lost, and all that follow say so",
        Answer(OnAnswer::LostAndPreviousTokensNew),
        GoodOrEnds(EITHER),
    ),
    once(
        "the answer has no ETag, or its token is no text",
        Answer(OnAnswer::NoTag),
        Ends(SERVER),
    ),
    once(
        "the ETag is a weak one",
        Answer(OnAnswer::WeakTag),
        Ends(SERVER),
    ),
    once(
        "the ETag or token has a suffix",
        Answer(OnAnswer::DecoratedTag),
        GoodOrEnds(EITHER),
    ),
    lasting(
        "every ETag or token has a suffix from then on",
        Answer(OnAnswer::DecoratedTag),
        GoodOrEnds(EITHER),
    ),
    once(
        "a bit of the created session's ID is flipped",
        Answer(OnAnswer::IdFlipped),
        Ends(&[]),
    ),
    once(
        "the created session's ID is that of another one",
        Answer(OnAnswer::OtherSessionsId),
        GoodOrEnds(EITHER),
    ),
    once(
        "the session has expired, says the answer",
        Answer(OnAnswer::Expired),
        Good,
    ),
    once(
        "the session expires in a year, says the answer",
        Answer(OnAnswer::ExpiresInAYear),
        Good,
    ),
    once(
        "the answer does not say when the session expires",
        Answer(OnAnswer::ExpiresNever),
        Good,
    ),
    once(
        "what the answer says of the session's end is nonsense",
        Answer(OnAnswer::ExpiresNonsense),
        Good,
    ),
    once(
        "the answer is 200 with a network's log-in page",
        Answer(OnAnswer::Portal),
        GoodOrEnds(&[Cause::Network]),
    ),
    lasting(
        "every answer from then on is 200 with a network's log-in page",
        Answer(OnAnswer::Portal),
        Ends(&[Cause::Network]),
    ),
    once(
        "the answer is 302 to a network's log-in page",
        Answer(OnAnswer::Redirected),
        GoodOrEnds(EITHER),
    ),
    once(
        "the answer is 204",
        Answer(OnAnswer::Status(204)),
        GoodOrEnds(SERVER),
    ),
    once(
        "the answer is 400",
        Answer(OnAnswer::Status(400)),
        Ends(SERVER),
    ),
    once(
        "the answer is 401",
        Answer(OnAnswer::Status(401)),
        Ends(SERVER),
    ),
    once(
        "the answer is 403",
        Answer(OnAnswer::Status(403)),
        Ends(SERVER),
    ),
    lasting(
        "every answer from then on is 403",
        Answer(OnAnswer::Status(403)),
        Ends(SERVER),
    ),
    once(
        "the answer is 404",
        Answer(OnAnswer::Status(404)),
        GoodOrEnds(SERVER),
    ),
    lasting(
        "every answer from then on is 404",
        Answer(OnAnswer::Status(404)),
        Ends(SERVER),
    ),
    once(
        "the answer is 405",
        Answer(OnAnswer::Status(405)),
        Ends(SERVER),
    ),
    once(
        "the answer is 409",
        Answer(OnAnswer::Status(409)),
        GoodOrEnds(SERVER),
    ),
    once(
        "the answer is 412",
        Answer(OnAnswer::Status(412)),
        GoodOrEnds(SERVER),
    ),
    once(
        "the answer is 413",
        Answer(OnAnswer::Status(413)),
        Ends(SERVER),
    ),
    once(
        "the answer is 429, and asks for 5 s",
        Answer(OnAnswer::TooMany(5)),
        Good,
    ),
    once(
        "the answer is 429, and asks for an hour",
        Answer(OnAnswer::TooMany(3600)),
        Ends(SERVER),
    ),
    lasting(
        "every answer from then on is 429",
        Answer(OnAnswer::TooMany(5)),
        Ends(SERVER),
    ),
    once("the answer is 500", Answer(OnAnswer::Status(500)), Good),
    once("the answer is 502", Answer(OnAnswer::Status(502)), Good),
    lasting(
        "every answer from then on is 502",
        Answer(OnAnswer::Status(502)),
        Ends(SERVER),
    ),
    once(
        "the answer has 10 MB",
        Answer(OnAnswer::TenMegabytes),
        Ends(SERVER),
    ),
    once(
        "the answer comes at a byte a second",
        Answer(OnAnswer::Drip),
        Good,
    ),
    once(
        "the answer is shorter than its Content-Length, and the connection ends",
        Answer(OnAnswer::TooShort),
        Good,
    ),
    once(
        "the answer is shorter than its Content-Length, and the connection stays",
        Answer(OnAnswer::TooShortAndOpen),
        Good,
    ),
    once(
        "the answer is longer than its Content-Length",
        Answer(OnAnswer::TooLong),
        GoodOrEnds(EITHER),
    ),
    once(
        "the answer has another Content-Type",
        Answer(OnAnswer::WrongType),
        GoodOrEnds(SERVER),
    ),
    once(
        "the answer's JSON has other types",
        Answer(OnAnswer::WrongJson),
        GoodOrEnds(SERVER),
    ),
];
