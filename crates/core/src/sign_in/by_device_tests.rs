//! Waiting for a person who decides elsewhere, in simulated time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilotlight_oauth::{HttpRequest, HttpResponse};
use pilotlight_vault::MemoryVault;

use crate::parts::{Answer, Clock as _, Transport, TransportError};
use crate::parts::{DeviceProgress, DeviceWatcher};
use crate::simulation::{SimulatedClock, config};
use crate::{Account, Client, Error, ErrorCode, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn};

const METADATA: &str = r#"{"issuer":"https://as.test","token_endpoint":"https://as.test/token",
    "device_authorization_endpoint":"https://as.test/device"}"#;
const CODE: &str = r#"{"device_code":"secret-device-code","user_code":"WDJB-MJHT","verification_uri":"https://as.test/d",
    "expires_in":60,"interval":5}"#;
const TOKENS: &str = r#"{"access_token":"at","token_type":"Bearer","expires_in":300,"refresh_token":"rt"}"#;
const PENDING: &str = "authorization_pending";

/// What a question is answered with.
enum Reply {
    Error(&'static str),
    Status(u16, &'static str),
    Lost,
    Tokens,
}

struct Service {
    clock: Arc<SimulatedClock>,
    metadata: String,
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<u64>>,
}

impl Service {
    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, TransportError> {
        match request.url.path() {
            "/device" => Ok(json(200, CODE)),
            "/token" => {
                self.asked.lock().unwrap().push(self.clock.elapsed().as_secs());
                match self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Error(PENDING)) {
                    Reply::Error(code) => Ok(json(400, &format!(r#"{{"error":"{code}"}}"#))),
                    Reply::Status(status, kind) => Ok(HttpResponse {
                        content_type: Some(kind.into()),
                        ..json(status, r#"{"error":"access_denied"}"#)
                    }),
                    Reply::Lost => Err(TransportError::Lost("the cable was cut".into())),
                    Reply::Tokens => Ok(json(200, TOKENS)),
                }
            }
            _ => Ok(json(200, &self.metadata)),
        }
    }
}

impl Transport for Service {
    fn send(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(async move { self.answer(&request) })
    }
}

fn json(status: u16, body: &str) -> HttpResponse {
    let body = body.as_bytes().to_vec().into();
    HttpResponse { status, content_type: Some("application/json".into()), retry_after: None, date: None, body }
}

struct World {
    _folder: tempfile::TempDir,
    clock: Arc<SimulatedClock>,
    service: Arc<Service>,
    pilotlight: Pilotlight,
    told: Arc<Mutex<Vec<DeviceProgress>>>,
}

impl World {
    fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::of(METADATA, replies)
    }

    fn of(metadata: &str, replies: impl IntoIterator<Item = Reply>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let service = Arc::new(Service {
            clock: clock.clone(),
            metadata: metadata.into(),
            replies: Mutex::new(replies.into_iter().collect()),
            asked: Mutex::default(),
        });
        let config = config(Home::at(folder.path().join("home")).unwrap(), clock.clone(), service.clone());
        let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
        Self { _folder: folder, clock, service, pilotlight, told: Arc::default() }
    }

    async fn sign_in(&self) -> Result<Account, Error> {
        let told = Arc::clone(&self.told);
        let watcher = DeviceWatcher::new(move |progress| told.lock().unwrap().push(progress));
        let registration = Registration {
            name: "work".into(),
            service: ServiceLocation::Issuer("https://as.test".into()),
            client: Client { id: "tv".into(), secret: None },
            scope: Scope::parse("offline_access"),
        };
        self.pilotlight.sign_in(registration, SignIn::Device(watcher)).await
    }

    fn asked(&self) -> Vec<u64> {
        self.service.asked.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_agrees_elsewhere_is_signed_in_here() {
    let world = World::answering([Reply::Error(PENDING), Reply::Tokens]);
    let account = world.sign_in().await.unwrap();
    assert_eq!((account.name.as_str(), world.asked()), ("work", vec![5, 10]));
    let told = world.told.lock().unwrap().clone();
    let DeviceProgress::Invited(invitation) = &told[0] else { panic!("{told:?}") };
    assert_eq!((invitation.user_code.as_str(), invitation.expires_in.as_secs()), ("WDJB-MJHT", 60));
    assert!(matches!(told[1], DeviceProgress::Waiting { left } if left.as_secs() == 55), "{told:?}");
    assert!(!format!("{told:?}").contains("WDJB"), "a code is for the screen, not for a log");
    assert_eq!(world.pilotlight.accounts().await.unwrap().accounts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn slow_down_makes_every_further_pause_five_seconds_longer() {
    let world =
        World::answering([Reply::Error("slow_down"), Reply::Error(PENDING), Reply::Error("slow_down"), Reply::Tokens]);
    world.sign_in().await.unwrap();
    assert_eq!(world.asked(), [5, 15, 25, 40]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_network_doubles_the_pauses_and_ends_nothing() {
    let world = World::answering([Reply::Lost, Reply::Lost, Reply::Error(PENDING), Reply::Tokens]);
    world.sign_in().await.unwrap();
    assert_eq!(world.asked(), [5, 15, 35, 40]);
    let told = world.told.lock().unwrap();
    assert!(matches!(&told[1], DeviceProgress::Trouble { problem, .. } if problem.code() == ErrorCode::NoAnswer));
}

#[tokio::test(start_paused = true)]
async fn a_hotels_page_and_a_server_in_trouble_end_nothing() {
    let hotel = Reply::Status(403, "text/html");
    let world = World::answering([hotel, Reply::Status(503, "application/json"), Reply::Tokens]);
    world.sign_in().await.unwrap();
    assert_eq!(world.asked(), [5, 15, 35]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_it_at_once_and_keeps_nothing() {
    for (said, code) in [
        ("access_denied", ErrorCode::SignInDenied),
        ("expired_token", ErrorCode::SignInTimedOut),
        ("invalid_grant", ErrorCode::SignInTimedOut),
        ("invalid_client", ErrorCode::ClientRefused),
    ] {
        let world = World::answering([Reply::Error(said)]);
        assert_eq!(world.sign_in().await.unwrap_err().code(), code, "{said}");
        assert_eq!(world.asked(), [5]);
        assert!(world.pilotlight.accounts().await.unwrap().accounts.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_code_is_not_asked_for_any_more() {
    let world = World::answering([]);
    assert_eq!(world.sign_in().await.unwrap_err().code(), ErrorCode::SignInTimedOut);
    assert_eq!(world.asked().last(), Some(&55));
    assert_eq!(world.clock.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_over_the_expiry_does_not_ask_again() {
    let world = World::answering([]);
    let (outcome, ()) = tokio::join!(world.sign_in(), async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        world.clock.sleep_machine(Duration::from_secs(3600));
    });
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::SignInTimedOut);
    assert_eq!(world.asked(), [5]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_stops_asking() {
    let world = World::answering([]);
    let cancelled = tokio::time::timeout(Duration::from_secs(12), world.sign_in()).await;
    assert!(cancelled.is_err());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.asked(), [5, 10]);
    assert!(world.pilotlight.accounts().await.unwrap().accounts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_without_the_flow_says_so() {
    let metadata = r#"{"issuer":"https://as.test","token_endpoint":"https://as.test/token"}"#;
    let world = World::of(metadata, []);
    assert_eq!(world.sign_in().await.unwrap_err().code(), ErrorCode::FlowUnsupported);
    assert!(world.told.lock().unwrap().is_empty());
}
