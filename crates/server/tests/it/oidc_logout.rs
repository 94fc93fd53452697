//! OpenID Connect RP-Initiated Logout 1.0.

use std::time::Duration;

use pilotlight_server::client::{BadClient, Client};

use crate::kit::{Answer, REDIRECT, VERIFIER, World, encode, request};

const BYE: &str = "https://app.example/bye";

/// A client `site` that may have the browser back.
fn site(world: &World) {
    let mut client = Client::public("site", vec![REDIRECT.to_owned()]).unwrap();
    client.allow_returns(vec![BYE.to_owned(), "https://app.example/bye?x=1".to_owned()]).unwrap();
    world.store.add_client(&client).unwrap();
}

/// Tokens of `site`, for the person of this browser.
async fn tokens(world: &World, cookie: &str) -> Answer {
    let consent = world.visit(cookie, &request(&[("client_id", "site")])).await;
    let code = world.submit(cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "site"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    world.form("/token", &pairs).await
}

fn sign_out(pairs: &[(&str, &str)]) -> String {
    format!("/sign-out?{}", encode(pairs))
}

async fn is_signed_in(world: &World, cookie: &str) -> bool {
    world.visit(cookie, "/account").await.body.contains("Your account")
}

async fn refresh_as_site(world: &World, tokens: &Answer) -> Answer {
    world.refresh_with(&tokens.text("refresh_token"), &[], &[("client_id", "site")]).await
}

#[tokio::test]
async fn section_2_1_the_metadata_name_the_endpoint() {
    let world = World::new();
    let metadata = world.fetch("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["end_session_endpoint"], "http://127.0.0.1:4400/sign-out");
}

#[tokio::test]
async fn section_2_a_hint_ends_the_session_and_its_grant_at_once_even_when_it_has_expired() {
    let world = World::new();
    site(&world);
    let (cookie, _) = world.signed_in().await;
    let (mine, other) = (tokens(&world, &cookie).await, tokens(&world, &cookie).await);
    world.pass(Duration::from_secs(3600));
    let hint = ("id_token_hint", &*mine.text("id_token"));
    let answer = world.visit(&cookie, &sign_out(&[hint])).await;
    assert!(answer.body.contains("You are signed out"), "{answer:?}");
    assert!(!is_signed_in(&world, &cookie).await);
    assert_eq!(refresh_as_site(&world, &mine).await.text("reason"), "revoked");
    assert_eq!(refresh_as_site(&world, &other).await.status, 200, "another grant goes on");
}

#[tokio::test]
async fn section_2_without_a_hint_the_person_is_asked() {
    let world = World::new();
    site(&world);
    let (cookie, _) = world.signed_in().await;
    let asked = sign_out(&[("client_id", "site"), ("post_logout_redirect_uri", BYE), ("state", "a b&c")]);
    let page = world.visit(&cookie, &asked).await;
    assert!(page.status == 200 && page.body.contains("Sign out?"), "{page:?}");
    assert!(page.header("content-security-policy").contains("form-action 'self' https://app.example;"), "{page:?}");
    assert!(is_signed_in(&world, &cookie).await, "a link does nothing yet");
    let stay = world.submit_to("/sign-out", &cookie, &page.ticket(), &[("decision", "stay")]).await;
    assert!(stay.body.contains("Your account"), "{stay:?}");
    let answer = world.submit_to("/sign-out", &cookie, &page.ticket(), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "https://app.example/bye?state=a+b%26c"));
    assert!(!is_signed_in(&world, &cookie).await);
    let done = world.visit(&cookie, &asked).await;
    assert_eq!(done.header("location"), "https://app.example/bye?state=a+b%26c", "nobody is left to ask");
}

#[tokio::test]
async fn section_2_the_hint_of_another_person_asks_the_one_who_is_signed_in() {
    let world = World::new();
    site(&world);
    let (cookie, _) = world.signed_in().await;
    pilotlight_server::add_user(&*world.store, "ada", &secrecy::SecretString::from("countess")).unwrap();
    let pairs = [
        ("grant_type", "password"),
        ("client_id", "site"),
        ("username", "ada"),
        ("password", "countess"),
        ("scope", "openid"),
    ];
    let hers = world.form("/token", &pairs).await.text("id_token");
    let page = world.visit(&cookie, &sign_out(&[("id_token_hint", &hers)])).await;
    assert!(page.body.contains("<strong>demo</strong>") && page.body.contains("Sign out?"), "{page:?}");
    assert!(is_signed_in(&world, &cookie).await);
}

#[tokio::test]
async fn section_3_1_only_registered_addresses_are_returned_to_and_exactly() {
    let world = World::new();
    site(&world);
    let (cookie, _) = world.signed_in().await;
    let hint = tokens(&world, &cookie).await.text("id_token");
    for uri in [
        "https://app.example/bye/",
        "https://app.example/BYE",
        "https://evil.example/",
        "https://app.example/bye?x=2",
        REDIRECT,
    ] {
        let answer =
            world.visit(&cookie, &sign_out(&[("id_token_hint", &hint), ("post_logout_redirect_uri", uri)])).await;
        assert!(answer.status == 400 && answer.header("location").is_empty(), "{uri}: {answer:?}");
    }
    let unnamed = world.visit(&cookie, &sign_out(&[("post_logout_redirect_uri", BYE)])).await;
    assert_eq!(unnamed.status, 400, "of which client?");
    assert!(is_signed_in(&world, &cookie).await, "nothing was done");
    let with_query =
        [("id_token_hint", &*hint), ("post_logout_redirect_uri", "https://app.example/bye?x=1"), ("state", "s")];
    let answer = world.visit(&cookie, &sign_out(&with_query)).await;
    assert_eq!(answer.header("location"), "https://app.example/bye?x=1&state=s");
    let refused = Client::public("x", Vec::new()).unwrap().allow_returns(vec!["http://app.example/bye".to_owned()]);
    assert!(matches!(refused, Err(BadClient::RedirectUri(_))));
}

#[tokio::test]
async fn section_4_what_is_no_id_token_of_ours_or_of_another_client_ends_nothing() {
    let world = World::new();
    site(&world);
    let (cookie, _) = world.signed_in().await;
    let mine = tokens(&world, &cookie).await;
    let forged = format!("{}x", mine.text("id_token"));
    let requests = [
        sign_out(&[("id_token_hint", &forged)]),
        sign_out(&[("id_token_hint", &mine.text("access_token"))]),
        sign_out(&[("id_token_hint", &mine.text("id_token")), ("client_id", "pilotlight")]),
        format!("{}&state=1&state=2", sign_out(&[("id_token_hint", &mine.text("id_token"))])),
    ];
    for request in requests {
        let answer = world.visit(&cookie, &request).await;
        assert_eq!(answer.status, 400, "{request}: {answer:?}");
    }
    assert!(is_signed_in(&world, &cookie).await);
    assert_eq!(refresh_as_site(&world, &mine).await.status, 200);
}

#[tokio::test]
async fn section_2_a_request_by_post_is_taken_too() {
    let world = World::new();
    site(&world);
    let (cookie, _) = world.signed_in().await;
    let hint = tokens(&world, &cookie).await.text("id_token");
    // From another site, so without the session; the browser is sent on by GET, and then it comes along.
    let pairs = [("id_token_hint", &*hint), ("post_logout_redirect_uri", BYE), ("evil", "1")];
    let sent = world.form("/sign-out", &pairs).await;
    assert_eq!(sent.status, 303);
    assert!(
        sent.header("location").starts_with("sign-out?id_token_hint=") && !sent.header("location").contains("evil")
    );
    let answer = world.visit(&cookie, &format!("/{}", sent.header("location"))).await;
    assert_eq!(answer.header("location"), BYE);
    assert!(!is_signed_in(&world, &cookie).await);
}

#[tokio::test]
async fn the_button_on_the_account_page_signs_out_of_this_browser_alone() {
    let world = World::new();
    let app = world.tokens().await;
    let (cookie, page) = world.signed_in().await;
    let own = page.body.split_once("name=\"own\" value=\"").unwrap().1.split_once('"').unwrap().0;
    assert_eq!(world.form("/sign-out", &[("own", own)]).await.status, 400, "not from elsewhere");
    let answer = world.form_with("/sign-out", &[("cookie", &cookie)], &[("own", own)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "sign-out?done=1"));
    assert!(!is_signed_in(&world, &cookie).await);
    assert_eq!(world.refresh(&app.text("refresh_token")).await.status, 200);
}
