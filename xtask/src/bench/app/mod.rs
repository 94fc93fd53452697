//! `cargo xtask bench app`: what the window costs beside a bare one in the same run, and what is left when it is closed.
//! docs/benchmarks.md says how to read the figures.
//!
//! ```text
//!  screen.rs ── a display whose picture is read while programs draw
//!  x11.rs ───── closes a window as a person does
//!  scroll.rs ── a long list in motion
//!  bundle.rs ── the bytes of script that the page has
//! ```

mod bundle;
mod screen;
mod scroll;
mod x11;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::screen::{Page, Screen};
use super::{
    agent::{
        Figures,
        measure::{Times, now, until},
        ours::Session,
        service::Service,
    },
    proc,
};
use crate::{cargo, environment, failure::Failure, npm, progress::Progress, progress::Step};

const PROGRAMS: [&str; 3] = ["Xvfb", "dbus-run-session", "gnome-keyring-daemon"];
/// The app says so in its log as soon as stored tokens can be lent.
const OPEN: &str = "the vault is open";
/// After that long a page has done what it does at first.
const REST: Duration = Duration::from_secs(4);
const SECOND: Duration = Duration::from_secs(1);

/// Measure what the window costs, beside a bare Tauri window
#[derive(Debug, clap::Args)]
pub(crate) struct AppBench {
    /// Write all figures to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many times each window is opened
    #[arg(long, default_value_t = 12)]
    starts: usize,
    /// How many accounts the larger home has
    #[arg(long, default_value_t = 1000)]
    accounts: usize,
    /// How many seconds nobody asks the agent
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Measure with the programs that were built last
    #[arg(long)]
    built: bool,
}

/// A display, a keystore and a service, and the programs that are measured.
struct Bench {
    session: Session,
    screen: Screen,
    service: Service,
    programs: PathBuf,
    folder: PathBuf,
}

/// A program whose window is on the display, or soon will be.
struct Opened<'a> {
    bench: &'a Bench,
    child: Child,
    begun: Instant,
    /// How long after its start the vault was open, in milliseconds.
    open: mpsc::Receiver<f64>,
}

