//! Every sequence of inputs, for both roles, whoever scanned.
//!
//! `Login` is a pure function of its own value and one input, and its values are few. So all
//! sequences up to a depth are tried by walking the graph of (login, what happened so far) layer by
//! layer: two sequences that lead to the same value with the same past have the same future. The
//! number of sequences that a layer stands for is counted along.

#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    hash::Hash,
};

use super::{
    existing_device::Doubt,
    message::{
        Authorization, CrossSigning, DeviceId, Protocol, Protocols, SecretKey, Secrets, Unreadable,
        VerificationLink,
    },
    *,
};
use crate::{
    error::{Cause, UserError},
    revision::Role,
};

/// A full sign-in takes at most 8 inputs on one side.
const DEPTH: usize = 13;

/// A role, for a test that knows both.
trait TestRole:
    RoleState<Ask: Debug + Clone, Answer: Debug + Clone> + Debug + Clone + Eq + Hash
{
    const ROLE: Role;

    fn question(ask: Self::Ask) -> EitherAsk;
    fn either(answer: Self::Answer) -> EitherAnswer;
    fn answers() -> Vec<Self::Answer>;
    /// Answers that a device gives when the session is over.
    fn last_answers(outstanding: &EitherAsk) -> Vec<Self::Answer>;
}

/// What is asked of the person or of the device of either role.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum EitherAsk {
    CheckCode,
    New(NewDeviceAsk),
    Existing(ExistingDeviceAsk),
}

/// What the device of either role answers.
#[derive(Debug, Clone)]
enum EitherAnswer {
    New(NewDeviceAnswer),
    Existing(ExistingDeviceAnswer),
}

impl TestRole for NewDeviceState {
    const ROLE: Role = Role::New;

    fn question(ask: NewDeviceAsk) -> EitherAsk {
        EitherAsk::New(ask)
    }

    fn either(answer: NewDeviceAnswer) -> EitherAnswer {
        EitherAnswer::New(answer)
    }

    fn answers() -> Vec<NewDeviceAnswer> {
        use NewDeviceAnswer::{AwaitToken, ImportSecrets, RequestAuthorization};
        vec![
            RequestAuthorization(Ok(wanted("AAAAAAAAAA"))),
            RequestAuthorization(Err(NoAuthorization::Unsupported(user_error()))),
            RequestAuthorization(Err(NoAuthorization::Failed(user_error()))),
            AwaitToken(Ok(())),
            AwaitToken(Err(NoToken::Denied)),
            AwaitToken(Err(NoToken::Expired)),
            AwaitToken(Err(NoToken::WrongAccount(user_error()))),
            AwaitToken(Err(NoToken::Failed(user_error()))),
            ImportSecrets(Ok(())),
            ImportSecrets(Err(NotImported::Refused(user_error()))),
            ImportSecrets(Err(NotImported::Failed(user_error()))),
        ]
    }

    fn last_answers(outstanding: &EitherAsk) -> Vec<NewDeviceAnswer> {
        match outstanding {
            EitherAsk::New(NewDeviceAsk::ImportSecrets(_)) => vec![
                NewDeviceAnswer::ImportSecrets(Ok(())),
                NewDeviceAnswer::ImportSecrets(Err(NotImported::Failed(user_error()))),
            ],
            _ => Vec::new(),
        }
    }
}

impl TestRole for ExistingDeviceState {
    const ROLE: Role = Role::Existing;

    fn question(ask: ExistingDeviceAsk) -> EitherAsk {
        EitherAsk::Existing(ask)
    }

    fn either(answer: ExistingDeviceAnswer) -> EitherAnswer {
        EitherAnswer::Existing(answer)
    }

    fn answers() -> Vec<ExistingDeviceAnswer> {
        use ExistingDeviceAnswer::{
            AwaitDevice, AwaitVerified, ExportSecrets, FindDevice, OpenUri,
        };
        vec![
            FindDevice(Ok(DeviceLookup::Present)),
            FindDevice(Ok(DeviceLookup::Absent)),
            FindDevice(Err(NotLookedUp::Unbound)),
            FindDevice(Err(NotLookedUp::Failed(user_error()))),
            OpenUri(Ok(())),
            OpenUri(Err(NotOpened::Refused)),
            OpenUri(Err(NotOpened::Unusable(user_error()))),
            AwaitDevice(Ok(DeviceLookup::Present)),
            AwaitDevice(Ok(DeviceLookup::Absent)),
            AwaitDevice(Err(user_error())),
            ExportSecrets(Ok(secrets())),
            ExportSecrets(Err(user_error())),
            AwaitVerified(VerificationOutcome::Verified),
            AwaitVerified(VerificationOutcome::Unseen),
            AwaitVerified(VerificationOutcome::Gone),
        ]
    }

