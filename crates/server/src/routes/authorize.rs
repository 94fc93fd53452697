//! The authorization endpoint, RFC 6749 section 4.1: sign in, consent, and back to the client.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Scope;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::app::App;
use crate::client::{Client, Setting};
use crate::code::{self, Code};
use crate::dpop::read_thumbprint;
use crate::grant::Thumbprint;
use crate::issue::granted_scope;
use crate::origin::{Origin, origin_of};
use crate::pages::{ConsentPage, SignInPage, StoppedPage, destination, page, wish};
use crate::params::{Form, Params, Peer};
use crate::problem::{Problem, Refused};
use crate::pushed::{hash_request_uri, is_pushed};
use crate::resource::asked_resources;
use crate::system::make_random;
use crate::ticket::{Asked, SignedIn, Ticket};

use super::browser::Browser;

/// Why a request does not lead to a page of ours.
enum Stop {
    /// Shown to the person, never sent on: the redirect URI is not known to be the client's (RFC 9700 section 4.11).
    Here(StatusCode, &'static str),
    /// As `Here`, with the headers that belong to it.
    Trouble(Problem),
    /// Told to the client.
    There { redirect_uri: String, state: Option<String>, error: &'static str },
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Trouble(problem)
    }
}

impl Stop {
    fn into_response(self, app: &App) -> Response {
        match self {
            Self::Here(status, message) => page(status, &StoppedPage { message }, None),
            Self::Trouble(problem) => {
                let stopped = page(problem.status(), &StoppedPage { message: problem.message() }, None);
                problem.finish(problem.status(), stopped)
            }
            Self::There { redirect_uri, state, error } => {
                redirect(app, &redirect_uri, state.as_deref(), ("error", error))
            }
        }
    }
}

/// `GET /authorize`: checks the request and shows the sign-in page.
pub(crate) async fn begin(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let (asked, client) = match check(&app, &params).await {
        Ok(checked) => checked,
        Err(stop) => return stop.into_response(&app),
    };
    let browser = match Browser::of(&headers) {
        Ok(browser) => browser,
        Err(error) => return Stop::from(Problem::from(error)).into_response(&app),
    };
    let redirect_uri = asked.redirect_uri.clone();
    let ticket = Ticket::new(asked, None, app.now()).seal(&app.keys.now(), &browser.cookie, app.now());
    let form = SignInPage { client: &client, ticket: &ticket, username: "", error: None };
    let mut response = page(StatusCode::OK, &form, Some(&redirect_uri));
    browser.remember(&app, &mut response);
    response
}

/// `POST /authorize`: the form of either page.
pub(crate) async fn go_on(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    form: Result<Form, Problem>,
) -> Response {
    let step = async {
        let Form(params) = form?;
        let stale = "This page has waited too long, or belongs to another browser. Go back to the app and start again.";
        let stale = Stop::Here(StatusCode::BAD_REQUEST, stale);
        let (Some(cookie), Some(sealed)) = (Browser::known(&headers), params.text("ticket")) else { return Err(stale) };
        let Some(ticket) = Ticket::<Asked>::open(&app.keys.now(), sealed, cookie, app.now()) else { return Err(stale) };
        match (params.text("decision"), ticket.signed_in.clone()) {
            (Some("deny"), _) => Err(denied(ticket.asked)),
            (Some("allow"), Some(signed_in)) => allow(&app, ticket.asked, signed_in, origin_of(&headers, peer)).await,
            (_, None) => sign_in(&app, ticket, &params, cookie, peer).await,
            _ => Err(Stop::Here(StatusCode::BAD_REQUEST, "The form did not arrive whole. Go back and try again.")),
        }
    };
    step.await.unwrap_or_else(|stop| stop.into_response(&app))
}

/// The style sheet of the pages.
pub(crate) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../templates/style.css")).into_response()
}

