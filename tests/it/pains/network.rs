//! 23 to 26: sleep, networks that are away, answers that prove nothing, clocks that are wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pilotlight::simulation::{Fault, Weather};
use pilotlight::{ErrorCode, ErrorKind, Status};
use pilotlight_oauth::HttpResponse;

use super::world::{HOUR, TTL, World, status, token};

#[tokio::test(start_paused = true)]
async fn pain_23_woken_without_a_network_it_waits_without_a_storm_and_refreshes_when_it_is_back() {
    let world = World::signed_in().await;
    let process = world.process();
    let task = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.server.set_weather(Weather::Offline);
    world.clock.sleep_machine(8 * HOUR);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.server.requests() > 1, "the timer did not notice the sleep");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(matches!(status(&process).await, Status::Waiting { problem, .. } if problem.code() == ErrorCode::Offline));
    let tried = world.server.requests();
    assert!(tried < 20, "{tried} requests in ten minutes without a network");
    world.server.set_weather(Weather::Fine);
    tokio::time::sleep(Duration::from_secs(301)).await;
    task.abort();
    assert_eq!((status(&process).await, world.server.refreshes()), (Status::SignedIn, 1));
}

#[tokio::test(start_paused = true)]
async fn pain_24_a_start_without_a_network_is_not_a_sign_out() {
    let world = World::signed_in().await;
    for weather in [Weather::Offline, Weather::Portal, Weather::Down] {
        world.server.set_weather(weather);
        let process = world.process();
        assert_eq!(status(&process).await, Status::SignedIn);
        token(&process).await.expect("a token that is alive is lent without a network");

        tokio::time::advance(TTL).await;
        let process = world.process();
        let error = token(&process).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::NeedsSignIn, "{weather:?}");
        assert!(matches!(status(&process).await, Status::Waiting { .. }), "{weather:?}");
        assert_eq!(process.accounts().await.unwrap().accounts.len(), 1);

        world.server.set_weather(Weather::Fine);
        process.refresh("work").await.unwrap();
        assert_eq!(status(&process).await, Status::SignedIn, "{weather:?}");
    }
    assert_eq!(world.server.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn pain_25_no_answer_but_a_well_formed_invalid_grant_ends_a_grant() {
    const JSON: &str = "application/json";
    const REFUSAL: &str = r#"{"error":"invalid_grant"}"#;
    let wrong = [
        (200, "text/html", "<html>Room number?</html>"),
        (200, JSON, "{}"),
        (200, JSON, REFUSAL),
        (204, JSON, ""),
        (302, "text/html", ""),
        (400, "text/html", REFUSAL),
        (400, JSON, r#"{"error":"invalid_gr"#),
        (400, JSON, r#"{"error":"invalid_request"}"#),
        (400, JSON, r#"{"message":"invalid_grant"}"#),
        (401, "text/html", "<h1>proxy wants a password</h1>"),
        (401, JSON, r#"{"error":"invalid_client"}"#),
        (401, JSON, ""),
        (403, JSON, REFUSAL),
        (404, "text/html", REFUSAL),
        (407, "text/html", ""),
        (408, JSON, REFUSAL),
        (429, JSON, REFUSAL),
        (500, JSON, REFUSAL),
        (502, "text/html", "<h1>bad gateway</h1>"),
        (503, JSON, REFUSAL),
        (504, "text/plain", ""),
    ];
    let world = World::signed_in().await;
    let process = world.process();
    for (status_code, kind, body) in wrong {
        world.server.fail_next([Fault::Answer(status_code, kind, body)]);
        let error = process.refresh("work").await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::NeedsSignIn, "{status_code} {kind} {body}");
        assert!(matches!(status(&process).await, Status::Waiting { .. }), "{status_code} {kind} {body}");
        // Another process is told the same thing by the vault: the grant stands.
        assert_eq!(status(&world.process()).await, Status::SignedIn, "{status_code} {kind} {body}");
    }
    process.refresh("work").await.unwrap();
    assert_eq!(status(&process).await, Status::SignedIn);
    // And the one answer that does:
    world.server.revoke(1);
    assert_eq!(process.refresh("work").await.unwrap_err().code(), ErrorCode::GrantRefused);
}

#[tokio::test(start_paused = true)]
async fn pain_26_under_a_wrong_clock_nothing_spins_and_no_dead_token_is_lent() {
    for off in [-7_200_000, 7_200_000, -86_400_000 * 400, 86_400_000 * 400] {
        let world = World::signed_in().await;
        let process = world.process();
        let first = token(&process).await.unwrap();
        world.clock.set_wrong_by(off);
        // A running process does not look at the wall clock at all.
        assert_eq!(token(&process).await.unwrap(), first, "off by {off} ms");
        // Twenty commands, each a process of its own: the first may not know how old the token is, and then the others do.
        for _ in 0..20 {
            token(&world.process()).await.unwrap();
        }
        assert!(world.server.refreshes() <= 1, "{} refreshes, off by {off} ms", world.server.refreshes());
        let second = token(&process).await.unwrap();
        tokio::time::advance(TTL).await;
        assert_ne!(token(&process).await.unwrap(), second, "a dead token was lent, off by {off} ms");
        assert_ne!(token(&world.process()).await.unwrap(), second, "off by {off} ms");
        assert_eq!((status(&process).await, world.server.reuses()), (Status::SignedIn, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn pain_26_how_far_the_clock_is_off_can_be_seen() {
    let world = World::signed_in().await;
    let date = Arc::new(AtomicI64::new(0));
    let (clock, ahead) = (world.clock.clone(), Arc::clone(&date));
    let process = world.process_behind(move |answer| {
        let ahead = Duration::from_millis(ahead.load(Ordering::SeqCst).unsigned_abs());
        Ok(HttpResponse { date: Some(clock.truth().plus(ahead)), ..answer })
    });
    assert_eq!(process.clock_offset(), None);
    for wrong_by in [-7_200_000, 5_400_000, 0] {
        world.clock.set_wrong_by(wrong_by);
        process.refresh("work").await.unwrap();
        assert_eq!(process.clock_offset(), Some(-wrong_by));
        let later = world.process();
        assert_eq!(later.clock_offset(), None);
        assert_eq!(status(&later).await, Status::SignedIn);
        assert_eq!(later.clock_offset(), Some(-wrong_by), "a program that only shows does not know it");
    }
}