    fn last_answers(outstanding: &EitherAsk) -> Vec<ExistingDeviceAnswer> {
        match outstanding {
            EitherAsk::Existing(ExistingDeviceAsk::AwaitVerified(_)) => vec![
                ExistingDeviceAnswer::AwaitVerified(VerificationOutcome::Verified),
                ExistingDeviceAnswer::AwaitVerified(VerificationOutcome::Gone),
            ],
            _ => Vec::new(),
        }
    }
}

fn either_input<S: TestRole>(input: Input<S::Answer>) -> Input<EitherAnswer> {
    match input {
        Input::CheckCode(right) => Input::CheckCode(right),
        Input::Message(message) => Input::Message(message),
        Input::Unreadable(what) => Input::Unreadable(what),
        Input::Tampered => Input::Tampered,
        Input::Answer(answer) => Input::Answer(S::either(answer)),
        Input::Cancel => Input::Cancel,
        Input::Ended(ended) => Input::Ended(ended),
        Input::Unsent(ended) => Input::Unsent(ended),
    }
}

fn either_output<S: TestRole>(output: Output<S::Ask>) -> Output<EitherAsk> {
    match output {
        Output::Send(message) => Output::Send(message),
        Output::AskCheckCode => Output::Ask(EitherAsk::CheckCode),
        Output::Ask(ask) => Output::Ask(S::question(ask)),
        Output::End(outcome) => Output::End(outcome),
    }
}

/// Which device this is.
#[derive(Debug, Clone, Copy)]
struct Side {
    role: Role,
    scanned: bool,
}

/// What a sequence of inputs has brought, told without the code under test.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Past {
    outstanding: Option<EitherAsk>,
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
    /// Why it is not known whether the secrets can be read.
    unsure: Option<Doubt>,
    outcome: Option<VerificationOutcome>,
}

