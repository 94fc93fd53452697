//! Signing out of the browser: by the person's own button, and as OpenID Connect RP-Initiated Logout 1.0 has it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use url::form_urlencoded;

use super::account::own_session;
use super::authorize::Stop;
use super::browser::{Opened, Posted, Visit};
use super::hint::{self, Hint};
use crate::app::App;
use crate::client::Client;
use crate::grant::{GrantId, Reason};
use crate::pages::{MessagePage, SignOutPage};
use crate::params::Params;
use crate::problem::Problem;
use crate::session::Session;
use crate::texts::Say;
use crate::ticket::SigningOut;

/// What an app may say in a request to sign out (section 2).
const OF_APPS: [&str; 7] =
    ["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", "lang"];

/// A request to sign out, checked.
struct Wanted {
    hint: Option<Hint>,
    return_to: Option<String>,
}

/// `GET /sign-out`.
pub(crate) async fn begin(State(app): State<Arc<App>>, Opened { visit, params }: Opened) -> Result<Response, Problem> {
    let step = async {
        if params.text("done").is_some() {
            return Ok(done(&app, &visit));
        }
        let wanted = check(&app, &params).await?;
        let session = app.session(visit.session).await?;
        let grant = wanted.hint.as_ref().and_then(|hint| hint.sid.clone());
        let meant = |hint: &Hint| session.as_ref().is_none_or(|session| session.user.subject == hint.sub);
        // Sure of whom the app means, it need not be asked (section 2). Where nobody is signed in, there is nothing to ask.
        if session.is_none() || wanted.hint.as_ref().is_some_and(meant) {
            let session = session.map(|session| session.grant.id.to_string());
            return carry_out(&app, &visit, SigningOut { session, grant, return_to: wanted.return_to }).await;
        }
        Ok(match session {
            Some(session) => ask(&app, &visit, &session, grant, wanted.return_to, &params),
            None => done(&app, &visit),
        })
    };
    Ok(step.await.unwrap_or_else(|stop: Stop| stop.into_response(&app, &visit)))
}

/// `POST /sign-out`: our own form; or an app's request, which has to come by GET so that the browser sends its session along.
pub(crate) async fn go_on(State(app): State<Arc<App>>, Posted { visit, params }: Posted) -> Result<Response, Problem> {
    let params = params?;
    let step = async {
        if let Some(own) = params.text("own") {
            let own = Params::parse(
                form_urlencoded::Serializer::new(String::new()).append_pair("ticket", own).finish().as_bytes(),
            );
            let session = own_session(&app, &visit, &own).await?.grant.id.to_string();
            return carry_out(&app, &visit, SigningOut { session: Some(session), grant: None, return_to: None }).await;
        }
        if params.text("ticket").is_none() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(OF_APPS.iter().filter_map(|name| Some((name, params.text(name)?))));
            return Ok(visit.go(&app, &format!("sign-out?{}", query.finish())));
        }
        let wanted: SigningOut = visit.open(&app, &params).ok_or(Stop::here(Say::Stale))?;
        if params.text("decision") == Some("stay") {
            return Ok(visit.go(&app, "account"));
        }
        carry_out(&app, &visit, wanted).await
    };
    Ok(step.await.unwrap_or_else(|stop: Stop| stop.into_response(&app, &visit)))
}

/// Sections 2 and 3: who asks, and where they may want to have the browser back.
async fn check(app: &App, params: &Params) -> Result<Wanted, Stop> {
    if params.has_repeated() {
        return Err(Stop::here(Say::WrongHint));
    }
    let hint = match params.text("id_token_hint") {
        Some(token) => Some(hint::read(app, token).ok_or(Stop::here(Say::WrongHint))?),
        None => None,
    };
    let named = params.text("client_id");
    if let (Some(hint), Some(named)) = (&hint, named)
        && hint.aud != named
    {
        return Err(Stop::here(Say::WrongHint));
    }
    let id = hint.as_ref().map(|hint| hint.aud.clone()).or_else(|| named.map(str::to_owned));
    let client = match id {
        Some(id) => app.ask(move |store| store.client(&id)).await?,
        None => None,
    };
    let return_to = match params.text("post_logout_redirect_uri") {
        Some(uri) => Some(return_address(client.as_ref(), uri, params.text("state"))?),
        None => None,
    };
    Ok(Wanted { hint, return_to })
}

/// Exactly as it was registered (section 3.1).
fn return_address(client: Option<&Client>, uri: &str, state: Option<&str>) -> Result<String, Stop> {
    let known = client.is_some_and(|client| client.post_logout_redirect_uris.iter().any(|known| known == uri));
    if !known {
        return Err(Stop::here(Say::UnknownReturn));
    }
    let Some(state) = state else { return Ok(uri.to_owned()) };
    let joint = if uri.contains('?') { '&' } else { '?' };
    let state = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
    Ok(format!("{uri}{joint}{state}"))
}

fn ask(
    app: &App,
    visit: &Visit,
    session: &Session,
    grant: Option<String>,
    return_to: Option<String>,
    params: &Params,
) -> Response {
    let mut here = form_urlencoded::Serializer::new(String::new());
    here.extend_pairs(
        OF_APPS.iter().filter(|name| **name != "lang").filter_map(|name| Some((name, params.text(name)?))),
    );
    let target = return_to.clone();
    let wanted = SigningOut { session: Some(session.grant.id.to_string()), grant, return_to };
    let page = SignOutPage {
        frame: visit.frame("", Some(&format!("sign-out?{}", here.finish()))),
        ticket: &visit.seal(app, wanted),
        username: &session.user.name,
    };
    visit.show(app, StatusCode::OK, &page, target.as_deref())
}

/// Ends the session, and the grant that the app's ID token belongs to.
async fn carry_out(app: &App, visit: &Visit, wanted: SigningOut) -> Result<Response, Stop> {
    let named = wanted.session.iter().chain(&wanted.grant);
    let ids: Vec<GrantId> = named.filter_map(|id| id.parse().ok()).collect();
    let now = app.now();
    let ended = app.ask(move |store| {
        let mut ended = Vec::new();
        for id in ids {
            if store.revoke(id, Reason::SignedOut, now)? == Some(true) {
                ended.push(id);
            }
        }
        Ok(ended)
    });
    for grant_id in ended.await? {
        tracing::info!(%grant_id, outcome = %"signed_out", "sign-out");
    }
    let next = wanted.return_to.unwrap_or_else(|| "sign-out?done=1".to_owned());
    Ok(visit.take_session(app, visit.go(app, &next)))
}

fn done(app: &App, visit: &Visit) -> Response {
    let texts = &visit.texts().sign_out;
    let page = MessagePage {
        frame: visit.frame("", Some("sign-out?done=1")),
        title: texts.done_title,
        text: texts.done,
        link: Some(("account", texts.sign_in)),
    };
    visit.show(app, StatusCode::OK, &page, None)
}
