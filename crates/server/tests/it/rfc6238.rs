//! RFC 6238, one-time passwords by time, as a second factor. The vectors of its appendix B are tested beside the code.

use std::time::Duration;

use pilotlight_server::Clock as _;
use ring::hmac;
use serde_json::json;

use crate::kit::{Answer, World, cookie_of, request};

/// An authenticator app: reads the key off the page, and shows codes.
pub(crate) struct App(Vec<u8>);

impl App {
    fn of(page: &Answer) -> Self {
        let key = page.body.split_once("<code id=\"key\">").unwrap().1.split_once('<').unwrap().0.replace(' ', "");
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let bits: String = key.chars().map(|c| format!("{:05b}", alphabet.find(c).unwrap())).collect();
        let bytes = bits.as_bytes().chunks_exact(8).map(|byte| std::str::from_utf8(byte).unwrap());
        Self(bytes.map(|byte| u8::from_str_radix(byte, 2).unwrap()).collect())
    }

    pub(crate) fn code(&self, world: &World) -> String {
        self.code_in(world, 0)
    }

    fn code_in(&self, world: &World, steps: i64) -> String {
        let step = world.clock.now().as_secs() / 30 + steps;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 15);
        let word = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }
}

/// Sets a second factor up; gives the cookie, the app and the recovery codes.
pub(crate) async fn set_up(world: &World) -> (String, App, Vec<String>) {
    let (cookie, _) = world.signed_in().await;
    let page = world.visit(&cookie, "/account/second-step").await;
    let app = App::of(&page);
    let pairs = [("totp", &*app.code(world)), ("password", "demo")];
    let done = world.submit_to("/account/second-step", &cookie, &page.ticket(), &pairs).await;
    assert!(done.body.contains("Your recovery codes"), "{done:?}");
    let codes = done.body.split("<li><code>").skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned());
    world.pass(Duration::from_secs(30));
    (cookie, app, codes.collect())
}