impl Past {
    /// What this input means, given what was asked.
    fn learn(&mut self, input: &Input<EitherAnswer>) {
        match input {
            Input::Message(Message::Protocols(offer)) => {
                self.offered |= offer.device_authorization_grant
            }
            Input::Message(Message::ProtocolAccepted) => self.accepted = true,
            Input::Message(Message::Success) => self.success_heard = true,
            Input::Message(Message::Secrets(_)) => self.secrets_heard = true,
            Input::Unsent(ended) => self.unsure = Some(Doubt::Unstored(ended.clone())),
            Input::Tampered if self.secrets_sent && self.unsure.is_none() => {
                self.unsure = Some(Doubt::WrittenOver);
            }
            _ => {}
        }
        if self.is_answer(input) {
            let question = self.outstanding.take();
            match (question, input) {
                (_, Input::CheckCode(right)) => self.code_was_right = *right,
                (Some(EitherAsk::New(_)), Input::Answer(EitherAnswer::New(answer))) => {
                    self.learn_as_new(answer)
                }
                (Some(EitherAsk::Existing(ask)), Input::Answer(EitherAnswer::Existing(answer))) => {
                    self.learn_as_existing(&ask, answer);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn learn_as_new(&mut self, answer: &NewDeviceAnswer) {
        match answer {
            NewDeviceAnswer::AwaitToken(Ok(())) => self.token = true,
            NewDeviceAnswer::ImportSecrets(Ok(())) => self.imported = true,
            _ => {}
        }
    }

    fn learn_as_existing(&mut self, ask: &ExistingDeviceAsk, answer: &ExistingDeviceAnswer) {
        use {ExistingDeviceAnswer as Answer, ExistingDeviceAsk as Ask};
        match (ask, answer) {
            (Ask::FindDevice(id), Answer::FindDevice(Ok(DeviceLookup::Absent))) => {
                self.absent = Some(id.clone());
            }
            (Ask::AwaitDevice(id), Answer::AwaitDevice(Ok(DeviceLookup::Present))) => {
                self.present = self.absent.as_ref() == Some(id);
            }
            (_, Answer::OpenUri(Ok(()))) => self.opened = true,
            (_, Answer::ExportSecrets(Ok(_))) => self.exported = true,
            (_, Answer::AwaitVerified(outcome)) => self.outcome = Some(*outcome),
            _ => {}
        }
    }

    /// A question is answered once.
    fn is_answer(&self, input: &Input<EitherAnswer>) -> bool {
        use {
            ExistingDeviceAnswer as ExistingAnswer, ExistingDeviceAsk as ExistingAsk,
            NewDeviceAnswer as NewAnswer, NewDeviceAsk as NewAsk,
        };
        match (&self.outstanding, input) {
            (Some(EitherAsk::CheckCode), Input::CheckCode(_)) => true,
            (Some(EitherAsk::New(ask)), Input::Answer(EitherAnswer::New(answer))) => matches!(
                (ask, answer),
                (
                    NewAsk::RequestAuthorization(_),
                    NewAnswer::RequestAuthorization(_)
                ) | (NewAsk::AwaitToken, NewAnswer::AwaitToken(_))
                    | (NewAsk::ImportSecrets(_), NewAnswer::ImportSecrets(_))
            ),
            (Some(EitherAsk::Existing(ask)), Input::Answer(EitherAnswer::Existing(answer))) => {
                matches!(
                    (ask, answer),
                    (ExistingAsk::FindDevice(_), ExistingAnswer::FindDevice(_))
                        | (ExistingAsk::OpenUri(_), ExistingAnswer::OpenUri(_))
                        | (ExistingAsk::AwaitDevice(_), ExistingAnswer::AwaitDevice(_))
                        | (ExistingAsk::ExportSecrets, ExistingAnswer::ExportSecrets(_))
                        | (
                            ExistingAsk::AwaitVerified(_),
                            ExistingAnswer::AwaitVerified(_)
                        )
                )
            }
            _ => false,
        }
    }

    /// What may be done now, and only now.
    fn permits(&self, output: &Output<EitherAsk>, side: Side) -> bool {
        let Side { role, scanned } = side;
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
                    && (self.unsure.is_none() || seen)
            }
            Output::End(_) | Output::Send(Message::Failure(_)) => true,
            Output::AskCheckCode | Output::Ask(EitherAsk::CheckCode) => true,
            Output::Send(Message::Protocols(_)) => role == Role::Existing && scanned,
            Output::Send(Message::Protocol(_)) => role == Role::New && confirmed,
            Output::Send(Message::Declined) => role == Role::New && self.accepted && !self.token,
            Output::Send(Message::Success) => role == Role::New && self.accepted && self.token,
            Output::Send(Message::ProtocolAccepted) => {
                confirmed && self.absent.is_some() && self.opened
            }
            Output::Send(Message::Secrets(_)) => {
                role == Role::Existing && confirmed && ready && self.exported
            }
            Output::Ask(EitherAsk::New(ask)) => {
                role == Role::New
                    && confirmed
                    && match ask {
                        NewDeviceAsk::RequestAuthorization(_) => scanned || self.offered,
                        NewDeviceAsk::AwaitToken => self.accepted,
                        NewDeviceAsk::ImportSecrets(_) => self.success_sent && self.secrets_heard,
                    }
            }
            Output::Ask(EitherAsk::Existing(ask)) => {
                role == Role::Existing
                    && confirmed
                    && match ask {
                        ExistingDeviceAsk::FindDevice(_) => true,
                        ExistingDeviceAsk::OpenUri(_) => self.absent.is_some(),
                        ExistingDeviceAsk::AwaitDevice(id) => {
                            self.success_heard && self.opened && self.absent.as_ref() == Some(id)
                        }
                        ExistingDeviceAsk::ExportSecrets => ready,
                        ExistingDeviceAsk::AwaitVerified(id) => {
                            self.secrets_sent && self.absent.as_ref() == Some(id)
                        }
                    }
            }
        }
    }

    fn note(&mut self, output: &Output<EitherAsk>) {
        match output {
            Output::Ask(ask) => self.outstanding = Some(ask.clone()),
            Output::Send(Message::Success) => self.success_sent = true,
            Output::Send(Message::Secrets(_)) => self.secrets_sent = true,
            _ => {}
        }
    }
}

type Node<S> = (Login<S>, Past);

/// All that is checked at one step: what comes out, in what order, and how it ends.
fn step<S: TestRole>(node: Node<S>, input: &Input<S::Answer>, side: Side) -> Node<S> {
    let (mut login, mut past) = node;
    let was_over = login.0 == LoginStage::Over;
    let unchanged = login.clone();
    let before = past.clone();
    let outputs = login.handle(input.clone());
    let outputs: Vec<_> = outputs.into_iter().map(either_output::<S>).collect();
    let input = &either_input::<S>(input.clone());
    past.learn(input);
    assert!(!was_over || outputs.is_empty(), "{outputs:?} after the end");
    assert_eq!(
        login.0 == LoginStage::Over,
        was_over || matches!(outputs.last(), Some(Output::End(_)))
    );
    for (at, output) in outputs.iter().enumerate() {
        assert!(
            past.permits(output, side),
            "{output:?} too early, after {input:?} and {before:?}"
        );
        past.note(output);
        let last = at + 1 == outputs.len();
        assert_eq!(
            last && login.0 == LoginStage::Over,
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
    let unasked =
        matches!(input, Input::Answer(_) | Input::CheckCode(_)) && !before.is_answer(input);
    assert_eq!(
        unasked && !was_over,
        matches!(
            outputs.last(),
            Some(Output::End(Outcome {
                result: Err(Error::OutOfOrder),
                ..
            }))
        ),
        "an answer that nobody asked for ends it, and nothing else does so: {before:?}"
    );
    let ignored = login == unchanged;
    assert!(
        !ignored || was_over || !matches!(input, Input::Message(_)),
        "{input:?} was not answered: {before:?}"
    );
    let nothing_is_needed = before.secrets_sent
        || matches!(
            before.outstanding,
            Some(EitherAsk::New(NewDeviceAsk::ImportSecrets(_)))
        );
    let foreign = matches!(input, Input::Tampered | Input::Ended(_));
    assert!(
        !foreign || was_over || outputs.is_empty() == nothing_is_needed,
        "after the secrets, and only then: {before:?}"
    );
    (login, past)
}

/// "Who deletes the session": the receiver of a failure, the new device when it has the secrets,
/// whoever finds the server of no use, or is told by it that there is no session any more; and who
/// says a last word, once it is read. After the secrets
/// the existing device does so to call them back, when nobody is left, or when somebody else wrote
/// and the new device is not seen.
fn assert_leaves_what_is_unread(
    outputs: &[Output<EitherAsk>],
    input: &Input<EitherAnswer>,
    before: &Past,
) {
    let Some(Output::End(outcome)) = outputs.last() else {
        return;
    };
    let nobody_reads = match input {
        Input::Message(Message::Failure(_) | Message::Declined)
        | Input::Answer(EitherAnswer::New(NewDeviceAnswer::ImportSecrets(Ok(())))) => true,
        Input::Ended(ended) | Input::Unsent(ended) => *ended != Ended::Expired,
        Input::Cancel => before.secrets_sent,
        Input::Answer(EitherAnswer::Existing(ExistingDeviceAnswer::AwaitVerified(outcome))) => {
            match (outcome, &before.unsure) {
                (VerificationOutcome::Verified, _) => false,
                (_, Some(doubt)) => *doubt != Doubt::Unstored(Ended::Expired),
                (outcome, None) => *outcome == VerificationOutcome::Gone,
            }
        }
        _ => false,
    };
    let expected = match outputs.len() {
        1 if nobody_reads => Leave::Delete,
        1 => Leave::Alone,
        _ => Leave::DeleteOnceRead,
    };
    assert_eq!(outcome.session, expected, "{outputs:?} after {input:?}");
    if matches!(input, Input::Cancel) && before.secrets_sent {
        assert!(
            matches!(outcome.result, Err(Error::CancelledTooLate(_))),
            "{outputs:?}"
        );
    }
}

fn user_error() -> UserError {
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

fn alphabet<S: TestRole>() -> Vec<Input<S::Answer>> {
    let ends = [Ended::Expired, Ended::Gone, Ended::Unusable(user_error())];
    let mut inputs = vec![
        Input::CheckCode(true),
        Input::CheckCode(false),
        Input::Cancel,
        Input::Tampered,
        Input::Unreadable(Unreadable::NotAMessage),
    ];
    inputs.extend(messages().into_iter().map(Input::Message));
    inputs.extend(S::answers().into_iter().map(Input::Answer));
    inputs.extend(ends.iter().cloned().map(Input::Ended));
    inputs.extend(ends.into_iter().map(Input::Unsent));
    inputs
}

fn beginnings<S: TestRole>() -> Vec<(Side, Node<S>)> {
    let mut all = Vec::new();
    for scanned in [false, true] {
        let (login, outputs) = if scanned {
            Login::scanned(homeserver())
        } else {
            Login::shown()
        };
        let side = Side {
            role: S::ROLE,
            scanned,
        };
        let mut past = Past::default();
        for output in outputs.into_iter().map(either_output::<S>) {
            assert!(past.permits(&output, side), "{output:?} at the start");
            past.note(&output);
        }
        all.push((side, (login, past)));
    }
    all
}

/// How much was tried.
#[derive(Default)]
struct Count {
    sequences: u128,
    steps: u64,
    successes: u128,
}

impl Count {
    fn all_sequences<S: TestRole>(&mut self) {
        let alphabet = alphabet::<S>();
        let before = self.sequences;
        for (side, start) in beginnings::<S>() {
            let mut layer = HashMap::from([(start, 1_u128)]);
            for _ in 0..DEPTH {
                let mut below: HashMap<Node<S>, u128> = HashMap::new();
                for (node, count) in layer {
                    for input in &alphabet {
                        let next = step(node.clone(), input, side);
                        self.steps += 1;
                        self.sequences += count;
                        *below.entry(next).or_default() += count;
                    }
                }
                layer = below;
            }
            self.successes += layer
                .iter()
                .filter(|(node, _)| is_success(node))
                .map(|(_, count)| count)
                .sum::<u128>();
        }
        let expected: u128 = (1..=DEPTH as u32)
            .map(|depth| 2 * (alphabet.len() as u128).pow(depth))
            .sum();
        assert_eq!(
            self.sequences - before,
            expected,
            "every sequence was stood for"
        );
    }
}

#[test]
fn every_sequence_of_inputs_keeps_the_rules() {
    let mut count = Count::default();
    count.all_sequences::<NewDeviceState>();
    let successes = count.successes;
    count.all_sequences::<ExistingDeviceState>();
    assert!(successes > 0 && count.successes > successes);
    println!(
        "{} sequences of up to {DEPTH} of {} or {} inputs, in {} steps",
        count.sequences,
        alphabet::<NewDeviceState>().len(),
        alphabet::<ExistingDeviceState>().len(),
        count.steps
    );
}

/// All nodes that any sequence, however long, can reach.
fn reachable<S: TestRole>(side: Side, start: Node<S>) -> HashMap<Node<S>, Vec<Node<S>>> {
    let (mut graph, mut open) = (HashMap::new(), vec![start]);
    while let Some(node) = open.pop() {
        if graph.contains_key(&node) {
            continue;
        }
        let next: Vec<_> = alphabet::<S>()
            .iter()
            .map(|input| step(node.clone(), input, side))
            .collect();
        open.extend(next.iter().cloned());
        graph.insert(node, next);
    }
    graph
}

#[test]
fn every_path_ends() {
    every_path_of_one_role_ends::<NewDeviceState>();
    every_path_of_one_role_ends::<ExistingDeviceState>();
}

fn every_path_of_one_role_ends<S: TestRole>() {
    for (side, start) in beginnings::<S>() {
        for (node, _) in reachable(side, start) {
            assert!(
                cancelled(&node, side),
                "a person can always give up: {node:?}"
            );
            assert!(
                ends_without_the_session(&node, side),
                "the clock always ends it: {node:?}"
            );
        }
    }
}

fn cancelled<S: TestRole>(node: &Node<S>, side: Side) -> bool {
    step(node.clone(), &Input::Cancel, side).0.0 == LoginStage::Over
}

/// When the session is over, either that is the end, or an answer is outstanding whose every value
/// is the end.
fn ends_without_the_session<S: TestRole>(node: &Node<S>, side: Side) -> bool {
    let after = step(node.clone(), &Input::Ended(Ended::Expired), side);
    if after.0.0 == LoginStage::Over {
        return true;
    }
    let Some(outstanding) = &after.1.outstanding else {
        return false;
    };
    let answers = S::last_answers(outstanding);
    !answers.is_empty()
        && answers
            .into_iter()
            .all(|answer| step(after.clone(), &Input::Answer(answer), side).0.0 == LoginStage::Over)
}

#[test]
fn from_every_state_the_sign_in_can_still_succeed() {
    every_state_of_one_role_can_still_succeed::<NewDeviceState>();
    every_state_of_one_role_can_still_succeed::<ExistingDeviceState>();
}

fn every_state_of_one_role_can_still_succeed<S: TestRole>() {
    for (side, start) in beginnings::<S>() {
        let graph = reachable(side, start);
        let mut hopeful: HashSet<&Node<S>> = graph.keys().filter(|node| is_success(node)).collect();
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
        let doomed = |node: &Node<S>| {
            matches!(
                node.0.0,
                LoginStage::Over | LoginStage::CheckCode { early: Some(_) }
            )
        };
        for node in graph.keys().filter(|node| !doomed(node)) {
            assert!(hopeful.contains(node), "{node:?} leads nowhere");
        }
    }
}

fn is_success<S: TestRole>(node: &Node<S>) -> bool {
    let (login, past) = node;
    login.0 == LoginStage::Over
        && match S::ROLE {
            Role::New => past.imported,
            Role::Existing => past.secrets_sent,
        }
}
