//! "To make sends idempotent": a client repeats a write whose response was lost.

use std::collections::HashSet;

use serde_json::json;

use super::*;

each_store! {
    a_repeated_write_is_acknowledged_again_and_changes_nothing,
    a_repeat_wakes_nobody,
    the_same_data_with_the_current_token_is_a_write,
    of_many_that_repeat_a_write_at_once_one_writes,
    of_many_that_repeat_and_differ_one_wins,
}

async fn a_repeated_write_is_acknowledged_again_and_changes_nothing<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for (collection, errcode) in COLLECTIONS {
        let session = server.name_at(collection, "first").await;
        let written = server.write(&session, "second").await;
        for stale in [
            session.token.as_str(),
            "AAAAAAAAAAAAAAAAAAAAAA",
            "none of ours",
            "",
        ] {
            let again = SessionAtToken {
                token: stale.to_owned(),
                ..session.clone()
            };
            assert_eq!(server.write(&again, "second").await, written);
            // Byte for byte.
            for other in ["second ", "secon", "Second", "", "first"] {
                let response = server.put_json(&again, other).send().await.unwrap();
                assert_error(response, 409, errcode).await;
            }
        }
        // However the JSON encodes it.
        let spelt = format!(
            "{{\"sequence_token\":\"{}\",\"data\":\"\\u0073econd\"}}",
            session.token
        );
        let response = server
            .send(Method::PUT, &session.path, spelt)
            .send()
            .await
            .unwrap();
        assert_eq!(token(response).await, written);
        assert_eq!(server.look(&session).await["sequence_token"], written);
        // After another write it is not a repeat.
        server
            .write(
                &SessionAtToken {
                    token: written.clone(),
                    ..session.clone()
                },
                "third",
            )
            .await;
        assert_error(
            server.put_json(&session, "second").send().await.unwrap(),
            409,
            errcode,
        )
        .await;
    }
}

async fn a_repeat_wakes_nobody<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    let current = SessionAtToken {
        token: server.write(&session, "second").await,
        ..session.clone()
    };
    let waiting = held(server.wait(&current, "30")).await;
    for _ in 0..3 {
        assert_eq!(server.write(&session, "second").await, current.token);
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    server.write(&current, "third").await;
    assert_eq!(granted(answer(waiting).await).await["data"], "third");
}

async fn the_same_data_with_the_current_token_is_a_write<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("same").await;
    let waiting = held(server.wait(&session, "30")).await;
    let written = server.write(&session, "same").await;
    assert_ne!(written, session.token);
    let heard = granted(answer(waiting).await).await;
    assert_eq!(
        (&heard["data"], &heard["sequence_token"]),
        (&json!("same"), &json!(written))
    );
}

async fn of_many_that_repeat_a_write_at_once_one_writes<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.name("start").await;
    for round in 0..20 {
        let data = format!("round {round}");
        let writers: Vec<_> = (0..16)
            .map(|_| tokio::spawn(server.put_json(&session, &data).send()))
            .collect();
        let mut tokens = HashSet::new();
        for writer in writers {
            tokens.insert(token(writer.await.unwrap().unwrap()).await);
        }
        assert_eq!(tokens.len(), 1, "there is one new revision");
        assert!(!tokens.contains(&session.token));
        session.token = tokens.into_iter().next().unwrap();
        assert_eq!(server.look(&session).await["sequence_token"], session.token);
    }
}

async fn of_many_that_repeat_and_differ_one_wins<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.name("start").await;
    for round in 0..20 {
        let data = |n: usize| format!("{} in round {round}", n % 4);
        let writer = |n| tokio::spawn(server.put_json(&session, &data(n)).send());
        let writers: Vec<_> = (0..16).map(writer).collect();
        let mut acknowledged = HashSet::new();
        for (n, writer) in writers.into_iter().enumerate() {
            let response = writer.await.unwrap().unwrap();
            match response.status().as_u16() {
                200 => drop(acknowledged.insert((data(n), token(response).await))),
                _ => assert_error(response, 409, "M_CONCURRENT_WRITE").await,
            }
        }
        assert_eq!(acknowledged.len(), 1, "{acknowledged:?}");
        let (data, token) = acknowledged.into_iter().next().unwrap();
        session.token = token;
        let seen = server.look(&session).await;
        assert_eq!(
            (&seen["data"], &seen["sequence_token"]),
            (&json!(data), &json!(session.token))
        );
    }
}
