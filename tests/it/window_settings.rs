//! The first run, the settings and what the window remembers of itself, in the real window.

use std::fs;

use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, wait};
use serde_json::Value;

use super::program::run;

/// What one setting is in the end, as the command line tells.
async fn wait_for_setting(desktop: &PrivateDesktop, name: &str, wanted: &Value) {
    wait::until_async(name, wait::PATIENCE, || async {
        let now = run(desktop, &["settings", "--json"]).json()[name].clone();
        if now == *wanted { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_introduced_once_sets_things_for_every_program_and_writes_a_report_without_secrets() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let mut window = Window::open(&desktop, Launch::offering("Demo service", server.issuer()).introducing()).await;
    window.wait_for_text("welcome-step", |text| text == "Step 1 of 3").await;
    window.click("welcome-next").await;
    window.wait_for_text("welcome-kept", |text| text.contains("Secret Service")).await;
    window.click("welcome-next").await;
    window.sign_in_by_browser().await;
    let settings = desktop.pilotlight_home().join("settings.json");
    wait::until("the introduction is remembered", || {
        fs::read_to_string(&settings).is_ok_and(|text| text.contains("\"welcomed\": true")).then_some(())
    });

    window.click("nav-settings").await;
    window.click("setting-developer").await;
    wait_for_setting(&desktop, "developer", &true.into()).await;
    window.type_into("setting-leeway", "120").await;
    window.click("save-leeway").await;
    wait_for_setting(&desktop, "leeway", &120.into()).await;
    window.type_into("setting-proxy", "http://ada:secret@proxy").await;
    window.click("save-proxy").await;
    wait::until_async("the refusal", wait::PATIENCE, || async {
        let invalid = window.attribute("setting-proxy", "aria-invalid").await;
        if invalid.as_deref() == Some("true") { Ok(()) } else { Err(window.page_text().await) }
    })
    .await;

    // What another program sets shows at once, and the other way round.
    assert_eq!(run(&desktop, &["settings", "set", "language", "zh"]).code, 0);
    window.wait_for_text("nav-settings", |text| text == "设置").await;
    assert_eq!(run(&desktop, &["settings", "set", "language", "en"]).code, 0);
    window.wait_for_text("nav-settings", |text| text == "Settings").await;

    window.click("write-report").await;
    let told = window.wait_for_text("report-written", |text| text.contains("pilotlight-report-")).await;
    let report = fs::read_to_string(told.split_once(" in ").unwrap().1.trim()).unwrap();
    assert!(report.contains("\"signed-in\""), "{report}");
    for token in ["plrt_", "eyJ"] {
        assert!(!report.contains(token), "{token}");
    }

    window.reopen().await;
    window.wait_for_state("signed-in").await;
    assert!(!window.shows("welcome").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_comes_back_as_large_as_it_was_left() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let mut window = Window::open(&desktop, Launch::plain()).await;
    window.client().set_window_size(600, 500).await.unwrap();
    let kept = desktop.pilotlight_home().join("window.json");
    let kept = || fs::read_to_string(&kept).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let size = |of: &Value| (of["width"].as_f64().unwrap(), of["height"].as_f64().unwrap());
    // It is written down when the window has come to rest: the driver's way of closing it is no person's.
    let left = wait::until("the new size, remembered", || kept().filter(|now| size(now) != (760.0, 640.0)));
    window.close().await;
    window.reopen().await;
    window.close().await;
    assert_eq!(size(&kept().unwrap()), size(&left));
}
