//! A person's sign-ins for an app of theirs, as JSON: the list of the account page. It takes an access token with the scope
//! `devices`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::account::client_names;
use super::bearer::{Bearer, Door};
use crate::app::App;
use crate::client::BROWSER;
use crate::issue::DEVICES;
use crate::params::Form;
use crate::problem::Problem;
use crate::session::Which;
use crate::user_agent;

const PATH: &str = "/account/devices";

/// `GET /account/devices`.
pub(crate) async fn list(State(app): State<Arc<App>>, method: Method, headers: HeaderMap) -> Response {
    let door = Door { method: &method, path: PATH, headers: &headers, scope: DEVICES };
    let bearer = match door.open(&app).await {
        Ok(bearer) => bearer,
        Err(denied) => return door.refuse(denied),
    };
    match described(&app, &bearer).await {
        Ok(list) => bearer.answer(&app, Json(list)),
        Err(problem) => problem.into_response(),
    }
}

async fn described(app: &App, bearer: &Bearer) -> Result<Value, Problem> {
    let grants = app.sign_ins(&bearer.user.subject).await?;
    let names = client_names(app, &grants).await?;
    let described = grants.iter().map(|grant| {
        let browser = grant.client == BROWSER;
        let (program, system) = grant.device.user_agent.as_deref().map(user_agent::read).unwrap_or_default();
        json!({
            "id": grant.id.to_string(),
            "this": grant.id == bearer.grant.id,
            "kind": if browser { "browser" } else { "app" },
            "client_id": if browser { None } else { Some(&grant.client) },
            "client_name": names.get(&grant.client),
            "program": program,
            "system": system,
            "address": grant.device.address,
            "signed_in_at": grant.created_at.as_secs(),
            "last_used_at": (!browser).then(|| grant.rotated_at.as_secs()),
        })
    });
    // An access token that another server checks by itself lives on for so long.
    Ok(json!({"devices": described.collect::<Vec<_>>(), "access_token_ttl": app.config.access_token_ttl.as_secs()}))
}

/// `POST /account/devices` with `end`: the id of one, `others` or `all`.
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    form: Result<Form, Problem>,
) -> Response {
    let door = Door { method: &method, path: PATH, headers: &headers, scope: DEVICES };
    let bearer = match door.open(&app).await {
        Ok(bearer) => bearer,
        Err(denied) => return door.refuse(denied),
    };
    let ended = async {
        let Form(params) = form?;
        let which = match params.need("end", "end is missing: an id, others or all.")? {
            "others" => Which::AllBut(bearer.grant.id),
            "all" => Which::All,
            id => Which::One(id.parse().map_err(|_| Problem::InvalidRequest("end is an id, others or all."))?),
        };
        app.end_sign_ins(&bearer.user.subject, which).await
    };
    match ended.await {
        Ok(count) => bearer.answer(&app, Json(json!({"ended": count}))),
        Err(problem) => problem.into_response(),
    }
}

/// `DELETE /account/devices/{id}`: 204, or 404 where the person has no such sign-in.
pub(crate) async fn end_one(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let path = format!("{PATH}/{id}");
    let door = Door { method: &method, path: &path, headers: &headers, scope: DEVICES };
    let bearer = match door.open(&app).await {
        Ok(bearer) => bearer,
        Err(denied) => return door.refuse(denied),
    };
    let ended = match id.parse() {
        Ok(id) => app.end_sign_ins(&bearer.user.subject, Which::One(id)).await,
        Err(_) => Ok(0),
    };
    match ended {
        Ok(0) => bearer.answer(&app, StatusCode::NOT_FOUND),
        Ok(_) => bearer.answer(&app, StatusCode::NO_CONTENT),
        Err(problem) => problem.into_response(),
    }
}
