//! Sign-in on another device, RFC 8628: the device's endpoint, and the page where a person types its code.
//!
//! The code is asked for once the person has signed in, so that nobody without an account can guess codes; and before
//! anything is allowed, the person sees which app it is and the code again (section 5.4).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::authorize::Stop;
use super::browser::{Opened, Posted, Visit};
use super::sign_in;
use crate::app::App;
use crate::client::Setting;
use crate::device::{
    self, Allowed, Decision, Device, DeviceState, INTERVAL, LIFE, make_codes, name_of, read_user_code, show_user_code,
};
use crate::issue::granted_scope;
use crate::methods::Methods;
use crate::origin::origin_of;
use crate::pages::{DeviceConsentPage, DevicePage, MessagePage};
use crate::params::{Form, Params, Peer};
use crate::problem::Problem;
use crate::resource::asked_resources;
use crate::session::Session;
use crate::texts::{Say, Wish};
use crate::ticket::{DeviceAsked, Goal, TypingCode};

/// How often a code that is taken is made anew: one in 2³⁴ is, for each that is alive.
const TRIES: usize = 3;

/// `POST /device_authorization`, section 3.1.
pub(crate) async fn authorization(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Json<Value>, Problem> {
    let client = app.authenticate_client(&headers, &params).await?.registered()?;
    if !client.has(Setting::Device) {
        return Err(Problem::UnauthorizedClient);
    }
    let scope = granted_scope(params.text("scope"))?;
    let resources = asked_resources(&params, &client.resources, &app.config.issuer)?;
    for _ in 0..TRIES {
        let (user_code, device_code) = make_codes()?;
        let (name, hash) = device::read_device_code(&device_code).ok_or(Problem::Unavailable)?;
        let device = Device {
            name,
            hash,
            client: client.id.clone(),
            scope: scope.clone(),
            resources: resources.clone(),
            device: origin_of(&headers, peer),
            expires_at: app.now().plus(LIFE),
            interval: INTERVAL,
            polled_at: None,
            state: DeviceState::Pending,
        };
        if app.ask(move |store| store.add_device(&device)).await? {
            return Ok(Json(answer(&app, &user_code, &device_code)));
        }
    }
    Err(Problem::Unavailable)
}

/// Section 3.2.
fn answer(app: &App, user_code: &str, device_code: &str) -> Value {
    let (page, user_code) = (app.url("/device"), show_user_code(user_code));
    json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": LIFE.as_secs(),
        "interval": INTERVAL,
    })
}

/// `GET /device`, with or without `user_code` (section 3.3.1); with a ticket, the consent page; or what came of it.
pub(crate) async fn begin(State(app): State<Arc<App>>, Opened { visit, params }: Opened) -> Result<Response, Problem> {
    if let Some(word) = params.text("done") {
        return Ok(done(&app, &visit, word == "allowed"));
    }
    let step = async {
        let user_code = params.text("user_code").and_then(read_user_code);
        let Some(session) = app.session(visit.session).await? else {
            return Ok(sign_in::ask(&app, &visit, Goal::Device(user_code), "", None).await?);
        };
        if params.text("ticket").is_none() {
            let user_code = user_code.as_deref().map(show_user_code).unwrap_or_default();
            return Ok(ask(&app, &visit, &session, &user_code, None));
        }
        let asked: DeviceAsked = visit.open(&app, &params).ok_or(Stop::here(Say::Stale))?;
        consent(&app, &visit, &session, asked).await
    };
    Ok(step.await.unwrap_or_else(|stop: Stop| stop.into_response(&app, &visit)))
}

/// `POST /device`: the form of either page.
pub(crate) async fn go_on(State(app): State<Arc<App>>, Posted { visit, params }: Posted) -> Result<Response, Problem> {
    let (params, trouble) = match params {
        Ok(params) => (params, None),
        Err(problem) => (Params::parse(b""), Some(problem)),
    };
    let step = async {
        if let Some(problem) = trouble {
            return Err(problem.into());
        }
        let Some(session) = app.session(visit.session).await? else { return Err(Stop::here(Say::Stale)) };
        let id = session.grant.id.to_string();
        if let Some(asked) = visit.open::<DeviceAsked>(&app, &params).filter(|asked| asked.session == id) {
            return decide(&app, &visit, &session, &asked.user_code, &params).await;
        }
        let typing = visit.open::<TypingCode>(&app, &params).filter(|typing| typing.session == id);
        typing.ok_or(Stop::here(Say::Stale))?;
        look_up(&app, &visit, &session, params.text("user_code").unwrap_or_default()).await
    };
    Ok(step.await.unwrap_or_else(|stop| stop.into_response(&app, &visit)))
}

