//! Every sequence of inputs, for both roles, whoever scanned.
//!
//! `Login` is a pure function of its own value and one input, and its values are few. So all
//! sequences up to a depth are tried by walking the graph of (login, what happened so far) layer by
//! layer: two sequences that lead to the same value with the same past have the same future. The
//! number of sequences that a layer stands for is counted along.

#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{HashMap, HashSet};

use super::{
    message::{
        Authorization, CrossSigning, DeviceId, Protocol, Protocols, SecretKey, Secrets, Unreadable,
        VerificationLink,
    },
    *,
};
use crate::error::{Cause, UserError};

/// A full sign-in takes at most 8 inputs on one side.
const DEPTH: usize = 12;

/// What a sequence of inputs has brought, told without the code under test.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Past {
    outstanding: Option<Ask>,
    code_was_right: bool,
    offered: bool,
    absent: Option<DeviceId>,
    opened: bool,
    accepted: bool,
    token: bool,
    success_heard: bool,
    present: bool,
    exported: bool,
    secrets_sent: bool,
    secrets_heard: bool,
    imported: bool,
    success_sent: bool,
    lost: bool,
    outcome: Option<VerificationOutcome>,
}

impl Past {
    /// What this input means, given what was asked.
    fn learn(&mut self, input: &Input) {
        match (input, &self.outstanding) {
            (Input::CheckCode(right), Some(Ask::CheckCode)) => self.code_was_right = *right,
            (Input::Message(Message::Protocols(offer)), _) => {
                self.offered |= offer.device_authorization_grant
            }
            (Input::Message(Message::ProtocolAccepted), _) => self.accepted = true,
            (Input::Message(Message::Success), _) => self.success_heard = true,
            (Input::Message(Message::Secrets(_)), _) => self.secrets_heard = true,
            (
                Input::Answer(Answer::Device(Ok(DeviceLookup::Absent))),
                Some(Ask::FindDevice(id)),
            ) => {
                self.absent = Some(id.clone());
            }
            (
                Input::Answer(Answer::Device(Ok(DeviceLookup::Present))),
                Some(Ask::AwaitDevice(id)),
            ) => {
                self.present = self.absent.as_ref() == Some(id);
            }
            (Input::Answer(Answer::Opened(Ok(()))), Some(Ask::OpenUri(_))) => self.opened = true,
            (Input::Answer(Answer::Token(Ok(()))), Some(Ask::AwaitToken)) => self.token = true,
            (Input::Answer(Answer::Exported(Ok(_))), Some(Ask::ExportSecrets)) => {
                self.exported = true
            }
            (Input::Answer(Answer::Imported(Ok(()))), Some(Ask::ImportSecrets(_))) => {
                self.imported = true
            }
            (Input::Answer(Answer::Verified(outcome)), Some(Ask::AwaitVerified(_))) => {
                self.outcome = Some(*outcome);
            }
            (Input::Unsent(_), _) => self.lost = true,
            _ => {}
        }
        if self.answers(input) {
            self.outstanding = None;
        }
    }

    /// A question is answered once.
    fn answers(&self, input: &Input) -> bool {
        matches!(
            (&self.outstanding, input),
            (Some(Ask::CheckCode), Input::CheckCode(_))
                | (
                    Some(Ask::RequestAuthorization(_)),
                    Input::Answer(Answer::Authorization(_))
                )
                | (Some(Ask::AwaitToken), Input::Answer(Answer::Token(_)))
                | (
                    Some(Ask::FindDevice(_) | Ask::AwaitDevice(_)),
                    Input::Answer(Answer::Device(_))
                )
                | (Some(Ask::OpenUri(_)), Input::Answer(Answer::Opened(_)))
                | (Some(Ask::ExportSecrets), Input::Answer(Answer::Exported(_)))
                | (
                    Some(Ask::AwaitVerified(_)),
                    Input::Answer(Answer::Verified(_))
                )
                | (
                    Some(Ask::ImportSecrets(_)),
                    Input::Answer(Answer::Imported(_))
                )
        )
    }

