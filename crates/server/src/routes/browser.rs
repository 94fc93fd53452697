//! One browser that visits a page: its cookies, its language, where it is.
//!
//! Three cookies, all of them `HttpOnly` and, where the server is reached by https, `Secure` and under a `__Host-` name:
//! one that tells browsers apart and binds forms to them, one with the session, and one with the language.
//!
//! They are `SameSite=Lax`, not `Strict`: a person arrives here from an app or a site, and with `Strict` would never find
//! themselves signed in. A form posted from another site carries none of them either way, and pages change nothing by GET
//! but the sign-out that an ID token asks for.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::App;
use crate::grant::GrantId;
use crate::origin::Origin;
use crate::pages::{Frame, StoppedPage, page};
use crate::params::{Form, Params, Peer};
use crate::problem::Problem;
use crate::session;
use crate::system::{NoEntropy, make_random};
use crate::texts::{Language, Say, Texts};
use crate::ticket::{self, Asking};

const FORM: &str = "pilotlight_form";
const SESSION: &str = "pilotlight_session";
const LANGUAGE: &str = "pilotlight_language";

const A_DAY: u32 = 24 * 3600;
const A_YEAR: u32 = 365 * A_DAY;

/// A browser and the page it asks for.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) language: Language,
    /// Which language this request chooses for those that follow.
    chosen: Option<Language>,
    /// Whether the person has ever chosen one in this browser.
    has_chosen: bool,
    /// What forms are bound to.
    form: String,
    new: bool,
    /// The session that it names; whether that is open is the store's to say.
    pub(crate) session: Option<GrantId>,
    pub(crate) origin: Origin,
    pub(crate) peer: Option<IpAddr>,
}

/// A page of ours that a browser opens, and what its address asks for.
pub(super) struct Opened {
    pub(super) visit: Visit,
    pub(super) params: Params,
}

impl FromRequestParts<Arc<App>> for Opened {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Ok(Peer(peer)) = Peer::from_request_parts(parts, app).await;
        let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let visit = Visit::of(app, &parts.headers, peer, &params)?;
        Ok(Self { visit, params })
    }
}

/// A form of our pages, and the browser that posted it. One that cannot be read is a page's to tell of.
pub(super) struct Posted {
    pub(super) visit: Visit,
    pub(super) params: Result<Params, Problem>,
}

impl FromRequest<Arc<App>> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Ok(Peer(peer)) = Peer::from_request_parts(&mut parts, app).await;
        let headers = parts.headers.clone();
        let params = Form::from_request(Request::from_parts(parts, body), app).await.map(|Form(params)| params);
        let nothing = Params::parse(b"");
        let visit = Visit::of(app, &headers, peer, params.as_ref().unwrap_or(&nothing))?;
        Ok(Self { visit, params })
    }
}

