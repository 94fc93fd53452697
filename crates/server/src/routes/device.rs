//! Sign-in on another device, RFC 8628: the device's endpoint, and the page where a person types its code.
//!
//! The code is asked for together with name and password, so that nobody without an account can guess codes; and before
//! anything is allowed, the person sees which app it is and the code again (section 5.4).

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::browser::Browser;
use crate::app::App;
use crate::client::Setting;
use crate::device::{
    self, Decision, Device, DeviceState, INTERVAL, LIFE, make_codes, name_of, read_user_code, show_user_code,
};
use crate::issue::granted_scope;
use crate::origin::origin_of;
use crate::pages::{DeviceConsentPage, DeviceDonePage, DevicePage, StoppedPage, page, wish};
use crate::params::{Form, Params, Peer};
use crate::problem::{Problem, Refused};
use crate::resource::asked_resources;
use crate::ticket::{DeviceAsked, SignedIn, Ticket};

/// How often a code that is taken is made anew: one in 2³⁴ is, for each that is alive.
const TRIES: usize = 3;

const NO_CODE: &str = "A code has eight letters, such as WDJB-MJHT.";
const UNKNOWN: &str = "This code is not known here, or its time is over. Begin anew on your device.";
const STALE: &str = "This page has waited too long, or belongs to another browser. Open it again.";

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

/// `GET /device`, with or without `user_code` (section 3.3.1).
pub(crate) async fn begin(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let user_code = params.text("user_code").and_then(read_user_code);
    match Browser::of(&headers) {
        Ok(browser) => {
            let user_code = user_code.as_deref().map(show_user_code).unwrap_or_default();
            let mut response = ask(&app, &browser.cookie, StatusCode::OK, Typed { user_code, username: "" }, None);
            browser.remember(&app, &mut response);
            response
        }
        Err(error) => stop(error.into()),
    }
}

/// `POST /device`: the form of either page.
pub(crate) async fn go_on(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    form: Result<Form, Problem>,
) -> Response {
    let step = async {
        let stale = Problem::InvalidRequest(STALE);
        let Form(params) = form?;
        let (Some(cookie), Some(sealed)) = (Browser::known(&headers), params.text("ticket")) else { return Err(stale) };
        let ticket = Ticket::<DeviceAsked>::open(&app.keys.now(), sealed, cookie, app.now()).ok_or(stale)?;
        match (ticket.asked.user_code, ticket.signed_in) {
            (Some(user_code), Some(signed_in)) => decide(&app, &user_code, signed_in, &params).await,
            _ => sign_in(&app, &params, cookie, peer).await,
        }
    };
    step.await.unwrap_or_else(stop)
}

/// What stays in the form.
struct Typed<'a> {
    user_code: String,
    username: &'a str,
}

fn ask(app: &App, cookie: &str, status: StatusCode, typed: Typed<'_>, error: Option<&str>) -> Response {
    let ticket = Ticket::new(DeviceAsked { user_code: None }, None, app.now());
    let ticket = ticket.seal(&app.keys.now(), cookie, app.now());
    let form = DevicePage { ticket: &ticket, user_code: &typed.user_code, username: typed.username, error };
    page(status, &form, None)
}

fn stop(problem: Problem) -> Response {
    let stopped = page(problem.status(), &StoppedPage { message: problem.message() }, None);
    problem.finish(problem.status(), stopped)
}

async fn sign_in(app: &App, params: &Params, cookie: &str, peer: Option<IpAddr>) -> Result<Response, Problem> {
    let username = params.text("username").unwrap_or_default();
    let typed = params.text("user_code").unwrap_or_default();
    let again = |problem: Problem, message: &str| {
        let typed = Typed { user_code: typed.to_owned(), username };
        problem.finish(problem.status(), ask(app, cookie, problem.status(), typed, Some(message)))
    };
    let Some(user_code) = read_user_code(typed) else { return Ok(again(Problem::InvalidRequest(NO_CODE), NO_CODE)) };
    let checked = match params.secret("password") {
        Some(password) if !username.is_empty() => app.authenticate_person(username, password, peer).await,
        _ => Err(Problem::InvalidGrant(Refused::WrongCredentials)),
    };
    let user = match checked {
        Ok(user) => user,
        Err(problem) => return Ok(again(problem, problem.message())),
    };
    let attempt = match app.limiter.admit_code(&user.subject, peer, app.now()) {
        Ok(attempt) => attempt,
        Err(wait) => return Ok(again(Problem::TooMany(wait), Problem::TooMany(wait).message())),
    };
    let Some((device, client)) = waiting(app, &user_code).await? else {
        tracing::info!(outcome = %"unknown_code", "device");
        return Ok(again(Problem::InvalidRequest(UNKNOWN), UNKNOWN));
    };
    app.limiter.forgive(attempt);
    let signed_in = SignedIn { subject: user.subject, at: app.now() };
    let shown = show_user_code(&user_code);
    let ticket = Ticket::new(DeviceAsked { user_code: Some(user_code) }, Some(signed_in), app.now());
    let ticket = ticket.seal(&app.keys.now(), cookie, app.now());
    let wishes = device.scope.iter().filter_map(wish).collect();
    let consent =
        DeviceConsentPage { client: &client, ticket: &ticket, username: &user.name, user_code: &shown, wishes };
    Ok(page(StatusCode::OK, &consent, None))
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

async fn decide(app: &App, user_code: &str, signed_in: SignedIn, params: &Params) -> Result<Response, Problem> {
    let allowed = match params.text("decision") {
        Some("allow") => true,
        Some("deny") => false,
        _ => return Err(Problem::InvalidRequest("The form did not arrive whole. Go back and try again.")),
    };
    let allowed_by = allowed.then_some((signed_in.subject, signed_in.at));
    let decision = Decision { name: name_of(user_code), allowed_by, now: app.now() };
    if !app.ask(move |store| store.decide_device(&decision)).await? {
        return Err(Problem::InvalidRequest(UNKNOWN));
    }
    tracing::info!(outcome = if allowed { "allowed" } else { "denied" }, "device");
    Ok(page(StatusCode::OK, &DeviceDonePage { allowed }, None))
}