    /// What may be done now, and only now.
    fn permits(&self, output: &Output, (role, scanned): (Role, bool)) -> bool {
        let confirmed = scanned || self.code_was_right;
        let ready = self.success_heard && self.present && self.opened;
        match output {
            Output::End(Outcome { result: Ok(()), .. }) if role == Role::New => {
                self.imported && self.token
            }
            Output::End(Outcome { result: Ok(()), .. }) => {
                let seen = self.outcome == Some(VerificationOutcome::Verified);
                self.secrets_sent
                    && self.outcome != Some(VerificationOutcome::Gone)
                    && (!self.lost || seen)
            }
            Output::End(_) | Output::Ask(Ask::CheckCode) | Output::Send(Message::Failure(_)) => {
                true
            }
            Output::Send(Message::Protocols(_)) => role == Role::Existing && scanned,
            Output::Ask(Ask::RequestAuthorization(_)) => {
                role == Role::New && confirmed && (scanned || self.offered)
            }
            Output::Send(Message::Protocol(_)) => role == Role::New && confirmed,
            Output::Ask(Ask::AwaitToken) => role == Role::New && confirmed && self.accepted,
            Output::Send(Message::Declined) => role == Role::New && self.accepted && !self.token,
            Output::Send(Message::Success) => role == Role::New && self.accepted && self.token,
            Output::Ask(Ask::ImportSecrets(_)) => self.success_sent && self.secrets_heard,
            Output::Ask(Ask::FindDevice(_)) => role == Role::Existing && confirmed,
            Output::Ask(Ask::OpenUri(_)) => confirmed && self.absent.is_some(),
            Output::Send(Message::ProtocolAccepted) => {
                confirmed && self.absent.is_some() && self.opened
            }
            Output::Ask(Ask::AwaitDevice(id)) => {
                confirmed && self.success_heard && self.opened && self.absent.as_ref() == Some(id)
            }
            Output::Ask(Ask::ExportSecrets) => role == Role::Existing && confirmed && ready,
            Output::Send(Message::Secrets(_)) => {
                role == Role::Existing && confirmed && ready && self.exported
            }
            Output::Ask(Ask::AwaitVerified(id)) => {
                self.secrets_sent && self.absent.as_ref() == Some(id)
            }
        }
    }

    fn note(&mut self, output: &Output) {
        match output {
            Output::Ask(ask) => self.outstanding = Some(ask.clone()),
            Output::Send(Message::Success) => self.success_sent = true,
            Output::Send(Message::Secrets(_)) => self.secrets_sent = true,
            _ => {}
        }
    }
}

type Node = (Login, Past);

/// All that is checked at one step: what comes out, in what order, and how it ends.
fn step((mut login, mut past): Node, input: &Input, who: (Role, bool)) -> Node {
    let was_over = login.0 == Stage::Over;
    let unchanged = login.clone();
    let before = past.clone();
    past.learn(input);
    let outputs = login.handle(input.clone());
    assert!(!was_over || outputs.is_empty(), "{outputs:?} after the end");
    assert_eq!(
        login.0 == Stage::Over,
        was_over || matches!(outputs.last(), Some(Output::End(_)))
    );
    for (at, output) in outputs.iter().enumerate() {
        assert!(
            past.permits(output, who),
            "{output:?} too early, after {input:?} and {before:?}"
        );
        past.note(output);
        let last = at + 1 == outputs.len();
        assert_eq!(
            last && login.0 == Stage::Over,
            matches!(output, Output::End(_)),
            "one end, and it comes last"
        );
        if matches!(
            output,
            Output::Send(Message::Failure(_) | Message::Declined)
        ) {
            let ends = matches!(
                outputs.get(at + 1),
                Some(Output::End(Outcome {
                    result: Err(_),
                    session: Leave::DeleteOnceRead
                }))
            );
            assert!(
                ends,
                "a last word is the last one, and stays in the session until it is read"
            );
        }
    }
    assert_leaves_what_is_unread(&outputs, input, &before);
    let ignored = login == unchanged;
    assert!(
        !ignored || was_over || !matches!(input, Input::Message(_)),
        "{input:?} was not answered: {before:?}"
    );
    let nothing_is_needed =
        before.secrets_sent || matches!(before.outstanding, Some(Ask::ImportSecrets(_)));
    let foreign = matches!(input, Input::Tampered | Input::Ended(_));
    assert!(
        !foreign || was_over || ignored == nothing_is_needed,
        "after the secrets, and only then: {before:?}"
    );
    (login, past)
}