/// Types name and password into a new browser; gives its cookie and the page of the second step.
pub(crate) async fn begin(world: &World) -> (String, Answer) {
    let page = world.fetch(&request(&[])).await;
    let cookie = cookie_of(&page);
    let second = world.submit(&cookie, &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    assert!(second.body.contains("One more step"), "{second:?}");
    (cookie, second)
}

pub(crate) async fn by_password(world: &World, totp: &str) -> Answer {
    let person = [("username", "demo"), ("password", "demo"), ("totp", totp)];
    let pairs = [&[("grant_type", "password"), ("client_id", "pilotlight")], &person[..]].concat();
    world.form("/token", &pairs).await
}

#[tokio::test]
async fn section_5_1_the_code_is_asked_after_the_password_and_before_anything_else() {
    let world = World::new();
    let (_, app, _) = set_up(&world).await;
    let (cookie, second) = begin(&world).await;
    assert!(!second.body.contains("Allow"), "{}", second.body);
    assert!(world.visit(&cookie, "/account").await.body.contains("to see your account"), "nobody is signed in yet");
    let consent = world.submit(&cookie, &second.ticket(), &[("totp", &app.code(&world))]).await;
    assert!(consent.body.contains("Allow Pilotlight?"), "{consent:?}");
    assert!(world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").is_some());
}

#[tokio::test]
async fn section_5_2_one_step_to_either_side_is_taken_and_each_once() {
    let world = World::new();
    let (_, app, _) = set_up(&world).await;
    world.pass(Duration::from_secs(90));
    let now = app.code(&world);
    let (cookie, second) = begin(&world).await;
    let early = world.submit(&cookie, &second.ticket(), &[("totp", &app.code_in(&world, 2))]).await;
    assert!(early.status == 400 && early.body.contains("was used before"), "{early:?}");
    assert_eq!(world.submit(&cookie, &second.ticket(), &[("totp", &now)]).await.status, 200);
    let (cookie, second) = begin(&world).await;
    for used in [&now, &app.code_in(&world, -1)] {
        let again = world.submit(&cookie, &second.ticket(), &[("totp", used)]).await;
        assert_eq!(again.status, 400, "used, or before one that was");
    }
    assert_eq!(world.submit(&cookie, &second.ticket(), &[("totp", &app.code_in(&world, 1))]).await.status, 200);
}

#[tokio::test]
async fn a_recovery_code_stands_in_once() {
    let world = World::new();
    let (_, _, codes) = set_up(&world).await;
    assert_eq!(codes.len(), 10);
    let (cookie, second) = begin(&world).await;
    let typed = codes[0].to_lowercase().replace('-', " ");
    assert_eq!(world.submit(&cookie, &second.ticket(), &[("totp", &typed)]).await.status, 200);
    assert!(world.visit(&cookie, "/account").await.body.contains("9 recovery codes are left"));
    let (cookie, second) = begin(&world).await;
    assert_eq!(world.submit(&cookie, &second.ticket(), &[("totp", &codes[0])]).await.status, 400);
    assert_eq!(world.submit(&cookie, &second.ticket(), &[("totp", &codes[1])]).await.status, 200);
}

#[tokio::test]
async fn rfc4226_section_7_3_guessing_is_slowed_down_for_that_person() {
    let world = World::new();
    let (_, app, codes) = set_up(&world).await;
    let (cookie, second) = begin(&world).await;
    for _ in 0..5 {
        assert_eq!(world.submit(&cookie, &second.ticket(), &[("totp", "000000")]).await.status, 400);
    }
    for right in [&app.code(&world), &codes[0]] {
        let slowed = world.submit(&cookie, &second.ticket(), &[("totp", right)]).await;
        assert_eq!((slowed.status.as_u16(), slowed.header("retry-after")), (429, "900"), "{slowed:?}");
    }
    assert_eq!(by_password(&world, &app.code(&world)).await.status, 429, "by no other way either");
    world.pass(Duration::from_secs(900));
    assert_eq!(by_password(&world, &app.code(&world)).await.status, 200);
}

#[tokio::test]
async fn by_password_the_code_comes_along_and_its_absence_has_a_reason() {
    let world = World::new();
    assert_eq!(by_password(&world, "123456").await.status, 200, "ignored where there is no second factor");
    let (_, app, _) = set_up(&world).await;
    let without = by_password(&world, "").await;
    without.assert_error(400, "invalid_grant");
    assert_eq!(without.text("reason"), "totp_required");
    assert_eq!(by_password(&world, "000000").await.text("reason"), "wrong_totp");
    assert_eq!(by_password(&world, &app.code(&world)).await.status, 200);
    world.pass(Duration::from_secs(30));
    let person = json!({"username": "demo", "password": "demo"});
    let plain = world.post_json("/login", &[], &person).await;
    assert_eq!((plain.status.as_u16(), &*plain.text("reason")), (401, "totp_required"));
    let person = json!({"username": "demo", "password": "demo", "totp": app.code(&world)});
    assert_eq!(world.post_json("/login", &[], &person).await.status, 200);
    let person = json!({"username": "demo", "password": "wrong", "totp": app.code(&world)});
    assert_eq!(world.post_json("/login", &[], &person).await.text("reason"), "wrong_credentials", "the password first");
}

#[tokio::test]
async fn setting_up_wants_a_code_and_the_password_and_removing_does_too() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    let page = world.visit(&cookie, "/account/second-step").await;
    let app = App::of(&page);
    for (totp, password) in [("000000", "demo"), (&*app.code(&world), "wrong")] {
        let pairs = [("totp", totp), ("password", password)];
        let refused = world.submit_to("/account/second-step", &cookie, &page.ticket(), &pairs).await;
        assert!(refused.status == 400 && App::of(&refused).0 == app.0, "the same key again: {refused:?}");
    }
    assert!(world.store.user_named("demo").unwrap().unwrap().totp.is_none());
    let (cookie, app, _) = set_up(&world).await;
    let kept = world.store.user_named("demo").unwrap().unwrap();
    assert!(!kept.totp.as_ref().unwrap().windows(20).any(|bytes| bytes == app.0), "sealed");
    let page = world.visit(&cookie, "/account/second-step").await;
    let path = "/account/second-step/remove";
    for (totp, password) in [("000000", "demo"), (&*app.code(&world), "wrong")] {
        let pairs = [("totp", totp), ("password", password)];
        assert_eq!(world.submit_to(path, &cookie, &page.ticket(), &pairs).await.status, 400);
    }
    let pairs = [("totp", &*app.code(&world)), ("password", "demo")];
    let done = world.submit_to(path, &cookie, &page.ticket(), &pairs).await;
    assert!(done.body.contains("The second step is removed."), "{done:?}");
    assert_eq!(by_password(&world, "").await.status, 200);
}

#[tokio::test]
async fn the_picture_is_drawn_here_and_no_script_runs() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    let page = world.visit(&cookie, "/account/second-step").await;
    assert!(page.body.contains("<svg class=\"qr\"") && !page.body.contains("<script"), "{}", page.body);
    assert!(
        page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'; form-action 'self';")
    );
    assert_eq!(page.header("cache-control"), "no-store");
}
