//! What is being asked, and who waits for the answer.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use matrix_qr_protocol::qr::QrCode;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// What a person gave for an answer.
pub(crate) enum PageAnswer {
    Text(Zeroizing<String>),
    Code(Box<QrCode>),
}

/// The open question of each device: at most one.
#[derive(Default)]
pub(crate) struct Questions {
    next: AtomicU64,
    open: Mutex<Vec<OpenQuestion>>,
}

struct OpenQuestion {
    device: usize,
    id: u64,
    answer: oneshot::Sender<PageAnswer>,
}

/// The question is not open any more: it was answered, or its sign-in has gone on without it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAsked;

impl Questions {
    /// Opens a question of this device; it replaces the one that was open before.
    pub(crate) fn ask(&self, device: usize) -> (u64, oneshot::Receiver<PageAnswer>) {
        let (answer, receiver) = oneshot::channel();
        let id = self.next.fetch_add(1, Relaxed);
        let mut open = self.open();
        open.retain(|question| question.device != device);
        open.push(OpenQuestion { device, id, answer });
        (id, receiver)
    }

    /// Whether this question is open.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.open().iter().any(|question| question.id == id)
    }

    /// Answers it, once.
    pub(crate) fn answer(&self, id: u64, answer: PageAnswer) -> Result<(), NotAsked> {
        let mut open = self.open();
        let at = open
            .iter()
            .position(|question| question.id == id)
            .ok_or(NotAsked)?;
        let question = open.swap_remove(at);
        question.answer.send(answer).map_err(|_| NotAsked)
    }

    /// Takes it back, if it is still open.
    pub(crate) fn take_back(&self, id: u64) {
        self.open().retain(|question| question.id != id);
    }

    fn open(&self) -> MutexGuard<'_, Vec<OpenQuestion>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: PageAnswer) -> String {
        match answer {
            PageAnswer::Text(text) => text.to_string(),
            PageAnswer::Code(_) => "a code".to_owned(),
        }
    }

    fn yes() -> PageAnswer {
        PageAnswer::Text(Zeroizing::new("yes".to_owned()))
    }

    #[test]
    fn a_question_is_answered_once_and_only_while_it_is_open() {
        let questions = Questions::default();
        let (first, mut answered) = questions.ask(0);
        assert!(questions.is_open(first));
        assert_eq!(questions.answer(first, yes()), Ok(()));
        assert_eq!(text(answered.try_recv().unwrap()), "yes");
        assert_eq!(questions.answer(first, yes()), Err(NotAsked), "twice");

        let (second, _receiver) = questions.ask(0);
        questions.take_back(second);
        assert_eq!(questions.answer(second, yes()), Err(NotAsked), "taken back");
    }

    #[test]
    fn each_device_has_one_question_and_not_that_of_the_other() {
        let questions = Questions::default();
        let (old, mut never) = questions.ask(0);
        let (other, _of_the_other) = questions.ask(1);
        let (new, _of_this) = questions.ask(0);
        assert_eq!(questions.answer(old, yes()), Err(NotAsked));
        assert!(never.try_recv().is_err());
        assert!(questions.is_open(other) && questions.is_open(new));
    }
}
