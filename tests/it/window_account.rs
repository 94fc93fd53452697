//! The page of an account, in the real window.

use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, wait};

use super::program::{run, run_with};

/// How every refresh token of our server begins, and every JWT.
const TOKENS: [&str; 2] = ["plrt_", "eyJ"];

/// Unfolds a part of the page.
async fn unfold(window: &Window, part: &str) {
    let summary = window.find_css(&format!("[data-testid=\"{part}\"] > summary")).await;
    summary.click().await.unwrap();
}

async fn wait_for_devices(window: &Window, count: usize) {
    wait::until_async(&format!("{count} devices"), wait::PATIENCE, || async {
        let now = window.count("device").await;
        if now == count { Ok(()) } else { Err(format!("{now}; the page shows:\n{}", window.page_text().await)) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_looks_at_an_account_signs_out_elsewhere_and_then_everywhere() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let mut window = Window::open(&desktop, Launch::offering("Demo service", server.issuer())).await;
    window.sign_in_by_browser().await;
    let elsewhere = [PrivateDesktop::start(Keystore::Unlocked), PrivateDesktop::start(Keystore::Unlocked)];
    for other in &elsewhere {
        let who = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "pilotlight", "--username", "demo"];
        let ran = run_with(other, &[&who[..], &["--password-stdin"]].concat(), "demo");
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let refused = |other: &PrivateDesktop| run(other, &["token", "work", "--refresh"]).code == 3;

    window.click("open-account").await;
    window.wait_for_text("headline", |text| text.starts_with("Signed in until at least ")).await;
    let reasons = window.text("reasons").await;
    assert!(reasons.contains("The service said so"), "{reasons}");
    window.click("refresh-now").await;
    window.wait_for_text("reasons", |text| text.contains("Each refresh so far has moved this on")).await;

    // The person's own browser has a session at the service, beside the two programs.
    unfold(&window, "devices").await;
    let all = 4;
    wait_for_devices(&window, all).await;
    let before = server.living_grants();
    window.click("end-device").await;
    wait_for_devices(&window, all - 1).await;
    assert_eq!(server.living_grants(), before - 1);

    // Where one was is where one is again.
    window.client().refresh().await.unwrap();
    window.find("account-page").await;
    window.client().back().await.unwrap();
    window.click("open-account").await;
    unfold(&window, "explain").await;
    window.find("explanation").await;
    let crossed = window.client().source().await.unwrap();
    assert!(TOKENS.iter().all(|token| !crossed.contains(token)));

    window.click("sign-out").await;
    window.click("leave-all-devices").await;
    window.click("confirm-sign-out").await;
    window.find("sign-in-browser-0").await;
    assert_eq!(server.living_grants(), 0, "something lives on at the service");
    assert!(elsewhere.iter().all(refused));
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_ended_is_signed_in_again_on_its_page_and_removed_without_telling_the_service() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let window = Window::open(&desktop, Launch::offering("Demo service", server.issuer())).await;
    window.sign_in_by_browser().await;
    window.click("open-account").await;
    server.revoke_person("demo");
    window.click("refresh-now").await;
    window.find_css("[data-testid=\"account-page\"][data-state=\"ended\"]").await;
    window.wait_for_text("headline", |text| text.contains("Signed out by the service")).await;
    window.click("sign-in-again").await;
    window.find_css("[data-testid=\"account-page\"][data-state=\"signed-in\"]").await;

    let before = server.living_grants();
    window.click("sign-out").await;
    window.click("leave-here-only").await;
    window.click("confirm-sign-out").await;
    window.find("sign-in-browser-0").await;
    assert_eq!(server.living_grants(), before, "the service was told");
}
