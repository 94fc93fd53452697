//! `pilotlight-tour FOLDER`: the main job in the real window, on a display, a bus and a keystore of its own.
//!
//! Signs in, watches silent refreshes, kills the app, starts it again and finds the person still signed in; leaves
//! screenshots in FOLDER and prints what happened when.
#![expect(clippy::print_stdout, reason = "the timeline is what this program is for")]

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("the tour needs a virtual display, which there is on Linux only: start the app instead");
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        println!("usage: pilotlight-tour FOLDER");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(linux::tour(folder.into()));
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        path::PathBuf,
        time::{Duration, Instant},
    };

    use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window};

    /// Short, so that a minute shows several lives of an access token.
    const ACCESS_TOKEN_TTL: &str = "5s";
    /// How many silent refreshes are waited for, before and after the kill.
    const REFRESHES: u64 = 3;

    /// What happened when, and what it looked like.
    struct Timeline {
        start: Instant,
        pictures: PathBuf,
        taken: usize,
    }

    impl Timeline {
        fn say(&self, what: &str) {
            println!("{:>6.1} s  {what}", self.start.elapsed().as_secs_f64());
        }

        async fn picture(&mut self, window: &Window, name: &str) {
            self.taken += 1;
            let file = self.pictures.join(format!("{}-{name}.png", self.taken));
            window.screenshot(&file).await;
            self.say(&format!("             picture: {}", file.display()));
        }
    }

    pub(crate) async fn tour(pictures: PathBuf) {
        let mut timeline = Timeline { start: now(), pictures, taken: 0 };
        let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
        timeline.say("a virtual display, a private bus and an unlocked keystore are up");
        let server = Server::demo().access_token_ttl(ACCESS_TOKEN_TTL).start();
        timeline
            .say(&format!("the demo service runs at {}; its access tokens live {ACCESS_TOKEN_TTL}", server.issuer()));
        let mut window = Window::open(&desktop, Launch::offering("Demo service", server.issuer())).await;
        window.find("sign-in-browser-0").await;
        timeline.say("the app shows the service");
        timeline.picture(&window, "welcome").await;

        window.sign_in_by_browser().await;
        timeline.say(&format!("signed in through the browser as {}", one_line(&window.text("account-person").await)));
        timeline.picture(&window, "signed-in").await;
        watch(&mut timeline, &window, "refreshed").await;

        window.kill();
        timeline.say("the app was killed as by kill -9");
        window.reopen().await;
        window.wait_for_state("signed-in").await;
        timeline.say("the app runs again: still signed in, nothing was asked");
        timeline.picture(&window, "after-the-kill").await;
        watch(&mut timeline, &window, "refreshed-again").await;

        let outcomes = server.refreshes();
        let rotated = server.rotations();
        assert!(u64::try_from(rotated).is_ok_and(|rotated| rotated >= 2 * REFRESHES), "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| outcome == "rotated" || outcome == "repeated"), "{outcomes:?}");
        timeline.say(&format!("the service counts {rotated} rotated refresh tokens and has refused none"));
        window.close().await;
    }

    async fn watch(timeline: &mut Timeline, window: &Window, name: &str) {
        let before = window.refreshes().await;
        for count in 1..=REFRESHES {
            window.wait_for_refreshes(before + count, Duration::from_secs(60)).await;
            timeline.say(&format!("silent refresh {count} of {REFRESHES}"));
        }
        timeline.picture(window, name).await;
    }

    fn one_line(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[expect(clippy::disallowed_methods, reason = "the timeline has the real times")]
    fn now() -> Instant {
        Instant::now()
    }
}
