//! The real client against the real server, with the chaos proxy between them.

use std::sync::Arc;

use pilotlight::{
    Client, Config, ErrorKind, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn, Status, grant::EndReason,
};
use pilotlight_server::chaos::{Fault, Plan};
use pilotlight_tests::Chaotic;
use pilotlight_vault::{MemoryVault, keystore::MemoryKeystore};
use tempfile::TempDir;

/// How often the account is refreshed in a long run.
const REFRESHES: u64 = 200;

/// A client over HTTP with a vault in memory, so that no slow disk stretches the runs, signed in as `work`.
async fn signed_in(server: &Chaotic) -> (Pilotlight, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let system = Config::system(Home::at(folder.path().join("home")).unwrap()).unwrap();
    let config = Config { keystore: Arc::new(MemoryKeystore::default()), ..system };
    let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
    let registration = Registration {
        name: "work".into(),
        service: ServiceLocation::Issuer(server.issuer().to_owned()),
        client: Client { id: "pilotlight".into(), secret: None },
        scope: Scope::parse("openid offline_access"),
    };
    let password = SignIn::Password { username: "demo".into(), password: "demo".to_owned().into() };
    pilotlight.sign_in(registration, password).await.unwrap();
    (pilotlight, folder)
}

/// Token requests alone, and the sign-in is spared.
fn after_sign_in(plan: Plan) -> Plan {
    plan.only(["/token"]).after(1)
}

fn script(text: &str) -> Plan {
    after_sign_in(Plan::script(text).unwrap())
}

/// Refreshes until it succeeds; gives how often it did not. A failure that is not worth another try fails the test.
async fn refresh(pilotlight: &Pilotlight) -> u64 {
    let mut failures = 0;
    while let Err(error) = pilotlight.refresh("work").await {
        assert!(matches!(error.kind(), ErrorKind::Retryable | ErrorKind::ServerMisbehaved), "{error:?}");
        failures += 1;
        assert!(failures < 30, "{error:?}");
    }
    failures
}

async fn status(pilotlight: &Pilotlight) -> Status {
    pilotlight.account("work").await.unwrap().status
}

/// All but the client's own deadline of 15 seconds, which nobody wants to wait for, and half a second's delay.
fn quick() -> impl Iterator<Item = Fault> {
    let slow = |fault: &Fault| matches!(fault, Fault::Hang | Fault::Delay(_));
    Fault::any().into_iter().filter(move |fault| !slow(fault)).chain([Fault::Delay(5)])
}

#[tokio::test]
async fn a_grant_outlives_two_hundred_refreshes_while_three_requests_in_ten_go_wrong() {
    let server = Chaotic::start(after_sign_in(Plan::seeded(20_261_121, 0.3).among(quick()))).await;
    let (pilotlight, _folder) = signed_in(&server).await;
    let mut failures = 0;
    for _ in 0..REFRESHES {
        failures += refresh(&pilotlight).await;
    }
    let (stats, passages) = (server.stats(), server.passages());
    let lost = passages.iter().filter(|passage| passage.fault.loses_answer()).count() as u64;
    assert!(failures > 50 && lost > 15, "{failures} failures, {lost} lost answers");
    assert_eq!(passages.len() as u64, 1 + REFRESHES + failures, "one request for each try");
    // Every lost answer was asked for again under the same key, and nothing else was ever presented twice.
    assert_eq!((stats.rotated, stats.repeated), (REFRESHES, lost));
    assert_eq!((stats.reused, stats.refused, stats.healed), (0, 0, 0));
    assert_eq!(status(&pilotlight).await, Status::SignedIn);
}

#[tokio::test]
async fn no_answer_but_a_well_formed_invalid_grant_ends_a_grant() {
    let faults: Vec<Fault> = quick().collect();
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let more = "answer 400\nanswer 401\nanswer 403 html\nanswer 404\nanswer 502 html\nanswer 204 empty\nanswer 302 empty\n\
                answer 400 malformed\nanswer 401 html";
    let server = Chaotic::start(script(&format!("{}\n{more}", lines.join("\n")))).await;
    let (pilotlight, _folder) = signed_in(&server).await;
    for _ in 0..faults.len() + more.lines().count() {
        let refreshed = pilotlight.refresh("work").await;
        let wanted = refreshed.is_ok() || !matches!(status(&pilotlight).await, Status::Ended { .. });
        assert!(wanted, "{:?}", server.passages().last());
    }
    assert_eq!(refresh(&pilotlight).await, 0);
    assert_eq!((server.stats().reused, server.stats().refused), (0, 0));
}

#[tokio::test]
async fn a_grant_that_is_revoked_in_flight_ends_as_refused() {
    let server = Chaotic::start(script("pass\nrevoke")).await;
    let (pilotlight, _folder) = signed_in(&server).await;
    assert_eq!(refresh(&pilotlight).await, 0);
    assert_eq!(pilotlight.refresh("work").await.unwrap_err().kind(), ErrorKind::NeedsSignIn);
    assert!(matches!(status(&pilotlight).await, Status::Ended { reason: EndReason::Refused, .. }));
    assert_eq!(pilotlight.refresh("work").await.unwrap_err().kind(), ErrorKind::NeedsSignIn);
    assert_eq!(server.passages().len(), 3, "a refused token is never spent again");
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_is_told_apart() {
    let server = Chaotic::start(script("drop-after-commit\nrevoke")).await;
    let (pilotlight, _folder) = signed_in(&server).await;
    assert_eq!(pilotlight.refresh("work").await.unwrap_err().kind(), ErrorKind::Retryable);
    assert_eq!(pilotlight.refresh("work").await.unwrap_err().kind(), ErrorKind::NeedsSignIn);
    assert!(matches!(status(&pilotlight).await, Status::Ended { reason: EndReason::LostAnswer, .. }));
}

#[tokio::test]
async fn a_server_two_hours_off_changes_nothing() {
    let server = Chaotic::start(script("shift-date -7200\nshift-date 7200\nloop")).await;
    let (pilotlight, _folder) = signed_in(&server).await;
    for _ in 0..4 {
        assert_eq!(refresh(&pilotlight).await, 0);
        assert_eq!(status(&pilotlight).await, Status::SignedIn);
    }
    assert_eq!(server.stats().rotated, 4);
}
