//! 28 and 29: what people see: no tabs that nobody asked for, and a reason for every end.

use pilotlight::journal::EventKind;
use pilotlight::simulation::{Fault, Weather};
use pilotlight::values::ExposeSecret as _;
use pilotlight::{ErrorCode, ErrorKind, Status};

use super::world::{HOUR, TTL, World, sign_in, status, token, told, with_body};

#[tokio::test(start_paused = true)]
async fn pain_28_however_often_an_ended_grant_is_asked_for_no_browser_opens_and_nothing_is_sent() {
    let world = World::signed_in().await;
    world.server.revoke(1);
    let process = world.process();
    let task = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(24 * HOUR).await;
    assert!(matches!(status(&process).await, Status::Ended { .. }));
    let sent = world.server.requests();
    for n in 0..200 {
        let caller = if n % 2 == 0 { process.clone() } else { world.process() };
        assert_eq!(token(&caller).await.unwrap_err().kind(), ErrorKind::NeedsSignIn);
    }
    task.abort();
    assert_eq!(world.browser.opened(), []);
    assert_eq!((sent, world.server.requests()), (2, 2), "the sign-in and the one refresh that was refused");
    assert_eq!(told(&process).await, [EventKind::SignedIn, EventKind::Ended], "and it is told once");
}

#[tokio::test(start_paused = true)]
async fn pain_28_an_outage_opens_no_browser() {
    let world = World::signed_in().await;
    world.server.set_weather(Weather::Offline);
    let process = world.process();
    let task = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(6 * HOUR).await;
    task.abort();
    token(&process).await.unwrap_err();
    assert_eq!(world.browser.opened(), []);
}

#[tokio::test(start_paused = true)]
async fn pain_29_every_end_has_its_reason_a_next_step_and_a_line_in_the_journal() {
    for (lost_before, code, words) in
        [(false, ErrorCode::GrantRefused, "it was revoked"), (true, ErrorCode::LostAnswer, "never arrived")]
    {
        let world = World::signed_in_at_a_strict_server().await;
        let process = world.process();
        let mut news = process.subscribe();
        let task = tokio::spawn(process.clone().keep_fresh());
        if lost_before {
            world.server.fail_next([Fault::LoseAnswer]);
        } else {
            world.server.revoke(1);
        }
        tokio::time::sleep(TTL).await;
        task.abort();
        // Nobody had asked for a token, and yet it was noticed and told.
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
        // A new process knows it too.
        let later = world.process();
        let Status::Ended { problem, .. } = status(&later).await else { panic!("{:?}", status(&later).await) };
        assert_eq!(problem.code(), code);
        assert!(problem.hint().starts_with("Sign in again."), "{}", problem.hint());
        let why = later.explain("work").await.unwrap();
        assert!(why.sentence.contains(words), "{}", why.sentence);
        assert_eq!((why.hint.as_str(), why.until), (problem.hint(), None));
        assert!(why.since.is_some());
        assert_eq!(why.timeline.last().map(|entry| entry.kind), Some(EventKind::Ended));
        // One step mends it.
        sign_in(&later).await.unwrap();
        assert_eq!(status(&later).await, Status::SignedIn);
    }
}

#[tokio::test(start_paused = true)]
async fn pain_29_an_outage_is_told_with_its_reason_and_the_time_of_the_next_try() {
    let world = World::signed_in().await;
    world.server.set_weather(Weather::Portal);
    let process = world.process();
    let task = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(HOUR).await;
    task.abort();
    let why = process.explain("work").await.unwrap();
    assert!(why.sentence.starts_with("Still signed in") && why.sentence.contains("tried"), "{}", why.sentence);
    assert!(why.hint.contains("hotel"), "{}", why.hint);
    assert!(why.until.is_some() && why.since.is_some());
}

#[tokio::test(start_paused = true)]
async fn pain_29_an_end_that_the_service_announces_can_be_seen_beforehand() {
    let world = World::new(|server| server);
    let process = world.process_behind(|answer| {
        let mut json: serde_json::Value = serde_json::from_slice(answer.body.expose_secret()).unwrap();
        json["refresh_token_expires_in"] = 86_400.into();
        Ok(with_body(answer, json.to_string().into_bytes()))
    });
    let account = sign_in(&process).await.unwrap();
    let end = account.refresh_expires_at.expect("the end of the refresh token");
    assert_eq!(end.since(account.signed_in_at), 24 * HOUR);
    assert_eq!(world.process().account("work").await.unwrap().refresh_expires_at, Some(end));
}

#[tokio::test(start_paused = true)]
async fn pain_29_an_account_without_refresh_token_is_told_as_ended_once_its_token_is() {
    let world = World::new(|server| server);
    let process = world.process_behind(|answer| {
        let mut json: serde_json::Value = serde_json::from_slice(answer.body.expose_secret()).unwrap();
        json.as_object_mut().unwrap().remove("refresh_token");
        Ok(with_body(answer, json.to_string().into_bytes()))
    });
    sign_in(&process).await.unwrap();
    assert_eq!(status(&process).await, Status::SignedIn);
    tokio::time::advance(TTL).await;
    for process in [process, world.process()] {
        assert_eq!(token(&process).await.unwrap_err().code(), ErrorCode::NoRefreshToken);
        let Status::Ended { problem, .. } = status(&process).await else { panic!("{:?}", status(&process).await) };
        assert_eq!(problem.code(), ErrorCode::NoRefreshToken);
        assert_eq!(process.explain("work").await.unwrap().hint, problem.hint());
    }
}

#[tokio::test(start_paused = true)]
async fn pain_29_the_end_of_an_account_without_refresh_token_is_announced_and_written_down_once() {
    let world = World::new(|server| server);
    let process = world.process_behind(|answer| {
        let mut json: serde_json::Value = serde_json::from_slice(answer.body.expose_secret()).unwrap();
        json.as_object_mut().unwrap().remove("refresh_token");
        Ok(with_body(answer, json.to_string().into_bytes()))
    });
    sign_in(&process).await.unwrap();
    let other = world.process();
    let tasks = [&process, &other].map(|process| tokio::spawn(process.clone().keep_fresh()));
    tokio::time::sleep(TTL / 2).await;
    assert_eq!(status(&process).await, Status::SignedIn);
    let mut changes = process.subscribe();
    changes.borrow_and_update();
    tokio::time::sleep(TTL).await;
    assert!(changes.has_changed().unwrap());
    tasks.into_iter().for_each(|task| task.abort());
    let ends = |events: Vec<pilotlight::journal::JournalEntry>| {
        events.iter().filter(|entry| entry.kind == pilotlight::journal::EventKind::Ended).count()
    };
    assert_eq!(ends(world.process().events(Some("work"), 100).await.unwrap()), 1);
    assert_eq!(world.server.refreshes(), 0);
}
