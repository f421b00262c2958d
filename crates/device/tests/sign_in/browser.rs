//! A peer that behaves as matrix-js-sdk does, the core of Element Web: it shows a code of MSC4108,
//! polls once a second and only while it waits for a message, never while it waits for its user; it
//! looks at no answer to a write but for a 404 and an ETag, so that it takes a 412's for its own;
//! and its cancel is a DELETE.

use std::time::Duration;

use getrandom::SysRng;
use matrix_qr_device::{GrantOptions, Granted, Opening, SignedIn};
use matrix_qr_protocol::{
    channel::{Generator, SecureChannel},
    error::Error,
    homeserver::HomeserverAddress,
    qr::{QrCode, ShownBy},
    rendezvous::{Binding, Location, Payload, SessionUrl},
    revision::{Dialect, Role},
};
use matrix_qr_sandbox::Decision;
use rand_core::UnwrapErr;
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, IF_NONE_MATCH},
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    failures::{Row, assert_told, secrets_of_the_account},
    meeting::{Meeting, Plan, When, own},
    test_env::{TestEnv, ended, sign_in},
};

const POLL: Duration = Duration::from_secs(1);
/// Nothing takes so long but what hangs until the session's time is up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser's end of the session.
struct Session {
    url: Url,
    etag: Option<String>,
    over: bool,
}

fn etag(headers: &HeaderMap) -> Option<String> {
    headers
        .get(ETAG)
        .map(|etag| etag.to_str().unwrap().to_owned())
}

impl Session {
    async fn create(world: &TestEnv) -> Self {
        let create = Client::new().post(world.sandbox.rendezvous());
        let create = create
            .header(CONTENT_TYPE, "text/plain")
            .header(CONTENT_LENGTH, 0);
        let created = create.send().await.unwrap();
        let etag = etag(created.headers());
        let body: Value = created.json().await.unwrap();
        Self {
            url: body["url"].as_str().unwrap().parse().unwrap(),
            etag,
            over: false,
        }
    }

    async fn send(&mut self, bytes: Vec<u8>) {
        let mut request = Client::new()
            .put(self.url.clone())
            .header(CONTENT_TYPE, "text/plain")
            .body(bytes);
        if let Some(etag) = &self.etag {
            request = request.header(IF_MATCH, etag);
        }
        let answer = request.send().await.unwrap();
        self.over |= answer.status() == StatusCode::NOT_FOUND;
        self.etag = etag(answer.headers());
    }

    /// Nothing once the session is over.
    async fn receive(&mut self) -> Option<Payload> {
        while !self.over {
            let answer = self.poll().await;
            self.over = answer.status() == StatusCode::NOT_FOUND;
            let text = answer
                .headers()
                .get(CONTENT_TYPE)
                .is_some_and(|content| content == "text/plain");
            if text && answer.status() == StatusCode::OK {
                self.etag = Some(etag(answer.headers())?);
                return Some(answer.bytes().await.unwrap().to_vec().into());
            }
            tokio::time::sleep(POLL).await;
        }
        None
    }

    async fn poll(&self) -> Response {
        let mut request = Client::new().get(self.url.clone());
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        request.send().await.unwrap()
    }

    async fn cancel(&mut self) {
        Client::new().delete(self.url.clone()).send().await.unwrap();
        self.over = true;
    }
}

/// The browser, once its user has typed the digits.
struct Browser {
    session: Session,
    channel: SecureChannel,
    /// What the other device said before that.
    first: Value,
}

impl Browser {
    async fn shows(world: &TestEnv, meeting: &Meeting, shown_by: ShownBy) -> Self {
        let mut session = Session::create(world).await;
        let location = Location::Url(SessionUrl::parse(session.url.as_str()).unwrap());
        let generator = Generator::new(&location, Dialect::default(), &mut UnwrapErr(SysRng));
        meeting.show_code(&QrCode {
            shown_by,
            key: generator.public_key(),
            location,
        });
        let initiate = session.receive().await.unwrap();
        let (mut unconfirmed, login_ok) = generator.accept(&initiate, Binding::default()).unwrap();
        session.send(login_ok.bytes).await;
        let first = session.receive().await.unwrap();
        let first = serde_json::from_slice(&unconfirmed.open(&first).unwrap()).unwrap();
        let channel = unconfirmed.confirm(&meeting.digits().await).unwrap();
        Self {
            session,
            channel,
            first,
        }
    }

