//! How sign-ins are kept, in the real window: changing it, and keeping them where there is no keystore.

use pilotlight_tests::leaks::Secret;
use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, wait};

const PASSPHRASE: &str = "seven quiet otters ferry plums";
/// How every refresh token of our server begins.
const REFRESH_TOKEN: &str = "plrt_";

fn launch(server: &Server) -> Launch {
    Launch::offering("Demo service", server.issuer()).argument("--log").argument("trace")
}

/// Opens the page and waits for its check-up, whose findings move what stands below them.
async fn open_storage(window: &Window) {
    window.click("nav-storage").await;
    wait::until_async("the end of the check-up", wait::PATIENCE, || async {
        match window.attribute("check-up", "aria-busy").await.as_deref() {
            Some("false") if window.shows("finding").await => Ok(()),
            busy => Err(format!("{busy:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_moves_to_a_readable_file_by_typing_its_name_and_back_and_every_token_is_rotated() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let mut window = Window::open(&desktop, launch(&server)).await;
    window.sign_in_by_browser().await;
    let home = desktop.pilotlight_home();
    assert!(home.join("vault.db").exists() && !home.join("vault.json").exists());
    let before = server.rotations();

    open_storage(&window).await;
    window.click("use-plain-file").await;
    window.click("move-start").await;
    assert_eq!(window.attribute("consent", "aria-invalid").await.as_deref(), Some("true"));
    assert!(!home.join("vault.json").exists(), "it was moved without consent");
    window.type_into("consent", "plain-file").await;
    window.click("move-start").await;
    window.find("moved").await;
    assert!(!window.shows("not-rotated").await, "{}", window.page_text().await);
    assert_eq!(server.rotations(), before + 1, "one rotation for the one account: {:?}", server.refreshes());
    assert!(home.join("vault.json").exists() && !home.join("vault.db").exists());
    window.click("move-close").await;
    window.wait_for_text("kept", |text| text == "Not encrypted").await;
    // Now it is in that file, as the person was told; and still it does not cross to the web view.
    assert_ne!(Secret::new(REFRESH_TOKEN).traces_below(&home), []);
    assert!(!crossed(&window).await.contains(REFRESH_TOKEN));

    window.reopen().await;
    window.wait_for_state("signed-in").await;
    open_storage(&window).await;
    window.click("use-sqlite-aead").await;
    window.click("move-start").await;
    window.find("moved").await;
    assert!(home.join("vault.db").exists() && !home.join("vault.json").exists());
    assert_eq!(Secret::new(REFRESH_TOKEN).traces_below(&home), []);
    assert_eq!(Secret::new(REFRESH_TOKEN).traces_in(window.log().as_bytes()), []);
    window.click("move-close").await;
    window.click("nav-accounts").await;
    window.wait_for_state("signed-in").await;
    assert!(server.refreshes().iter().all(|outcome| outcome == "rotated"), "{:?}", server.refreshes());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keystore_a_person_keeps_sign_ins_under_a_passphrase_and_is_asked_for_it_at_the_next_start() {
    let desktop = PrivateDesktop::start(Keystore::Absent).with_display();
    let server = Server::demo().start();
    let mut window = Window::open(&desktop, launch(&server)).await;
    window.click("begin-passphrase").await;
    window.type_into("new-passphrase", PASSPHRASE).await;
    window.type_into("new-passphrase-again", PASSPHRASE).await;
    window.click("begin-passphrase-use").await;
    window.sign_in_by_browser().await;
    let home = desktop.pilotlight_home();
    assert!(home.join("vault.pl1").exists() && !home.join("vault.db").exists());

    window.reopen().await;
    window.type_into("passphrase", "not the passphrase").await;
    window.click("unlock").await;
    window.wait_for_text("vault-problem", |text| text.contains("The passphrase is wrong.")).await;
    assert!(!window.shows("account-card").await);
    window.type_into("passphrase", PASSPHRASE).await;
    window.click("unlock").await;
    window.wait_for_state("signed-in").await;
    window.wait_for_text("kept", |text| text.contains("under your passphrase")).await;
    window.click("refresh-now").await;
    window.wait_for_refreshes(1, pilotlight_tests::wait::PATIENCE).await;

    let crossed = crossed(&window).await;
    for secret in [Secret::new(PASSPHRASE), Secret::new(REFRESH_TOKEN)] {
        assert_eq!(secret.traces_below(&home), []);
        assert_eq!(secret.traces_in(window.log().as_bytes()), []);
        assert_eq!(secret.traces_in(crossed.as_bytes()), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keystore_a_person_may_sign_in_for_one_run_and_nothing_is_written_of_it() {
    let desktop = PrivateDesktop::start(Keystore::Absent).with_display();
    let server = Server::demo().start();
    let mut window = Window::open(&desktop, launch(&server)).await;
    window.click("begin-memory").await;
    window.sign_in_by_browser().await;
    window.wait_for_text("kept", |text| text.starts_with("In memory only")).await;
    assert_eq!(Secret::new(REFRESH_TOKEN).traces_below(&desktop.pilotlight_home()), []);
    window.reopen().await;
    window.find("sign-in-browser-0").await;
    assert!(!window.shows("account-card").await, "it was written after all");
}

/// Everything that the page shows, and what every reading command tells it of the storage.
async fn crossed(window: &Window) -> String {
    let script = r#"
        const done = arguments[arguments.length - 1];
        const ask = (command, given) => window.__TAURI_INTERNALS__.invoke(`plugin:pilotlight|${command}`, given);
        Promise.all([ask("snapshot"), ask("storage"), ask("examine"), ask("events", { account: null, limit: 1000 })])
            .then((answers) => done(JSON.stringify(answers) + document.documentElement.outerHTML), (error) => done(String(error)));
    "#;
    let answer = window.client().execute_async(script, vec![]).await.unwrap();
    let crossed = answer.as_str().unwrap().to_owned();
    assert!(crossed.contains("strategies") && crossed.contains("accounts"), "nothing crossed: {crossed}");
    crossed
}
