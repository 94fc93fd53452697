//! What clients may know about the server: RFC 8414, OpenID Connect Discovery 1.0, RFC 7517.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::device::DEVICE_GRANT;
use crate::dpop::ALGORITHMS;
use crate::issue::SCOPES;
use crate::routes::Registration;
use crate::routes::token_exchange::TOKEN_EXCHANGE;

/// Neither document is secret, and both change only with the operator's settings.
const CACHE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "public, max-age=300")];

pub(crate) async fn discovery(State(app): State<Arc<App>>) -> Response {
    let mut grants = vec!["authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT, TOKEN_EXCHANGE];
    if app.config.password_sign_in {
        grants.push("password");
    }
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    let mut document = json!({
        "issuer": app.config.issuer,
        "authorization_endpoint": app.url("/authorize"),
        "token_endpoint": app.url("/token"),
        "revocation_endpoint": app.url("/revoke"),
        "introspection_endpoint": app.url("/introspect"),
        "device_authorization_endpoint": app.url("/device_authorization"),
        "pushed_authorization_request_endpoint": app.url("/par"),
        "require_pushed_authorization_requests": app.config.require_par,
        "userinfo_endpoint": app.url("/userinfo"),
        "devices_endpoint": app.url("/account/devices"),
        "end_session_endpoint": app.url("/sign-out"),
        "jwks_uri": app.url("/jwks"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "dpop_signing_alg_values_supported": ALGORITHMS,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": app.keys.now().algorithms(app.now(), app.config.access_token_ttl),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "nonce", "sid", "preferred_username"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en", "zh-Hans"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    if let (Some(members), false) = (document.as_object_mut(), matches!(app.config.registration, Registration::Closed))
    {
        members.insert("registration_endpoint".to_owned(), app.url("/register").into());
    }
    (CACHE, Json(document)).into_response()
}

pub(crate) async fn jwks(State(app): State<Arc<App>>) -> Response {
    (CACHE, Json(app.keys.now().jwks(app.now(), app.config.access_token_ttl))).into_response()
}