    async fn say(&mut self, message: Value) {
        let payload = self
            .channel
            .seal(message.to_string().as_bytes(), Binding::default())
            .unwrap();
        self.session.send(payload.bytes).await;
    }

    async fn hear(&mut self) -> Value {
        let payload = self.session.receive().await.expect("the session is over");
        serde_json::from_slice(&self.channel.open(&payload).unwrap()).unwrap()
    }

    /// Its next step is the end of it, and so its user knows.
    async fn learns_that_it_is_over(&mut self, message: Value) {
        self.say(message).await;
        let heard = tokio::time::timeout(PATIENCE, self.session.receive())
            .await
            .expect("it hangs");
        assert!(heard.is_none() && self.session.over);
    }
}

/// Our new device scans the code of a browser that is signed in.
async fn new_device<T>(
    world: &TestEnv,
    plan: &Plan,
    script: impl AsyncFnOnce(&mut Browser, &Meeting) -> T,
) -> (Result<SignedIn, Error>, T) {
    let meeting = Meeting::new();
    let (robot, setup) = (
        meeting.robot(Role::New, plan, &world.sandbox),
        world.setup(plan.dialect),
    );
    let shown_by = ShownBy::Existing(HomeserverAddress::parse(world.door().as_str()).unwrap());
    let ours = ended(Role::New, &meeting, async {
        sign_in(&setup, meeting.scan(None).await?, &robot).await
    });
    let theirs = async {
        script(
            &mut Browser::shows(world, &meeting, shown_by).await,
            &meeting,
        )
        .await
    };
    tokio::join!(Box::pin(ours), Box::pin(theirs))
}

/// Our existing device scans the code of a browser that is to be signed in.
async fn existing_device<T>(
    world: &TestEnv,
    plan: &Plan,
    script: impl AsyncFnOnce(&mut Browser, &Meeting) -> T,
) -> (Result<Granted, Error>, T) {
    let meeting = Meeting::new();
    let robot = meeting.robot(Role::Existing, plan, &world.sandbox);
    let ours = ended(Role::Existing, &meeting, async {
        world
            .existing
            .grant(
                own(&robot).await,
                meeting.scan(None).await?,
                GrantOptions::default(),
                &robot,
            )
            .await
    });
    let theirs = async {
        script(
            &mut Browser::shows(world, &meeting, ShownBy::New).await,
            &meeting,
        )
        .await
    };
    tokio::join!(Box::pin(ours), Box::pin(theirs))
}

/// Nobody decides on the consent page but the script.
fn plan() -> Plan {
    Plan {
        decision: None,
        ..Plan::shown_by(Role::New)
    }
}

fn accepted() -> Value {
    json!({ "type": "m.login.protocol_accepted" })
}

fn success() -> Value {
    json!({ "type": "m.login.success" })
}

fn wish() -> Value {
    let uri = "https://id.example.org/link";
    json!({
        "type": "m.login.protocol", "protocol": "device_authorization_grant", "device_id": "BROWSERDEVICE",
        "device_authorization_grant": { "verification_uri": uri, "verification_uri_complete": uri },
    })
}

async fn agree(world: &TestEnv) {
    let code = world.sandbox.next_pending().await;
    assert!(world.sandbox.decide(&code, Decision::Allow));
}

#[tokio::test]
async fn a_browser_signs_in_this_device() {
    let world = TestEnv::start().await;
    let secrets = secrets_of_the_account(&world).await;
    let (signed_in, ()) = new_device(&world, &plan(), async |browser, _| {
        assert_eq!(browser.first["type"], "m.login.protocol");
        agree(&world).await;
        browser.say(accepted()).await;
        assert_eq!(browser.hear().await, success());
        browser.say(secrets).await;
    })
    .await;
    signed_in.unwrap();
    let new = world.reopen_new().await;
    assert!(new.verification().await.unwrap().verified);
}

