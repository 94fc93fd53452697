//! Password and second factor: what a person can change about how they sign in. Each change wants the password again, so that
//! whoever finds a browser open cannot take the account over.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::account::{done_address, own_session};
use super::authorize::Stop;
use super::browser::{Opened, Posted, Visit};
use crate::app::App;
use crate::pages::{PasswordPage, RecoveryCodesPage, SecondRemovePage, SecondSetUpPage};
use crate::params::Params;
use crate::password;
use crate::picture;
use crate::problem::{Problem, Refused};
use crate::second_factor::SecondFactor;
use crate::session::{Session, Which};
use crate::store::User;
use crate::system::make_random;
use crate::texts::{Done, Say};
use crate::ticket::{NewSecret, OwnAccount};
use crate::totp;

/// The fewest characters of a password that a person chooses (NIST SP 800-63B section 5.1.1.1).
const SHORTEST: usize = 8;
/// From the pages below the account page.
const ROOT: &str = "../";

/// A request for one of these pages, and who makes it.
struct Own {
    visit: Visit,
    params: Params,
}

impl Own {
    /// The answer of `step`, or the page that tells why there is none.
    fn finish(&self, app: &App, root: &'static str, step: Result<Response, Stop>) -> Response {
        step.unwrap_or_else(|stop| match stop {
            Stop::Here(status, say) => self.visit.stop(app, root, status, say),
            Stop::Trouble(problem) => self.visit.stop_for(app, root, problem),
            Stop::There { .. } => self.visit.stop(app, root, StatusCode::BAD_REQUEST, Say::Incomplete),
        })
    }

    fn ticket(&self, app: &App, session: &Session) -> String {
        self.visit.seal(app, OwnAccount { session: session.grant.id.to_string() })
    }

    /// Somebody signed out is asked to sign in on the account page.
    async fn session(&self, app: &App) -> Result<Result<Session, Response>, Stop> {
        let session = app.session(self.visit.session).await?;
        Ok(session.ok_or_else(|| self.visit.go(app, "../account")))
    }

    /// The person of `session`, if the password in `field` is theirs.
    async fn confirm(&self, app: &App, session: &Session, field: &str) -> Result<User, Problem> {
        let wrong = Problem::InvalidGrant(Refused::WrongCredentials);
        let password = self.params.secret(field).ok_or(wrong)?;
        let user = app.authenticate_person(&session.user.name, password, self.visit.peer).await?;
        if user.subject == session.user.subject { Ok(user) } else { Err(wrong) }
    }
}

/// The words for a refusal where only the password was asked for.
fn say(problem: Problem) -> Say {
    match Say::from(problem) {
        Say::WrongCredentials => Say::WrongPassword,
        say => say,
    }
}

/// `GET /account/password`.
pub(crate) async fn password(
    State(app): State<Arc<App>>,
    Opened { visit, params }: Opened,
) -> Result<Response, Problem> {
    let own = Own { visit, params };
    let step = async {
        Ok(match own.session(&app).await? {
            Ok(session) => ask_password(&app, &own, &session, None),
            Err(elsewhere) => elsewhere,
        })
    };
    let step = step.await;
    Ok(own.finish(&app, ROOT, step))
}

fn ask_password(app: &App, own: &Own, session: &Session, wrong: Option<(Problem, Say)>) -> Response {
    let page = PasswordPage {
        frame: own.visit.frame(ROOT, Some("account/password")),
        ticket: &own.ticket(app, session),
        username: &session.user.name,
        error: wrong.map(|(_, say)| (own.visit.texts().say)(say)),
    };
    finish(wrong, |status| own.visit.show(app, status, &page, None))
}

fn finish(wrong: Option<(Problem, Say)>, show: impl FnOnce(StatusCode) -> Response) -> Response {
    match wrong {
        Some((problem, _)) => problem.finish(problem.status(), show(problem.status())),
        None => show(StatusCode::OK),
    }
}

/// `POST /account/password`.
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    Posted { visit, params }: Posted,
) -> Result<Response, Problem> {
    let own = Own { visit, params: params? };
    let step = async {
        let session = own_session(&app, &own.visit, &own.params).await?;
        let refused = Problem::InvalidRequest("");
        let (new, again) = (own.params.secret("new"), own.params.secret("again"));
        let new = match (new, again) {
            (Some(new), Some(again)) if new.expose_secret() == again.expose_secret() => new,
            _ => return Ok(ask_password(&app, &own, &session, Some((refused, Say::PasswordsDiffer)))),
        };
        let too_short = new.expose_secret().chars().count() < SHORTEST;
        if too_short || new.expose_secret().len() > password::LONGEST {
            return Ok(ask_password(&app, &own, &session, Some((refused, Say::BadPassword))));
        }
        let before = match own.confirm(&app, &session, "old").await {
            Ok(user) => user,
            Err(problem) => return Ok(ask_password(&app, &own, &session, Some((problem, say(problem))))),
        };
        let password_hash = app.passwords.hash(new).await.map_err(Problem::from)?;
        let after = User { password_hash, ..before.clone() };
        change(&app, before, after).await?;
        tracing::info!(outcome = %"password_changed", "account");
        if own.params.text("end_others").is_some() {
            app.end_sign_ins(&session.user.subject, Which::AllBut(session.grant.id)).await?;
        }
        Ok(own.visit.go(&app, &format!("../{}", done_address(Done::Password))))
    };
    let step = step.await;
    Ok(own.finish(&app, ROOT, step))
}

