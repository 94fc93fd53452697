//! A person's other sign-ins at a service that tells of them.

use std::sync::{Arc, Mutex};

use pilotlight_oauth::ExposeSecret as _;
use pilotlight_vault::MemoryVault;

use super::*;
use crate::Home;
use crate::parts::{Answer, Transport};
use crate::simulation::{FakeServer, SimulatedClock, config, sign_in};

const LIST: &str =
    r#"{"devices":[{"id":"1","this":true},{"id":"2","program":"Firefox","system":"Linux","kind":"browser"}]}"#;
const METADATA: &str = r#"{"issuer":"https://as.test","token_endpoint":"https://as.test/token",
    "devices_endpoint":"https://as.test/account/devices"}"#;

/// The simulated service, and beside it what it knows of devices.
struct Service {
    tokens: FakeServer,
    tells: bool,
    /// Answers before the one that is due.
    statuses: Mutex<Vec<u16>>,
    seen: Mutex<Vec<String>>,
}

impl Transport for Service {
    fn send(&self, request: HttpRequest) -> Answer<'_> {
        let body = match request.url.path() {
            path if path.starts_with("/.well-known/") && self.tells => METADATA,
            "/account/devices" => {
                let form = request.body.as_ref().map_or(String::new(), |body| body.expose_secret().to_owned());
                let token = request.authorization.as_ref().map_or(String::new(), |a| a.expose_secret().to_owned());
                self.seen.lock().unwrap().push(format!("{token} {form}"));
                if form.is_empty() { LIST } else { r#"{"ended":1}"# }
            }
            _ => return self.tokens.send(request),
        };
        let status = self.statuses.lock().unwrap().pop().unwrap_or(200);
        let (body, content_type) = (body.as_bytes().to_vec().into(), Some("application/json".into()));
        Box::pin(async move { Ok(HttpResponse { status, content_type, retry_after: None, date: None, body }) })
    }
}

struct World {
    _folder: tempfile::TempDir,
    service: Arc<Service>,
    pilotlight: Pilotlight,
}

impl World {
    async fn signed_in(tells: bool, mut statuses: Vec<u16>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let tokens = FakeServer::new(clock.clone(), Duration::from_secs(900));
        let service = Arc::new(Service { tokens, tells, statuses: Mutex::default(), seen: Mutex::default() });
        let config = config(Home::at(folder.path().join("home")).unwrap(), clock, service.clone());
        let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
        sign_in(&pilotlight, "work").await.unwrap();
        statuses.reverse();
        *service.statuses.lock().unwrap() = statuses;
        Self { _folder: folder, service, pilotlight }
    }

    fn seen(&self) -> Vec<String> {
        self.service.seen.lock().unwrap().clone()
    }

    async fn refused(&self) -> ErrorCode {
        self.pilotlight.devices("work").await.unwrap_err().code()
    }
}

fn one(id: &str) -> EndDevices {
    EndDevices::One(id.to_owned())
}

#[tokio::test(start_paused = true)]
async fn other_sign_ins_are_listed_and_ended_and_the_journal_says_so() {
    let world = World::signed_in(true, vec![]).await;
    let all = world.pilotlight.devices("work").await.unwrap();
    assert_eq!(
        all.iter().map(|device| (device.this, device.browser)).collect::<Vec<_>>(),
        [(true, false), (false, true)]
    );
    assert_eq!(world.pilotlight.end_devices("work", &one("2")).await.unwrap(), 1);
    assert_eq!(world.pilotlight.end_devices("work", &EndDevices::Others).await.unwrap(), 1);
    let seen = world.seen();
    assert!(seen[2].ends_with(" end=2") && seen[3].ends_with(" end=others"), "{seen:?}");
    let events = world.pilotlight.events(Some("work"), 2).await.unwrap();
    assert!(events.iter().all(|event| event.kind == EventKind::DevicesEnded), "{events:?}");
    assert!(events[1].text.contains("Firefox, Linux"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn only_what_the_service_listed_as_another_sign_in_is_ended_by_its_id() {
    let world = World::signed_in(true, vec![]).await;
    for id in ["1", "all", "others", "3", ""] {
        let refused = world.pilotlight.end_devices("work", &one(id)).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::BadInput, "{id}");
    }
    assert!(world.seen().iter().all(|seen| !seen.contains("end=")), "{:?}", world.seen());
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_and_a_missing_scope_is_told() {
    let world = World::signed_in(true, vec![401, 200, 401, 401, 403]).await;
    assert_eq!(world.pilotlight.devices("work").await.unwrap().len(), 2);
    let seen = world.seen();
    assert!(seen.len() == 2 && seen[0] != seen[1], "the second try carries another token: {seen:?}");
    assert_eq!(world.refused().await, ErrorCode::ScopeMissing);
    assert_eq!(world.refused().await, ErrorCode::ScopeMissing);
    assert_eq!(world.pilotlight.devices("work").await.unwrap().len(), 2, "the grant is as before");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_tell_is_not_asked_and_trouble_is_told_as_such() {
    let silent = World::signed_in(false, vec![]).await;
    assert_eq!((silent.refused().await, silent.seen().len()), (ErrorCode::DevicesUntold, 0));
    let world = World::signed_in(true, vec![503, 429, 404]).await;
    for code in [ErrorCode::ServerUnavailable, ErrorCode::ServerUnavailable, ErrorCode::ServerMisbehaved] {
        assert_eq!(world.refused().await, code);
    }
}