impl Visit {
    fn of(app: &App, headers: &HeaderMap, peer: Option<IpAddr>, params: &Params) -> Result<Self, NoEntropy> {
        let form = cookies(headers, &name(app, FORM)).find(|value| value.len() == 32);
        let keys = app.keys.now();
        let chosen = params.text("lang").and_then(Language::of_tag);
        let kept = cookies(headers, &name(app, LANGUAGE)).find_map(Language::of_tag);
        let wanted = || params.text("ui_locales").and_then(Language::of_list);
        let language = chosen.or(kept).or_else(wanted).or_else(|| Language::of_headers(headers));
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            language: language.unwrap_or(Language::English),
            chosen,
            has_chosen: kept.is_some(),
            new: form.is_none(),
            form: match form {
                Some(form) => form.to_owned(),
                None => URL_SAFE_NO_PAD.encode(make_random::<24>()?),
            },
            session: cookies(headers, &name(app, SESSION)).find_map(|value| session::open(&keys, value)),
            origin: Origin::new(user_agent, peer),
            peer,
        })
    }

    pub(crate) fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// The language that the person chose with this request.
    pub(crate) fn chosen(&self) -> Option<Language> {
        self.chosen
    }

    /// Goes on in the language that the person chose elsewhere, unless they chose one here.
    pub(crate) fn take_over(&mut self, locale: Option<&str>) {
        if let Some(language) = locale.and_then(Language::of_tag).filter(|_| !self.has_chosen && self.chosen.is_none())
        {
            (self.language, self.chosen) = (language, Some(language));
        }
    }

    pub(crate) fn seal<T: Asking>(&self, app: &App, asked: T) -> String {
        ticket::seal(asked, &app.keys.now(), &self.form, app.now())
    }

    /// The ticket of a form or an address.
    pub(crate) fn open<T: Asking>(&self, app: &App, params: &Params) -> Option<T> {
        ticket::open(params.text("ticket")?, &app.keys.now(), &self.form, app.now())
    }

    /// What stands around a page that has the address `here`, from which `root` leads to the server's own.
    pub(crate) fn frame(&self, root: &'static str, here: Option<&str>) -> Frame {
        let other = here.map(|here| {
            let joint = if here.contains('?') { '&' } else { '?' };
            format!("{root}{here}{joint}lang={}", self.language.other().as_str())
        });
        Frame { t: self.texts(), root, other }
    }

    /// A page, and what the browser has to remember. `target` is where its form may end up.
    pub(crate) fn show(
        &self,
        app: &App,
        status: StatusCode,
        template: &impl Template,
        target: Option<&str>,
    ) -> Response {
        self.remember(app, page(status, template, target))
    }

    /// Sends the browser on. 303, so that it posts nothing twice (RFC 9700 section 4.12).
    pub(crate) fn go(&self, app: &App, location: &str) -> Response {
        match HeaderValue::from_str(location) {
            Ok(location) => self.remember(app, (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// The end of a road.
    pub(crate) fn stop(&self, app: &App, root: &'static str, status: StatusCode, say: Say) -> Response {
        let stopped = StoppedPage { frame: self.frame(root, None), message: (self.texts().say)(say) };
        self.show(app, status, &stopped, None)
    }

    /// The same for trouble, with the headers that belong to it.
    pub(crate) fn stop_for(&self, app: &App, root: &'static str, problem: Problem) -> Response {
        problem.finish(problem.status(), self.stop(app, root, problem.status(), problem.into()))
    }

    fn remember(&self, app: &App, mut response: Response) -> Response {
        if self.new {
            keep(app, &mut response, FORM, &self.form, Some(A_DAY));
        }
        if let Some(language) = self.chosen {
            keep(app, &mut response, LANGUAGE, language.as_str(), Some(A_YEAR));
        }
        response
    }

    /// Gives the browser its session. It keeps it until it is closed; the server may end it sooner.
    pub(crate) fn give_session(&self, app: &App, id: GrantId, mut response: Response) -> Response {
        keep(app, &mut response, SESSION, &session::seal(&app.keys.now(), id, app.now()), None);
        response
    }

    /// Takes it away.
    pub(crate) fn take_session(&self, app: &App, mut response: Response) -> Response {
        keep(app, &mut response, SESSION, "", Some(0));
        response
    }
}

/// RFC 6265bis section 4.1.3.2: a name that no other host, nor http, can set.
fn name(app: &App, name: &str) -> String {
    if app.config.issuer.starts_with("https:") { format!("__Host-{name}") } else { name.to_owned() }
}

fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(known, _)| *known == name).map(|(_, value)| value)
}

fn keep(app: &App, response: &mut Response, cookie: &str, value: &str, life: Option<u32>) {
    let secure = if app.config.issuer.starts_with("https:") { "; Secure" } else { "" };
    let life = life.map(|secs| format!("; Max-Age={secs}")).unwrap_or_default();
    let cookie = format!("{}={value}; HttpOnly; SameSite=Lax; Path=/{life}{secure}", name(app, cookie));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
