//! The endpoints. What every request passes before it comes here stands in [`crate::edge`].

mod account;
mod authorize;
mod bearer;
mod browser;
mod device;
mod devices;
mod health;
mod hint;
mod introspect;
mod list;
mod metadata;
mod openapi;
mod plain;
mod prompt;
mod push;
mod register;
mod revoke;
mod security;
mod sign_in;
mod sign_out;
mod token;
mod token_exchange;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

pub(crate) use self::health::metrics_router;
use self::list::Routes;
pub use self::register::Registration;
use crate::app::App;

pub(crate) fn router(app: Arc<App>) -> Router {
    routes(&app).into_router(app)
}

/// Every address that is served, and by which methods. The document at `/openapi.json` tells the same, as a test checks.
fn routes(app: &Arc<App>) -> Routes {
    let mut routes = Routes::new(app)
        .add("/.well-known/openid-configuration", get(metadata::discovery))
        .add("/.well-known/oauth-authorization-server", get(metadata::discovery))
        .add("/jwks", get(metadata::jwks))
        .add("/authorize", get(authorize::begin).post(authorize::go_on))
        .add("/sign-in", get(sign_in::begin).post(sign_in::go_on))
        .add("/sign-out", get(sign_out::begin).post(sign_out::go_on))
        .add("/", get(account::front))
        .add("/account", get(account::begin).post(account::go_on))
        .add("/account/password", get(security::password).post(security::change_password))
        .add("/account/second-step", get(security::second).post(security::set_up_second))
        .add("/account/second-step/remove", post(security::remove_second))
        .add("/account/devices", get(devices::list).post(devices::end))
        .add("/account/devices/{id}", delete(devices::end_one))
        .add("/style.css", get(authorize::style))
        .add("/token", post(token::token))
        .add("/revoke", post(revoke::revoke))
        .add("/introspect", post(introspect::introspect))
        .add("/par", post(push::push))
        .add("/device_authorization", post(device::authorization))
        .add("/device", get(device::begin).post(device::go_on))
        .add("/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .add("/openapi.json", get(openapi::document))
        .add_always("/health", get(health::health))
        .add_always("/ready", get(health::ready));
    if !matches!(app.config.registration, Registration::Closed) {
        routes = routes.add("/register", post(register::register));
    }
    if app.config.plain_json {
        routes = routes.add("/token/refresh", post(plain::refresh));
    }
    if app.config.plain_json && app.config.password_sign_in {
        routes = routes.add("/login", post(plain::login));
    }
    routes
}
