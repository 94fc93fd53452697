//! A service that was declared, and signing in to it again.

use std::sync::{Arc, Mutex};

use pilotlight_oauth::{ExposeSecret as _, HttpRequest, HttpResponse, SecretString};
use pilotlight_vault::MemoryVault;

use crate::parts::{Answer, Transport};
use crate::presets::{Place, preset};
use crate::simulation::{SimulatedClock, config};
use crate::{Client, ErrorCode, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn, Status};

/// A service without metadata that knows one refresh token, and forgets it.
#[derive(Default)]
struct Service(Mutex<Vec<(String, String)>>);

impl Transport for Service {
    fn send(&self, request: HttpRequest) -> Answer<'_> {
        let form = request.body.as_ref().map(|body| body.expose_secret().to_owned()).unwrap_or_default();
        let (status, body) = match form.contains("grant_type=password") {
            _ if form.is_empty() => (404, "{}"),
            true => (200, r#"{"access_token":"at","token_type":"bearer","expires_in":60,"refresh_token":"rt"}"#),
            false => (400, r#"{"error":"invalid_grant"}"#),
        };
        self.0.lock().unwrap().push((request.url.to_string(), form));
        let body = body.as_bytes().to_vec().into();
        let content_type = Some("application/json".into());
        Box::pin(async move { Ok(HttpResponse { status, content_type, retry_after: None, date: None, body }) })
    }
}

fn by_password() -> SignIn {
    SignIn::Password { username: "ada".into(), password: SecretString::from("lovelace") }
}

#[tokio::test(start_paused = true)]
async fn an_ended_account_is_signed_in_to_again_with_its_service_client_and_secret() {
    let folder = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::default());
    let home = Home::at(folder.path().join("home")).unwrap();
    let config = config(home, Arc::new(SimulatedClock::start()), service.clone());
    let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
    let Some(Place::Declared { service: github }) = preset("github").map(|preset| preset.place.clone()) else {
        panic!("GitHub has no metadata")
    };
    let registration = Registration {
        name: "work".into(),
        service: ServiceLocation::Declared(Box::new(github)),
        client: Client { id: "app".into(), secret: Some(SecretString::from("s3cret")) },
        scope: Scope::parse("repo"),
    };
    pilotlight.sign_in(registration, by_password()).await.unwrap();
    assert_eq!(service.0.lock().unwrap().len(), 1, "nothing was discovered");

    pilotlight.refresh("work").await.unwrap_err();
    assert!(matches!(pilotlight.account("work").await.unwrap().status, Status::Ended { .. }));
    service.0.lock().unwrap().clear();

    let account = pilotlight.sign_in_again("work", by_password()).await.unwrap();
    assert!(matches!(account.status, Status::SignedIn));
    let sent = service.0.lock().unwrap().clone();
    let (url, form) = sent.last().unwrap();
    assert_eq!(url, "https://github.com/login/oauth/access_token");
    assert!(form.contains("client_secret=s3cret") && form.contains("scope=repo"), "{form}");
    assert_eq!(pilotlight.accounts().await.unwrap().accounts.len(), 1);
    let unknown = pilotlight.sign_in_again("home", by_password()).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::NoSuchAccount);
}
