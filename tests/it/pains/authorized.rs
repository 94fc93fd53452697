//! 27: a request that the service refuses is sent once more with a new token, where it can be, and never a third time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilotlight::parts::{SystemClock, SystemRandom};
use pilotlight::simulation::{FakeServer, config};
use pilotlight::{AuthorizedClient, ErrorCode, Home, Pilotlight};
use pilotlight_vault::MemoryVault;
use reqwest::{Body, Method, Request, StatusCode};

use super::service::{Asked, Service, Told};
use super::world::{sign_in, token};

/// A person signed in, and a resource that accepts one token.
struct Resource {
    _folder: tempfile::TempDir,
    server: Arc<FakeServer>,
    pilotlight: Pilotlight,
    plain: reqwest::Client,
    client: AuthorizedClient,
    service: Service,
    accepted: Arc<Mutex<Accepted>>,
}

/// Whom the resource lets in.
enum Accepted {
    Nobody,
    Everybody,
    /// Everybody but the bearer of this token, which was withdrawn.
    AllBut(String),
}

impl Resource {
    async fn signed_in() -> Self {
        // The client of the caller's own: its provider for TLS is the caller's choice as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let server = Arc::new(FakeServer::new(clock.clone(), Duration::from_secs(900)));
        let mut config = config(Home::at(folder.path().join("home")).unwrap(), clock, server.clone());
        config.random = Arc::new(SystemRandom);
        let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
        sign_in(&pilotlight).await.unwrap();
        let plain = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = pilotlight.authorize("work", plain.clone());
        let accepted = Arc::new(Mutex::new(Accepted::Everybody));
        let judge = Arc::clone(&accepted);
        let service = Service::answering(move |asked| {
            let bearer = asked.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
            let let_in = match &*judge.lock().unwrap() {
                Accepted::Nobody => false,
                Accepted::Everybody => true,
                Accepted::AllBut(withdrawn) => bearer.is_some_and(|bearer| bearer != withdrawn),
            };
            Told::Json(if let_in { 200 } else { 401 }, "{}".into())
        });
        Self { _folder: folder, server, pilotlight, plain, client, service, accepted }
    }

    /// The token that is stored now is withdrawn by the service, long before it expires.
    async fn withdraw(&self) -> String {
        let withdrawn = token(&self.pilotlight).await.unwrap();
        self.accept(Accepted::AllBut(withdrawn.clone()));
        withdrawn
    }

    fn accept(&self, accepted: Accepted) {
        *self.accepted.lock().unwrap() = accepted;
    }

    fn request(&self, method: Method) -> Request {
        Request::new(method, format!("{}/things", self.service.origin).parse().unwrap())
    }

    /// Sends it and tells the status, and what the resource was asked.
    async fn send(&self, request: Request) -> (StatusCode, Vec<Asked>) {
        let status = self.client.execute(request).await.unwrap().status();
        (status, self.service.asked("/things"))
    }
}

fn bearer(asked: &Asked) -> &str {
    asked.headers["authorization"].strip_prefix("Bearer ").unwrap()
}

#[tokio::test]
async fn pain_27_an_accepted_request_is_sent_once() {
    let resource = Resource::signed_in().await;
    let (status, asked) = resource.send(resource.request(Method::GET)).await;
    assert_eq!((status, asked.len(), resource.server.refreshes()), (StatusCode::OK, 1, 0));
}

#[tokio::test]
async fn pain_27_a_refused_get_is_sent_once_more_with_the_new_token_alone() {
    let resource = Resource::signed_in().await;
    let withdrawn = resource.withdraw().await;
    let mut request = resource.request(Method::GET);
    request.headers_mut().insert("authorization", "Bearer of-somebody-else".parse().unwrap());
    request.headers_mut().insert("x-trace", "7".parse().unwrap());
    let (status, asked) = resource.send(request).await;
    assert_eq!((status, asked.len(), resource.server.refreshes()), (StatusCode::OK, 2, 1));
    assert_eq!(bearer(&asked[0]), withdrawn);
    assert_eq!(bearer(&asked[1]), token(&resource.pilotlight).await.unwrap());
    assert_eq!((&asked[0].headers["x-trace"], &asked[1].headers["x-trace"]), (&"7".into(), &"7".into()));
}

