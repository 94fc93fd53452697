//! The authorization endpoint, RFC 6749 section 4.1: sign in once, consent, and back to the client.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Scope;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::browser::{Opened, Posted, Visit};
use super::{prompt, sign_in};
use crate::app::App;
use crate::client::{Client, Setting};
use crate::code::{self, Code};
use crate::dpop::read_thumbprint;
use crate::grant::{Grant, Thumbprint};
use crate::issue::granted_scope;
use crate::methods::Methods;
use crate::pages::{ConsentPage, destination};
use crate::params::Params;
use crate::problem::Problem;
use crate::pushed::{hash_request_uri, is_pushed};
use crate::resource::asked_resources;
use crate::session::Session;
use crate::system::make_random;
use crate::texts::{Say, Wish};
use crate::ticket::{Asked, Consenting, Goal};

/// A request goes from page to page in an address, and servers and proxies take none that is longer than 8 KiB. What is left
/// for `state` and `nonce` is about 4 KiB.
const LONGEST_TICKET: usize = 7 * 1024;

/// Why a request does not lead to a page of ours.
pub(super) enum Stop {
    /// Shown to the person, never sent on: the redirect URI is not known to be the client's (RFC 9700 section 4.11).
    Here(StatusCode, Say),
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
    pub(super) fn into_response(self, app: &App, visit: &Visit) -> Response {
        match self {
            Self::Here(status, say) => visit.stop(app, "", status, say),
            Self::Trouble(problem) => visit.stop_for(app, "", problem),
            Self::There { redirect_uri, state, error } => {
                redirect(app, &redirect_uri, state.as_deref(), ("error", error))
            }
        }
    }

    pub(super) fn here(say: Say) -> Self {
        Self::Here(StatusCode::BAD_REQUEST, say)
    }

    pub(super) fn there(asked: Asked, error: &'static str) -> Self {
        Self::There { redirect_uri: asked.redirect_uri, state: asked.state, error }
    }
}

/// `GET /authorize`: checks the request, and shows the page that it leads to. With a `ticket` the request was checked before.
pub(crate) async fn begin(State(app): State<Arc<App>>, Opened { visit, params }: Opened) -> Result<Response, Problem> {
    let step = async {
        if params.text("ticket").is_none() {
            let (asked, client, quiet) = check(&app, &params).await?;
            if visit.seal(&app, asked.clone()).len() > LONGEST_TICKET {
                return Err(Stop::there(asked, "invalid_request"));
            }
            return go_to_page(&app, &visit, asked, client, quiet).await;
        }
        let mut asked: Asked = visit.open(&app, &params).ok_or(Stop::here(Say::Stale))?;
        if params.text("another").is_some() {
            asked = Asked { since: Some(app.now()), hint: None, ..asked };
        }
        let id = asked.client.clone();
        let client = app.ask(move |store| store.client(&id)).await?.ok_or(Stop::here(Say::AppUnknown))?;
        go_to_page(&app, &visit, asked, client, false).await
    };
    Ok(step.await.unwrap_or_else(|stop| stop.into_response(&app, &visit)))
}

/// `POST /authorize`: what the person answered.
pub(crate) async fn go_on(State(app): State<Arc<App>>, Posted { visit, params }: Posted) -> Result<Response, Problem> {
    let step = async {
        let params = params?;
        let Consenting { asked, session } = visit.open(&app, &params).ok_or(Stop::here(Say::Stale))?;
        match params.text("decision") {
            Some("deny") => return Err(Stop::there(asked, "access_denied")),
            Some("allow") => {}
            _ => return Err(Stop::here(Say::Incomplete)),
        }
        match app.session(visit.session).await?.filter(|open| open.grant.id.to_string() == session) {
            Some(open) => allow(&app, &visit, asked, &open).await,
            // Signed out meanwhile, in another window or from another device.
            None => Ok(visit.go(&app, &address(&app, &visit, asked))),
        }
    };
    Ok(step.await.unwrap_or_else(|stop| stop.into_response(&app, &visit)))
}

/// Where a checked request goes on.
pub(super) fn address(app: &App, visit: &Visit, asked: Asked) -> String {
    format!("authorize?ticket={}", visit.seal(app, asked))
}

/// Sign-in where nobody is signed in, or not as the request wants it; else consent.
async fn go_to_page(app: &App, visit: &Visit, asked: Asked, client: Client, quiet: bool) -> Result<Response, Stop> {
    let fits = |session: &Session| {
        asked.since.is_none_or(|since| session.grant.authenticated_at >= since)
            && asked.subject.as_ref().is_none_or(|subject| *subject == session.user.subject)
    };
    let Some(session) = app.session(visit.session).await?.filter(fits) else {
        if quiet {
            return Err(Stop::there(asked, "login_required"));
        }
        let hint = asked.hint.clone().unwrap_or_default();
        return Ok(sign_in::ask(app, visit, Goal::Authorize(Box::new(asked)), &hint, None).await?);
    };
    if has_consented(app, &asked, &client, &session).await? {
        return allow(app, visit, asked, &session).await;
    }
    if quiet {
        return Err(Stop::there(asked, "consent_required"));
    }
    Ok(consent(app, visit, asked, &client, &session))
}

