//! Who the access token speaks for: OpenID Connect Core section 5.3.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde_json::json;

use super::bearer::Door;
use crate::app::App;

pub(crate) async fn userinfo(State(app): State<Arc<App>>, method: Method, headers: HeaderMap) -> Response {
    let door = Door { method: &method, path: "/userinfo", headers: &headers, scope: "openid" };
    match door.open(&app).await {
        Ok(bearer) => {
            let (subject, name) = (&bearer.user.subject, &bearer.user.name);
            bearer.answer(&app, Json(json!({"sub": subject, "preferred_username": name, "name": name})))
        }
        Err(denied) => door.refuse(denied),
    }
}