/// First what decides where an error may be told, then the rest. Gives the client's name, too.
async fn check(app: &App, params: &Params) -> Result<(Asked, String), Stop> {
    let here = |message| Stop::Here(StatusCode::BAD_REQUEST, message);
    if params.is_repeated("client_id") || params.is_repeated("redirect_uri") {
        return Err(here("The app's request names itself twice."));
    }
    let Some(id) = params.owned("client_id") else {
        return Err(here("The app's request does not say which app it is."));
    };
    let client = app.ask(move |store| store.client(&id)).await?;
    let Some(client) = client else { return Err(here("This app is not known here.")) };
    let pushed = pushed(app, params, &client).await?;
    let params = pushed.as_ref().unwrap_or(params);
    let redirect_uri = params.text("redirect_uri").filter(|uri| client.allows_redirect(uri));
    let Some(redirect_uri) = redirect_uri else {
        return Err(here("The app asks for an answer at an address that it has not registered."));
    };
    let state = params.owned("state").filter(|_| !params.is_repeated("state"));
    let push = app.config.require_par || client.has(Setting::PushedOnly);
    let checked = if pushed.is_none() && push {
        // RFC 9126 section 6.
        Err("invalid_request")
    } else {
        check_rest(params, &client, &app.config.issuer)
    };
    match checked {
        Ok(Rest { scope, challenge, resources, bound_to }) => {
            let (nonce, scope) = (params.owned("nonce"), scope.to_string());
            let redirect_uri = redirect_uri.to_owned();
            let asked = Asked { client: client.id, redirect_uri, state, scope, challenge, nonce, resources, bound_to };
            Ok((asked, client.name))
        }
        Err(error) => Err(Stop::There { redirect_uri: redirect_uri.to_owned(), state, error }),
    }
}

/// The request that the client pushed, if this one names it. It can be named once (RFC 9126 section 4).
async fn pushed(app: &App, params: &Params, client: &Client) -> Result<Option<Params>, Stop> {
    let Some(request_uri) = params.text("request_uri").filter(|uri| is_pushed(uri)) else { return Ok(None) };
    let hash = hash_request_uri(request_uri);
    let taken = app.ask(move |store| store.take_pushed(&hash)).await?;
    let mine = taken.filter(|pushed| pushed.client == client.id && app.now() < pushed.expires_at);
    let over = "The app's request was used already, or has waited too long. Go back to the app and start again.";
    let mine = mine.filter(|_| !params.is_repeated("request_uri")).ok_or(Stop::Here(StatusCode::BAD_REQUEST, over))?;
    Ok(Some(Params::parse(mine.request.as_bytes())))
}

/// Whether a pushed request would lead to our pages, RFC 9126 section 2.1.
pub(crate) fn check_pushed(client: &Client, params: &Params, issuer: &str) -> Result<(), Problem> {
    if params.text("request_uri").is_some() {
        return Err(Problem::InvalidRequest("A pushed request cannot have a request_uri."));
    }
    if !params.text("redirect_uri").is_some_and(|uri| client.allows_redirect(uri)) {
        return Err(Problem::InvalidRequest("redirect_uri is missing or not registered."));
    }
    check_rest(params, client, issuer).map(drop).map_err(Problem::Pushed)
}

/// What a good request asks for, beside where its answer goes.
struct Rest {
    scope: Scope,
    challenge: String,
    resources: Vec<String>,
    bound_to: Option<Thumbprint>,
}