/// Where the person changed meanwhile, nothing is done, and they may try again.
async fn change(app: &App, before: User, after: User) -> Result<(), Problem> {
    let changed = app.ask(move |store| store.change_user(&before, &after)).await?;
    if changed { Ok(()) } else { Err(Problem::Unavailable) }
}

/// `GET /account/second-step`: a new secret to set up, or the question whether the one that there is should go.
pub(crate) async fn second(State(app): State<Arc<App>>, Opened { visit, params }: Opened) -> Result<Response, Problem> {
    let own = Own { visit, params };
    let step = async {
        let session = match own.session(&app).await? {
            Ok(session) => session,
            Err(elsewhere) => return Ok(elsewhere),
        };
        if session.user.totp.is_some() {
            return Ok(ask_removal(&app, &own, &session, None));
        }
        let secret = Zeroizing::new(make_random::<{ totp::SECRET }>().map_err(Problem::from)?);
        Ok(ask_set_up(&app, &own, &session, secret, None))
    };
    let step = step.await;
    Ok(own.finish(&app, ROOT, step))
}

fn ask_set_up(
    app: &App,
    own: &Own,
    session: &Session,
    secret: Zeroizing<[u8; totp::SECRET]>,
    wrong: Option<(Problem, Say)>,
) -> Response {
    let uri = totp::key_uri(&app.config.issuer, &session.user.name, &*secret);
    let key = totp::encode_secret(&*secret);
    let groups: Vec<&str> = (0..key.len()).step_by(4).filter_map(|at| key.get(at..key.len().min(at + 4))).collect();
    let page = SecondSetUpPage {
        frame: own.visit.frame(ROOT, Some("account/second-step")),
        ticket: &own.visit.seal(app, NewSecret { session: session.grant.id.to_string(), secret }),
        username: &session.user.name,
        picture: &picture::of(&uri),
        key: &Zeroizing::new(groups.join(" ")),
        error: wrong.map(|(_, say)| (own.visit.texts().say)(say)),
    };
    finish(wrong, |status| own.visit.show(app, status, &page, None))
}

/// `POST /account/second-step`. The recovery codes are in the answer itself, not on a page after it: they are kept nowhere.
pub(crate) async fn set_up_second(
    State(app): State<Arc<App>>,
    Posted { visit, params }: Posted,
) -> Result<Response, Problem> {
    let own = Own { visit, params: params? };
    let step = async {
        let new: NewSecret = own.visit.open(&app, &own.params).ok_or(Stop::here(Say::Stale))?;
        let open = app.session(own.visit.session).await?.filter(|session| session.grant.id.to_string() == new.session);
        let session = open.filter(|session| session.user.totp.is_none()).ok_or(Stop::here(Say::Stale))?;
        let again = |problem: Problem, say: Say| {
            let secret = new.secret.clone();
            ask_set_up(&app, &own, &session, secret, Some((problem, say)))
        };
        let typed = own.params.text("totp").unwrap_or_default();
        // Whoever sees the page has the secret: there is nothing to guess.
        let Some(step) = totp::verify(&new.secret, typed, app.now(), None) else {
            return Ok(again(Problem::InvalidRequest(""), Say::WrongSecondFactor));
        };
        let before = match own.confirm(&app, &session, "password").await {
            Ok(user) => user,
            Err(problem) => return Ok(again(problem, say(problem))),
        };
        let (factor, codes) = SecondFactor::new(new.secret.clone()).map_err(Problem::from)?;
        let after = factor.seal_into(&before, &app.keys.now(), app.now()).map_err(Problem::from)?;
        change(&app, before, User { totp_last_step: Some(step), ..after }).await?;
        tracing::info!(outcome = %"second_factor_on", "account");
        let page = RecoveryCodesPage { frame: own.visit.frame(ROOT, None), codes };
        Ok(own.visit.show(&app, StatusCode::OK, &page, None))
    };
    let step = step.await;
    Ok(own.finish(&app, ROOT, step))
}

fn ask_removal(app: &App, own: &Own, session: &Session, wrong: Option<(Problem, Say)>) -> Response {
    let root = if wrong.is_some() { "../../" } else { ROOT };
    let page = SecondRemovePage {
        frame: own.visit.frame(root, Some("account/second-step")),
        ticket: &own.ticket(app, session),
        username: &session.user.name,
        error: wrong.map(|(_, say)| (own.visit.texts().say)(say)),
    };
    finish(wrong, |status| own.visit.show(app, status, &page, None))
}

/// `POST /account/second-step/remove`: wants the password, and a code of the app or a recovery code.
pub(crate) async fn remove_second(
    State(app): State<Arc<App>>,
    Posted { visit, params }: Posted,
) -> Result<Response, Problem> {
    let own = Own { visit, params: params? };
    let step = async {
        let session = own_session(&app, &own.visit, &own.params).await?;
        let user = match own.confirm(&app, &session, "password").await {
            Ok(user) => user,
            Err(problem) => return Ok(ask_removal(&app, &own, &session, Some((problem, say(problem))))),
        };
        let typed = own.params.text("totp").unwrap_or_default();
        let before = match app.check_second_factor(user, typed, own.visit.peer).await {
            Ok(user) => user,
            Err(problem) => return Ok(ask_removal(&app, &own, &session, Some((problem, problem.into())))),
        };
        let after = User { totp: None, totp_last_step: None, ..before.clone() };
        change(&app, before, after).await?;
        tracing::info!(outcome = %"second_factor_off", "account");
        Ok(own.visit.go(&app, &format!("../../{}", done_address(Done::SecondOff))))
    };
    let step = step.await;
    Ok(own.finish(&app, "../../", step))
}