impl AppBench {
    pub(crate) fn start(self) -> Result<(), Failure> {
        if let Some(missing) = PROGRAMS.iter().find(|name| environment::on_path(name).is_none()) {
            println!("SKIPPED: the window's figures take {missing}");
            return Ok(());
        }
        let mut progress = Progress::of(6 + if self.built { 0 } else { npm::STEPS + 2 });
        if !self.built {
            npm::install(&mut progress)?;
            progress.step("Build the UI", |step| step.run(npm::script("build")))?;
            progress.step("Build the programs, optimised", build)?;
        }
        // A short path: a socket's may have 107 bytes.
        let folder = std::env::temp_dir().join(format!("plw-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut figures = Figures::default();
        let measured = self.measure(&mut progress, &folder, &mut figures);
        end_all(&folder);
        figures.print();
        if let Some(file) = &self.json {
            fs::write(file, format!("{:#}\n", figures.into_json()))?;
        }
        fs::remove_dir_all(&folder)?;
        measured
    }

    fn measure(&self, progress: &mut Progress, folder: &Path, figures: &mut Figures) -> Result<(), Failure> {
        figures.tell("script of the page (bytes)", bundle::weigh()?);
        let bench = progress.step("Sign in", |_| Bench::start(folder, self.accounts))?;
        progress.step("Start", |_| self.starts(&bench, figures))?;
        progress.step("Memory, and closing", |_| {
            let all = [
                ("bare window", Program::Bare),
                ("app", Program::App("one")),
                ("app without a tray", Program::Trayless),
            ];
            for (name, program) in all {
                bench.closing(name, program, figures)?;
            }
            Ok(())
        })?;
        progress.step("A long list in motion", |_| scroll::measure(&bench, figures))?;
        progress.step("A stored token", |_| self.tokens(&bench, figures))?;
        progress.step("The agent alone", |_| self.agent(&bench, figures))
    }

    /// In turns, so that all meet the same moods of the machine.
    fn starts(&self, bench: &Bench, figures: &mut Figures) -> Result<(), Failure> {
        let all = [
            ("bare window", Program::Bare),
            ("app", Program::App("one")),
            ("app, many accounts", Program::App("many")),
        ];
        let pages = all.map(|(_, program)| bench.look(program));
        let mut times: [Times; 3] = Default::default();
        let mut open = [Times::default(), Times::default()];
        for _ in 0..self.starts {
            for (index, (_, program)) in all.iter().enumerate() {
                let Ok(page) = &pages[index] else { continue };
                let opened = bench.open(*program)?;
                times[index].put(bench.screen.time_until(page, opened.begun)?);
                if let (Program::App(_), Ok(time)) = (program, opened.open.recv_timeout(SECOND)) {
                    open[index - 1].put(time);
                }
                opened.close()?;
            }
        }
        for ((name, _), page) in all.iter().zip(pages) {
            page.map_err(|failure| Failure::new(format!("{name}: {failure}")))?;
        }
        let [bare, one, many] = times.map(Times::sorted);
        figures.tell("start to first useful paint, app : bare", json!(one.at(0.5) / bare.at(0.5)));
        figures.tell("start to first useful paint, many accounts : one", json!(many.at(0.5) / one.at(0.5)));
        for ((name, _), times) in all.iter().zip([bare, one, many]) {
            figures.times(&format!("start to first useful paint, {name} (ms)"), &times);
        }
        for ((name, _), times) in all[1..].iter().zip(open) {
            figures.times(&format!("start to the open vault, {name} (ms)"), &times.sorted());
        }
        Ok(())
    }

    /// What a program waits that wants a token which is stored already, with no agent and no window.
    fn tokens(&self, bench: &Bench, figures: &mut Figures) -> Result<(), Failure> {
        for home in ["one", "many"] {
            let times = Times::of(self.starts * 3, || {
                super::agent::measure::succeed(&mut bench.session.command(home, &["token", "account-0"]))
            })?;
            figures.times(&format!("whole process, pilotlight token, home {home} (µs)"), &times);
        }
        Ok(())
    }

    fn agent(&self, bench: &Bench, figures: &mut Figures) -> Result<(), Failure> {
        for home in ["one", "many"] {
            let agent = bench.session.agent(home)?;
            thread::sleep(REST * 3);
            let before = proc::wake_ups(agent.pid())?;
            thread::sleep(Duration::from_secs(self.idle));
            let woken = proc::wake_ups(agent.pid())?.saturating_sub(before);
            let (rss, pss) = proc::memory(agent.pid())?;
            let value = json!({ "rss": rss, "pss": pss, "threads": proc::threads(agent.pid()), "woken": woken });
            figures.tell(&format!("agent alone for {} s, home {home} (kB)", self.idle), value);
        }
        Ok(())
    }
}

fn build(step: &mut Step) -> Result<(), Failure> {
    step.run(cargo::release_of_the_app())?;
    step.run(cargo::release_of_the_bare_window())
}

/// What opens a window.
#[derive(Clone, Copy)]
enum Program {
    Bare,
    /// With the home of that name.
    App(&'static str),
    /// With one account, and with nobody who takes over when it is closed.
    Trayless,
}

impl Bench {
    /// Two homes at one service, with one account and with many.
    fn start(folder: &Path, accounts: usize) -> Result<Self, Failure> {
        let programs = environment::target_folder().join("release");
        let service = Service::start()?;
        let session = Session::start(folder, &programs.join("pilotlight"))?;
        session.sign_in("one", "account-0", &service.issuer())?;
        for n in 0..accounts {
            session.sign_in("many", &format!("account-{n}"), &service.issuer())?;
        }
        Ok(Self { session, screen: Screen::start(folder)?, service, programs, folder: folder.to_owned() })
    }

    /// Its file, and the home that it works on.
    fn program(&self, program: Program) -> (PathBuf, &'static str) {
        let (file, home) = match program {
            Program::Bare => ("examples/bare", "bare"),
            Program::App(home) => ("pilotlight-desktop", home),
            Program::Trayless => ("pilotlight-desktop", "one"),
        };
        (self.programs.join(file), home)
    }

    /// What draws on the display, with that home.
    fn command(&self, program: &Path, home: &str) -> Command {
        let mut command = self.session.other(program, home);
        command.env("DISPLAY", self.screen.name()).env("LANG", "C.UTF-8");
        // The bus for screen readers is another service that this session does not have.
        command.env("NO_AT_BRIDGE", "1").env("GTK_A11Y", "none");
        command
    }

    fn open(&self, program: Program) -> Result<Opened<'_>, Failure> {
        let (file, home) = self.program(program);
        let mut command = self.command(&file, home);
        if matches!(program, Program::Trayless) {
            command.arg("--no-tray");
        }
        if !matches!(program, Program::Bare) {
            command.args(["--log", "pilotlight=debug", "--offer", &format!("Service={}", self.service.issuer())]);
        }
        let begun = now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let (sender, open) = mpsc::channel();
        if let Some(log) = child.stderr.take() {
            thread::spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    if line.contains(OPEN) {
                        // Nobody may be waiting any more.
                        let _ = sender.send(begun.elapsed().as_secs_f64() * 1e3);
                    }
                }
            });
        }
        Ok(Opened { bench: self, child, begun, open })
    }

    /// Opens it once, for its files to be read and to know what it looks like.
    fn look(&self, program: Program) -> Result<Page, Failure> {
        let opened = self.open(program)?;
        let page = self.screen.settle()?;
        opened.close()?;
        Ok(page)
    }

    /// What it takes with its window open, and what is left a second after a person closed that.
    fn closing(&self, name: &str, program: Program, figures: &mut Figures) -> Result<(), Failure> {
        let opened = self.open(program)?;
        self.screen.settle()?;
        thread::sleep(REST);
        figures.tell(&format!("memory with the window, {name} (kB)"), self.memory()?);
        let closed = now();
        if x11::close_windows(&self.screen.socket())? == 0 {
            return Err(Failure::new("there was no window to close"));
        }
        let mut gone = None;
        while closed.elapsed() < SECOND {
            if gone.is_none() && !Path::new("/proc").join(opened.child.id().to_string()).join("exe").exists() {
                gone = Some(closed.elapsed().as_secs_f64() * 1e3);
            }
            thread::sleep(Duration::from_millis(5));
        }
        figures.tell(&format!("ended after closing, {name} (ms)"), json!(gone));
        figures.tell(&format!("memory a second after closing, {name} (kB)"), self.memory()?);
        opened.close()
    }

    /// Ends whatever window is open, and what it started.
    fn end_windows(&self) -> Result<(), Failure> {
        let is_ours = |pid: &u32| {
            let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            program.starts_with(&self.programs) || program.to_string_lossy().contains("WebKit")
        };
        let ours = || processes(&self.folder).into_iter().filter(is_ours).collect::<Vec<_>>();
        ours().iter().for_each(|pid| end(*pid));
        until("the end of the window", || ours().is_empty())
    }

    /// Of every process that was started for the windows, however far from us it is by now.
    fn memory(&self) -> Result<Value, Failure> {
        let (mut pss, mut names) = (0, Vec::new());
        for pid in processes(&self.folder) {
            let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.contains("keyring") && !name.contains("dbus") {
                // One that ends while it is looked at holds nothing.
                pss += proc::memory(pid).map_or(0, |(_, pss)| pss);
                names.push(name);
            }
        }
        names.sort();
        Ok(json!({ "pss": pss, "processes": names.len(), "names": names }))
    }
}

impl Opened<'_> {
    /// Ends it, and waits until all that it started is gone.
    fn close(mut self) -> Result<(), Failure> {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.bench.end_windows()
    }
}

/// The processes whose environment names that folder.
fn processes(folder: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let wanted = folder.to_string_lossy().into_owned();
    let named = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        *pid != std::process::id() && String::from_utf8_lossy(&environment).contains(&wanted)
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(named).collect()
}

fn end_all(folder: &Path) {
    processes(folder).into_iter().for_each(end);
}

fn end(pid: u32) {
    // It may be gone already.
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
}
