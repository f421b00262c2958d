//! What lies between two devices and the homeserver, with the rendezvous service at it: it passes
//! everything on, knows who says what and why, and does to one request what the case asks for.
//!
//! The two devices are told apart by the path that they know the session by: MSC4108 lets a session
//! have any URL, and the sessions of MSC4388 have two names.
//!
//! It also does the waiting that `Prefer: wait` asks for, by the devices' own clock: the service
//! goes by the system's, which stands still in these tests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use matrix_qr_protocol::revision::Revision;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use url::Url;

use super::{
    attack::{Act, Attack, OnAnswer, OnRequest, PayloadChange, SessionSide, SessionStep},
    http_text::{AnswerText, RequestText, WireReply, is_gone},
};

/// How long a session lives, as the devices are told. The server lets it live longer, because its
/// own clock does not leap.
const LIFETIME: Duration = Duration::from_secs(60);

/// In front of the paths of the device that shows the code and of the one that scans, in MSC4108.
pub(crate) const SHOWS: &str = "/shows";
pub(crate) const SCANS: &str = "/scans";

const UNSTABLE: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";
const STABLE: &str = "/_matrix/client/v1/rendezvous";

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\
    <body>Please agree to our terms.</body></html>\n";

pub(crate) struct AttackedWire {
    pub(crate) url: Url,
    upstream: Url,
    client: reqwest::Client,
    revision: Revision,
    case: Mutex<Case>,
    /// Counts what may have changed the session.
    changes: watch::Sender<u64>,
}

