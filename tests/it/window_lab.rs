//! The Storage Lab in the real window: attacks that truly happen, told as they do.

use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_sees_a_readable_file_fall_with_the_evidence_and_stops_the_run() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let window = Window::open(&desktop, Launch::offering("Demo service", server.issuer())).await;
    window.sign_in_by_browser().await;
    window.click("nav-settings").await;
    window.click("setting-developer").await;
    window.click("nav-storage").await;
    window.click("open-lab").await;
    window.click("lab-start").await;
    wait::until_async("the verdict of the readable file", wait::PATIENCE, || async {
        let verdict = window.attribute("cell-plain-file-read-files", "data-verdict").await;
        if verdict.as_deref() == Some("fell-as-expected") { Ok(()) } else { Err(format!("{verdict:?}")) }
    })
    .await;
    let nothing_kept = window.attribute("cell-memory-read-files", "data-verdict").await;
    assert_eq!(nothing_kept.as_deref(), Some("withstood"));
    window.click("cell-plain-file-read-files").await;
    window.wait_for_text("cell-found", |text| text.contains("vault.json") && text.contains("byte")).await;
    window.click("lab-stop").await;
    window.wait_for_text("lab-end", |text| text.starts_with("Stopped early.")).await;
    // The lab's stores are its own.
    window.click("nav-accounts").await;
    window.wait_for_state("signed-in").await;
    assert!(!desktop.pilotlight_home().join("vault.json").exists());
}
