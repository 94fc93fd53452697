//! Authorization server metadata: RFC 8414 and OpenID Connect Discovery 1.0.

use std::fmt;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::http::{HttpRequest, HttpResponse, Method};
use crate::json::{self, Field};
use crate::words;

/// Longer identifiers and endpoints are nobody's.
const LONGEST_URL: usize = 2048;

/// An issuer identifier: compared as an exact string (RFC 8414 section 3.3, RFC 9207 section 2.4).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Accepts an https URL, or http to a literal loopback address or `localhost`; no query, no fragment, no user info.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError::NotAnIssuer`] with the rule that was broken. It does not repeat the text, which may hold a
    /// password.
    pub fn parse(text: &str) -> Result<Self, DiscoveryError> {
        let not_an_issuer = |rule: &str| DiscoveryError::NotAnIssuer(rule.to_owned());
        let url = secure_url(text).map_err(not_an_issuer)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(not_an_issuer("it must have no query and no fragment"));
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// The identifier, exactly as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issuer").field(&self.text).finish()
    }
}

impl TryFrom<String> for Issuer {
    type Error = DiscoveryError;

    fn try_from(text: String) -> Result<Self, DiscoveryError> {
        Self::parse(&text)
    }
}

impl From<Issuer> for String {
    fn from(issuer: Issuer) -> Self {
        issuer.text
    }
}

/// Reads the address of an endpoint that a person typed or a server named: https, or http on loopback; no user info
/// (an HTTP client would send it as a password), no fragment (RFC 6749 section 3.2). A query is kept.
///
/// # Errors
///
/// [`DiscoveryError::Malformed`] with the rule that was broken.
pub fn parse_endpoint(text: &str) -> Result<Url, DiscoveryError> {
    let url = secure_url(text).map_err(|rule| DiscoveryError::Malformed(rule.to_owned()))?;
    if url.fragment().is_some() {
        return Err(DiscoveryError::Malformed("it must have no fragment".to_owned()));
    }
    Ok(url)
}

fn secure_url(text: &str) -> Result<Url, &'static str> {
    // The URL parser forgives blanks, line breaks and backslashes; a comparison of strings does not.
    if text.len() > LONGEST_URL || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return Err("it must be an address of printable ASCII characters");
    }
    let Some((scheme, rest)) = text.split_once("://") else { return Err("it must begin with https://") };
    let url = Url::parse(text).map_err(|_| "it is not an address")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match (scheme, url.host()) {
        _ if authority.is_empty() => Err("it must name a host"),
        _ if authority.contains('@') => Err("it must have no user name and no password"),
        ("https", Some(_)) => Ok(url),
        ("http", Some(host)) if is_loopback(&host) => Ok(url),
        ("http", _) => Err("http is for this machine only: it must begin with https://"),
        _ => Err("it must begin with https://"),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// What we use of a server's metadata. `issuer` is the one that was asked for, bit for bit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// `issuer`.
    pub issuer: Issuer,
    /// `authorization_endpoint`.
    pub authorization_endpoint: Option<Url>,
    /// `token_endpoint`.
    pub token_endpoint: Url,
    /// `revocation_endpoint`, RFC 7009.
    pub revocation_endpoint: Option<Url>,
    /// `userinfo_endpoint`.
    pub userinfo_endpoint: Option<Url>,
    /// `device_authorization_endpoint`, RFC 8628 section 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<Url>,
    /// `devices_endpoint`, an extension: where the person's sign-ins are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices_endpoint: Option<Url>,
    /// `authorization_response_iss_parameter_supported`, RFC 9207.
    #[serde(default)]
    pub iss_in_response: bool,
    /// Whether client secrets go by HTTP Basic (the default) or in the form.
    #[serde(default)]
    pub secret_in_form: bool,
}

/// Why metadata cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The text is not an issuer identifier.
    #[error("not an issuer: {0}")]
    NotAnIssuer(String),
    /// There is nothing at this address (404 or the like).
    #[error("no metadata here (status {0})")]
    NotFound(u16),
    /// The server has trouble (5xx, 429): ask again later.
    #[error("the server cannot answer now (status {0})")]
    Unavailable(u16),
    /// HTML, a captive portal, malformed JSON, a missing or unusable field.
    #[error("the answer is not server metadata: {0}")]
    Malformed(String),
    /// The document speaks for somebody else (RFC 8414 section 3.3).
    #[error("the metadata are of another issuer: {0}")]
    WrongIssuer(String),
}

