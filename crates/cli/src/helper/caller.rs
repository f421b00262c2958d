//! The program at the other end: what it is told and asked, and its answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    errors::{LATEST, NoAnswer, RpcError},
    lines::{OutputLine, line},
    message::CallerAnswer,
};

/// How many lines may wait until the caller reads them.
pub(super) const QUEUE: usize = 1024;

type OnAnswer = Box<dyn FnOnce(CallerAnswer) + Send>;

/// The program that has started the helper. Clones are the same one.
#[derive(Clone)]
pub(super) struct RemoteCaller(Arc<Mutex<Conversation>>);

struct Conversation {
    /// `None` once the caller does not read any more.
    queue: Option<mpsc::Sender<OutputLine>>,
    /// Whether the caller can still answer.
    answers: bool,
    /// What is done with the answer to each of our requests that has none.
    unanswered: BTreeMap<u64, OnAnswer>,
    last_id: u64,
}

impl RemoteCaller {
    /// What it is to read goes into this queue.
    pub(super) fn new(queue: mpsc::Sender<OutputLine>) -> Self {
        Self(Arc::new(Mutex::new(Conversation {
            queue: Some(queue),
            answers: true,
            unanswered: BTreeMap::new(),
            last_id: 0,
        })))
    }

    fn conversation(&self) -> MutexGuard<'_, Conversation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify(&self, method: &str, params: impl Serialize) {
        let notification = Outgoing {
            jsonrpc: "2.0",
            id: None,
            method,
            params,
        };
        // One that is too long says less than what comes after it.
        if let Some(line) = line(&notification) {
            self.conversation().send(line);
        }
    }

    /// Answers a request. What does not fit into a line becomes an error; so does an ID.
    pub(super) fn answer(&self, id: &Value, answer: Result<Value, RpcError>) {
        let outgoing = |id, answer: Result<Value, RpcError>| {
            let (result, error) = match answer {
                Ok(result) => (Some(result), None),
                Err(error) => (None, Some(error)),
            };
            line(&OutgoingAnswer {
                jsonrpc: "2.0",
                id,
                result,
                error,
            })
        };
        let too_long = || Err(RpcError::not_a_request("the answer is too long for a line"));
        let line = outgoing(id, answer)
            .or_else(|| outgoing(id, too_long()))
            .or_else(|| outgoing(&Value::Null, too_long()));
        if let Some(line) = line {
            self.conversation().send(line);
        }
    }

    /// Sends a request. Dropping the value that is returned tells the caller that no answer is
    /// needed any more.
    pub(super) fn ask(&self, method: &'static str, params: impl Serialize) -> Ask {
        let (sender, answer) = oneshot::channel();
        let on_answer = move |given| drop(sender.send(given));
        Ask {
            question: self.question(method, params, Box::new(on_answer)),
            method,
            answer,
        }
    }

    /// Sends a request whose answer is null: it shows something. `failed` is called for any other
    /// answer.
    pub(super) fn show(
        &self,
        method: &'static str,
        params: impl Serialize,
        failed: impl FnOnce(NoAnswer) + Send + 'static,
    ) -> Option<OpenRequest> {
        let on_answer = move |given: CallerAnswer| {
            if let Err(error) = read::<()>(method, &given) {
                failed(error);
            }
        };
        self.question(method, params, Box::new(on_answer)).ok()
    }

    fn question(
        &self,
        method: &'static str,
        params: impl Serialize,
        on_answer: OnAnswer,
    ) -> Result<OpenRequest, NoAnswer> {
        let mut conversation = self.conversation();
        conversation.last_id += 1;
        let id = conversation.last_id;
        let request = Outgoing {
            jsonrpc: "2.0",
            id: Some(id),
            method,
            params,
        };
        let line = line(&request).ok_or(NoAnswer::TooLong(method))?;
        if !conversation.answers {
            return Err(NoAnswer::Gone);
        }
        conversation.unanswered.insert(id, on_answer);
        conversation.send(line);
        let caller = self.clone();
        Ok(OpenRequest { caller, id })
    }

    /// Takes an answer. One that nobody waits for is late.
    pub(super) fn take(&self, id: u64, answer: CallerAnswer) {
        let on_answer = self.conversation().unanswered.remove(&id);
        if let Some(on_answer) = on_answer {
            on_answer(answer);
        }
    }

    /// There will be no more answers.
    pub(super) fn hang_up(&self) {
        let mut conversation = self.conversation();
        conversation.answers = false;
        conversation.unanswered.clear();
    }

    /// Nothing is written after what is in the queue.
    pub(super) fn close(&self) {
        self.conversation().queue = None;
    }
}

impl Conversation {
    /// A caller that leaves so many lines unread will not read one more. The end of the queue ends
    /// the helper.
    fn send(&mut self, line: OutputLine) {
        if self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.try_send(line).is_err())
        {
            self.queue = None;
        }
    }
}

/// A request or a notification to the caller.
#[derive(Serialize)]
struct Outgoing<'a, P> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    method: &'a str,
    params: P,
}

/// An answer to the caller: with a result or an error.
#[derive(Serialize)]
struct OutgoingAnswer<'a> {
    jsonrpc: &'static str,
    id: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RpcError>,
}

/// A request that the caller has not answered. Dropping it takes it back.
pub(super) struct OpenRequest {
    caller: RemoteCaller,
    id: u64,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let was_open = self.caller.conversation().unanswered.remove(&self.id);
        if was_open.is_some() {
            self.caller
                .notify("cancel_request", json!({ "id": self.id }));
        }
    }
}

/// A request whose answer somebody waits for.
pub(super) struct Ask {
    question: Result<OpenRequest, NoAnswer>,
    method: &'static str,
    answer: oneshot::Receiver<CallerAnswer>,
}

impl Ask {
    /// The answer, however long a person takes for it.
    pub(super) async fn answer<T: DeserializeOwned>(self) -> Result<T, NoAnswer> {
        let _question = self.question?;
        let answer = self.answer.await.map_err(|_| NoAnswer::Gone)?;
        read(self.method, &answer)
    }

    /// The answer of the program itself.
    pub(super) async fn soon<T: DeserializeOwned>(self) -> Result<T, NoAnswer> {
        let method = self.method;
        let answer = timeout(Duration::from_secs(LATEST), self.answer()).await;
        answer.map_err(|_| NoAnswer::Late(method))?
    }
}

fn read<T: DeserializeOwned>(method: &'static str, answer: &CallerAnswer) -> Result<T, NoAnswer> {
    match answer {
        CallerAnswer::Result(result) => result.read().map_err(|_| NoAnswer::Malformed(method)),
        CallerAnswer::Error => Err(NoAnswer::Refused(method)),
        CallerAnswer::Malformed => Err(NoAnswer::Malformed(method)),
    }
}

#[cfg(test)]
mod tests;
