//! Dynamic client registration, RFC 7591: off unless the operator wants it. What registers itself can do what people let it
//! do, and nothing in its own name: no scope of its own, no introspection of others, no sign-in on another device.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::is_unprintable;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::client::{BadClient, Client, Setting};
use crate::params::{Peer, Raw};
use crate::problem::Problem;
use crate::system::make_random;

/// What such a client may do, RFC 7591 section 2.
const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];
const MOST_REDIRECT_URIS: usize = 10;
/// Of a name that people read, in characters.
const LONGEST_NAME: usize = 60;

/// Who may register clients.
#[derive(Debug, Clone)]
pub enum Registration {
    /// Nobody: the endpoint is not there.
    Closed,
    /// Whoever has this initial access token (section 3).
    WithToken(SecretString),
    /// Everybody.
    Open,
}

/// What of the request is looked at. Other members are ignored, as section 2 wants.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    /// OpenID Connect RP-Initiated Logout 1.0 section 3.1.
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    software_statement: Option<Value>,
}

/// Why a client is not registered, section 3.2.2.
enum Refused {
    NoToken,
    Metadata(&'static str),
    RedirectUri,
    SoftwareStatement,
    Full,
    Trouble(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Trouble(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (error, description) = match self {
            Self::Trouble(problem) => return problem.into_response(),
            Self::Full => return Problem::Busy.into_response(),
            Self::NoToken => {
                let challenge = HeaderValue::from_static(r#"Bearer realm="registration""#);
                return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
            }
            Self::Metadata(description) => ("invalid_client_metadata", description),
            Self::RedirectUri => (
                "invalid_redirect_uri",
                "Use https, http to 127.0.0.1 or [::1], or a private scheme like com.example.app:/callback; no fragment.",
            ),
            Self::SoftwareStatement => ("unapproved_software_statement", "Software statements are not taken here."),
        };
        (StatusCode::BAD_REQUEST, Json(json!({"error": error, "error_description": description}))).into_response()
    }
}

/// `POST /register`.
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    body: Result<Raw, Problem>,
) -> Response {
    let registered = async {
        admit(&app, &headers)?;
        app.limiter.admit_registration(peer, app.now()).map_err(Problem::TooMany)?;
        let not_json = Refused::Metadata("Send a JSON object with redirect_uris.");
        let metadata = serde_json::from_slice::<Metadata>(&body?.0).map_err(|_| not_json)?;
        let (mut client, confidential) = client_of(metadata)?;
        let secret = if confidential { Some(client.make_secret().map_err(Problem::from)?) } else { None };
        if app.ask(|store| store.registered_clients()).await? >= app.config.most_registered {
            tracing::warn!("as many clients have registered themselves as there may be; answering 503");
            return Err(Refused::Full);
        }
        let kept = client.clone();
        if !app.ask(move |store| store.add_client(&kept)).await? {
            return Err(Problem::Unavailable.into());
        }
        tracing::info!(outcome = %"registered", client = %client.id, "client");
        Ok(answer(&client, secret.as_ref(), app.now().as_secs()))
    };
    registered.await.unwrap_or_else(Refused::into_response)
}

/// Section 3.
fn admit(app: &App, headers: &HeaderMap) -> Result<(), Refused> {
    use subtle::ConstantTimeEq as _;
    let Registration::WithToken(token) = &app.config.registration else { return Ok(()) };
    let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, presented) = presented.and_then(|value| value.split_once(' ')).ok_or(Refused::NoToken)?;
    let same = presented.trim().as_bytes().ct_eq(token.expose_secret().as_bytes());
    if scheme.eq_ignore_ascii_case("bearer") && bool::from(same) { Ok(()) } else { Err(Refused::NoToken) }
}

/// The client, and whether it is to have a secret.
fn client_of(metadata: Metadata) -> Result<(Client, bool), Refused> {
    if metadata.software_statement.is_some_and(|statement| !statement.is_null()) {
        return Err(Refused::SoftwareStatement);
    }
    if metadata.redirect_uris.is_empty() || metadata.redirect_uris.len() > MOST_REDIRECT_URIS {
        return Err(Refused::Metadata("redirect_uris has one to ten addresses."));
    }
    if metadata.post_logout_redirect_uris.len() > MOST_REDIRECT_URIS {
        return Err(Refused::Metadata("post_logout_redirect_uris has at most ten addresses."));
    }
    // Section 3.2.1 lets us take away what is asked for; a client that lives by something else would not work.
    if metadata.grant_types.is_some_and(|kinds| !kinds.iter().any(|kind| kind == GRANT_TYPES[0])) {
        return Err(Refused::Metadata(
            "grant_types wants authorization_code; a client that acts in its own name is added by the operator.",
        ));
    }
    if metadata.response_types.is_some_and(|kinds| !kinds.iter().any(|kind| kind == "code")) {
        return Err(Refused::Metadata("response_types wants code."));
    }
    let confidential = match metadata.token_endpoint_auth_method.as_deref() {
        Some("none") => false,
        // Absent it means client_secret_basic, section 2.
        None | Some("client_secret_basic" | "client_secret_post") => true,
        Some(_) => {
            return Err(Refused::Metadata(
                "token_endpoint_auth_method is none, client_secret_basic or client_secret_post.",
            ));
        }
    };
    let id = format!("reg.{}", URL_SAFE_NO_PAD.encode(make_random::<16>().map_err(Problem::from)?));
    let refused = |error| match error {
        BadClient::RedirectUri(_) => Refused::RedirectUri,
        _ => Refused::Metadata("This client cannot be registered."),
    };
    let mut client = Client::public(&id, metadata.redirect_uris).map_err(refused)?;
    client.allow_returns(metadata.post_logout_redirect_uris).map_err(refused)?;
    if let Some(name) = metadata.client_name {
        let fits = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(is_unprintable);
        client.name =
            Some(name).filter(|_| fits).ok_or(Refused::Metadata("client_name has 1 to 60 plain characters."))?;
    }
    client.settings = vec![Setting::Registered];
    Ok((client, confidential))
}

/// Section 3.2.1.
fn answer(client: &Client, secret: Option<&SecretString>, now: i64) -> Response {
    let mut body = json!({
        "client_id": client.id,
        "client_id_issued_at": now,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "grant_types": GRANT_TYPES,
        "response_types": ["code"],
        "token_endpoint_auth_method": if secret.is_some() { "client_secret_basic" } else { "none" },
    });
    if let (Some(secret), Some(members)) = (secret, body.as_object_mut()) {
        members.insert("client_secret".to_owned(), secret.expose_secret().into());
        members.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    (StatusCode::CREATED, Json(body)).into_response()
}
