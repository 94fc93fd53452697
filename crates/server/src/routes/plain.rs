//! The plain JSON dialect: `POST /login` and `POST /token/refresh`, for programs that do not speak OAuth.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::client::FIRST_PARTY;
use crate::dpop::DPOP_NONCE;
use crate::issue::{Begun, Issued, Presented, granted_scope};
use crate::origin::origin_of;
use crate::params::{Peer, Raw, idempotency_key};
use crate::problem::Problem;
use crate::proven::Proven;

#[derive(Deserialize)]
struct Login {
    username: String,
    #[serde(deserialize_with = "secret")]
    password: SecretString,
    /// The code of the second factor, for a person who has one.
    #[serde(default)]
    totp: Option<String>,
}

#[derive(Deserialize)]
struct Refresh {
    #[serde(deserialize_with = "secret")]
    refresh_token: SecretString,
}

/// `{"username": …, "password": …}` to tokens.
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    body: Result<Raw, Problem>,
) -> Response {
    let signed_in = async {
        let missing = Problem::InvalidRequest("Send a JSON object with username and password.");
        let Login { username, password, totp } = read(body, missing)?;
        if username.is_empty() || is_empty(&password) {
            return Err(missing);
        }
        let user = app.authenticate_wholly(&username, password, totp.as_deref(), peer).await?;
        let proven = app.proven(&headers, "POST", "/login")?;
        let begun = Begun {
            user: &user,
            client: FIRST_PARTY,
            scope: granted_scope(None)?,
            resources: Vec::new(),
            proven: proven.as_ref(),
            binds: true,
            device: origin_of(&headers, peer),
        };
        Ok((app.begin(begun).await?, proven))
    };
    answer(&app, signed_in.await)
}

/// `{"refresh_token": …}` to the next tokens.
pub(crate) async fn refresh(State(app): State<Arc<App>>, headers: HeaderMap, body: Result<Raw, Problem>) -> Response {
    let refreshed = async {
        let missing = Problem::InvalidRequest("Send a JSON object with refresh_token.");
        let key = idempotency_key(&headers)?;
        let Refresh { refresh_token } = read(body, missing)?;
        if is_empty(&refresh_token) {
            return Err(missing);
        }
        let token = secrecy::ExposeSecret::expose_secret(&refresh_token);
        let proven = app.proven(&headers, "POST", "/token/refresh")?;
        let presented = Presented {
            token,
            client: FIRST_PARTY,
            key,
            scope: None,
            resources: Vec::new(),
            proven: proven.as_ref(),
            binds: true,
        };
        Ok((app.refresh(presented).await?, proven))
    };
    answer(&app, refreshed.await)
}

fn answer(app: &App, issued: Result<(Issued, Option<Proven>), Problem>) -> Response {
    match issued {
        Ok((issued, proven)) => {
            let mut response = Json(issued.answer()).into_response();
            if let Some(nonce) = app.next_nonce(proven.as_ref()) {
                response.headers_mut().insert(DPOP_NONCE, nonce.header());
            }
            response
        }
        Err(problem) => problem.plain(),
    }
}

fn read<T: DeserializeOwned>(body: Result<Raw, Problem>, otherwise: Problem) -> Result<T, Problem> {
    serde_json::from_slice(&body?.0).map_err(|_| otherwise)
}

fn is_empty(secret: &SecretString) -> bool {
    secrecy::ExposeSecret::expose_secret(secret).is_empty()
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}
