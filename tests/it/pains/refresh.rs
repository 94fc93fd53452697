//! 1 to 4, 6 and 7: who refreshes, what becomes of the answer, and what is kept of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use pilotlight::journal::EventKind;
use pilotlight::parts::{Clock as _, TransportError};
use pilotlight::simulation::Fault;
use pilotlight::values::ExposeSecret as _;
use pilotlight::{ErrorCode, Pilotlight, Status};
use pilotlight_vault::SqliteVault;

use super::world::{HOUR, OnFullDisk, TTL, World, page, sign_in, status, token, told, with_body};

#[tokio::test(start_paused = true)]
async fn pain_01_two_processes_that_refresh_the_same_token_spend_it_once() {
    let world = World::signed_in_at_a_strict_server().await;
    let processes = [world.process(), world.process()];
    for process in &processes {
        // Both have read the token that is about to be spent.
        token(process).await.unwrap();
    }
    tokio::time::advance(TTL).await;
    let callers: Vec<_> = (0..40)
        .map(|n| {
            let process = processes[n % 2].clone();
            tokio::spawn(async move { token(&process).await })
        })
        .collect();
    let mut tokens = HashSet::new();
    for caller in callers {
        tokens.insert(caller.await.unwrap().unwrap());
    }
    assert_eq!((tokens.len(), world.server.refreshes(), world.server.reuses()), (1, 1, 0));
    for process in &processes {
        assert_eq!(status(process).await, Status::SignedIn);
    }
}