/// Whether the person need not be asked: the client has proved who it is before, and may do so again at the token endpoint; and
/// it has all that it asks for already. Anybody can call himself a public client, so there the person is always asked (RFC
/// 8252 section 8.6).
async fn has_consented(app: &App, asked: &Asked, client: &Client, session: &Session) -> Result<bool, Problem> {
    if asked.ask || client.secret_hash.is_none() {
        return Ok(false);
    }
    let wanted = Scope::parse(&asked.scope);
    let grants = app.sign_ins(&session.user.subject).await?;
    let same = |grant: &Grant| grant.client == client.id && grant.resources == asked.resources;
    Ok(grants.iter().any(|grant| same(grant) && wanted.iter().all(|token| grant.scope.contains(token))))
}

fn consent(app: &App, visit: &Visit, asked: Asked, client: &Client, session: &Session) -> Response {
    let texts = visit.texts();
    let here = address(app, visit, asked.clone());
    let redirect_uri = asked.redirect_uri.clone();
    let wishes = Scope::parse(&asked.scope).iter().filter_map(Wish::of).map(texts.consent.wish).collect();
    let place = destination(&redirect_uri, texts);
    let ticket = visit.seal(app, Consenting { asked, session: session.grant.id.to_string() });
    let page = ConsentPage {
        frame: visit.frame("", Some(&here)),
        title: (texts.consent.title)(&client.name),
        client: &client.name,
        ticket: &ticket,
        username: &session.user.name,
        wishes,
        unverified: client.has(Setting::Registered),
        note: (texts.consent.note)(&place),
        another: &format!("{here}&another=1"),
    };
    visit.show(app, StatusCode::OK, &page, Some(&redirect_uri))
}

/// The style sheet of the pages.
pub(crate) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../templates/style.css")).into_response()
}

/// First what decides where an error may be told, then the rest. Gives the client, too, and whether no page may be shown.
async fn check(app: &App, params: &Params) -> Result<(Asked, Client, bool), Stop> {
    if params.is_repeated("client_id") || params.is_repeated("redirect_uri") {
        return Err(Stop::here(Say::AppTwice));
    }
    let id = params.owned("client_id").ok_or(Stop::here(Say::AppUnnamed))?;
    let client = app.ask(move |store| store.client(&id)).await?;
    let client = client.ok_or(Stop::here(Say::AppUnknown))?;
    let pushed = pushed(app, params, &client).await?;
    let params = pushed.as_ref().unwrap_or(params);
    let redirect_uri = params.text("redirect_uri").filter(|uri| client.allows_redirect(uri));
    let redirect_uri = redirect_uri.ok_or(Stop::here(Say::UnknownRedirect))?.to_owned();
    let state = params.owned("state").filter(|_| !params.is_repeated("state"));
    let push = app.config.require_par || client.has(Setting::PushedOnly);
    let checked = if pushed.is_none() && push {
        // RFC 9126 section 6.
        Err("invalid_request")
    } else {
        check_rest(params, &client, &app.config.issuer).and_then(|rest| Ok((rest, prompt::read(app, params)?)))
    };
    match checked {
        Ok((rest, wants)) => {
            let asked = Asked {
                client: client.id.clone(),
                redirect_uri,
                state,
                scope: rest.scope.to_string(),
                challenge: rest.challenge,
                nonce: params.owned("nonce"),
                since: wants.since,
                ask: wants.ask,
                subject: wants.subject,
                hint: wants.hint,
                resources: rest.resources,
                bound_to: rest.bound_to,
            };
            Ok((asked, client, wants.quiet))
        }
        Err(error) => Err(Stop::There { redirect_uri, state, error }),
    }
}

/// The request that the client pushed, if this one names it. It can be named once (RFC 9126 section 4).
async fn pushed(app: &App, params: &Params, client: &Client) -> Result<Option<Params>, Stop> {
    let Some(request_uri) = params.text("request_uri").filter(|uri| is_pushed(uri)) else { return Ok(None) };
    let hash = hash_request_uri(request_uri);
    let taken = app.ask(move |store| store.take_pushed(&hash)).await?;
    let mine = taken.filter(|pushed| pushed.client == client.id && app.now() < pushed.expires_at);
    let mine = mine.filter(|_| !params.is_repeated("request_uri")).ok_or(Stop::here(Say::RequestOver))?;
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
    check_rest(params, client, issuer).map_err(Problem::Pushed)?;
    prompt::check(params).map_err(Problem::Pushed)
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
    let resources = asked_resources(params, &client.resources, issuer).map_err(Problem::code)?;
    let bound_to = params.text("dpop_jkt").map(|text| read_thumbprint(text).ok_or("invalid_request")).transpose()?;
    Ok(Rest { scope, challenge: challenge.to_owned(), resources, bound_to })
}

async fn allow(app: &App, visit: &Visit, asked: Asked, session: &Session) -> Result<Response, Stop> {
    let code = URL_SAFE_NO_PAD.encode(make_random::<32>().map_err(Problem::from)?);
    let code = Methods::of_session(&session.grant.scope).mark(code);
    let kept = Code {
        hash: Sha256::digest(&code).into(),
        client: asked.client,
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge,
        nonce: asked.nonce,
        subject: session.user.subject.clone(),
        scope: Scope::parse(&asked.scope),
        resources: asked.resources,
        bound_to: asked.bound_to,
        device: visit.origin.clone(),
        signed_in_at: session.grant.authenticated_at,
        expires_at: app.now().plus(code::LIFE),
        spent: false,
        grant: None,
    };
    app.ask(move |store| store.add_code(&kept)).await?;
    Ok(redirect(app, &asked.redirect_uri, asked.state.as_deref(), ("code", &code)))
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
