//! One request after the other to the service, each with a fresh token.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use pilotlight::AccessToken;
use pilotlight::values::ExposeSecret as _;
use reqwest::Body;
use url::Url;
use zeroize::Zeroizing;

use super::guard::{Guard, Refused};
use super::headers;
use super::upstream::Upstream;
use crate::failure::Failure;
use crate::lend::Lender;
use crate::programs::web;

/// A body of this many bytes or fewer is kept until the answer is there, so that it can be sent again. A longer one is
/// passed on as it comes.
const KEPT: u64 = 64 * 1024;

/// All that a request needs on its way.
pub(super) struct Forward {
    pub(super) guard: Guard,
    pub(super) upstream: Upstream,
    /// The proxy's own address, without a slash at its end.
    pub(super) base: Zeroizing<String>,
    pub(super) client: reqwest::Client,
    pub(super) account: String,
    pub(super) lender: Lender,
}

impl Forward {
    /// Answers a program's request. Whatever goes wrong is an answer too.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        Ok(self.pass_on(request).await.unwrap_or_else(|trouble| trouble.response()))
    }

    async fn pass_on(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Trouble> {
        let rest = self.guard.admit(request.method(), request.uri(), request.headers())?;
        let outside = Refused(400, "The path leads out of the service's address.");
        let url = self.upstream.address(rest).ok_or(outside)?;
        let upgrade = headers::is_websocket(request.headers()).then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        headers::of_request(&mut parts.headers);
        let answer = self.with_token(&parts, &url, Sending::of(body).await?).await?;
        let mut answer = match upgrade {
            Some(upgrade) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => tunnel(upgrade, answer),
            _ if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return Err(Trouble::new(502, "The service changed to a protocol that nobody asked for."));
            }
            _ => answer.into(),
        };
        headers::of_answer(answer.headers_mut());
        self.lead_back(&url, &mut answer);
        Ok(answer)
    }

    /// Sends it, and where the token is refused, once more with another (RFC 6750 section 3.1).
    async fn with_token(&self, parts: &Parts, url: &Url, body: Sending) -> Result<reqwest::Response, Trouble> {
        let token = self.lender.bearer(&self.account).await?;
        let (body, again) = body.twice();
        let answer = self.send(parts, url, body, &token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Also where this body is gone: then the program's own second try is the one that works.
        let other = self.lender.other_than(&self.account, token.token.expose_secret()).await;
        match (other, again) {
            (Ok(Some(fresh)), Some(body)) => self.send(parts, url, body, &fresh).await,
            _ => Ok(answer),
        }
    }

    async fn send(
        &self,
        parts: &Parts,
        url: &Url,
        body: Option<Body>,
        token: &AccessToken,
    ) -> Result<reqwest::Response, Trouble> {
        let mut request = reqwest::Request::new(parts.method.clone(), url.clone());
        *request.headers_mut() = parts.headers.clone();
        *request.body_mut() = body;
        let text = Zeroizing::new(format!("Bearer {}", token.token.expose_secret()));
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Trouble::new(502, "The token has characters that no header may have."))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        self.client.execute(request).await.map_err(|error| {
            let status = if error.is_timeout() { 504 } else { 502 };
            Trouble::new(status, format!("The service cannot be reached: {}.", web::cause(&error)))
        })
    }

    fn lead_back(&self, asked: &Url, answer: &mut Response<Body>) {
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let ours = location.and_then(|location| self.upstream.redirect(asked, location, &self.base));
        if let Some(ours) = ours.and_then(|text| HeaderValue::from_str(&text).ok()) {
            answer.headers_mut().insert(LOCATION, ours);
        }
    }
}

/// A request's body.
enum Sending {
    Nothing,
    Whole(Bytes),
    Stream(Incoming),
}

impl Sending {
    async fn of(body: Incoming) -> Result<Self, Trouble> {
        if body.is_end_stream() {
            return Ok(Self::Nothing);
        }
        let limit = body.size_hint().upper().filter(|length| *length <= KEPT).and_then(|it| usize::try_from(it).ok());
        let Some(limit) = limit else { return Ok(Self::Stream(body)) };
        let whole = Limited::new(body, limit).collect().await;
        whole.map(|all| Self::Whole(all.to_bytes())).map_err(|_| Trouble::new(400, "The body ended early."))
    }

    /// The body, and once more where that can be done.
    fn twice(self) -> (Option<Body>, Option<Option<Body>>) {
        match self {
            Self::Nothing => (None, Some(None)),
            Self::Whole(bytes) => (Some(bytes.clone().into()), Some(Some(bytes.into()))),
            Self::Stream(body) => (Some(Body::wrap(body)), None),
        }
    }
}

/// Lets both sides of a websocket speak as soon as the program has its answer.
fn tunnel(program: OnUpgrade, answer: reqwest::Response) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = answer.status();
    response.headers_mut().clone_from(answer.headers());
    tokio::spawn(async move {
        if let (Ok(program), Ok(mut service)) = tokio::join!(program, answer.upgrade()) {
            let mut program = hyper_util::rt::TokioIo::new(program);
            // The end of either is the end of both.
            let _ = tokio::io::copy_bidirectional(&mut program, &mut service).await;
        }
    });
    response
}

/// Why a request has no answer of the service's.
struct Trouble {
    status: u16,
    text: String,
}

impl Trouble {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(format!("Pilotlight: {}\n", self.text)));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, plain);
        response
    }
}

impl From<Refused> for Trouble {
    fn from(Refused(status, text): Refused) -> Self {
        Self::new(status, text)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        let status = if failure.exit_code() == crate::failure::LATER { 503 } else { 502 };
        Self::new(status, format!("{failure} {}", failure.hint()))
    }
}
