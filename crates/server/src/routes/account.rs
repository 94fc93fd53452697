//! The account page: where a person is signed in, and how to end it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp as Instant;
use pilotlight_oauth::Timestamp;

use super::authorize::Stop;
use super::browser::{Opened, Posted, Visit};
use super::sign_in;
use crate::app::App;
use crate::client::{BROWSER, FIRST_PARTY};
use crate::grant::Grant;
use crate::pages::{AccountPage, SignIn, When};
use crate::params::Params;
use crate::problem::Problem;
use crate::second_factor::SecondFactor;
use crate::session::{Session, Which};
use crate::texts::{Done, Say, Texts};
use crate::ticket::{Goal, OwnAccount};
use crate::user_agent;

/// More than anybody reads.
const MOST_SHOWN: usize = 100;

/// `GET /`: who opens the issuer in a browser wants their account. Relative, so that it holds below a proxy's path too.
pub(crate) async fn front() -> (StatusCode, [(HeaderName, &'static str); 1]) {
    (StatusCode::SEE_OTHER, [(header::LOCATION, "account")])
}

/// `GET /account`.
pub(crate) async fn begin(State(app): State<Arc<App>>, Opened { visit, params }: Opened) -> Result<Response, Problem> {
    let step = async {
        let Some(session) = app.session(visit.session).await? else {
            return sign_in::ask(&app, &visit, Goal::Account, "", None).await;
        };
        remember_language(&app, &visit, &session).await?;
        show(&app, &visit, &session, params.text("done").and_then(Done::from_word)).await
    };
    Ok(step.await.unwrap_or_else(|problem| visit.stop_for(&app, "", problem)))
}

/// A language chosen here is the person's in other browsers too.
async fn remember_language(app: &App, visit: &Visit, session: &Session) -> Result<(), Problem> {
    let Some(chosen) = visit.chosen() else { return Ok(()) };
    let before = session.user.clone();
    let mut after = before.clone();
    after.locale = Some(chosen.as_str().to_owned());
    if before != after {
        // Where something else of the person changed at the same moment, the next choice will do.
        app.ask(move |store| store.change_user(&before, &after)).await?;
    }
    Ok(())
}

/// `POST /account`: ends one sign-in, all others, or all.
pub(crate) async fn go_on(State(app): State<Arc<App>>, Posted { visit, params }: Posted) -> Result<Response, Problem> {
    let params = params?;
    let step = async {
        let session = own_session(&app, &visit, &params).await?;
        let which =
            params.text("end").and_then(|word| read_which(word, &session)).ok_or(Stop::here(Say::Incomplete))?;
        app.end_sign_ins(&session.user.subject, which).await?;
        Ok(match which {
            Which::All => visit.take_session(&app, visit.go(&app, "sign-out?done=1")),
            Which::AllBut(_) => visit.go(&app, &done_address(Done::EndedOthers)),
            Which::One(_) => visit.go(&app, &done_address(Done::Ended)),
        })
    };
    Ok(step.await.unwrap_or_else(|stop: Stop| stop.into_response(&app, &visit)))
}

fn read_which(word: &str, session: &Session) -> Option<Which> {
    match word {
        "others" => Some(Which::AllBut(session.grant.id)),
        "all" => Some(Which::All),
        id => id.parse().ok().map(Which::One),
    }
}

/// Where the account page says what was done.
pub(super) fn done_address(done: Done) -> String {
    format!("account?done={}", done.as_str())
}

/// The session that a form of the account pages was made for.
pub(super) async fn own_session(app: &App, visit: &Visit, params: &Params) -> Result<Session, Stop> {
    let own: OwnAccount = visit.open(app, params).ok_or(Stop::here(Say::Stale))?;
    let session = app.session(visit.session).await?;
    session.filter(|session| session.grant.id.to_string() == own.session).ok_or(Stop::here(Say::Stale))
}

async fn show(app: &App, visit: &Visit, session: &Session, done: Option<Done>) -> Result<Response, Problem> {
    let texts = visit.texts();
    let mut grants = app.sign_ins(&session.user.subject).await?;
    // This one first: the others are what it is compared with.
    grants.sort_by_key(|grant| grant.id != session.grant.id);
    let hidden = grants.len().saturating_sub(MOST_SHOWN);
    grants.truncate(MOST_SHOWN);
    let names = client_names(app, &grants).await?;
    let sign_ins = grants.iter().map(|grant| sign_in(app, texts, session, grant, &names)).collect();
    let second = SecondFactor::of(&session.user, &app.keys.now());
    let second = match second.as_ref().map(Option::as_ref) {
        Ok(None) => texts.account.second_off.to_owned(),
        Ok(Some(factor)) => (texts.account.second_on)(factor.recovery_codes_left()),
        Err(error) => {
            tracing::error!(%error, "the account page shows it without recovery codes");
            (texts.account.second_on)(0)
        }
    };
    let page = AccountPage {
        frame: visit.frame("", Some("account")),
        ticket: &visit.seal(app, OwnAccount { session: session.grant.id.to_string() }),
        username: &session.user.name,
        done: done.map(texts.done),
        sign_ins,
        more: (hidden > 0).then(|| (texts.devices.more)(hidden)),
        lives_on: (texts.devices.lives_on)(&(texts.devices.span)(app.config.access_token_ttl)),
        second,
        has_second: session.user.totp.is_some(),
    };
    Ok(visit.show(app, StatusCode::OK, &page, None))
}

/// The names of the clients of these grants, by id.
pub(super) async fn client_names(app: &App, grants: &[Grant]) -> Result<HashMap<String, String>, Problem> {
    let mut ids: Vec<String> = grants.iter().map(|grant| grant.client.clone()).collect();
    ids.sort();
    ids.dedup();
    app.ask(move |store| {
        let mut names = HashMap::new();
        for id in ids {
            if let Some(client) = store.client(&id)? {
                names.insert(id, client.name);
            }
        }
        Ok(names)
    })
    .await
}

fn sign_in(app: &App, texts: &Texts, session: &Session, grant: &Grant, names: &HashMap<String, String>) -> SignIn {
    let name = match &*grant.client {
        BROWSER => texts.devices.browser,
        FIRST_PARTY => texts.devices.own_program,
        id => names.get(id).map_or(id, String::as_str),
    };
    let place: Vec<String> = device_in_words(texts, grant).into_iter().chain(grant.device.address.clone()).collect();
    let place = place.join(" · ");
    let end = if place.is_empty() { name.to_owned() } else { format!("{name}, {place}") };
    SignIn {
        id: grant.id.to_string(),
        name: name.to_owned(),
        place,
        signed_in: when(app, texts, grant.created_at),
        last_used: (grant.client != BROWSER).then(|| when(app, texts, grant.rotated_at)),
        this: grant.id == session.grant.id,
        end: (texts.devices.end_of)(&end),
    }
}

/// The program and the system, as far as they can be told.
fn device_in_words(texts: &Texts, grant: &Grant) -> Option<String> {
    let (program, system) = user_agent::read(grant.device.user_agent.as_deref()?);
    Some(match (program, system) {
        (Some(program), Some(system)) => (texts.devices.on)(&program, system),
        (Some(program), None) => program,
        (None, Some(system)) => system.to_owned(),
        (None, None) => texts.devices.unknown.to_owned(),
    })
}

fn when(app: &App, texts: &Texts, at: Timestamp) -> When {
    let exact = Instant::from_second(at.as_secs()).map(|instant| instant.to_string()).unwrap_or_default();
    When { said: (texts.devices.ago)(app.now().since(at)), exact }
}
