//! The main job, in the real window.

use std::time::Duration;

use pilotlight_tests::leaks::Secret;
use pilotlight_tests::{Keystore, Launch, Person, PrivateDesktop, Server, Window, binaries, wait};

/// Access tokens live five seconds, so that silent refreshes can be watched; on a busy machine one takes its time.
const THREE_LIVES: Duration = Duration::from_secs(60);
/// How every refresh token of our server begins.
const REFRESH_TOKEN: &str = "plrt_";
/// How every JWT begins.
const ACCESS_TOKEN: &str = "eyJ";

fn launch(server: &Server) -> Launch {
    Launch::offering("Demo service", server.issuer()).argument("--log").argument("trace")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_by_the_browser_is_killed_and_is_still_signed_in_until_the_service_says_otherwise() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().access_token_ttl("5s").start();
    let mut window = Window::open(&desktop, launch(&server)).await;
    window.sign_in_by_browser().await;
    assert!(window.text("account-person").await.contains("demo"));
    let opened = window.browser_log();
    assert!(!opened.is_empty(), "the browser was never opened");

    window.kill();
    window.reopen().await;
    window.wait_for_state("signed-in").await;
    assert_eq!(window.browser_log(), opened, "something was asked again");

    let before = window.refreshes().await;
    window.wait_for_refreshes(before + 3, THREE_LIVES).await;
    let answers = server.refreshes();
    assert!(answers.len() >= 3 && answers.iter().all(|outcome| outcome == "rotated"), "{answers:?}");

    server.revoke_person("demo");
    window.wait_for_state("ended").await;
    window.find("sign-in-again").await;
    let page = window.page_text().await;
    assert!(page.contains("revoked") || page.contains("ended"), "the reason is missing: {page}");

    window.click("sign-in-again").await;
    window.wait_for_state("signed-in").await;
    assert_no_token(&desktop, &window).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_by_password_and_signs_out_and_nothing_is_left() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    server.add_person("ada", "correct horse battery staple");
    let window = Window::open(&desktop, launch(&server)).await;
    window.sign_in_by_password("ada", "not the password").await;
    let problem = window.text("problem").await;
    assert!(!problem.is_empty());
    window.type_into("password", "correct horse battery staple").await;
    window.click("submit-password").await;
    window.wait_for_state("signed-in").await;
    assert!(window.text("account-person").await.contains("ada"));
    assert_no_token(&desktop, &window).await;
    let password = Secret::new("correct horse battery staple");
    assert_eq!(password.traces_below(&desktop.pilotlight_home()), []);
    assert_eq!(password.traces_in(window.log().as_bytes()), []);

    assert_eq!(server.living_grants(), 1);
    window.click("sign-out").await;
    window.click("confirm-sign-out").await;
    window.find("sign-in-browser-0").await;
    assert_eq!(server.living_grants(), 0, "the service was not told");
    let vault = rusqlite::Connection::open(desktop.pilotlight_home().join("vault.db")).unwrap();
    for table in ["token", "attempt"] {
        let rows: i64 = vault.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table} still holds something");
    }
    for item in desktop.keystore_items() {
        let name = item.get("username").map_or("", String::as_str);
        let known = ["kek-", "anchor-", "strategy-"].iter().any(|kind| name.starts_with(kind));
        assert!(known, "the keystore holds {item:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_by_a_code_that_is_typed_elsewhere_and_again_in_place() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    server.administer(&["client", "add", "tv", "--device"]);
    let window = Window::open(&desktop, Launch::plain()).await;
    window.find("preset-github").await;
    window.click("other-service").await;
    window.type_into("form-issuer", server.issuer()).await;
    window.type_into("form-client-id", "tv").await;
    window.type_into("form-name", "work").await;
    window.click("form-flow-device").await;
    window.click("form-submit").await;
    type_the_code(&window).await;
    window.wait_for_state("signed-in").await;
    assert!(window.text("account-person").await.contains("demo"));
    assert!(window.browser_log().is_empty(), "a browser was opened");

    server.revoke_person("demo");
    window.click("refresh-now").await;
    window.wait_for_state("ended").await;
    window.click("sign-in-again-device").await;
    type_the_code(&window).await;
    window.wait_for_state("signed-in").await;
    assert_eq!(window.count("account-card").await, 1);
    assert_no_token(&desktop, &window).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_sign_in_stops_nothing_else_and_once_cancelled_cannot_be_finished() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    server.administer(&["client", "add", "tv", "--device"]);
    let window = Window::open(&desktop, launch(&server)).await;
    window.sign_in_by_password("demo", "demo").await;
    window.wait_for_state("signed-in").await;
    let first = ask_for_a_code(&window, &server, "second").await;
    window.click("nav-accounts").await;
    let before = window.refreshes().await;
    window.click("refresh-now").await;
    window.wait_for_refreshes(before + 1, THREE_LIVES).await;

    window.click("cancel-sign-in").await;
    window.wait_until_gone("pending").await;
    visit(first).await;
    // Whoever still asked about the first code would ask before the second one's answer comes.
    let other = ask_for_a_code(&window, &server, "third").await;
    visit(other).await;
    wait::until_async("the other account", wait::PATIENCE, || async {
        let count = window.count("account-card").await;
        if count == 2 { Ok(()) } else { Err(format!("{count} accounts")) }
    })
    .await;
    assert_eq!(server.administer(&["grant", "list"]).matches(r#""client":"tv""#).count(), 1);
}

/// Begins a sign-in by code and tells the code, and where to type it.
async fn ask_for_a_code(window: &Window, server: &Server, name: &str) -> (String, url::Url) {
    window.click("add-account").await;
    window.click("other-service").await;
    window.type_into("form-issuer", server.issuer()).await;
    window.type_into("form-client-id", "tv").await;
    window.type_into("form-name", name).await;
    window.click("form-flow-device").await;
    window.click("form-submit").await;
    (window.text("device-code").await, window.text("device-address").await.parse().unwrap())
}

/// Types a code at the service's page, as a person does in another browser.
async fn visit((code, page): (String, url::Url)) {
    let person = Person { code, ..Person::demo() };
    let visit = tokio::task::spawn_blocking(move || person.visit(&page)).await.unwrap();
    visit.expect("the pages of the sign-in");
}

/// Types the window's code at the service's page.
async fn type_the_code(window: &Window) {
    window.find("device-picture").await;
    visit((window.text("device-code").await, window.text("device-address").await.parse().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_to_a_home_made_service() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let window = Window::open(&desktop, Launch::plain()).await;
    window.click("preset-plain-json").await;
    window.type_into("form-login-url", &format!("{}/login", server.issuer())).await;
    window.type_into("form-refresh-url", &format!("{}/token/refresh", server.issuer())).await;
    window.type_into("username", "demo").await;
    window.type_into("password", "demo").await;
    window.click("form-submit").await;
    window.wait_for_state("signed-in").await;
    let before = window.refreshes().await;
    window.click("refresh-now").await;
    window.wait_for_refreshes(before + 1, THREE_LIVES).await;
    assert_eq!(server.refreshes(), ["rotated"]);
    assert_no_token(&desktop, &window).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_keystore_is_told_and_after_unlocking_everything_is_there() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let mut window = Window::open(&desktop, launch(&server)).await;
    window.sign_in_by_browser().await;
    window.close().await;
    desktop.lock_keystore();
    window.reopen().await;
    window.find("vault-problem").await;
    assert!(window.page_text().await.to_lowercase().contains("locked"));
    assert!(!window.shows("account-card").await);
    desktop.unlock_keystore();
    // It is tried again by itself too, which may be quicker than the button.
    let retry = "document.querySelector('[data-testid=vault-retry]')?.click()";
    window.client().execute(retry, vec![]).await.unwrap();
    window.wait_for_state("signed-in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keystore_nothing_is_written_and_the_window_says_so() {
    let desktop = PrivateDesktop::start(Keystore::Absent).with_display();
    let server = Server::demo().start();
    let window = Window::open(&desktop, launch(&server)).await;
    window.find("vault-problem").await;
    assert!(!desktop.pilotlight_home().join("vault.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn waking_and_the_networks_return_are_heard() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let (name, address) = desktop.as_system_bus();
    let window = Window::open(&desktop, launch(&server).variable(name, address)).await;
    window.sign_in_by_browser().await;
    for (say, heard) in
        [(PrivateDesktop::say_woke as fn(&PrivateDesktop), "news=Woke"), (PrivateDesktop::say_online, "news=Online")]
    {
        // Said again until it is heard: the app may not be listening yet.
        wait::until(heard, || {
            say(&desktop);
            window.log().contains(heard).then_some(())
        });
    }
    window.wait_for_state("signed-in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_line_does_shows_in_the_window_at_once() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let window = Window::open(&desktop, launch(&server)).await;
    window.sign_in_by_browser().await;
    assert_eq!(window.count("account-card").await, 1);
    let mut command = desktop.command(binaries::built("pilotlight"));
    command.args(["sign-out", "demo-service", "--local-only"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    window.find("sign-in-browser-0").await;
}

/// Promise P5, as far as it can be seen from outside: no refresh token in any file of Pilotlight's, in the log at its most
/// verbose, or in what crossed to the web view; no access token in the web view either.
async fn assert_no_token(desktop: &PrivateDesktop, window: &Window) {
    let token = Secret::new(REFRESH_TOKEN);
    assert_eq!(token.traces_below(&desktop.pilotlight_home()), []);
    assert_eq!(token.traces_in(window.log().as_bytes()), []);
    let crossed = crossed(window).await;
    assert!(crossed.contains("accounts"), "nothing crossed: {crossed}");
    for secret in [REFRESH_TOKEN, ACCESS_TOKEN] {
        assert!(!crossed.contains(secret), "{secret} crossed to the web view: {crossed}");
    }
}

/// Everything that the page shows, and what every reading command returns to it.
async fn crossed(window: &Window) -> String {
    let script = r#"
        const done = arguments[arguments.length - 1];
        const invoke = window.__TAURI_INTERNALS__.invoke;
        Promise.all([
            invoke("plugin:pilotlight|snapshot"),
            invoke("plugin:pilotlight|events", { account: null, limit: 1000 }),
        ]).then((answers) => done(JSON.stringify(answers) + document.documentElement.outerHTML), (error) => done(String(error)));
    "#;
    let answer = window.client().execute_async(script, vec![]).await.unwrap();
    answer.as_str().unwrap().to_owned()
}
