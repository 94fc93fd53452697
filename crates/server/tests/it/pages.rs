//! What people see.

use crate::kit::{World, cookie_of, request};

#[tokio::test]
async fn the_sign_in_page_labels_its_fields_and_focuses_the_first() {
    let page = World::new().fetch(&request(&[])).await;
    for part in [
        "<html lang=\"en\">",
        "<label for=\"username\">",
        "<label for=\"password\">",
        "id=\"sign-in\"",
        "autocomplete=\"current-password\"",
        "<strong>Pilotlight</strong>",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let focused = page.body.split("<input").find(|input| input.contains("autofocus")).unwrap();
    assert!(focused.contains("name=\"username\""));
    assert!(!page.body.contains("role=\"alert\""));
}

#[tokio::test]
async fn a_wrong_password_is_said_aloud_and_the_name_stays() {
    let world = World::new();
    let page = world.fetch(&request(&[])).await;
    let tries = [("username", "\"><script>"), ("password", "wrong")];
    let answer = world.submit(&cookie_of(&page), &page.ticket(), &tries).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("role=\"alert\""));
    assert!(!answer.body.contains("<script>"), "what was typed is escaped: {}", answer.body);
    assert!(answer.body.contains("&#60;script&#62;") || answer.body.contains("&lt;script&gt;"));
    let focused = answer.body.split("<input").find(|input| input.contains("autofocus")).unwrap();
    assert!(focused.contains("name=\"password\""));
    let good = world.submit(&cookie_of(&page), &answer.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    assert_eq!(good.status, 200);
}

#[tokio::test]
async fn consent_says_what_the_client_wants_and_never_the_ticket_of_another() {
    let world = World::new();
    let page = world.fetch(&request(&[("scope", "openid")])).await;
    let consent = world.submit(&cookie_of(&page), &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    assert!(consent.body.contains("know who you are"));
    assert!(!consent.body.contains("stay signed in"), "it was not asked for: {}", consent.body);
    assert!(consent.body.contains("<strong>demo</strong>"));
}

#[tokio::test]
async fn denying_sends_the_person_back_without_a_code() {
    let world = World::new();
    let page = world.fetch(&request(&[])).await;
    let consent = world.submit(&cookie_of(&page), &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    let answer = world.submit(&cookie_of(&page), &consent.ticket(), &[("decision", "deny")]).await;
    assert_eq!((answer.status.as_u16(), answer.sent("error").as_deref()), (303, Some("access_denied")));
    assert_eq!(answer.sent("code"), None);
}

#[tokio::test]
async fn a_page_that_waited_too_long_says_so() {
    let world = World::new();
    let page = world.fetch(&request(&[])).await;
    world.pass(std::time::Duration::from_secs(600));
    let answer = world.submit(&cookie_of(&page), &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("start again"));
}

#[tokio::test]
async fn a_second_page_in_the_same_browser_leaves_the_first_working() {
    let world = World::new();
    let first = world.fetch(&request(&[])).await;
    let cookie = cookie_of(&first);
    let second = world.send(axum::http::Method::GET, &request(&[]), &[("cookie", &format!("a=b; {cookie}"))], "").await;
    assert_eq!(second.header("set-cookie"), "", "the cookie is kept");
    for page in [first, second] {
        let answer = world.submit(&cookie, &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn the_policy_lets_the_form_end_up_at_the_client_and_runs_no_script() {
    let world = World::new();
    let page = world.fetch(&request(&[])).await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("form-action 'self' http://127.0.0.1:5000;"),
        "{policy}"
    );
    let page = world.fetch(&request(&[("redirect_uri", "http://[::1]:5000/callback")])).await;
    assert!(page.header("content-security-policy").contains("form-action 'self' http:;"), "no IPv6 in this grammar");
    let style = world.fetch("/style.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
}
