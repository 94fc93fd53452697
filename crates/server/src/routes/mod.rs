//! The endpoints.

mod account;
mod authorize;
mod bearer;
mod browser;
mod device;
mod devices;
mod hint;
mod introspect;
mod metadata;
mod plain;
mod prompt;
mod push;
mod revoke;
mod security;
mod sign_in;
mod sign_out;
mod token;
mod userinfo;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use crate::app::App;
use crate::problem::Problem;

/// No request of ours is larger.
const LARGEST_BODY: usize = 64 * 1024;
/// No request takes longer. What it asked of the store goes on to its end all the same.
const LONGEST: Duration = Duration::from_secs(30);

pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/.well-known/openid-configuration", get(metadata::discovery))
        .route("/.well-known/oauth-authorization-server", get(metadata::discovery))
        .route("/jwks", get(metadata::jwks))
        .route("/authorize", get(authorize::begin).post(authorize::go_on))
        .route("/sign-in", get(sign_in::begin).post(sign_in::go_on))
        .route("/sign-out", get(sign_out::begin).post(sign_out::go_on))
        .route("/account", get(account::begin).post(account::go_on))
        .route("/account/password", get(security::password).post(security::change_password))
        .route("/account/second-step", get(security::second).post(security::set_up_second))
        .route("/account/second-step/remove", post(security::remove_second))
        .route("/account/devices", get(devices::list).post(devices::end))
        .route("/account/devices/{id}", delete(devices::end_one))
        .route("/style.css", get(authorize::style))
        .route("/token", post(token::token))
        .route("/revoke", post(revoke::revoke))
        .route("/introspect", post(introspect::introspect))
        .route("/par", post(push::push))
        .route("/device_authorization", post(device::authorization))
        .route("/device", get(device::begin).post(device::go_on))
        .route("/userinfo", get(userinfo::userinfo).post(userinfo::userinfo));
    if app.config.plain_json {
        router = router.route("/token/refresh", post(plain::refresh));
    }
    if app.config.plain_json && app.config.password_sign_in {
        router = router.route("/login", post(plain::login));
    }
    router
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::map_response(with_safe_headers))
        .with_state(app)
}

async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(LONGEST, next.run(request)).await.unwrap_or_else(|_| Problem::Unavailable.into_response())
}

/// Headers for every answer that did not choose its own: not stored (RFC 6749 section 5.1), not framed (section 10.13),
/// not guessed at, and no address of ours in anybody's `Referer` (RFC 9700 section 4.2.4).
async fn with_safe_headers(mut response: Response) -> Response {
    let safe: [(HeaderName, &'static str); 6] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let public = response.headers().contains_key(header::CACHE_CONTROL);
    for (name, value) in safe {
        if !(public && name == header::PRAGMA) {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
    response
}
