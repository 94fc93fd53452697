//! The example of a Tauri app, in its real window: sign-in, silent refresh, storage and authorized requests, by the plugin alone.

use std::time::Duration;

use pilotlight_tests::leaks::Secret;
use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, binaries, wait};

/// How every token of our server begins.
const TOKENS: [&str; 2] = ["plrt_", "eyJ"];

async fn open(desktop: &PrivateDesktop, server: &Server) -> Window {
    Window::open_program(desktop, &binaries::built("pilotlight-example"), Launch::plain().argument(server.issuer()))
        .await
}

/// Clicks until the answer fits: an answer of before is not taken for one of now.
async fn ask(window: &Window) {
    window.client().execute("document.querySelector('[data-testid=answer]').textContent = ''", vec![]).await.unwrap();
    window.click("ask").await;
    window.wait_for_text("answer", |text| text.starts_with("200: ")).await;
}

/// What the plugin answers to a request that the page makes up.
async fn fetched(window: &Window, url: &str) -> String {
    let script = r#"
        const [url, done] = arguments;
        const request = { id: 1000000, account: "demo", url, method: "GET", headers: [], body: null };
        window.__TAURI_INTERNALS__.invoke("plugin:pilotlight|fetch", { request })
            .then((head) => done(JSON.stringify(head)), (problem) => done(String(problem.code ?? problem)));
    "#;
    window.client().execute_async(script, vec![url.into()]).await.unwrap().as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_the_example_sign_in_once_and_its_requests_stay_authorized() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().access_token_ttl("5s").start();
    let mut window = open(&desktop, &server).await;
    window.click("sign-in").await;
    window.wait_for_text("answer", |text| text.starts_with("200: ")).await;
    let opened = window.browser_log();

    // Silent refresh: nobody asks for anything while the first token ends.
    wait::until_async("three refreshes", Duration::from_secs(60), || async {
        let answers = server.refreshes();
        if answers.len() >= 3 { Ok(()) } else { Err(format!("{answers:?}")) }
    })
    .await;
    ask(&window).await;

    // Storage: killed, started again, and still signed in.
    window.kill();
    window.reopen().await;
    ask(&window).await;
    assert_eq!(window.browser_log(), opened, "something was asked again");

    // The token goes where the capability says, and nowhere else.
    for elsewhere in [format!("{}/introspect", server.issuer()), "https://evil.example/userinfo".to_owned()] {
        assert_eq!(fetched(&window, &elsewhere).await, "fetch_refused", "{elsewhere}");
    }
    assert!(fetched(&window, &format!("{}/userinfo", server.issuer())).await.contains("\"status\":200"));

    // Its accounts are its own: nothing stands where Pilotlight keeps those of the person.
    let own = desktop.folder().join("data/dev.pilotlight.example/pilotlight");
    assert!(own.join("vault.db").is_file() && !desktop.pilotlight_home().exists());
    let page = window.client().source().await.unwrap();
    for token in TOKENS {
        assert!(!page.contains(token) && !window.log().contains(token), "{token} left the core");
        assert_eq!(Secret::new(token).traces_below(&own), []);
    }
}