/// One sign-in.
#[derive(Default)]
pub(crate) struct Case {
    /// When the session was created.
    created: Option<Instant>,
    planned: Option<(&'static Attack, SessionStep)>,
    /// Whether it was done.
    pub(crate) struck: bool,
    /// What was asked for, in order, each once.
    pub(crate) steps: Vec<SessionStep>,
    /// Where the session is on the server.
    pub(crate) session: Option<String>,
    /// The payloads as they were written.
    pub(crate) payloads: Vec<String>,
    /// Those of another sign-in.
    pub(crate) others: Vec<String>,
    /// Where another session is, on the server.
    pub(crate) other_session: Option<String>,
    joined: bool,
    /// Under which of its two names the one that shows the code knows the session (MSC4388).
    shown_as_stable: bool,
    /// How many messages have been read, by either.
    delivered: [usize; 2],
    /// The answers that brought payloads.
    brought: Vec<AnswerText>,
    last: [Option<AnswerText>; 2],
    held_back: [Option<AnswerText>; 2],
    /// To whom every answer from now on states another token than the payload was written against.
    lied_to: Option<SessionSide>,
}

impl AttackedWire {
    pub(crate) async fn start(upstream: &Url, revision: Revision) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let wire = Arc::new(Self {
            url: format!("http://{address}/").parse().unwrap(),
            upstream: upstream.clone(),
            client,
            revision,
            case: Mutex::default(),
            changes: watch::Sender::new(0),
        });
        let accepting = wire.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(accepting.clone(), stream));
            }
        });
        wire
    }

    /// The next sign-in begins: this happens in it.
    pub(crate) fn plan(
        &self,
        planned: Option<(&'static Attack, SessionStep)>,
        others: &[String],
        other_session: Option<String>,
    ) {
        *self.case.lock().unwrap() = Case {
            planned,
            others: others.to_vec(),
            other_session,
            ..Case::default()
        };
    }

    pub(crate) fn take(&self) -> Case {
        std::mem::take(&mut self.case.lock().unwrap())
    }

    /// Another session, with an empty payload: its path on the server.
    pub(crate) async fn other_session(&self) -> String {
        let (path, mime, body) = match self.revision {
            Revision::Msc4108 => (STABLE, "text/plain", ""),
            Revision::Msc4388 => (UNSTABLE, "application/json", r#"{"data":""}"#),
        };
        let request = RequestText {
            method: "POST".to_owned(),
            target: path.to_owned(),
            headers: vec![("content-type".to_owned(), mime.to_owned())],
            body: body.into(),
        };
        let answer = self.forward(&request).await;
        self.place(&answer).unwrap()
    }

    /// Whether there is a session at this path.
    pub(crate) async fn stands(&self, path: &str) -> bool {
        let request = RequestText {
            method: "GET".to_owned(),
            target: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        self.forward(&request).await.status == 200
    }

    async fn reply(self: &Arc<Self>, request: RequestText, stream: &TcpStream) -> WireReply {
        let Some((side, mut upstream)) = self.addressed(&request) else {
            return WireReply::Answer(self.rewritten(self.forward(&request).await));
        };
        let step = self.step(side, &request);
        let act = step.and_then(|step| self.strike(step, side, true));
        match act {
            None => {}
            Some(Act::Request(OnRequest::Lost)) => return WireReply::Close,
            Some(Act::Request(OnRequest::Late(time))) => sleep(time).await,
            Some(Act::Request(OnRequest::AfterTimeout)) => {
                let wire = self.clone();
                tokio::spawn(async move {
                    sleep(Duration::from_secs(20)).await;
                    wire.forward(&upstream).await;
                    wire.changes.send_modify(|changes| *changes += 1);
                });
                return WireReply::Silence;
            }
            Some(Act::Request(OnRequest::Twice)) => {
                let answer = self.forward(&upstream).await;
                self.forward(&upstream).await;
                self.changes.send_modify(|changes| *changes += 1);
                let answer = self.noted(side, step, &upstream, answer);
                return WireReply::Answer(self.dated(answer));
            }
            Some(Act::Request(OnRequest::TwiceSecondAnswer)) => drop(self.forward(&upstream).await),
            Some(Act::Request(change)) => self.change_request(change, &mut upstream),
            Some(Act::Answer(_)) => unreachable!(),
        }
        let answer = tokio::select! {
            answer = self.held(&upstream, request.header("prefer").is_some()) => answer,
            () = is_gone(stream), if request.method == "GET" => return WireReply::Close,
        };
        let step = step.filter(|step| {
            !matches!(step, SessionStep::Read(_)) || self.is_news(&upstream, &answer)
        });
        let clean = self.dated(self.noted(side, step, &upstream, answer));
        let clean = self.with_lies(side, clean);
        let held_back = self.case.lock().unwrap().held_back[side as usize].take();
        let reply = match step.and_then(|step| self.strike(step, side, false)) {
            Some(Act::Answer(what)) => self.change_answer(what, side, clean.clone()).await,
            _ => WireReply::Answer(held_back.unwrap_or_else(|| clean.clone())),
        };
        self.case.lock().unwrap().last[side as usize] = Some(clean);
        reply
    }

    /// Whose request it is, and the request as the server must get it. `None`: nothing of a
    /// rendezvous session.
    fn addressed(&self, request: &RequestText) -> Option<(SessionSide, RequestText)> {
        let mut upstream = request.clone();
        upstream.headers.retain(|(name, _)| name != "prefer");
        let target = &request.target;
        let side = match self.revision {
            Revision::Msc4108 => {
                if let Some(path) = target.strip_prefix(SHOWS) {
                    upstream.target = path.to_owned();
                    SessionSide::Shows
                } else if let Some(path) = target.strip_prefix(SCANS) {
                    upstream.target = path.to_owned();
                    SessionSide::Scans
                } else {
                    (request.path().ends_with("/rendezvous") && request.method == "POST")
                        .then_some(SessionSide::Shows)?
                }
            }
            Revision::Msc4388 => {
                let is_stable = target.starts_with(STABLE);
                if !is_stable && !target.starts_with(UNSTABLE) {
                    return None;
                }
                let mut case = self.case.lock().unwrap();
                if is_root(request) {
                    case.shown_as_stable = is_stable;
                }
                // A device that finds nothing tries the other name.
                let is_first_read = request.method == "GET" && request.query().is_none();
                let joins = case.payloads.is_empty() && is_first_read;
                if is_root(request) || is_stable == case.shown_as_stable && !joins {
                    SessionSide::Shows
                } else {
                    SessionSide::Scans
                }
            }
        };
        Some((side, upstream))
    }

    /// Which step this request is. `None`: one of a further kind, such as a read in between.
    fn step(&self, side: SessionSide, request: &RequestText) -> Option<SessionStep> {
        let case = self.case.lock().unwrap();
        match request.method.as_str() {
            "POST" => Some(SessionStep::Create),
            "DELETE" => Some(SessionStep::Delete(side)),
            "PUT" => {
                let message = case.payloads.len() + 1;
                (SessionStep::Write(message).side() == side).then_some(SessionStep::Write(message))
            }
            // Whether the stable path is that of MSC4388.
            _ if is_root(request) => None,
            _ if side == SessionSide::Scans && !case.joined => Some(SessionStep::Join),
            _ => {
                let first = if side == SessionSide::Shows { 1 } else { 2 };
                Some(SessionStep::Read(case.delivered[side as usize].max(first)))
            }
        }
    }

    /// What is to be done to this request, or to its answer.
    fn strike(&self, step: SessionStep, side: SessionSide, is_request: bool) -> Option<Act> {
        let mut case = self.case.lock().unwrap();
        if !case.steps.contains(&step) {
            case.steps.push(step);
        }
        let (attack, planned) = case.planned?;
        if matches!(attack.act, Act::Request(_)) != is_request {
            return None;
        }
        let strikes = if case.struck {
            attack.lasts && planned.side() == side
        } else {
            planned == step
        };
        case.struck |= strikes;
        strikes.then_some(attack.act)
    }

    /// Waits as long as the request allows until there is something else than it knows.
    async fn held(&self, request: &RequestText, waits: bool) -> AnswerText {
        let mut changes = self.changes.subscribe();
        let until = Instant::now() + Duration::from_secs(25);
        loop {
            changes.mark_unchanged();
            let mut answer = self.forward(request).await;
            if request.method != "GET" {
                self.changes.send_modify(|changes| *changes += 1);
            }
            if !waits || self.is_news(request, &answer) || answer.status == 404 {
                return answer;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep_until(until) => {
                    answer.set("preference-applied", Some("wait=25".to_owned()));
                    return answer;
                }
            }
        }
    }

    async fn forward(&self, request: &RequestText) -> AnswerText {
        let url = self.upstream.join(&request.target).unwrap();
        let method = request.method.parse().unwrap();
        let mut onward = self.client.request(method, url).body(request.body.clone());
        for (name, value) in &request.headers {
            if name != "host" && name != "content-length" {
                onward = onward.header(name, value);
            }
        }
        if request.body.is_empty() && matches!(request.method.as_str(), "PUT" | "POST") {
            onward = onward.header("content-length", "0");
        }
        let answer = onward.send().await.unwrap();
        let own = ["content-length", "transfer-encoding", "connection"];
        let headers = answer.headers().iter();
        let headers = headers.filter(|(name, _)| !own.contains(&name.as_str()));
        AnswerText {
            status: answer.status().as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    /// Where the servers say that they are, this is.
    fn rewritten(&self, mut answer: AnswerText) -> AnswerText {
        if let Ok(text) = std::str::from_utf8(&answer.body) {
            let ours = self.url.as_str().trim_end_matches('/');
            answer.body = text
                .replace(self.upstream.as_str().trim_end_matches('/'), ours)
                .into_bytes();
        }
        answer
    }

    /// Remembers what happened, and makes the answer one of this place.
    fn noted(
        &self,
        side: SessionSide,
        step: Option<SessionStep>,
        request: &RequestText,
        mut answer: AnswerText,
    ) -> AnswerText {
        let mut case = self.case.lock().unwrap();
        let succeeded = matches!(answer.status, 200..=299);
        match step {
            Some(SessionStep::Create) if succeeded => {
                case.created = Some(Instant::now());
                case.session = self.place(&answer);
                if self.revision == Revision::Msc4108 {
                    let place = case.session.clone().unwrap();
                    answer.body = self.created(&format!("{SHOWS}{place}"));
                }
            }
            Some(SessionStep::Join) if succeeded => case.joined = true,
            Some(SessionStep::Write(_)) if succeeded => {
                let payload = self.payload(&request.body);
                case.payloads.push(payload);
            }
            Some(SessionStep::Read(message)) if succeeded => {
                case.delivered[side as usize] = message + 2;
                case.brought.push(answer.clone());
            }
            _ => {}
        }
        answer
    }

    /// With the time that the session has left by the devices' clock.
    fn dated(&self, mut answer: AnswerText) -> AnswerText {
        let created = self.case.lock().unwrap().created;
        let left = LIFETIME.saturating_sub(created.map_or(Duration::ZERO, |at| at.elapsed()));
        match self.revision {
            Revision::Msc4108 => {
                if let (Some(date), Some(_)) = (answer.header("date"), answer.header("expires")) {
                    let ends = httpdate::parse_http_date(date).unwrap() + left;
                    answer.set("expires", Some(httpdate::fmt_http_date(ends)));
                }
            }
            Revision::Msc4388 => {
                if json(&answer.body).get("expires_in_ms").is_some() {
                    let left = left.as_millis() as u64;
                    answer.body = edited(&answer.body, "expires_in_ms", Some(left.into()));
                }
            }
        }
        answer
    }

    fn with_lies(&self, side: SessionSide, mut answer: AnswerText) -> AnswerText {
        if self.case.lock().unwrap().lied_to == Some(side) {
            answer.body = with_another_previous_token(&answer.body);
        }
        answer
    }

    /// The body that says where a session is (MSC4108).
    fn created(&self, path: &str) -> Vec<u8> {
        let url = self.url.join(path).unwrap();
        serde_json::json!({ "url": url }).to_string().into_bytes()
    }

    /// Where the session is that was just created, on the server.
    fn place(&self, answer: &AnswerText) -> Option<String> {
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        match self.revision {
            Revision::Msc4108 => Some(Url::parse(body["url"].as_str()?).ok()?.path().to_owned()),
            Revision::Msc4388 => Some(format!("{UNSTABLE}/{}", body["id"].as_str()?)),
        }
    }

    /// Whether an answer to a read is something that the reader has not seen.
    fn is_news(&self, request: &RequestText, answer: &AnswerText) -> bool {
        if answer.status != 200 {
            return false;
        }
        match self.revision {
            Revision::Msc4108 => request.header("if-none-match") != answer.header("etag"),
            Revision::Msc4388 => {
                let known = request
                    .query()
                    .and_then(|query| query.strip_prefix("sequence_token="));
                known != json(&answer.body)["sequence_token"].as_str()
            }
        }
    }

    fn payload(&self, body: &[u8]) -> String {
        match self.revision {
            Revision::Msc4108 => String::from_utf8(body.to_vec()).unwrap(),
            Revision::Msc4388 => json(body)["data"].as_str().unwrap().to_owned(),
        }
    }

    fn with_payload(&self, body: &[u8], payload: &str) -> Vec<u8> {
        match self.revision {
            Revision::Msc4108 => payload.into(),
            Revision::Msc4388 => edited(body, "data", Some(payload.into())),
        }
    }

    /// `side` has written, or reads, this payload.
    fn changed(&self, change: PayloadChange, payload: &str, message: usize) -> String {
        let case = self.case.lock().unwrap();
        let nth = |message: usize| case.payloads[message - 1].clone();
        match change {
            PayloadChange::Replayed => nth(message - 2),
            PayloadChange::Reflected => nth(message - 1),
            PayloadChange::Truncated => payload[..payload.len() / 8 * 4].to_owned(),
            PayloadChange::Flipped => flipped(payload, payload.len() / 2),
            PayloadChange::FlippedAtEnd => flipped(payload, payload.len() - 2),
            PayloadChange::FlippedAtStart => flipped(payload, 3),
            PayloadChange::OtherSession => case.others[message - 1].clone(),
        }
    }

    fn change_request(&self, what: OnRequest, request: &mut RequestText) {
        match what {
            OnRequest::Payload(change) => {
                let payload = self.payload(&request.body);
                let message = self.case.lock().unwrap().payloads.len() + 1;
                let payload = self.changed(change, &payload, message);
                request.body = self.with_payload(&request.body, &payload);
            }
            OnRequest::Tag => {
                for (name, value) in &mut request.headers {
                    if name == "if-match" || name == "if-none-match" {
                        *value = flipped(value, value.len() / 2);
                    }
                }
                if let Some((path, query)) = request.target.split_once('?') {
                    request.target = format!("{path}?{}", flipped(query, query.len() - 3));
                }
                if self.revision == Revision::Msc4388 && !request.body.is_empty() {
                    let body = json(&request.body);
                    let token = body["sequence_token"].as_str().unwrap();
                    let token = flipped(token, token.len() / 2);
                    request.body = edited(&request.body, "sequence_token", Some(token.into()));
                }
            }
            OnRequest::Id => {
                let end = request.path().len();
                request.target = flipped(&request.target, end - 3);
            }
            OnRequest::ToOtherSession => {
                let query = request.query().map(|query| format!("?{query}"));
                let other = self.case.lock().unwrap().other_session.clone().unwrap();
                request.target = other + query.as_deref().unwrap_or_default();
            }
            _ => unreachable!(),
        }
    }

    async fn change_answer(
        &self,
        what: OnAnswer,
        side: SessionSide,
        mut answer: AnswerText,
    ) -> WireReply {
        let length = answer.body.len();
        match what {
            OnAnswer::Lost => return WireReply::Close,
            OnAnswer::Never => return WireReply::Silence,
            OnAnswer::Late(time) => sleep(time).await,
            OnAnswer::Twice => return WireReply::Twice(answer),
            OnAnswer::Reordered => {
                let mut case = self.case.lock().unwrap();
                case.held_back[side as usize] = Some(answer);
                answer = case.last[side as usize].clone().unwrap();
            }
            OnAnswer::Old => {
                let case = self.case.lock().unwrap();
                answer = case.brought[case.brought.len() - 3].clone();
            }
            OnAnswer::Payload(change) => {
                let (payload, message) = (
                    self.payload(&answer.body),
                    self.case.lock().unwrap().payloads.len(),
                );
                let payload = self.changed(change, &payload, message);
                answer.body = self.with_payload(&answer.body, &payload);
            }
            OnAnswer::TagFlipped => self.change_tag(&mut answer, |tag| flipped(tag, tag.len() / 2)),
            OnAnswer::TagNew => self.change_tag(&mut answer, |_| "\"another\"".to_owned()),
            OnAnswer::PreviousTokenNew => answer.body = with_another_previous_token(&answer.body),
            OnAnswer::LostAndPreviousTokensNew => {
                self.case.lock().unwrap().lied_to = Some(side);
                return WireReply::Close;
            }
            OnAnswer::WeakTag => self.change_tag(&mut answer, |tag| format!("W/{tag}")),
            OnAnswer::DecoratedTag => {
                self.change_tag(&mut answer, |tag| match tag.strip_suffix('"') {
                    Some(tag) => format!("{tag}-gzip\""),
                    None => format!("{tag}-gzip"),
                })
            }
            OnAnswer::NoTag => match self.revision {
                Revision::Msc4108 => answer.set("etag", None),
                Revision::Msc4388 => answer.body = edited(&answer.body, "sequence_token", None),
            },
            OnAnswer::IdFlipped => {
                let text = String::from_utf8(answer.body.clone()).unwrap();
                let at = match self.revision {
                    Revision::Msc4108 => text.len() - 5,
                    Revision::Msc4388 => text.find("\"id\":\"").unwrap() + 10,
                };
                answer.body = flipped(&text, at).into_bytes();
            }
            OnAnswer::OtherSessionsId => {
                let mut case = self.case.lock().unwrap();
                let other = case.other_session.clone().unwrap();
                answer.body = match self.revision {
                    Revision::Msc4108 => self.created(&format!("{SHOWS}{other}")),
                    Revision::Msc4388 => {
                        let id = other.rsplit('/').next().unwrap();
                        edited(&answer.body, "id", Some(id.into()))
                    }
                };
                case.session = Some(other);
            }
            OnAnswer::Status(status) => answer = page(status),
            OnAnswer::Portal => answer = page(200),
            OnAnswer::Redirected => {
                answer = page(302);
                answer.set("location", Some("http://portal.example/terms".to_owned()));
            }
            OnAnswer::TooMany(seconds) => {
                answer = page(429);
                answer.set("retry-after", Some(seconds.to_string()));
            }
            OnAnswer::TenMegabytes => answer.body = vec![b'x'; 10 << 20],
            OnAnswer::Drip => return WireReply::Drip(answer),
            OnAnswer::TooShort | OnAnswer::TooShortAndOpen => {
                let open = what == OnAnswer::TooShortAndOpen;
                return WireReply::WrongLength {
                    answer,
                    length: length + 10,
                    open,
                };
            }
            OnAnswer::TooLong => {
                // What is left of a payload are whole groups of base64.
                let length = length / 8 * 4;
                return WireReply::WrongLength {
                    answer,
                    length,
                    open: false,
                };
            }
            OnAnswer::WrongType => {
                answer.set("content-type", Some("application/octet-stream".to_owned()))
            }
            OnAnswer::WrongJson => {
                answer.set("content-type", Some("application/json".to_owned()));
                answer.body = r#"{"url":1,"id":[],"data":{},"sequence_token":null,"expires_in_ms":"x","create_available":"yes"}"#.into();
            }
            OnAnswer::Expired => self.change_end(
                &mut answer,
                Some("Thu, 01 Jan 1970 00:00:00 GMT"),
                Some(0.into()),
            ),
            OnAnswer::ExpiresInAYear => self.change_end(
                &mut answer,
                Some("Sat, 01 Jan 2050 00:00:00 GMT"),
                Some(31_536_000_000_u64.into()),
            ),
            OnAnswer::ExpiresNever => self.change_end(&mut answer, None, None),
            OnAnswer::ExpiresNonsense => {
                self.change_end(&mut answer, Some("tomorrow"), Some((-1).into()))
            }
        }
        WireReply::Answer(answer)
    }

    fn change_tag(&self, answer: &mut AnswerText, change: impl Fn(&str) -> String) {
        match self.revision {
            Revision::Msc4108 => {
                if let Some(tag) = answer.header("etag").map(&change) {
                    answer.set("etag", Some(tag));
                }
            }
            Revision::Msc4388 => {
                if let Some(token) = json(&answer.body)["sequence_token"].as_str() {
                    let token = change(token).replace('"', "");
                    answer.body = edited(&answer.body, "sequence_token", Some(token.into()));
                }
            }
        }
    }

    fn change_end(&self, answer: &mut AnswerText, date: Option<&str>, left: Option<Value>) {
        match self.revision {
            Revision::Msc4108 => answer.set("expires", date.map(str::to_owned)),
            Revision::Msc4388 => answer.body = edited(&answer.body, "expires_in_ms", left),
        }
    }
}

async fn connection(wire: Arc<AttackedWire>, mut stream: TcpStream) {
    while let Some(request) = RequestText::read(&mut stream).await {
        let reply = wire.reply(request, &stream).await;
        if !reply.write(&mut stream).await {
            return;
        }
    }
}

/// Where sessions are created.
fn is_root(request: &RequestText) -> bool {
    [STABLE, UNSTABLE].contains(&request.path())
}

fn page(status: u16) -> AnswerText {
    AnswerText {
        status,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: PAGE.into(),
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// A JSON object with another value for this key, or without it.
fn edited(body: &[u8], key: &str, value: Option<Value>) -> Vec<u8> {
    let mut object = json(body);
    if let Some(fields) = object.as_object_mut() {
        fields.remove(key);
        fields.extend(value.map(|value| (key.to_owned(), value)));
    }
    object.to_string().into_bytes()
}

/// An answer that states what a payload was written against states something else.
fn with_another_previous_token(body: &[u8]) -> Vec<u8> {
    const KEY: &str = "io.github.matrix-qr.previous_sequence_token";
    match json(body)[KEY].as_str() {
        Some(token) => edited(body, KEY, Some(flipped(token, token.len() / 2).into())),
        None => body.to_vec(),
    }
}

/// With one bit flipped, at this place or the next one before it where a letter or a digit becomes
/// another one.
fn flipped(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() && (byte ^ 2).is_ascii_alphanumeric();
    let at = (0..=at).rev().find(|at| fits(&bytes[*at])).unwrap();
    bytes[at] ^= 2;
    String::from_utf8(bytes).unwrap()
}