/// The page that asks for the code, again where something was wrong with it.
fn ask(app: &App, visit: &Visit, session: &Session, user_code: &str, wrong: Option<(Problem, Say)>) -> Response {
    let texts = visit.texts();
    let page = DevicePage {
        frame: visit.frame("", Some("device")),
        ticket: &visit.seal(app, TypingCode { session: session.grant.id.to_string() }),
        user_code,
        username: &session.user.name,
        error: wrong.map(|(_, say)| (texts.say)(say)),
    };
    let status = wrong.map_or(StatusCode::OK, |(problem, _)| problem.status());
    let response = visit.show(app, status, &page, None);
    match wrong {
        Some((problem, _)) => problem.finish(status, response),
        None => response,
    }
}

async fn look_up(app: &App, visit: &Visit, session: &Session, typed: &str) -> Result<Response, Stop> {
    let again = |problem: Problem, say: Say| ask(app, visit, session, typed, Some((problem, say)));
    let wrong = Problem::InvalidRequest("");
    let Some(user_code) = read_user_code(typed) else { return Ok(again(wrong, Say::NotACode)) };
    let attempt = match app.limiter.admit_code(&session.user.subject, visit.peer, app.now()) {
        Ok(attempt) => attempt,
        Err(wait) => return Ok(again(Problem::TooMany(wait), Say::TooMany)),
    };
    if waiting(app, &user_code).await?.is_none() {
        tracing::info!(outcome = %"unknown_code", "device");
        return Ok(again(wrong, Say::UnknownCode));
    }
    app.limiter.forgive(attempt);
    let asked = DeviceAsked { user_code, session: session.grant.id.to_string() };
    Ok(visit.go(app, &format!("device?ticket={}", visit.seal(app, asked))))
}

async fn consent(app: &App, visit: &Visit, session: &Session, asked: DeviceAsked) -> Result<Response, Stop> {
    let texts = visit.texts();
    let waits = waiting(app, &asked.user_code).await?;
    let (device, client) = waits.ok_or(Stop::here(Say::UnknownCode))?;
    let user_code = show_user_code(&asked.user_code);
    let ticket = visit.seal(app, DeviceAsked { session: session.grant.id.to_string(), ..asked });
    let page = DeviceConsentPage {
        frame: visit.frame("", Some(&format!("device?ticket={ticket}"))),
        title: (texts.device.consent_title)(&client),
        client: &client,
        ticket: &ticket,
        username: &session.user.name,
        user_code: &user_code,
        wishes: device.scope.iter().filter_map(Wish::of).map(texts.consent.wish).collect(),
    };
    Ok(visit.show(app, StatusCode::OK, &page, None))
}

/// The request of that code, if it waits for an answer, and the name of the client.
async fn waiting(app: &App, user_code: &str) -> Result<Option<(Device, String)>, Problem> {
    let name = name_of(user_code);
    let device = app.ask(move |store| store.device(&name)).await?;
    let waits = |device: &Device| device.state == DeviceState::Pending && app.now() < device.expires_at;
    let Some(device) = device.filter(waits) else { return Ok(None) };
    let id = device.client.clone();
    let client = app.ask(move |store| store.client(&id)).await?;
    Ok(client.map(|client| (device, client.name)))
}

async fn decide(
    app: &App,
    visit: &Visit,
    session: &Session,
    user_code: &str,
    params: &Params,
) -> Result<Response, Stop> {
    let allowed = match params.text("decision") {
        Some("allow") => true,
        Some("deny") => false,
        _ => return Err(Stop::here(Say::Incomplete)),
    };
    let allowed_by = allowed.then(|| Allowed {
        subject: session.user.subject.clone(),
        at: session.grant.authenticated_at,
        methods: Methods::of_session(&session.grant.scope),
    });
    let decision = Decision { name: name_of(user_code), allowed_by, now: app.now() };
    if !app.ask(move |store| store.decide_device(&decision)).await? {
        return Err(Stop::here(Say::UnknownCode));
    }
    let word = if allowed { "allowed" } else { "denied" };
    tracing::info!(outcome = word, "device");
    Ok(visit.go(app, &format!("device?done={word}")))
}

fn done(app: &App, visit: &Visit, allowed: bool) -> Response {
    let texts = &visit.texts().device;
    let (word, title, text) = match allowed {
        true => ("allowed", texts.allowed_title, texts.allowed),
        false => ("denied", texts.denied_title, texts.denied),
    };
    let frame = visit.frame("", Some(&format!("device?done={word}")));
    visit.show(app, StatusCode::OK, &MessagePage { frame, title, text, link: None }, None)
}