/// It does not sign itself here: nobody says that it did.
#[tokio::test]
async fn a_browser_is_signed_in_by_this_device() {
    let world = TestEnv::start().await;
    let (granted, secrets) = existing_device(&world, &plan(), async |browser, _| {
        assert_eq!(browser.first["type"], "m.login.protocols");
        browser.say(wish()).await;
        assert_eq!(browser.hear().await, accepted());
        world.sandbox.first_session("BROWSERDEVICE").await.unwrap();
        browser.say(success()).await;
        browser.hear().await
    })
    .await;
    assert_eq!(secrets["type"], "m.login.secrets");
    assert!(!granted.unwrap().verified);
}

#[tokio::test]
async fn ctrl_c_lets_a_browser_go_whose_user_is_thinking() {
    let world = TestEnv::start().await;
    let cancel = plan().cancel(Role::New, When::Told(Role::New, "sent m.login.protocol"));
    let (signed_in, ()) = new_device(&world, &cancel, async |browser, meeting| {
        meeting.until(&When::Told(Role::New, "ended")).await;
        browser.learns_that_it_is_over(accepted()).await;
    })
    .await;
    assert_eq!(signed_in.unwrap_err(), Error::Cancelled);

    // It asks for its token then, and not for what we say.
    let sent = When::Told(Role::Existing, "sent m.login.protocol_accepted");
    let cancel = plan().cancel(Role::Existing, sent);
    let (granted, ()) = existing_device(&world, &cancel, async |browser, meeting| {
        browser.say(wish()).await;
        assert_eq!(browser.hear().await, accepted());
        meeting.until(&When::Told(Role::Existing, "ended")).await;
        browser.learns_that_it_is_over(success()).await;
    })
    .await;
    assert_eq!(granted.unwrap_err(), Error::Cancelled);
}

/// The same where we are not asked, and fail.
#[tokio::test]
async fn a_failure_lets_a_browser_go_whose_user_is_thinking() {
    let world = TestEnv::start().await;
    let refuse = Plan {
        opening: Opening::Refused,
        ..plan()
    };
    let (granted, ()) = existing_device(&world, &refuse, async |browser, meeting| {
        browser.say(wish()).await;
        meeting.until(&When::Told(Role::Existing, "ended")).await;
        browser.learns_that_it_is_over(success()).await;
    })
    .await;
    assert_eq!(granted.unwrap_err(), Error::LinkRefused);
}

#[tokio::test]
async fn a_browser_that_polls_reads_why() {
    let world = TestEnv::start().await;
    let cancel = plan().cancel(Role::New, When::Told(Role::New, "UserCode"));
    let (signed_in, heard) = new_device(&world, &cancel, async |browser, _| {
        browser.say(accepted()).await;
        browser.hear().await
    })
    .await;
    assert_eq!(signed_in.unwrap_err(), Error::Cancelled);
    assert_eq!(
        heard,
        json!({ "type": "m.login.failure", "reason": "user_cancelled" })
    );
}

#[tokio::test]
async fn a_browser_that_cancels_is_heard() {
    let world = TestEnv::start().await;
    let (signed_in, ()) = new_device(&world, &plan(), async |browser, _| {
        browser.session.cancel().await
    })
    .await;
    assert_eq!(signed_in.unwrap_err(), Error::Gone);
    let (granted, ()) = existing_device(&world, &plan(), async |browser, _| {
        browser.session.cancel().await
    })
    .await;
    assert_eq!(granted.unwrap_err(), Error::Gone);
}

/// It says that it was cancelled where its user said no on the consent page.
#[tokio::test]
async fn a_browser_whose_user_says_no_is_heard() {
    let world = TestEnv::start().await;
    let (granted, ()) = existing_device(&world, &plan(), async |browser, _| {
        browser.say(wish()).await;
        assert_eq!(browser.hear().await, accepted());
        browser
            .say(json!({ "type": "m.login.failure", "reason": "user_cancelled" }))
            .await;
    })
    .await;
    let error = granted.unwrap_err();
    assert_eq!(error, Error::CancelledOrDeclined);
    assert_told(&world, &error, &Row::of("ctrl_c").existing);
}
