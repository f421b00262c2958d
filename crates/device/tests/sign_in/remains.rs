//! A sign-in that is killed: at each of its steps the account can be rid of the device, by the next
//! sign-in or by a sign-out.

use std::{future::pending, path::Path, sync::Arc, thread, time::Duration};

use matrix_qr_device::{OwnDevice, SignOut, http::Policy, sign_in, sign_out_here};
use matrix_qr_protocol::{error::Error, revision::Role};
use matrix_qr_sandbox::Fault;
use tokio::{runtime::Runtime, sync::Notify, time::timeout};

use crate::{
    failures::{Row, was_told},
    meeting::{Meeting, Plan, When},
    paths::assert_complete,
    test_env::TestEnv,
};

const PENDING: &str = "session.pending.json";
const SESSION: &str = "session.json";

/// How long a sign-in may take until it is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sign-in whose new device is killed when this side is told this: its threads end where they
/// are, and nothing is tidied up.
pub(crate) async fn killed(world: &TestEnv, at: When) -> Meeting {
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(Role::New));
    let setup = world.setup(plan.dialect);
    let dying = Arc::new(Notify::new());
    thread::scope(|scope| {
        let (meeting, plan) = (&meeting, &plan);
        let dies = dying.clone();
        scope.spawn(move || {
            let runtime = Runtime::new().unwrap();
            let new = meeting.robot(Role::New, plan, &world.sandbox);
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = dies.notified() => {}
                    _ = Box::pin(sign_in(&setup, world.show(), &new, world.new_keys())) => {}
                }
            });
            runtime.shutdown_background();
        });
        let existing = meeting.robot(Role::Existing, plan, &world.sandbox);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let grant = async {
                    let manner = matrix_qr_device::GrantOptions::default();
                    let own = OwnDevice::ask(&existing).await?;
                    world
                        .existing
                        .grant(own, meeting.scan(None).await?, manner, &existing)
                        .await
                };
                // The other device may have its end before the new one has come that far.
                let reached = tokio::select! {
                    () = async { drop(Box::pin(grant).await); pending().await } => unreachable!(),
                    reached = timeout(PATIENCE, meeting.until(&at)) => reached,
                };
                dying.notify_one();
                assert!(reached.is_ok(), "{at:?} is not in {:?}", meeting.told());
            });
        });
    });
    meeting
}

fn holds(directory: &Path, name: &str) -> bool {
    directory.join(name).exists()
}

/// The moments from which on there is something in the account, or on disk.
const MOMENTS: [(&str, bool); 5] = [
    ("UserCode", false),
    ("Token", true),
    ("sent m.login.success", true),
    ("received m.login.secrets", true),
    ("ImportingSecrets", true),
];