/// "Who deletes the session": the receiver of a failure, the new device when it has the secrets,
/// whoever finds the server of no use; and who says a last word, once it is read. After the secrets
/// the existing device does so to call them back, or when nobody is left.
fn assert_leaves_what_is_unread(outputs: &[Output], input: &Input, before: &Past) {
    let Some(Output::End(over)) = outputs.last() else {
        return;
    };
    let nobody_reads = match input {
        Input::Message(Message::Failure(_) | Message::Declined)
        | Input::Answer(Answer::Imported(Ok(()))) => true,
        Input::Ended(Ended::Unusable(_)) | Input::Unsent(Ended::Unusable(_)) => true,
        Input::Cancel => before.secrets_sent,
        Input::Answer(Answer::Verified(VerificationOutcome::Gone)) => !before.lost,
        _ => false,
    };
    let expected = match outputs.len() {
        1 if nobody_reads => Leave::Delete,
        1 => Leave::Alone,
        _ => Leave::DeleteOnceRead,
    };
    assert_eq!(over.session, expected, "{outputs:?} after {input:?}");
    if matches!(input, Input::Cancel) && before.secrets_sent {
        assert!(
            matches!(over.result, Err(Error::CancelledTooLate(_))),
            "{outputs:?}"
        );
    }
}

fn trouble() -> UserError {
    UserError::new(Cause::Homeserver, "it broke", "Mend it.")
}

fn homeserver() -> HomeserverAddress {
    HomeserverAddress::parse("https://matrix.example.org").unwrap()
}

fn wanted(id: &str) -> Authorization {
    let link = VerificationLink {
        verification_uri: "https://id.example.org/link".parse().unwrap(),
        verification_uri_complete: None,
    };
    Authorization {
        link,
        device_id: DeviceId::parse(id).unwrap(),
    }
}

fn secrets() -> Secrets {
    let key = SecretKey::new(&[7; 32]);
    let cross_signing = CrossSigning {
        master_key: key.clone(),
        self_signing_key: key.clone(),
        user_signing_key: key,
    };
    Secrets {
        cross_signing,
        backup: None,
    }
}

fn messages() -> Vec<Message> {
    let offer = |device_authorization_grant| {
        Message::Protocols(Protocols {
            device_authorization_grant,
            homeserver: homeserver(),
        })
    };
    vec![
        offer(true),
        offer(false),
        Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted("AAAAAAAAAA"))),
        Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted("b/c+d"))),
        Message::Protocol(Protocol::Other("telepathy".into())),
        Message::ProtocolAccepted,
        Message::Failure(Reason::UserCancelled),
        Message::Failure(Reason::DeviceAlreadyExists),
        Message::Failure(Reason::Other("new".into())),
        Message::Declined,
        Message::Success,
        Message::Secrets(secrets()),
    ]
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::Authorization(Ok(wanted("AAAAAAAAAA"))),
        Answer::Authorization(Err(NoAuthorization::Unsupported(trouble()))),
        Answer::Authorization(Err(NoAuthorization::Failed(trouble()))),
        Answer::Token(Ok(())),
        Answer::Token(Err(NoToken::Denied)),
        Answer::Token(Err(NoToken::Expired)),
        Answer::Token(Err(NoToken::WrongAccount(trouble()))),
        Answer::Token(Err(NoToken::Failed(trouble()))),
        Answer::Device(Ok(DeviceLookup::Present)),
        Answer::Device(Ok(DeviceLookup::Absent)),
        Answer::Device(Err(trouble())),
        Answer::Opened(Ok(())),
        Answer::Opened(Err(NotOpened::Refused)),
        Answer::Opened(Err(NotOpened::Unusable(trouble()))),
        Answer::Exported(Ok(secrets())),
        Answer::Exported(Err(trouble())),
        Answer::Verified(VerificationOutcome::Verified),
        Answer::Verified(VerificationOutcome::Unseen),
        Answer::Verified(VerificationOutcome::Gone),
        Answer::Imported(Ok(())),
        Answer::Imported(Err(NotImported::Refused(trouble()))),
        Answer::Imported(Err(NotImported::Failed(trouble()))),
    ]
}

fn alphabet() -> Vec<Input> {
    let ends = [Ended::Expired, Ended::Gone, Ended::Unusable(trouble())];
    let mut inputs = vec![
        Input::CheckCode(true),
        Input::CheckCode(false),
        Input::Cancel,
        Input::Tampered,
        Input::Unreadable(Unreadable::NotAMessage),
    ];
    inputs.extend(messages().into_iter().map(Input::Message));
    inputs.extend(answers().into_iter().map(Input::Answer));
    inputs.extend(ends.iter().cloned().map(Input::Ended));
    inputs.extend(ends.into_iter().map(Input::Unsent));
    inputs
}

fn beginnings() -> Vec<((Role, bool), Node)> {
    let mut all = Vec::new();
    for role in [Role::New, Role::Existing] {
        for scanned in [false, true] {
            let (login, outputs) = Login::start(role, scanned.then(homeserver));
            let mut past = Past::default();
            for output in &outputs {
                assert!(
                    past.permits(output, (role, scanned)),
                    "{output:?} at the start"
                );
                past.note(output);
            }
            all.push(((role, scanned), (login, past)));
        }
    }
    all
}

