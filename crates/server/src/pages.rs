//! The pages people see. Templates are escaped by the compiler of templates, not by hand.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use url::Url;

use crate::texts::Texts;

/// What stands around every page.
pub(crate) struct Frame {
    pub(crate) t: &'static Texts,
    /// From this page to the server's own address.
    pub(crate) root: &'static str,
    /// The same page in the other language, where it has an address.
    pub(crate) other: Option<String>,
}

/// Asks for name and password.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'a> {
    pub(crate) frame: Frame,
    /// What for: the text around the name of the client, if it is for one.
    pub(crate) lead: [&'static str; 2],
    pub(crate) client: &'a str,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// Asks for the second factor.
#[derive(Template)]
#[template(path = "second_step.html")]
pub(crate) struct SecondStepPage<'a> {
    pub(crate) frame: Frame,
    pub(crate) ticket: &'a str,
    pub(crate) error: Option<&'a str>,
    /// Where to begin anew.
    pub(crate) anew: &'a str,
}

/// Asks for consent.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    pub(crate) frame: Frame,
    pub(crate) title: String,
    pub(crate) client: &'a str,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) wishes: Vec<&'static str>,
    /// Whether the client registered itself.
    pub(crate) unverified: bool,
    pub(crate) note: String,
    /// Where another person can sign in.
    pub(crate) another: &'a str,
}

/// Asks for the code that a device shows.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage<'a> {
    pub(crate) frame: Frame,
    pub(crate) ticket: &'a str,
    pub(crate) user_code: &'a str,
    pub(crate) username: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// Asks for consent to a device.
#[derive(Template)]
#[template(path = "device_consent.html")]
pub(crate) struct DeviceConsentPage<'a> {
    pub(crate) frame: Frame,
    pub(crate) title: String,
    pub(crate) client: &'a str,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) user_code: &'a str,
    pub(crate) wishes: Vec<&'static str>,
}

/// Says what has happened, and where to go from here.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub(crate) frame: Frame,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    /// Address and words of a link.
    pub(crate) link: Option<(&'static str, &'static str)>,
}

/// Says that it cannot go on.
#[derive(Template)]
#[template(path = "stopped.html")]
pub(crate) struct StoppedPage {
    pub(crate) frame: Frame,
    pub(crate) message: &'static str,
}

/// Shows a person their sign-ins.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage<'a> {
    pub(crate) frame: Frame,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) done: Option<&'static str>,
    pub(crate) sign_ins: Vec<SignIn>,
    /// How many more there are.
    pub(crate) more: Option<String>,
    pub(crate) lives_on: String,
    /// The state of the second factor, in words, and whether there is one.
    pub(crate) second: String,
    pub(crate) has_second: bool,
}

/// A line of that list.
pub(crate) struct SignIn {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) place: String,
    pub(crate) signed_in: When,
    /// Of a browser it is not noted.
    pub(crate) last_used: Option<When>,
    pub(crate) this: bool,
    pub(crate) end: String,
}

/// An instant, as people say it and exactly.
pub(crate) struct When {
    pub(crate) said: String,
    pub(crate) exact: String,
}

/// Asks for a new password.
#[derive(Template)]
#[template(path = "password.html")]
pub(crate) struct PasswordPage<'a> {
    pub(crate) frame: Frame,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// Shows a new second factor, and asks for a code of it.
#[derive(Template)]
#[template(path = "second_set_up.html")]
pub(crate) struct SecondSetUpPage<'a> {
    pub(crate) frame: Frame,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) picture: &'a Picture,
    pub(crate) key: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// A QR code: the length of its side in modules, and its dark ones as an SVG path.
pub(crate) struct Picture {
    pub(crate) side: usize,
    pub(crate) path: String,
}

/// Asks whether the second factor should go.
#[derive(Template)]
#[template(path = "second_remove.html")]
pub(crate) struct SecondRemovePage<'a> {
    pub(crate) frame: Frame,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// Shows recovery codes, this once.
#[derive(Template)]
#[template(path = "recovery_codes.html")]
pub(crate) struct RecoveryCodesPage {
    pub(crate) frame: Frame,
    pub(crate) codes: Vec<String>,
}

/// Asks whether the browser should be signed out.
#[derive(Template)]
#[template(path = "sign_out.html")]
pub(crate) struct SignOutPage<'a> {
    pub(crate) frame: Frame,
    pub(crate) ticket: &'a str,
    pub(crate) username: &'a str,
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
pub(crate) fn destination(redirect_uri: &str, texts: &Texts) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) if url.scheme() == "https" => url.host_str().unwrap_or_default().to_owned(),
        _ => texts.consent.this_computer.to_owned(),
    }
}
