//! Parameters of requests, RFC 6749 sections 3.1 and 3.2: unknown ones are ignored, an empty one counts as absent, a
//! repeated one is an error.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use secrecy::SecretString;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::app::App;
use crate::edge::FarEnd;
use crate::grant::KeyHash;
use crate::problem::Problem;
use crate::recent_keys::hash_key;

/// No request of ours is larger.
const LARGEST_BODY: usize = 64 * 1024;

/// What tells who the client is.
const OF_THE_CLIENT: [&str; 4] = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// Decoded parameters. Wiped on drop, as passwords and codes are among them.
pub(crate) struct Params {
    /// In order, which for as few as there are takes less than hashing, and for as many as there could be not much more.
    values: BTreeMap<String, Zeroizing<String>>,
    repeated: Vec<String>,
    /// `resource` alone may be repeated (RFC 8707 section 2).
    resources: Vec<String>,
}

impl Params {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let mut params = Self { values: BTreeMap::new(), repeated: Vec::new(), resources: Vec::new() };
        for (name, value) in form_urlencoded::parse(encoded) {
            if name == "resource" {
                params.resources.extend(Some(value.into_owned()).filter(|value| !value.is_empty()));
                continue;
            }
            let value = Zeroizing::new(value.into_owned());
            if params.values.insert(name.to_string(), value).is_some() {
                params.repeated.push(name.into_owned());
            }
        }
        params.values.retain(|_, value| !value.is_empty());
        params
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.as_str())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub(crate) fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(String::as_str)
    }

    /// Says something that did not stand in the form.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), Zeroizing::new(value));
    }

    /// Encoded again, with `client_id`, and without what authenticated the client.
    pub(crate) fn encode_for(&self, client_id: &str) -> String {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.append_pair("client_id", client_id);
        let rest = self.values.iter().filter(|(name, _)| !OF_THE_CLIENT.contains(&name.as_str()));
        encoded.extend_pairs(rest.map(|(name, value)| (name, value.as_str())));
        encoded.extend_pairs(self.resources().map(|resource| ("resource", resource)));
        encoded.finish()
    }

    pub(crate) fn need(&self, name: &str, otherwise: &'static str) -> Result<&str, Problem> {
        self.text(name).ok_or(Problem::InvalidRequest(otherwise))
    }

    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        self.repeated.iter().any(|repeated| repeated == name)
    }

    pub(crate) fn has_repeated(&self) -> bool {
        !self.repeated.is_empty()
    }
}

/// The body of a form post.
pub(crate) struct Form(pub(crate) Params);

impl FromRequest<Arc<App>> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::InvalidRequest("Send the parameters as application/x-www-form-urlencoded."));
        }
        let params = Params::parse(&read_body(request, app).await?);
        if params.has_repeated() {
            return Err(Problem::InvalidRequest("A parameter is repeated."));
        }
        Ok(Self(params))
    }
}

/// The bytes of a body.
pub(crate) struct Raw(pub(crate) Bytes);

impl FromRequest<Arc<App>> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        read_body(request, app).await.map(Self)
    }
}

async fn read_body(request: Request, app: &Arc<App>) -> Result<Bytes, Problem> {
    let body = tokio::time::timeout(app.config.limits.body_time, to_bytes(request.into_body(), LARGEST_BODY)).await;
    body.map_err(|_| Problem::TooSlow)?.map_err(|error| match error.source() {
        Some(source) if source.is::<LengthLimitError>() => Problem::TooLarge,
        _ => Problem::InvalidRequest("The body did not arrive whole."),
    })
}

/// The address of the far end: of the connection, or what a proxy of the operator's own said.
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<FarEnd>().map(|end| end.0)))
    }
}

/// The hash of the `Idempotency-Key`, if one came.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<KeyHash>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let (key, more) = (keys.next(), keys.next());
    match key.map(|key| key.as_bytes()) {
        _ if more.is_some() => Err(Problem::InvalidRequest("Idempotency-Key is repeated.")),
        None | Some([]) => Ok(None),
        Some(key) if key.len() > 255 => Err(Problem::InvalidRequest("Idempotency-Key is longer than 255 bytes.")),
        Some(key) => Ok(Some(hash_key(key))),
    }
}
