//! RFC 8176, the words for how somebody showed who they are.

use serde_json::json;

use crate::kit::{World, claims, request};
use crate::rfc6238::{begin, by_password, set_up};

#[tokio::test]
async fn section_2_a_password_alone_is_told_as_such() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    let consent = world.visit(&cookie, &request(&[])).await;
    let code = world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
    world.exchange(&format!("{code}.mfa"), &[]).await.assert_error(400, "invalid_grant");
    assert_eq!(claims(&world.exchange(&code, &[]).await.text("id_token"))["amr"], json!(["pwd"]));
    assert_eq!(claims(&by_password(&world, "").await.text("id_token"))["amr"], json!(["pwd"]));
}

#[tokio::test]
async fn section_2_a_second_factor_is_told_by_page_and_by_password_grant() {
    let world = World::new();
    let (older, app, _) = set_up(&world).await;
    let both = json!(["pwd", "otp", "mfa"]);
    let (cookie, second) = begin(&world).await;
    let consent = world.submit(&cookie, &second.ticket(), &[("totp", &app.code(&world))]).await;
    let code = world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
    assert_eq!(claims(&world.exchange(&code, &[]).await.text("id_token"))["amr"], both);
    world.pass(std::time::Duration::from_secs(60));
    assert_eq!(claims(&by_password(&world, &app.code(&world)).await.text("id_token"))["amr"], both);
    let consent = world.visit(&older, &request(&[])).await;
    let code = world.submit(&older, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
    let told = claims(&world.exchange(&code, &[]).await.text("id_token"));
    assert_eq!(told["amr"], json!(["pwd"]), "this session began before there was a second factor");
}

#[tokio::test]
async fn section_2_a_devices_id_token_tells_how_the_person_who_said_yes_had_signed_in() {
    let world = World::new();
    let (older, app, _) = set_up(&world).await;
    let (newer, second) = begin(&world).await;
    world.submit(&newer, &second.ticket(), &[("totp", &app.code(&world))]).await;
    for (cookie, amr) in [(older, json!(["pwd"])), (newer, json!(["pwd", "otp", "mfa"]))] {
        let begun = world.form("/device_authorization", &[("client_id", "pilotlight"), ("scope", "openid")]).await;
        let page = world.visit(&cookie, "/device").await;
        let typed = [("user_code", &*begun.text("user_code"))];
        let consent = world.submit_to("/device", &cookie, &page.ticket(), &typed).await;
        world.submit_to("/device", &cookie, &consent.ticket(), &[("decision", "allow")]).await;
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", "pilotlight"),
            ("device_code", &*begun.text("device_code")),
        ];
        assert_eq!(claims(&world.form("/token", &pairs).await.text("id_token"))["amr"], amr);
    }
}
