//! The real window as a screen reader hears it.

use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Role, ScreenReader, Server, Spoken, Window};

const APP: &str = "pilotlight-desktop";

fn has(heard: &[Spoken], role: Role, name: impl Fn(&str) -> bool) -> bool {
    heard.iter().any(|one| one.role == role && name(&one.name))
}

/// Nothing that can be acted on is nameless, there are `least` of it, and the view has a heading.
fn assert_named(view: &str, least: usize, heard: &[Spoken]) {
    let acted_on = |one: &&Spoken| one.role == Role::ActedOn;
    assert!(heard.iter().filter(acted_on).count() >= least, "{view}: {heard:#?}");
    let nameless: Vec<&Spoken> = heard.iter().filter(acted_on).filter(|one| one.name.trim().is_empty()).collect();
    assert!(nameless.is_empty(), "{view}: {nameless:?} among {heard:#?}");
    assert!(has(heard, Role::Heading, |name| !name.is_empty()), "{view} has no heading: {heard:#?}");
    assert!(has(heard, Role::Page, |name| name == "Pilotlight"), "{view}: {heard:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_tells_a_screen_reader_what_can_be_done_there() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let reader = ScreenReader::start(&desktop);
    let server = Server::demo().start();
    let mut launch = Launch::offering("Demo service", server.issuer()).introducing();
    for (name, value) in ScreenReader::variables() {
        launch = launch.variable(name, value);
    }
    let window = Window::open(&desktop, launch).await;
    for step in ["Sign in once", "How sign-ins are kept"] {
        window.find("welcome-next").await;
        let heard = reader.hears(APP, |heard| has(heard, Role::Heading, |name| name == step));
        assert_named(step, 2, &heard);
        window.click("welcome-next").await;
    }
    window.find("sign-in-browser-0").await;
    let heard = reader.hears(APP, |heard| has(heard, Role::ActedOn, |name| name.contains("Demo service")));
    assert_named("the first view", 4, &heard);

    window.sign_in_by_browser().await;
    let heard = reader.hears(APP, |heard| has(heard, Role::Heading, |name| name.contains("demo")));
    assert_named("the accounts", 4, &heard);
    window.click("open-account").await;
    let heard = reader.hears(APP, |heard| has(heard, Role::ActedOn, |name| name == "Refresh now"));
    assert_named("the account's page", 4, &heard);
    for (view, heading) in [("nav-activity", "Activity"), ("nav-storage", "Storage"), ("nav-settings", "Settings")] {
        window.click(view).await;
        let heard = reader.hears(APP, |heard| has(heard, Role::Heading, |name| name == heading));
        assert_named(heading, 4, &heard);
    }
}
