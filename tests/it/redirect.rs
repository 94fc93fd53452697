//! Redirects by the app's own scheme (RFC 8252 section 7.1): from the service's page by way of the desktop to whoever waits.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pilotlight_tests::process::Process;
use pilotlight_tests::{Keystore, Launch, Person, PrivateDesktop, Server, Window, binaries, leaks, process, wait};
use url::Url;

use crate::pending::Browser;
use crate::program::{Ran, command, run, run_to_end, token};

const REDIRECT: &str = "dev.pilotlight:/callback";

/// A service with a client that is registered with the scheme and nothing else.
fn server() -> Server {
    let server = Server::demo().start();
    server.administer(&["client", "add", "native", "--redirect-uri", REDIRECT]);
    server
}

fn desktop() -> PrivateDesktop {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    desktop.install_app();
    desktop
}

/// `sign-in` with these arguments, in a browser by which a person agrees.
fn by_person(desktop: &PrivateDesktop, arguments: &[&str]) -> Command {
    let link = desktop.folder().join("person");
    if !link.exists() {
        std::os::unix::fs::symlink(binaries::built("pilotlight-person"), &link).unwrap();
    }
    let mut command = command(desktop, &[&["sign-in", "work", "--json"], arguments].concat());
    let visit = desktop.folder().join("visit");
    command.env("BROWSER", format!("{} {} demo demo allow", link.display(), visit.display()));
    command
}

/// What a desktop starts for an address.
fn handed(desktop: &PrivateDesktop, address: &str) -> Ran {
    let mut command = process::piped(desktop.command(binaries::built("pilotlight-desktop")));
    run_to_end(command.args(["--log", "trace", address]), "")
}

fn files(desktop: &PrivateDesktop) -> BTreeMap<PathBuf, Vec<u8>> {
    let home = desktop.pilotlight_home();
    let all = if home.exists() { leaks::files_below(&home) } else { vec![] };
    // A socket is there, and cannot be read.
    all.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap_or_default())).collect()
}

#[test]
fn rfc8252_section_7_1_a_client_with_nothing_but_a_private_scheme_is_signed_in_to_and_again_in_place() {
    let (server, desktop) = (server(), desktop());
    let service = ["--issuer", server.issuer(), "--client-id", "native", "--redirect", "scheme"];
    let ran = run_to_end(&mut by_person(&desktop, &service), "");
    assert_eq!((ran.code, &ran.json()["state"]), (0, &"signed-in".into()), "{}", ran.err);
    let first = token(&desktop, &[]);
    assert_ne!(token(&desktop, &["--refresh"]), first);

    // How the browser comes back is the account's, for as long as nobody says otherwise.
    for begun in [1, 2] {
        let ran = run_to_end(&mut by_person(&desktop, &["--again", "--flow", "browser"]), "");
        assert_eq!((ran.code, &ran.json()["state"]), (0, &"signed-in".into()), "{}", ran.err);
        assert_eq!(ran.json()["refreshes"], 0, "the tokens are those of the new sign-in");
        if begun == 1 {
            server.revoke_person("demo");
            assert_eq!(run(&desktop, &["token", "work", "--refresh", "--json"]).code, 3);
        }
    }
    let visits = fs::read_to_string(desktop.folder().join("visit")).unwrap();
    assert_eq!(visits.matches("back in the app").count(), 3, "{visits}");
    assert!(run(&desktop, &["accounts", "--json"]).json().as_array().is_some_and(|all| all.len() == 1));
}

#[test]
fn what_is_no_answer_to_a_sign_in_that_waits_has_no_effect_and_an_answer_has_one_once() {
    let (server, desktop) = (server(), desktop());
    let browser = Browser::of(&desktop);
    let answer = |state: &str| format!("{REDIRECT}?code=s3cret-c0de&state={state}&iss={}", server.issuer());
    let unheard = |address: &str| {
        let before = files(&desktop);
        let ran = handed(&desktop, address);
        assert!(ran.code == 1 && ran.err.contains("had no effect"), "{}", ran.err);
        assert!(!ran.err.contains("s3cret") && ran.out.is_empty(), "{}", ran.err);
        assert_eq!(files(&desktop), before);
    };
    unheard(&answer("nobodys"));

    let sign_in = |name: &str| browser.sign_in_as(&desktop, &server, name, "native", &["--redirect", "scheme"]);
    let mut pending = Process::start(&mut sign_in("work"));
    let (out, log) = pending.collect();
    let page: Url = wait::until("the page", || browser.opened().first().cloned()).parse().unwrap();
    let second = run_to_end(&mut sign_in("work"), "");
    assert_eq!((second.code, second.error().as_str(), browser.pages()), (4, "sign_in_pending", 1));

    let state = page.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let garbage = "x".repeat(100_000);
    for address in [
        &answer("wrong"),
        &answer(&state).replace("dev.pilotlight", "com.example.app"),
        &answer(&state).replace("callback", "other"),
        &format!("{REDIRECT}?state={state}&state={state}&code=s3cret"),
        &format!("{}&code={garbage}", answer(&state)),
        &garbage,
        "/etc/passwd",
        "file:///etc/passwd",
    ] {
        unheard(address);
    }
    assert!(!pending.has_ended(), "{}", log.text());

    let visit = Person::demo().visit(&page).unwrap();
    assert!(visit.came_back && visit.end.as_str().starts_with(REDIRECT), "{:?}", visit.pages);
    let ran = handed(&desktop, visit.end.as_str());
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    wait::until("the end of the sign-in", || pending.has_ended().then_some(()));
    assert!(out.text().contains("signed-in"), "{}{}", out.text(), log.text());
    let code = visit.end.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let code = leaks::Secret::new(&code);
    assert_eq!(code.traces_below(&desktop.pilotlight_home()), []);
    assert_eq!(code.traces_in(ran.err.as_bytes()), []);
    unheard(visit.end.as_str());
    assert_eq!(run(&desktop, &["status", "work"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_by_the_scheme_in_the_window_and_again() {
    let (server, desktop) = (server(), desktop().with_display());
    let mut window = Window::open(&desktop, Launch::plain()).await;
    window.click("other-service").await;
    window.type_into("form-issuer", server.issuer()).await;
    window.type_into("form-client-id", "native").await;
    window.type_into("form-name", "work").await;
    window.click("form-more").await;
    window.click("form-by-scheme").await;
    window.click("form-submit").await;
    window.wait_for_state("signed-in").await;
    assert!(window.text("account-person").await.contains("demo"));

    server.revoke_person("demo");
    window.click("refresh-now").await;
    window.wait_for_state("ended").await;
    window.reopen().await;
    window.wait_for_state("ended").await;
    window.click("sign-in-again").await;
    window.wait_for_state("signed-in").await;
    assert_eq!(window.browser_log().matches("back in the app").count(), 2, "{}", window.browser_log());
    assert_eq!(window.count("account-card").await, 1);
}
