//! `cargo xtask run`: the demo service, and the app with that service offered.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use crate::{
    cargo, environment,
    failure::Failure,
    npm, place,
    progress::{self, Progress},
    setup,
};

/// Start the demo service and the app.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// How long the demo's access tokens live; short ones make silent refreshes easy to watch
    #[arg(long, value_name = "TIME", default_value = "2m")]
    access_token_ttl: String,
    /// How long the demo's refresh tokens live
    #[arg(long, value_name = "TIME", default_value = "30d")]
    refresh_token_ttl: String,
    /// Forget the demo's accounts and start over
    #[arg(long)]
    fresh: bool,
    /// Use a virtual display even where there is a real one
    #[arg(long)]
    headless: bool,
}

impl Run {
    pub(crate) fn start(self) -> Result<(), Failure> {
        let headless = self.headless || !environment::has_display();
        let mut progress = Progress::of(if headless { setup::DRIVE_STEPS } else { setup::BUILD_STEPS } + 2);
        if headless {
            println!("There is no display, so the app will run on a virtual one, with a keystore of its own.");
            setup::for_driving(&mut progress)?;
        } else {
            setup::for_building(&mut progress)?;
        }
        progress.step("Build the UI", |step| step.run(npm::script("build")))?;
        progress.step("Build the app and the demo service", |step| step.run(cargo::build_programs()))?;
        if headless { self.tour() } else { self.on_display() }
    }

    /// The main job, driven by the test kit.
    fn tour(&self) -> Result<(), Failure> {
        let folder = place::tour();
        fs::create_dir_all(&folder)?;
        println!();
        let mut command = Command::new(place::built("pilotlight-tour"));
        command.arg(&folder).stdin(Stdio::null());
        let status = command.status()?;
        if !status.success() {
            return Err(Failure::new(format!("{}: {status}", progress::line_of(&command))));
        }
        println!("\nScreenshots: {}", folder.display());
        Ok(())
    }

    fn on_display(&self) -> Result<(), Failure> {
        let demo = place::demo();
        if self.fresh && demo.exists() {
            fs::remove_dir_all(&demo)?;
        }
        fs::create_dir_all(&demo)?;
        let service = self.start_service()?;
        println!("\nThe demo service runs at {}", service.issuer);
        println!(
            "Sign in to it as demo with the password demo; close the app, run it again, and you are still signed in."
        );
        println!("Access tokens live {}, so watch the ring burn down and be relit.\n", self.access_token_ttl);
        let mut app = Command::new(place::built("pilotlight-desktop"));
        app.arg("--offer").arg(format!("Demo service={}", service.issuer)).env("PILOTLIGHT_HOME", demo.join("home"));
        // Ctrl-C reaches the app and the service as well: they share this terminal.
        let status = app.status()?;
        drop(service);
        if status.success() { Ok(()) } else { Err(Failure::new(format!("the app ended with {status}"))) }
    }

    /// Starts the service where it was last time if it can: its address is its identity, and accounts belong to that.
    fn start_service(&self) -> Result<Service, Failure> {
        let file = place::demo().join("port");
        let last = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0_u16);
        let port = if TcpListener::bind(("127.0.0.1", last)).is_ok() { last } else { 0 };
        let mut command = Command::new(place::built("pilotlight-server"));
        command.args(["serve", "--demo", "--listen", &format!("127.0.0.1:{port}"), "--store"]);
        command.arg(format!("sqlite:{}", place::demo().join("server.db").display()));
        command.args(["--access-token-ttl", &self.access_token_ttl, "--refresh-token-ttl", &self.refresh_token_ttl]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(place::demo().join("server.log"))?);
        let mut service = Service { child: command.spawn()?, issuer: String::new() };
        let mut line = String::new();
        if let Some(output) = service.child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(issuer) = ready["issuer"].as_str() else {
            let log = fs::read_to_string(place::demo().join("server.log")).unwrap_or_default();
            return Err(Failure::new(format!("the demo service did not start:\n{log}")));
        };
        issuer.clone_into(&mut service.issuer);
        let port = issuer.rsplit(':').next().unwrap_or_default().trim_end_matches('/');
        fs::write(file, port)?;
        Ok(service)
    }
}

/// The demo service; it ends when this is dropped.
struct Service {
    child: Child,
    issuer: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already, by the Ctrl-C that ended the app.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
