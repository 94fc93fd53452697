//! The pages people see. Templates are escaped by the compiler of templates, not by hand.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use url::Url;

/// Asks for name and password.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'a> {
    pub(crate) client: &'a str,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// Asks for consent.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    pub(crate) client: &'a str,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) wishes: Vec<&'static str>,
    /// Where the answer goes, in words: "this computer" or a host.
    pub(crate) destination: &'a str,
}

/// Asks for the code that a device shows, and for name and password.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage<'a> {
    pub(crate) ticket: &'a str,
    pub(crate) user_code: &'a str,
    pub(crate) username: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// Asks for consent to a device.
#[derive(Template)]
#[template(path = "device_consent.html")]
pub(crate) struct DeviceConsentPage<'a> {
    pub(crate) client: &'a str,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) user_code: &'a str,
    pub(crate) wishes: Vec<&'static str>,
}

/// Says what a device was told.
#[derive(Template)]
#[template(path = "device_done.html")]
pub(crate) struct DeviceDonePage {
    pub(crate) allowed: bool,
}

/// Says that it cannot go on.
#[derive(Template)]
#[template(path = "stopped.html")]
pub(crate) struct StoppedPage<'a> {
    pub(crate) message: &'a str,
}

/// What a scope means to a person.
pub(crate) fn wish(scope: &str) -> Option<&'static str> {
    match scope {
        "openid" => Some("know who you are on this server"),
        "profile" => Some("see your name"),
        "offline_access" => Some("stay signed in until you sign out"),
        _ => None,
    }
}

/// Renders a page. `redirect_uri` is where its form may end up: Chromium applies `form-action` to the redirect after the
/// post, too.
pub(crate) fn page(status: StatusCode, template: &impl Template, redirect_uri: Option<&str>) -> Response {
    let Ok(html) = template.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let target = redirect_uri.and_then(form_target).map(|target| format!(" {target}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A source expression (CSP level 3, section 2.3.1) for a redirect URI. Its grammar has no IPv6 addresses, so that those
/// allow their whole scheme, as private schemes do.
fn form_target(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    let scheme = url.scheme();
    match url.host() {
        Some(url::Host::Domain(_) | url::Host::Ipv4(_)) if matches!(scheme, "http" | "https") => {
            Some(url.origin().ascii_serialization())
        }
        _ => Some(format!("{scheme}:")),
    }
}

/// Where an answer goes, in words.
pub(crate) fn destination(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) if url.scheme() == "https" => url.host_str().unwrap_or_default().to_owned(),
        _ => "an app on this computer".to_owned(),
    }
}