/// Errors of RFC 6749 section 4.1.2.1, RFC 7636 section 4.4.1, RFC 8707 section 2 and OpenID Connect Core section 3.1.2.6.
fn check_rest(params: &Params, client: &Client, issuer: &str) -> Result<Rest, &'static str> {
    if params.has_repeated() {
        return Err("invalid_request");
    }
    if params.text("request").is_some() {
        return Err("request_not_supported");
    }
    if params.text("request_uri").is_some() {
        return Err("request_uri_not_supported");
    }
    match params.text("response_type") {
        None => return Err("invalid_request"),
        Some("code") => {}
        Some(_) => return Err("unsupported_response_type"),
    }
    if params.text("response_mode").is_some_and(|mode| mode != "query") {
        return Err("invalid_request");
    }
    // An absent method would mean `plain`, which is not served.
    if params.text("code_challenge_method") != Some("S256") {
        return Err("invalid_request");
    }
    let challenge =
        params.text("code_challenge").filter(|text| URL_SAFE_NO_PAD.decode(text).is_ok_and(|b| b.len() == 32));
    let challenge = challenge.ok_or("invalid_request")?;
    let scope = granted_scope(params.text("scope")).map_err(|_| "invalid_scope")?;
    if params.text("prompt").is_some_and(|prompt| prompt.split(' ').any(|p| p == "none")) {
        return Err("login_required");
    }
    let resources = asked_resources(params, &client.resources, issuer).map_err(Problem::code)?;
    let bound_to = params.text("dpop_jkt").map(|text| read_thumbprint(text).ok_or("invalid_request")).transpose()?;
    Ok(Rest { scope, challenge: challenge.to_owned(), resources, bound_to })
}

async fn sign_in(
    app: &App,
    ticket: Ticket<Asked>,
    params: &Params,
    cookie: &str,
    peer: Option<IpAddr>,
) -> Result<Response, Stop> {
    let asked = ticket.asked;
    let username = params.text("username").unwrap_or_default();
    let checked = match params.secret("password") {
        Some(password) if !username.is_empty() => app.authenticate_person(username, password, peer).await,
        _ => Err(Problem::InvalidGrant(Refused::WrongCredentials)),
    };
    let id = asked.client.clone();
    let Some(client) = app.ask(move |store| store.client(&id)).await? else {
        return Err(Stop::Here(StatusCode::BAD_REQUEST, "This app is not known here."));
    };
    let target = Some(asked.redirect_uri.clone());
    match checked {
        Ok(user) => {
            let wishes = Scope::parse(&asked.scope).iter().filter_map(wish).collect();
            let destination = destination(&asked.redirect_uri);
            let signed_in = SignedIn { subject: user.subject, at: app.now() };
            let ticket = Ticket::new(asked, Some(signed_in), app.now()).seal(&app.keys.now(), cookie, app.now());
            let (client, username) = (&client.name, &user.name);
            let consent = ConsentPage { client, ticket: &ticket, username, wishes, destination: &destination };
            Ok(page(StatusCode::OK, &consent, target.as_deref()))
        }
        Err(problem) => {
            let ticket = Ticket::new(asked, None, app.now()).seal(&app.keys.now(), cookie, app.now());
            let error = Some(problem.message());
            let form = SignInPage { client: &client.name, ticket: &ticket, username, error };
            let response = page(problem.status(), &form, target.as_deref());
            Ok(problem.finish(problem.status(), response))
        }
    }
}

async fn allow(app: &App, asked: Asked, signed_in: SignedIn, device: Origin) -> Result<Response, Stop> {
    let code = URL_SAFE_NO_PAD.encode(make_random::<32>().map_err(Problem::from)?);
    let kept = Code {
        hash: Sha256::digest(&code).into(),
        client: asked.client,
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge,
        nonce: asked.nonce,
        subject: signed_in.subject,
        scope: Scope::parse(&asked.scope),
        resources: asked.resources,
        bound_to: asked.bound_to,
        device,
        signed_in_at: signed_in.at,
        expires_at: app.now().plus(code::LIFE),
        spent: false,
        grant: None,
    };
    app.ask(move |store| store.add_code(&kept)).await?;
    Ok(redirect(app, &asked.redirect_uri, asked.state.as_deref(), ("code", &code)))
}

fn denied(asked: Asked) -> Stop {
    Stop::There { redirect_uri: asked.redirect_uri, state: asked.state, error: "access_denied" }
}

/// Sends the answer to the client, with `iss` (RFC 9207 section 2). 303, so that no browser posts the password on (RFC 9700
/// section 4.12).
fn redirect(app: &App, redirect_uri: &str, state: Option<&str>, (name, value): (&str, &str)) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, value);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", &app.config.issuer);
    // Put together as text: parsing and writing a URI again may change it.
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    match HeaderValue::from_str(&format!("{redirect_uri}{joint}{}", query.finish())) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