/// The upload of the keys hangs, so that no sign-in comes further than that.
async fn hanging() -> TestEnv {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(Fault::KeysUploadHangs);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sign_in_is_taken_back_by_a_sign_out() {
    let world = hanging().await;
    for (moment, has_token) in MOMENTS {
        killed(&world, When::Told(Role::New, moment)).await;
        let directory = world.new_dir();
        assert_eq!(holds(&directory, PENDING), has_token, "{moment}");
        assert!(!holds(&directory, SESSION), "{moment}");
        assert_eq!(
            world.sandbox.record().devices.len(),
            1 + usize::from(has_token),
            "{moment}"
        );
        if has_token {
            let sign_out = SignOut::prepare(&directory, Policy::HttpsOrLoopback)
                .await
                .unwrap();
            assert!(sign_out.subject().interrupted);
            sign_out.everywhere().await.unwrap();
            assert!(!directory.exists(), "{moment}");
        } else {
            // No more than a lock: the next sign-in does not even see it.
            assert!(
                SignOut::prepare(&directory, Policy::HttpsOrLoopback)
                    .await
                    .is_err()
            );
        }
        assert_eq!(world.sandbox.record().devices.len(), 1, "{moment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sign_in_is_taken_back_by_the_next_one() {
    let world = hanging().await;
    for (moment, has_token) in MOMENTS {
        killed(&world, When::Told(Role::New, moment)).await;
        world.sandbox.faults().clear();
        let end = world.sign_in(&Plan::shown_by(Role::New)).await;
        assert_eq!(was_told(&end, Role::New, "Cleared"), has_token, "{moment}");
        assert_complete(&world, &end).await;
        assert_eq!(world.sandbox.record().devices.len(), 2, "{moment}");
        assert!(!holds(&world.new_dir(), PENDING));
        world.reopen_new().await.log_out().await.unwrap();
        world.sandbox.faults().set(Fault::KeysUploadHangs);
    }
}

/// From here on the device is one like any other: whoever is killed now has signed in.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_at_its_end_has_signed_in() {
    let world = TestEnv::start().await;
    killed(&world, When::Told(Role::New, "Backup")).await;
    assert!(holds(&world.new_dir(), SESSION) && !holds(&world.new_dir(), PENDING));
    assert!(
        world
            .reopen_new()
            .await
            .verification()
            .await
            .unwrap()
            .verified
    );
}

/// The server is gone when the next sign-in comes: the person learns which device it is, and
/// nothing is thrown away.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_now_is_kept() {
    let world = hanging().await;
    killed(&world, When::Told(Role::New, "ImportingSecrets")).await;
    let record = world.sandbox.record();
    let device = record
        .devices
        .iter()
        .find(|device| !record.bootstrap.contains(device))
        .unwrap();
    world.sandbox.faults().clear();
    world.sandbox.faults().set(Fault::RevocationFails);
    let end = world.sign_in(&Plan::shown_by(Role::New)).await;
    let Err(Error::NotSetUp(trouble)) = &end.new else {
        panic!("{:?}", end.new)
    };
    let row = Row::of("what_cannot_be_taken_back_now_is_kept");
    row.assert_told(trouble, &world, device);
    assert!(holds(&world.new_dir(), PENDING));
    world.sandbox.faults().clear();
    assert_complete(&world, &world.sign_in(&Plan::shown_by(Role::New)).await).await;
    assert_eq!(world.sandbox.record().devices.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_can_be_cleared_without_the_server() {
    let world = hanging().await;
    killed(&world, When::Told(Role::New, "ImportingSecrets")).await;
    std::fs::write(world.new_dir().join("holiday.jpg"), "x").unwrap();
    let subject = sign_out_here(&world.new_dir()).unwrap();
    let record = world.sandbox.record();
    assert!(
        subject.interrupted && record.devices.contains(&subject.device_id.unwrap()),
        "it says which"
    );
    assert!(
        subject.place.contains(world.sandbox.issuer().as_str()),
        "{}",
        subject.place
    );
    let left: Vec<_> = std::fs::read_dir(world.new_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["holiday.jpg"]);
    assert!(record.revocations.is_empty());
}

/// A sign-in that fails when nobody can be told: the same as one that was killed.
#[tokio::test]
async fn a_failed_sign_in_whose_revocation_fails() {
    let world = TestEnv::start().await;
    for fault in [Fault::RevocationFails, Fault::RevocationIgnored] {
        world.sandbox.faults().set(Fault::KeysUploadRefused);
        world.sandbox.faults().set(fault);
        let end = world.sign_in(&Plan::shown_by(Role::New)).await;
        assert!(was_told(&end, Role::New, "DeviceLeft"), "{:?}", end.told);
        assert!(holds(&world.new_dir(), PENDING) && !holds(&world.new_dir(), SESSION));
        assert!(
            !holds(&world.new_dir(), "matrix-sdk-crypto.sqlite3"),
            "the account's keys do not stay"
        );
        world.sandbox.faults().clear();
        let end = world.sign_in(&Plan::shown_by(Role::New)).await;
        assert!(was_told(&end, Role::New, "Cleared"));
        assert_complete(&world, &end).await;
        world.reopen_new().await.log_out().await.unwrap();
        assert_eq!(world.sandbox.record().devices.len(), 1);
    }
}
