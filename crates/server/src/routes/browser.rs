//! One browser, told from the others by a cookie that says nothing else.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::App;
use crate::system::{NoEntropy, make_random};

const COOKIE: &str = "pilotlight_form";

/// A browser that a page is shown in.
pub(crate) struct Browser {
    pub(crate) cookie: String,
    new: bool,
}

impl Browser {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, NoEntropy> {
        match Self::known(headers) {
            Some(known) => Ok(Self { cookie: known.to_owned(), new: false }),
            None => Ok(Self { cookie: URL_SAFE_NO_PAD.encode(make_random::<24>()?), new: true }),
        }
    }

    /// Our cookie, as the browser sent it.
    pub(crate) fn known(headers: &HeaderMap) -> Option<&str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, value)| *name == COOKIE && value.len() == 32).map(|(_, value)| value)
    }

    /// Gives a new browser its cookie.
    pub(crate) fn remember(&self, app: &App, response: &mut Response) {
        if !self.new {
            return;
        }
        // Lax, not Strict: a second sign-in started from another site must find the cookie, or it would replace it
        // and break the first one's form. A form posted from another site does not carry it either way.
        let secure = if app.config.issuer.starts_with("https:") { "; Secure" } else { "" };
        let cookie = format!("{COOKIE}={}; HttpOnly; SameSite=Lax; Path=/; Max-Age=86400{secure}", self.cookie);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
}
