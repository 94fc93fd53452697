//! The pages where a person shows who they are: name and password, and the second factor of those who have one. They open a
//! session in the browser, and lead on to what the person came for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::authorize::{self, Stop};
use super::browser::{Opened, Posted, Visit};
use crate::app::App;
use crate::pages::{SecondStepPage, SignInPage};
use crate::params::Params;
use crate::problem::{Problem, Refused};
use crate::store::User;
use crate::texts::Say;
use crate::ticket::{Asked, Goal, SigningIn};

/// The page that asks for name and password, again where there was a `problem`.
pub(super) async fn ask(
    app: &App,
    visit: &Visit,
    goal: Goal,
    username: &str,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let texts = visit.texts();
    let (lead, client, target) = match &goal {
        Goal::Authorize(asked) => {
            let id = asked.client.clone();
            let client = app.ask(move |store| store.client(&id)).await?;
            let name = client.map(|client| client.name).unwrap_or_default();
            (texts.sign_in.to_client, name, Some(asked.redirect_uri.clone()))
        }
        Goal::Device(_) => ([texts.sign_in.to_device, ""], String::new(), None),
        Goal::Account => ([texts.sign_in.to_account, ""], String::new(), None),
    };
    let here = address(app, visit, &goal);
    let page = SignInPage {
        frame: visit.frame("", Some(&here)),
        lead,
        client: &client,
        ticket: &visit.seal(app, SigningIn { goal, passed: None }),
        username,
        error: problem.map(|problem| (texts.say)(problem.into())),
    };
    let status = problem.map_or(StatusCode::OK, Problem::status);
    let response = visit.show(app, status, &page, target.as_deref());
    Ok(match problem {
        Some(problem) => problem.finish(status, response),
        None => response,
    })
}

/// Where somebody who is signed in goes on.
fn address(app: &App, visit: &Visit, goal: &Goal) -> String {
    match goal {
        Goal::Authorize(asked) => authorize::address(app, visit, Asked::clone(asked)),
        Goal::Device(Some(user_code)) => format!("device?user_code={user_code}"),
        Goal::Device(None) => "device".to_owned(),
        Goal::Account => "account".to_owned(),
    }
}

fn ask_second(app: &App, visit: &Visit, signing_in: &SigningIn, problem: Option<Problem>) -> Response {
    let ticket = visit.seal(app, signing_in.clone());
    let page = SecondStepPage {
        frame: visit.frame("", Some(&format!("sign-in?ticket={ticket}"))),
        ticket: &ticket,
        error: problem.map(|problem| (visit.texts().say)(problem.into())),
        anew: &address(app, visit, &signing_in.goal),
    };
    let target = match &signing_in.goal {
        Goal::Authorize(asked) => Some(&*asked.redirect_uri),
        _ => None,
    };
    let status = problem.map_or(StatusCode::OK, Problem::status);
    let response = visit.show(app, status, &page, target);
    match problem {
        Some(problem) => problem.finish(status, response),
        None => response,
    }
}

/// `GET /sign-in`: the page of the second factor; without a ticket, the account.
pub(crate) async fn begin(State(app): State<Arc<App>>, Opened { visit, params }: Opened) -> Result<Response, Problem> {
    if params.text("ticket").is_none() {
        return Ok(visit.go(&app, "account"));
    }
    Ok(match visit.open::<SigningIn>(&app, &params).filter(|signing_in| signing_in.passed.is_some()) {
        Some(signing_in) => ask_second(&app, &visit, &signing_in, None),
        None => visit.stop(&app, "", StatusCode::BAD_REQUEST, Say::Stale),
    })
}

/// `POST /sign-in`: the form of either page.
pub(crate) async fn go_on(State(app): State<Arc<App>>, Posted { visit, params }: Posted) -> Result<Response, Problem> {
    let step = async {
        let params = params?;
        let signing_in: SigningIn = visit.open(&app, &params).ok_or(Stop::here(Say::Stale))?;
        if let (Some("deny"), Goal::Authorize(asked)) = (params.text("decision"), &signing_in.goal) {
            return Err(Stop::there(Asked::clone(asked), "access_denied"));
        }
        match &signing_in.passed {
            None => check_password(&app, &visit, signing_in, &params).await,
            Some(subject) => check_second(&app, &visit, subject, &signing_in, &params).await,
        }
    };
    Ok(step.await.unwrap_or_else(|stop| stop.into_response(&app, &visit)))
}

async fn check_password(app: &App, visit: &Visit, signing_in: SigningIn, params: &Params) -> Result<Response, Stop> {
    let username = params.text("username").unwrap_or_default();
    let checked = match params.secret("password") {
        Some(password) if !username.is_empty() => app.authenticate_person(username, password, visit.peer).await,
        _ => Err(Problem::InvalidGrant(Refused::WrongCredentials)),
    };
    match checked {
        Ok(user) if user.totp.is_some() => {
            let passed = SigningIn { passed: Some(user.subject), ..signing_in };
            Ok(visit.go(app, &format!("sign-in?ticket={}", visit.seal(app, passed))))
        }
        Ok(user) => Ok(welcome(app, visit, &user, &signing_in.goal).await?),
        Err(problem) => Ok(ask(app, visit, signing_in.goal, username, Some(problem)).await?),
    }
}

async fn check_second(
    app: &App,
    visit: &Visit,
    subject: &str,
    signing_in: &SigningIn,
    params: &Params,
) -> Result<Response, Stop> {
    let wanted = subject.to_owned();
    let user = app.ask(move |store| store.user(&wanted)).await?.ok_or(Stop::here(Say::Stale))?;
    match app.check_second_factor(user, params.text("totp").unwrap_or_default(), visit.peer).await {
        Ok(user) => Ok(welcome(app, visit, &user, &signing_in.goal).await?),
        Err(problem) => Ok(ask_second(app, visit, signing_in, Some(problem))),
    }
}

async fn welcome(app: &App, visit: &Visit, user: &User, goal: &Goal) -> Result<Response, Problem> {
    let session = app.begin_session(user, visit.origin.clone(), visit.session).await?;
    let mut visit = visit.clone();
    visit.take_over(user.locale.as_deref());
    let response = visit.go(app, &address(app, &visit, goal));
    Ok(visit.give_session(app, session, response))
}
