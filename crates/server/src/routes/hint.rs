//! ID tokens that come back to us, as a client's word for whom it means: `id_token_hint`.

use serde::Deserialize;

use crate::app::App;
use crate::jwt;

/// What a hint says.
#[derive(Deserialize)]
pub(super) struct Hint {
    iss: String,
    pub(super) sub: String,
    /// The client that it was made for.
    pub(super) aud: String,
    /// The grant that it belongs to.
    #[serde(default)]
    pub(super) sid: Option<String>,
}

/// An ID token of ours, expired or not: it opens nothing, and says only whom the client has in mind (OpenID Connect RP-Initiated
/// Logout 1.0 section 4, OpenID Connect Core section 3.1.2.1).
pub(super) fn read(app: &App, token: &str) -> Option<Hint> {
    let hint: Hint = jwt::verify(&app.keys.now(), jwt::ID_TOKEN, token)?;
    (hint.iss == app.config.issuer).then_some(hint)
}
