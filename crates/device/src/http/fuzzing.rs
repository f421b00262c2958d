//! For fuzz targets: who answers requests in place of servers. It is only there with `cfg(fuzzing)`,
//! and then there is no network.

use std::cell::RefCell;

/// Sees a request, and answers it.
pub type Answerer = Box<dyn FnMut(&reqwest::Request) -> http::Response<Vec<u8>>>;

thread_local! {
    static ANSWERER: RefCell<Option<Answerer>> = const { RefCell::new(None) };
}

/// Lets this answer all requests of this thread from now on.
pub fn answer_with(answerer: Answerer) {
    ANSWERER.set(Some(answerer));
}

/// Without anybody who answers, every server says that it is out of order.
pub(super) fn answer(request: &reqwest::Request) -> reqwest::Response {
    let answer = ANSWERER.with_borrow_mut(|answerer| answerer.as_mut().map(|this| this(request)));
    let out_of_order = || {
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        answer
    };
    answer.unwrap_or_else(out_of_order).into()
}
