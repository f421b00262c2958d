#![allow(clippy::unwrap_used, clippy::panic)]

use matrix_qr_device::{
    UserId,
    keys::{CrossSigningError, KeyHolder as _},
};
use serde_json::from_slice;
use tokio::time::Instant;

use super::*;
use crate::{
    cancel::Cancel,
    helper::{
        keys::RemoteKeys,
        message::{CallerMessage, read as read_message},
    },
};

struct Pipe {
    caller: RemoteCaller,
    lines: mpsc::Receiver<OutputLine>,
}

impl Pipe {
    fn new() -> Self {
        let (queue, lines) = mpsc::channel(QUEUE);
        let caller = RemoteCaller::new(queue);
        Self { caller, lines }
    }

    fn next(&mut self) -> Value {
        from_slice(&self.lines.try_recv().unwrap()).unwrap()
    }

    /// Answers the request with this ID.
    fn answer(&self, id: u64, result: &str) {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},{result}}}"#);
        match read_message(&line).unwrap() {
            CallerMessage::Answer {
                id: Some(id),
                answer,
            } => self.caller.take(id, answer),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let mut pipe = Pipe::new();
    let asks = ["a", "b", "c"].map(|method| pipe.caller.ask(method, json!({})));
    for id in [1, 2, 3] {
        assert_eq!(pipe.next()["id"], id);
    }
    for id in [3, 1, 2] {
        pipe.answer(id, &format!(r#""result":{{"n":{id}}}"#));
    }
    for (ask, id) in asks.into_iter().zip([1, 2, 3]) {
        assert_eq!(ask.answer::<Value>().await, Ok(json!({ "n": id })));
    }
    // Nobody waits for these.
    pipe.answer(1, r#""result":null"#);
    pipe.answer(99, r#""result":null"#);
    assert!(pipe.lines.try_recv().is_err());
}

#[tokio::test]
async fn a_question_that_is_dropped_is_taken_back() {
    let mut pipe = Pipe::new();
    let ask = pipe.caller.ask("enter_check_code", json!({}));
    pipe.next();
    drop(ask);
    let taken_back = pipe.next();
    assert_eq!(taken_back["method"], "cancel_request");
    assert_eq!(taken_back["params"], json!({ "id": 1 }));
    pipe.answer(1, r#""result":{"digits":"07"}"#);

    let shown = pipe
        .caller
        .show("show_code", json!({}), |_| panic!("it was shown"));
    pipe.next();
    pipe.answer(2, r#""result":null"#);
    drop(shown);
    assert!(pipe.lines.try_recv().is_err(), "it is answered already");
}

#[tokio::test]
async fn an_answer_of_another_form_is_an_error() {
    for (answer, error) in [
        (r#""result":{}"#, NoAnswer::Malformed("keep")),
        (r#""result":[]"#, NoAnswer::Malformed("keep")),
        (r#""result":null,"error":1"#, NoAnswer::Malformed("keep")),
        (
            r#""error":{"code":1,"message":"m"}"#,
            NoAnswer::Refused("keep"),
        ),
    ] {
        let pipe = Pipe::new();
        let ask = pipe.caller.ask("keep", json!({}));
        pipe.answer(1, answer);
        assert_eq!(ask.answer::<()>().await, Err(error), "{answer}");

        let (sender, failed) = oneshot::channel();
        let on_failure = |error| sender.send(error).unwrap();
        let _shown = pipe.caller.show("keep", json!({}), on_failure);
        pipe.answer(2, answer);
        assert_eq!(failed.await, Ok(error), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_hangs_is_waited_for_half_a_minute() {
    let mut pipe = Pipe::new();
    let keys = RemoteKeys::new(pipe.caller.clone(), Cancel::new());
    let begin = Instant::now();
    let user_id = UserId::parse("@a:example.org").unwrap();
    let late = keys
        .device_keys(&user_id, "DEVICE".into())
        .await
        .unwrap_err();
    assert!(
        late.what.contains("device_keys within 30 seconds"),
        "{late}"
    );
    assert_eq!(begin.elapsed(), Duration::from_secs(30));
    let late = keys.secrets().await.unwrap_err();
    assert!(matches!(late, CrossSigningError::KeyHolder(late) if late.what.contains("secrets")));
    for method in ["keep", "room_keys"] {
        let late = pipe.caller.ask(method, json!({})).soon::<()>().await;
        assert_eq!(late, Err(NoAnswer::Late(method)));
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(120));
    // Each of them was taken back.
    let methods: Vec<_> = std::iter::repeat_with(|| pipe.lines.try_recv().ok())
        .map_while(|line| Some(from_slice::<Value>(&line?).unwrap()["method"].clone()))
        .collect();
    let expected = ["device_keys", "secrets", "keep", "room_keys"];
    let expected: Vec<_> = expected
        .iter()
        .flat_map(|method| [*method, "cancel_request"])
        .collect();
    assert_eq!(methods, expected);
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_is_cancelled_waits_for_no_keys() {
    let (pipe, cancel) = (Pipe::new(), Cancel::new());
    let keys = RemoteKeys::new(pipe.caller.clone(), cancel.clone());
    let begin = Instant::now();
    let ended = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.input_ended();
    };
    let (late, ()) = tokio::join!(keys.secrets(), ended);
    assert!(late.is_err());
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn after_it_has_hung_up_nothing_is_asked() {
    let mut pipe = Pipe::new();
    let before = pipe.caller.ask("keep", json!({}));
    pipe.next();
    pipe.caller.hang_up();
    assert_eq!(before.answer::<()>().await, Err(NoAnswer::Gone));
    assert_eq!(
        pipe.caller.ask("keep", json!({})).answer::<()>().await,
        Err(NoAnswer::Gone)
    );
    assert!(pipe.lines.try_recv().is_err());
    pipe.caller.notify("progress", json!({}));
    assert_eq!(
        pipe.next()["method"],
        "progress",
        "it still hears of the clean-up"
    );
    pipe.caller.close();
    pipe.caller.notify("progress", json!({}));
    assert!(pipe.lines.recv().await.is_none());
}

#[tokio::test]
async fn a_queue_that_is_full_ends_the_conversation() {
    let mut pipe = Pipe::new();
    for _ in 0..=QUEUE {
        pipe.caller.notify("progress", json!({}));
    }
    for _ in 0..QUEUE {
        pipe.next();
    }
    assert!(pipe.lines.recv().await.is_none(), "the queue has ended");
}

#[tokio::test]
async fn what_does_not_fit_into_a_line_is_not_sent() {
    let mut pipe = Pipe::new();
    let long = "x".repeat(1 << 20);
    let too_long = pipe.caller.ask("keep", &long).answer::<()>().await;
    assert_eq!(too_long, Err(NoAnswer::TooLong("keep")));
    pipe.caller.answer(&json!(1), Ok(json!(long)));
    assert_eq!(pipe.next()["error"]["code"], -32600);
    let error = RpcError::wrong_parameters(&long);
    pipe.caller.answer(&json!(1), Err(error.clone()));
    assert_eq!(pipe.next()["error"]["code"], -32600);
    pipe.caller.answer(&json!(long), Err(error));
    assert_eq!(pipe.next()["id"], Value::Null);
}
