//! The description of all this for programs, OpenAPI 3.1: `openapi.json` beside this file, without what is turned off. A test
//! holds it against the routes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::routes;
use crate::app::App;

/// `GET /openapi.json`.
pub(crate) async fn document(State(app): State<Arc<App>>) -> Response {
    let headers = [(header::CACHE_CONTROL, "public, max-age=300"), (header::CONTENT_TYPE, "application/json")];
    let document = app.openapi.get_or_init(|| describe(&app).to_string().into_bytes());
    (headers, document.clone()).into_response()
}

fn describe(app: &Arc<App>) -> Value {
    // Held by a test: it is well-formed.
    let mut document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap_or_default();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["servers"] = json!([{"url": app.config.issuer}]);
    let served = routes(app);
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| served.has(path));
    }
    document
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, header::ALLOW};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{Config, MemoryStore, Registration, Server, SystemClock};

    fn server(change: impl FnOnce(&mut Config)) -> Server {
        let mut config = Config::new("http://127.0.0.1:4400");
        change(&mut config);
        Server::open(config, Arc::new(MemoryStore::new()), Arc::new(SystemClock)).unwrap()
    }

    /// Asks each route by a method that none has, and believes what it says it has.
    async fn methods(server: &Server, path: &str) -> Vec<String> {
        let request = Request::builder().method("TRACE").uri(path).body(Body::empty()).unwrap();
        let answer = server.router().oneshot(request).await.unwrap();
        let allowed = answer.headers().get(ALLOW).unwrap_or_else(|| panic!("{path}: {answer:?}")).to_str().unwrap();
        // What serves GET serves HEAD by itself.
        let mut methods: Vec<String> = allowed.split(',').filter(|m| *m != "HEAD").map(str::to_lowercase).collect();
        methods.sort();
        methods
    }

    #[tokio::test]
    async fn every_route_is_described_with_its_methods_and_nothing_else_is() {
        let server = server(|config| config.registration = Registration::Open);
        let document = describe(server.app());
        let described = document["paths"].as_object().unwrap();
        for path in routes(server.app()).paths() {
            let operations = described.get(*path).unwrap_or_else(|| panic!("openapi.json lacks {path}"));
            let mut told: Vec<&String> = operations.as_object().unwrap().keys().collect();
            told.sort();
            assert_eq!(told, methods(&server, path).await.iter().collect::<Vec<_>>(), "{path}");
        }
        let whole: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        assert_eq!(whole["paths"].as_object().unwrap().len(), described.len(), "a path that no setting serves");
    }

    #[test]
    fn what_is_turned_off_is_not_described() {
        let server = server(|config| config.plain_json = false);
        let document = describe(server.app());
        for path in ["/login", "/token/refresh", "/register"] {
            assert_eq!(document["paths"].get(path), None);
        }
        assert_eq!(document["servers"][0]["url"], "http://127.0.0.1:4400");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
        let text = include_str!("openapi.json");
        let document: Value = serde_json::from_str(text).unwrap();
        for after in text.split("\"$ref\": \"#").skip(1) {
            let pointer = after.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let mut names: Vec<&str> =
            text.split("\"operationId\": \"").skip(1).filter_map(|a| a.split('"').next()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