/// The well-known addresses to try, in this order: OpenID Connect's appended form (Discovery 1.0 section 4.1),
/// RFC 8414's inserted form (section 3.1).
#[must_use]
pub fn discovery_requests(issuer: &Issuer) -> [HttpRequest; 2] {
    let path = issuer.url.path().strip_suffix('/').unwrap_or(issuer.url.path());
    [format!("{path}/.well-known/openid-configuration"), format!("/.well-known/oauth-authorization-server{path}")].map(
        |path| {
            let mut url = issuer.url.clone();
            url.set_path(&path);
            HttpRequest {
                method: Method::Get,
                url,
                content_type: None,
                authorization: None,
                idempotency_key: None,
                body: None,
            }
        },
    )
}

/// Reads a metadata document and holds it against the issuer that was asked for, bit for bit (RFC 8414 section 3.3).
/// Endpoints must be https, or http on loopback.
///
/// # Errors
///
/// See [`DiscoveryError`]. The content type is not insisted on, as files at well-known addresses often have a wrong
/// one; a web page is refused whatever it contains.
pub fn parse_metadata(issuer: &Issuer, response: &HttpResponse) -> Result<Metadata, DiscoveryError> {
    let malformed = |what: &str| DiscoveryError::Malformed(what.to_owned());
    match response.status {
        200 => {}
        status if crate::verdict::is_transient(status) => return Err(DiscoveryError::Unavailable(status)),
        status @ 400..=499 => return Err(DiscoveryError::NotFound(status)),
        300..=399 => return Err(malformed("it redirects elsewhere")),
        _ => return Err(malformed("its status is not 200")),
    }
    if json::is_html(response) {
        return Err(malformed("it is a web page"));
    }
    let document: Document<'_> =
        json::object(response.body.expose_secret()).ok_or_else(|| malformed("it is not a JSON object"))?;
    let named = document.issuer.text().ok_or_else(|| malformed("issuer is missing"))?;
    if named != issuer.as_str() {
        return Err(DiscoveryError::WrongIssuer(words::shown(named, 200).unwrap_or_default()));
    }
    Ok(Metadata {
        issuer: issuer.clone(),
        authorization_endpoint: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
        token_endpoint: endpoint("token_endpoint", &document.token_endpoint)?
            .ok_or_else(|| malformed("token_endpoint is missing"))?,
        revocation_endpoint: endpoint("revocation_endpoint", &document.revocation_endpoint)?,
        userinfo_endpoint: endpoint("userinfo_endpoint", &document.userinfo_endpoint)?,
        device_authorization_endpoint: endpoint(
            "device_authorization_endpoint",
            &document.device_authorization_endpoint,
        )?,
        devices_endpoint: endpoint("devices_endpoint", &document.devices_endpoint)?,
        iss_in_response: document.authorization_response_iss_parameter_supported.is_true(),
        secret_in_form: wants_secret_in_form(&document.token_endpoint_auth_methods_supported),
    })
}

/// RFC 8414 section 2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    #[serde(borrow)]
    issuer: Field<'a>,
    #[serde(borrow)]
    authorization_endpoint: Field<'a>,
    #[serde(borrow)]
    token_endpoint: Field<'a>,
    #[serde(borrow)]
    revocation_endpoint: Field<'a>,
    #[serde(borrow)]
    userinfo_endpoint: Field<'a>,
    #[serde(borrow)]
    device_authorization_endpoint: Field<'a>,
    #[serde(borrow)]
    devices_endpoint: Field<'a>,
    #[serde(borrow)]
    token_endpoint_auth_methods_supported: Field<'a>,
    #[serde(borrow)]
    authorization_response_iss_parameter_supported: Field<'a>,
}

fn endpoint(name: &str, field: &Field<'_>) -> Result<Option<Url>, DiscoveryError> {
    let Some(text) = field.text() else { return Ok(None) };
    parse_endpoint(text).map(Some).map_err(|error| match error {
        DiscoveryError::Malformed(rule) => DiscoveryError::Malformed(format!("{name}: {rule}")),
        other => other,
    })
}

/// Basic is the default where the server does not tell (RFC 8414 section 2), and preferred where it takes both.
fn wants_secret_in_form(methods: &Field<'_>) -> bool {
    let methods = methods.texts();
    methods.contains(&"client_secret_post") && !methods.contains(&"client_secret_basic")
}
