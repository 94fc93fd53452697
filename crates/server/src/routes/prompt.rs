//! How a client wants the person asked: OpenID Connect Core section 3.1.2.1.

use std::time::Duration;

use pilotlight_oauth::Timestamp;

use super::hint;
use crate::app::App;
use crate::params::Params;

/// No login hint is longer than a name may be.
const LONGEST_HINT: usize = 100;

/// What `prompt`, `max_age`, `id_token_hint` and `login_hint` come to.
pub(super) struct Wants {
    /// No page may be shown.
    pub(super) quiet: bool,
    /// Consent has to be asked for.
    pub(super) ask: bool,
    /// The person has to have shown since then who they are.
    pub(super) since: Option<Timestamp>,
    /// The person it has to be.
    pub(super) subject: Option<String>,
    /// Whom the client expects.
    pub(super) hint: Option<String>,
}

/// Errors of OpenID Connect Core section 3.1.2.6, as far as they do not depend on who is signed in.
pub(super) fn check(params: &Params) -> Result<(), &'static str> {
    let words: Vec<&str> = params.text("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    let known = words.iter().all(|word| ["none", "login", "consent", "select_account"].contains(word));
    if !known || (words.contains(&"none") && words.len() > 1) {
        return Err("invalid_request");
    }
    max_age(params).map(drop)
}

fn max_age(params: &Params) -> Result<Option<Duration>, &'static str> {
    let secs = params.text("max_age").map(|text| text.parse::<u32>().map_err(|_| "invalid_request")).transpose()?;
    Ok(secs.map(|secs| Duration::from_secs(secs.into())))
}

pub(super) fn read(app: &App, params: &Params) -> Result<Wants, &'static str> {
    check(params)?;
    let has = |word| params.text("prompt").is_some_and(|prompt| prompt.split_ascii_whitespace().any(|p| p == word));
    let now = app.now();
    let anew = (has("login") || has("select_account")).then_some(now);
    let subject = match params.text("id_token_hint") {
        Some(token) => Some(hint::read(app, token).ok_or("invalid_request")?.sub),
        None => None,
    };
    let hint = params.owned("login_hint").filter(|hint| hint.chars().count() <= LONGEST_HINT);
    let since = anew.max(max_age(params)?.map(|age| now.minus(age)));
    Ok(Wants { quiet: has("none"), ask: has("consent"), since, subject, hint })
}
