//! What the page asks of this program.

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest as _, Path, Query, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response, Sse, sse::Event},
    routing::{get, post},
};
use futures_util::stream::{Stream, once, unfold};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    guard,
    questions::{NotAsked, PageAnswer},
    shared::{Shared, Shown},
    view::View,
    viewer::Viewing,
};

/// The largest answer, in bytes: a QR code as text, or a homeserver.
const MAX_ANSWER: usize = 16 << 10;

/// The largest picture, in bytes: a photograph. A frame of the camera is far smaller.
const MAX_PICTURE: usize = 16 << 20;

/// How long a picture may take to arrive.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(60);

/// How soon the second page asks whether the first one is gone.
const RETRY: Duration = Duration::from_secs(1);

/// How often the page is asked whether it is there. It cannot say so by a clock of its own: browsers
/// slow those of pages that are in the background.
const PING: Duration = Duration::from_secs(5);

/// The page that is open shows its token with each request.
const X_PAGE: HeaderName = HeaderName::from_static("x-page");

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let from_the_page = Router::new()
        .route("/answer", post(answer))
        .layer(DefaultBodyLimit::max(MAX_ANSWER))
        .route("/picture", post(picture))
        .layer(DefaultBodyLimit::max(MAX_PICTURE))
        .route("/cancel", post(cancel))
        // `only_the_page` has heard it.
        .route("/here", post(|| ready(StatusCode::NO_CONTENT)))
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            only_the_page,
        ));
    let app = Router::new()
        .route("/", get(|| asset("text/html; charset=utf-8", PAGE)))
        .route("/page.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route(
            "/page.js",
            get(|| asset("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/events", get(events))
        .route("/code/{device}", get(code))
        .merge(from_the_page)
        .with_state(shared.clone());
    guard::guarded(app, shared)
}

const PAGE: &str = include_str!("../assets/page.html");
const STYLE: &str = include_str!("../assets/page.css");
const SCRIPT: &str = include_str!("../assets/page.js");

fn asset(content_type: &'static str, text: &'static str) -> impl Future<Output = Response> {
    let content_type = HeaderValue::from_static(content_type);
    ready(([(CONTENT_TYPE, content_type)], text).into_response())
}

/// The view, whenever it changes, for the one page that is open.
async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let Some(viewing) = shared.viewer.take() else {
        // A browser drops an event without data.
        let busy = Event::default()
            .event("busy")
            .retry(RETRY)
            .data("another page is open");
        return Sse::new(once(ready(Ok::<_, Infallible>(busy)))).into_response();
    };
    Sse::new(views(viewing, shared)).into_response()
}

/// What the page was sent last.
enum Sent {
    Nothing,
    Token,
    View,
    End,
}

/// First the page's token, then each view, until the one after which there will be no other, or until
/// the page is gone.
pub(crate) fn views(
    viewing: Viewing,
    shared: Arc<Shared>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let view = shared.view.subscribe();
    unfold(
        (viewing, view, Sent::Nothing),
        move |(viewing, mut view, sent)| {
            let shared = shared.clone();
            async move {
                let (event, sent) = match sent {
                    Sent::Nothing => (token_event(&viewing), Sent::Token),
                    Sent::Token => view_event(&shared, &view.borrow_and_update())?,
                    Sent::View => match timeout(PING, view.changed()).await {
                        Ok(changed) => {
                            changed.ok()?;
                            view_event(&shared, &view.borrow_and_update())?
                        }
                        Err(_) => (ping(&viewing)?, Sent::View),
                    },
                    Sent::End => return None,
                };
                Some((Ok(event), (viewing, view, sent)))
            }
        },
    )
}

fn token_event(viewing: &Viewing) -> Event {
    let event = Event::default().event("page").retry(RETRY);
    event.data(viewing.token())
}

/// `None` if the page is not there any more: it loses its place.
fn ping(viewing: &Viewing) -> Option<Event> {
    // A browser drops an event without data.
    let ping = || Event::default().event("ping").data("are you there?");
    viewing.may_be_there().then(ping)
}

fn view_event(shared: &Shared, view: &View) -> Option<(Event, Sent)> {
    let (shown, sent) = match view.devices.iter().all(|device| device.outcome.is_some()) {
        true => (Shown::End, Sent::End),
        false => (Shown::Something, Sent::View),
    };
    shared.shown.send_replace(shown);
    Some((Event::default().event("view").json_data(view).ok()?, sent))
}

/// `code/<device>.svg`
async fn code(State(shared): State<Arc<Shared>>, Path(file): Path<String>) -> Response {
    let view = shared.view.borrow();
    let device = file
        .strip_suffix(".svg")
        .and_then(|n| n.parse::<usize>().ok());
    let code = device.and_then(|n| view.devices.get(n)?.code.as_ref());
    match code {
        Some(code) => ([(CONTENT_TYPE, "image/svg+xml")], code.svg.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Refuses whoever is not the page that is open.
async fn only_the_page(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let token = request.headers().get(X_PAGE);
    let token = token.and_then(|token| token.to_str().ok());
    if token.is_some_and(|token| shared.viewer.hears(token)) {
        next.run(request).await
    } else {
        (StatusCode::CONFLICT, "another page is open\n").into_response()
    }
}

#[derive(Deserialize)]
struct AnswerBody {
    question: u64,
    answer: Zeroizing<String>,
}

async fn answer(State(shared): State<Arc<Shared>>, Json(body): Json<AnswerBody>) -> Response {
    answered(&shared, body.question, PageAnswer::Text(body.answer))
}

fn answered(shared: &Shared, question: u64, answer: PageAnswer) -> Response {
    match shared.questions.answer(question, answer) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(NotAsked) => (StatusCode::GONE, "this is not asked any more\n").into_response(),
    }
}

#[derive(Deserialize)]
struct PictureQuery {
    question: u64,
}

/// Why a picture is no answer, as a sentence.
#[derive(Serialize)]
struct NoCode {
    why: String,
}

/// A picture in which there may be a code. It is never stored. One at a time, from its first byte to
/// the end of its thread, which does not end with the request.
async fn picture(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<PictureQuery>,
    request: Request,
) -> Response {
    let Ok(turn) = shared.reader.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    if !shared.questions.is_open(query.question) {
        return (StatusCode::GONE, "this is not asked any more\n").into_response();
    }
    let picture = match timeout(PICTURE_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(picture)) => picture,
        Ok(Err(refused)) => return refused.into_response(),
        // Others wait for their turn.
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let read_code = shared.read_code.clone();
    let read = move || {
        let _turn = turn;
        read_code(&picture)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(code)) => answered(&shared, query.question, PageAnswer::Code(Box::new(code))),
        Ok(Err(why)) => Json(NoCode { why }).into_response(),
        Err(_) => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    }
}

async fn cancel(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.is_cancelled.send_replace(true);
    StatusCode::NO_CONTENT
}