#[test]
fn every_sequence_of_inputs_keeps_the_rules() {
    let alphabet = alphabet();
    let (mut sequences, mut steps, mut successes) = (0_u128, 0_u64, 0_u128);
    for (who, start) in beginnings() {
        let mut layer = HashMap::from([(start, 1_u128)]);
        for _ in 0..DEPTH {
            let mut below: HashMap<Node, u128> = HashMap::new();
            for (node, count) in layer {
                for input in &alphabet {
                    let next = step(node.clone(), input, who);
                    steps += 1;
                    sequences += count;
                    *below.entry(next).or_default() += count;
                }
            }
            layer = below;
        }
        successes += layer
            .iter()
            .filter(|(node, _)| is_success(node, who))
            .map(|(_, count)| count)
            .sum::<u128>();
    }
    assert!(successes > 0);
    let expected: u128 = (1..=DEPTH as u32)
        .map(|depth| 4 * (alphabet.len() as u128).pow(depth))
        .sum();
    assert_eq!(sequences, expected, "every sequence was stood for");
    println!(
        "{sequences} sequences of up to {DEPTH} of {} inputs, in {steps} steps",
        alphabet.len()
    );
}

/// All nodes that any sequence, however long, can reach.
fn reachable(who: (Role, bool), start: Node) -> HashMap<Node, Vec<Node>> {
    let (mut graph, mut open) = (HashMap::new(), vec![start]);
    while let Some(node) = open.pop() {
        if graph.contains_key(&node) {
            continue;
        }
        let next: Vec<_> = alphabet()
            .iter()
            .map(|input| step(node.clone(), input, who))
            .collect();
        open.extend(next.iter().cloned());
        graph.insert(node, next);
    }
    graph
}

#[test]
fn every_path_ends() {
    for (who, start) in beginnings() {
        for (node, _) in reachable(who, start) {
            assert!(
                cancelled(&node, who),
                "a person can always give up: {node:?}"
            );
            assert!(
                ends_without_the_session(&node, who),
                "the clock always ends it: {node:?}"
            );
        }
    }
}

fn cancelled(node: &Node, who: (Role, bool)) -> bool {
    step(node.clone(), &Input::Cancel, who).0.0 == Stage::Over
}

/// When the session is over, either that is the end, or an answer is outstanding whose every value
/// is the end.
fn ends_without_the_session(node: &Node, who: (Role, bool)) -> bool {
    let after = step(node.clone(), &Input::Ended(Ended::Expired), who);
    let answers: Vec<Answer> = match after.1.outstanding {
        _ if after.0.0 == Stage::Over => return true,
        Some(Ask::AwaitVerified(_)) => {
            vec![
                Answer::Verified(VerificationOutcome::Verified),
                Answer::Verified(VerificationOutcome::Gone),
            ]
        }
        Some(Ask::ImportSecrets(_)) => {
            vec![
                Answer::Imported(Ok(())),
                Answer::Imported(Err(NotImported::Failed(trouble()))),
            ]
        }
        _ => return false,
    };
    answers
        .into_iter()
        .all(|answer| step(after.clone(), &Input::Answer(answer), who).0.0 == Stage::Over)
}

#[test]
fn from_every_state_the_sign_in_can_still_succeed() {
    for (who, start) in beginnings() {
        let graph = reachable(who, start);
        let mut hopeful: HashSet<&Node> =
            graph.keys().filter(|node| is_success(node, who)).collect();
        loop {
            let more: Vec<_> = graph
                .iter()
                .filter(|(_, next)| next.iter().any(|next| hopeful.contains(next)))
                .map(|(node, _)| node)
                .collect();
            let before = hopeful.len();
            hopeful.extend(more);
            if hopeful.len() == before {
                break;
            }
        }
        // A useless first message that waits for the check code is answered only after it.
        let doomed = |node: &Node| {
            matches!(
                node.0.0,
                Stage::Over | Stage::CheckCode { early: Some(_), .. }
            )
        };
        for node in graph.keys().filter(|node| !doomed(node)) {
            assert!(hopeful.contains(node), "{node:?} leads nowhere");
        }
    }
}

fn is_success((login, past): &Node, (role, _): (Role, bool)) -> bool {
    login.0 == Stage::Over
        && if role == Role::New {
            past.imported
        } else {
            past.secrets_sent
        }
}
