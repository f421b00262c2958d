//! Whose device it becomes, and what it is called.

use matrix_qr_device::{GrantOptions, OwnDevice, OwnedUserId, SignInOptions};
use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::DeviceId,
    revision::{Dialect, Role},
};
use matrix_qr_sandbox::Fault;

use crate::{
    failures::{BOTH, Row, assert_failed, assert_no_new_device, assert_told, was_told},
    meeting::{Meeting, Plan, When},
    paths::assert_complete,
    revision::showing,
    test_env::{SignInEnd, TestEnv, ended, sign_in},
};

/// One sign-in of a new device that is set up like this.
pub(crate) async fn sign_in_with(
    world: &TestEnv,
    shown_by: Role,
    setup: &SignInOptions,
) -> SignInEnd {
    let (meeting, plan) = (Meeting::new(), Plan::shown_by(shown_by));
    let (new, existing) = (
        meeting.robot(Role::New, &plan, &world.sandbox),
        meeting.robot(Role::Existing, &plan, &world.sandbox),
    );
    let manner = GrantOptions {
        showing: showing(),
        ..GrantOptions::default()
    };
    let start = async |role| {
        if role == shown_by {
            Ok(world.show())
        } else {
            meeting.scan(None).await
        }
    };
    let (new, existing) = tokio::join!(
        ended(Role::New, &meeting, async {
            sign_in(setup, start(Role::New).await?, &new).await
        }),
        ended(Role::Existing, &meeting, async {
            let own = OwnDevice::ask(&existing).await?;
            world
                .existing
                .grant(own, start(Role::Existing).await?, manner, &existing)
                .await
        }),
    );
    let (told, printed, code) = (meeting.told(), meeting.printed(), meeting.code());
    SignInEnd {
        new,
        existing,
        told,
        printed,
        code,
        record: world.sandbox.record(),
    }
}

/// One that may only be a device of this account.
async fn sign_in_of(world: &TestEnv, shown_by: Role, user: &str) -> SignInEnd {
    let user = Some(user.parse::<OwnedUserId>().unwrap());
    sign_in_with(
        world,
        shown_by,
        &SignInOptions {
            user,
            ..world.setup(Dialect::default())
        },
    )
    .await
}

async fn another_account_than_the_one_that_was_asked_for() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let end = sign_in_of(&world, shown_by, "@bot:example.org").await;
        let Err(Error::WrongAccount(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::OtherDevice);
        assert!(
            !was_told(&end, Role::New, "sent m.login.success"),
            "nothing is shared"
        );
        assert!(
            !was_told(&end, Role::New, "asked for account"),
            "it is known already"
        );
        assert_failed(
            &world,
            &end,
            "another_account_than_the_one_that_was_asked_for",
        )
        .await;
    }
    assert_eq!(
        world.sandbox.record().revocations.len(),
        2,
        "what was given is taken back"
    );
}

async fn the_account_that_was_asked_for() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let end = sign_in_of(&world, shown_by, &world.sandbox.user_id()).await;
        assert_complete(&world, &end).await;
        assert!(
            was_told(&end, Role::New, "Account") && !was_told(&end, Role::New, "asked for account")
        );
        world.reopen_new().await.log_out().await.unwrap();
    }
}

/// "The new device is signed in to the attacker's account": the person sees whose it is, and says
/// no.
async fn the_account_is_not_taken() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let plan = Plan {
            takes_account: false,
            ..Plan::shown_by(shown_by)
        };
        let end = world.sign_in(&plan).await;
        let Err(Error::WrongAccount(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::Person);
        assert!(
            !was_told(&end, Role::New, "sent m.login.success"),
            "nothing is shared"
        );
        assert_failed(&world, &end, "the_account_is_not_taken").await;
    }
}

/// In the list of devices and on the consent page, whatever the homeserver lets a device say of
/// itself.
async fn the_device_has_a_name() {
    let world = TestEnv::start().await;
    for (fault, name) in [
        (None, "The new one (2)"),
        (
            Some(Fault::DeviceNameRefused),
            "matrix-qr on The new one -2-",
        ),
    ] {
        fault
            .into_iter()
            .for_each(|fault| world.sandbox.faults().set(fault));
        let end = world.sign_in(&Plan::shown_by(Role::New)).await;
        assert_complete(&world, &end).await;
        let id = &end.new.as_ref().unwrap().device_id;
        assert_eq!(end.record.device_names[id], name);
        world.reopen_new().await.log_out().await.unwrap();
    }
    world.sandbox.faults().clear();
    let look = async |meeting: &Meeting| {
        let code = world.sandbox.next_pending().await;
        let page = reqwest::get(format!("{}link?code={code}", world.sandbox.issuer()))
            .await
            .unwrap();
        assert!(
            page.text()
                .await
                .unwrap()
                .contains("id=\"device-name\">The new one -2-<")
        );
        meeting.note(Role::Existing, "saw the page");
    };
    let plan = Plan {
        decision: None,
        ..Plan::shown_by(Role::New)
    };
    let plan = plan.cancel(Role::New, When::Told(Role::Existing, "saw the page"));
    let end = world.sign_in_while(&plan, look).await;
    assert_eq!(end.new.as_ref().unwrap_err(), &Error::Cancelled);
    assert!(was_told(&end, Role::Existing, "saw the page"));
    assert_no_new_device(&world, &end);
}

/// A device that does not show may be late, or another account's.
async fn consent_in_another_account_is_named() {
    let row = Row::of("the_device_is_not_there_after_success");
    let world = TestEnv::start().await;
    let id = DeviceId::parse("DEVICE").unwrap();
    assert_told(&world, &Error::DeviceNotFound(id), &row.existing);
    for cell in [&row.new, &row.existing] {
        assert!(cell.contains("a different account"), "{cell}");
    }
}

each_revision![
    another_account_than_the_one_that_was_asked_for,
    the_account_that_was_asked_for,
    the_account_is_not_taken,
    the_device_has_a_name,
    consent_in_another_account_is_named,
];