#[tokio::test]
async fn pain_27_a_body_that_can_be_sent_again_is_sent_whole_both_times() {
    let resource = Resource::signed_in().await;
    resource.withdraw().await;
    let mut request = resource.request(Method::POST);
    *request.body_mut() = Some(Body::from("a body of some length".to_owned()));
    let (status, asked) = resource.send(request).await;
    assert_eq!((status, asked.len(), resource.server.refreshes()), (StatusCode::OK, 2, 1));
    assert!(asked.iter().all(|asked| asked.body == "a body of some length"), "{asked:?}");
}

#[tokio::test]
async fn pain_27_a_body_that_is_gone_once_sent_is_not_sent_again() {
    let resource = Resource::signed_in().await;
    resource.withdraw().await;
    // The answer to another request, passed on as it arrives: there is no second copy of it.
    let source = resource.plain.get(format!("{}/source", resource.service.origin)).send().await.unwrap();
    let mut request = resource.request(Method::POST);
    *request.body_mut() = Some(source.into());
    assert!(request.try_clone().is_none());
    let (status, asked) = resource.send(request).await;
    assert_eq!((status, asked.len()), (StatusCode::UNAUTHORIZED, 1), "the refusal is the caller's to see");
    assert_eq!(asked[0].body, "{}");
}

#[tokio::test]
async fn pain_27_a_service_that_refuses_every_token_is_asked_twice_and_no_more() {
    let resource = Resource::signed_in().await;
    resource.accept(Accepted::Nobody);
    let (status, asked) = resource.send(resource.request(Method::GET)).await;
    assert_eq!((status, asked.len(), resource.server.refreshes()), (StatusCode::UNAUTHORIZED, 2, 1));
    assert!(resource.server.is_alive(1), "a refusal by the resource ends no grant");
}

#[tokio::test]
async fn pain_27_a_service_that_refuses_every_token_causes_no_storm_of_refreshes() {
    let resource = Resource::signed_in().await;
    resource.accept(Accepted::Nobody);
    for _ in 0..20 {
        assert_eq!(resource.send(resource.request(Method::GET)).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(resource.server.refreshes(), 1);
}

#[tokio::test]
async fn pain_27_a_service_out_of_reach_is_told_as_such() {
    let resource = Resource::signed_in().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let request = Request::new(Method::GET, format!("http://{closed}/things").parse().unwrap());
    assert_eq!(resource.client.execute(request).await.unwrap_err().code(), ErrorCode::Offline);
}

#[tokio::test]
async fn pain_27_many_refused_requests_share_one_refresh() {
    let resource = Resource::signed_in().await;
    resource.withdraw().await;
    let sending: Vec<_> = (0..20)
        .map(|_| {
            let (client, request) = (resource.client.clone(), resource.request(Method::GET));
            tokio::spawn(async move { client.execute(request).await.unwrap().status() })
        })
        .collect();
    for sent in sending {
        assert_eq!(sent.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(resource.server.refreshes(), 1);
    assert!(resource.service.asked("/things").len() <= 40);
}

#[tokio::test]
async fn pain_27_no_token_is_fetched_for_an_address_that_may_not_have_it() {
    let resource = Resource::signed_in().await;
    resource.pilotlight.sign_out("work", pilotlight::SignOut::LocalOnly).await.unwrap();
    for address in ["http://api.test/", "http://127.0.0.1.api.test/", "http://localhost.api.test/", "http://[::2]/"] {
        let error = resource.client.execute(Request::new(Method::GET, address.parse().unwrap())).await.unwrap_err();
        // Had a token been fetched first, there being no account would have been the error.
        assert_eq!(error.code(), ErrorCode::BadInput, "{address}");
    }
}

#[tokio::test]
async fn pain_27_a_grant_that_has_ended_is_told_instead_of_a_second_try() {
    let resource = Resource::signed_in().await;
    resource.withdraw().await;
    resource.server.revoke(1);
    let error = resource.client.execute(resource.request(Method::GET)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::GrantRefused);
    assert_eq!(resource.service.asked("/things").len(), 1);
    assert_eq!(
        resource.client.execute(resource.request(Method::GET)).await.unwrap_err().code(),
        ErrorCode::GrantRefused
    );
    assert_eq!(resource.service.asked("/things").len(), 1, "and from then on nothing is sent");
}