#[tokio::test(start_paused = true)]
async fn pain_02_two_windows_and_a_second_process_refresh_no_more_often_than_one() {
    let world = World::signed_in_at_a_strict_server().await;
    let (app, other) = (world.process(), world.process());
    // Two windows of one app, each of which started the background task, and another app.
    let windows = [app.subscribe(), app.subscribe()];
    let tasks = [app.clone(), app.clone(), other].map(|process| tokio::spawn(process.keep_fresh()));
    tokio::time::sleep(24 * HOUR).await;
    // A token is used for 69 to 75 % of its life, so one process refreshes 128 to 140 times a day.
    let refreshes = world.server.refreshes();
    assert!((128..=140).contains(&refreshes), "{refreshes}");
    assert_eq!(world.server.requests(), refreshes + 1, "a request beyond the refreshes and the sign-in");
    assert!(windows.iter().all(|window| window.has_changed().unwrap()), "a window was not told");
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn pain_03_many_tasks_share_one_refresh_and_its_failure_and_none_is_stuck_after_a_panic() {
    let world = World::signed_in().await;
    let turn = AtomicU32::new(0);
    let process = world.process_behind(move |answer| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(page(503, "text/plain", "down")),
        1 => panic!("a fault of a library, which this test is about"),
        _ => Ok(answer),
    });
    tokio::time::advance(TTL).await;
    for (asked, ends_well) in [(2, false), (3, false), (4, true)] {
        let callers: Vec<_> = (0..300)
            .map(|_| {
                let process = process.clone();
                tokio::spawn(async move { token(&process).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap().is_ok(), ends_well);
        }
        assert_eq!(world.server.requests(), asked, "one request for all of them");
        tokio::time::advance(HOUR / 60).await;
    }
    // All three reached the server with one key, which made one successor.
    assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn pain_03_a_panic_in_the_background_task_does_not_end_its_refreshing() {
    let world = World::signed_in().await;
    let turn = AtomicU32::new(0);
    let process = world.process_behind(move |answer| {
        assert_ne!(turn.fetch_add(1, Ordering::SeqCst), 0, "a fault of a library, which this test is about");
        Ok(answer)
    });
    let task = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(3 * HOUR).await;
    task.abort();
    assert!(world.server.refreshes() >= 14, "{} refreshes in three hours", world.server.refreshes());
    assert_eq!((status(&process).await, world.server.reuses()), (Status::SignedIn, 0));
}

#[tokio::test(start_paused = true)]
async fn pain_04_an_answer_lost_after_the_server_rotated_costs_nothing() {
    let world = World::signed_in().await;
    let turn = AtomicU32::new(0);
    // Each time the server has done its work.
    let process = world.process_behind(move |answer| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Err(TransportError::Lost("connection reset".into())),
        1 => Ok(page(504, "text/html", "<h1>gateway time-out</h1>")),
        2 => Ok(page(200, "text/html", "<h1>welcome to the hotel</h1>")),
        3 => Ok(with_body(answer, br#"{"access_token":"at."#.to_vec())),
        4 => Ok(with_body(answer, Vec::new())),
        _ => Ok(answer),
    });
    for lost in 1..=5 {
        process.refresh("work").await.unwrap_err();
        assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0), "after {lost} lost answers");
        assert!(matches!(status(&process).await, Status::Waiting { .. }));
        assert!(process.account("work").await.unwrap().unknown_since.is_some(), "an unknown outcome can be seen");
    }
    process.refresh("work").await.unwrap();
    process.refresh("work").await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (2, 0));
    assert_eq!(status(&process).await, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn pain_06_tokens_that_cannot_be_saved_are_kept_and_saved_later_and_the_person_is_told() {
    let world = World::signed_in_at_a_strict_server().await;
    let (file, now) = (world.config.home.vault(), world.clock.now().as_millis());
    let vault = SqliteVault::open(&file, world.config.keystore.clone(), now).unwrap();
    let vault = Arc::new(OnFullDisk { vault, full: AtomicBool::new(true) });
    let process = Pilotlight::with_vault(world.config.clone(), vault.clone());
    let error = process.refresh("work").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::VaultIo, "told as what it is, and not as a failed refresh");
    assert!(matches!(status(&process).await, Status::Waiting { problem, .. } if problem.code() == ErrorCode::VaultIo));
    let entries = told(&process).await;
    assert!(entries.contains(&EventKind::SaveFailed) && !entries.contains(&EventKind::RefreshFailed), "{entries:?}");

    tokio::time::sleep(HOUR).await;
    assert_eq!(world.server.requests(), 2, "the tokens are there; nobody needs to ask for others");
    vault.full.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert_eq!(status(&process).await, Status::SignedIn);
    // A new process finds them, and they work.
    world.process().refresh("work").await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn pain_07_an_answer_without_a_refresh_token_leaves_the_stored_one() {
    let world = World::signed_in().await;
    world.server.stop_rotating(1);
    for refreshes in 1..=5 {
        tokio::time::advance(TTL).await;
        // Each time another process, which knows nothing but what was stored.
        token(&world.process()).await.unwrap();
        assert_eq!((world.server.refreshes(), world.server.reuses()), (refreshes, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn pain_07_a_null_or_empty_refresh_token_leaves_the_stored_one_too() {
    let world = World::new(|server| server);
    sign_in(&world.process()).await.unwrap();
    world.server.stop_rotating(1);
    for nothing in ["null", r#""""#] {
        let process = world.process_behind(move |answer| {
            let body = format!(r#"{{"access_token":"at","expires_in":900,"refresh_token":{nothing}}}"#);
            Ok(with_body(answer, body.into_bytes()))
        });
        process.refresh("work").await.unwrap();
        world.process().refresh("work").await.unwrap();
    }
    world.server.fail_next([Fault::Refuse]);
    assert_eq!(world.process().refresh("work").await.unwrap_err().code(), ErrorCode::Offline, "there is one to send");
}

/// What keeps a person signed in is the refresh token; nothing may depend on whether the other one fits.
#[tokio::test(start_paused = true)]
async fn an_access_token_too_long_to_be_kept_loses_nobody_the_grant() {
    let world = World::new(|server| server);
    let process = world.process_behind(|answer| {
        let mut json: serde_json::Value = serde_json::from_slice(answer.body.expose_secret()).unwrap();
        if let Some(token) = json.get_mut("access_token") {
            *token = format!("{}{}", "a".repeat(70_000), token.as_str().unwrap()).into();
        }
        Ok(with_body(answer, json.to_string().into_bytes()))
    });
    sign_in(&process).await.unwrap();
    for refreshes in 1..4 {
        let lent = process.access_token("work", Duration::ZERO).await.unwrap();
        assert!(lent.token.expose_secret().len() > 70_000);
        assert_eq!((world.server.refreshes(), world.server.reuses()), (refreshes, 0));
    }
    assert_eq!(status(&world.process()).await, Status::SignedIn);
    token(&world.process()).await.unwrap();
}
