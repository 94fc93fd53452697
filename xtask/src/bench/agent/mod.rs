//! `cargo xtask bench agent`: what lending costs, beside Debian's oidc-agent in the same run. docs/benchmarks.md says how to
//! read the figures.
//!
//! ```text
//!  service.rs ── a token endpoint, quick or slow, for both
//!  ours.rs ───── a private keystore, our command line, our agent
//!  peer.rs ───── oidc-agent, where it is installed
//!  siege.rs ──── another process that means harm
//!  measure.rs ── times and their shares
//! ```

pub(super) mod measure;
pub(super) mod ours;
mod peer;
pub(super) mod service;
mod siege;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use serde_json::{Map, Value, json};

use self::{
    measure::{Times, succeed},
    ours::{Ours, Session},
    peer::Peer,
    service::{LIFE, SLOW, Service},
};
use super::proc;
use crate::{cargo, environment, failure::Failure, packages::PEER, progress::Progress, progress::Step};

/// Threads that have nothing to do end after ten seconds; before that they are no matter of waiting.
const REST: Duration = Duration::from_secs(12);
const PROGRAMS: [&str; 2] = ["dbus-run-session", "gnome-keyring-daemon"];

/// Measure what lending costs, beside oidc-agent
#[derive(Debug, clap::Args)]
pub(crate) struct AgentBench {
    /// Write all figures to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many times each program is started
    #[arg(long, default_value_t = 300)]
    starts: usize,
    /// How many requests each agent is asked
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// How many accounts the larger home has
    #[arg(long, default_value_t = 1000)]
    accounts: usize,
    /// How many seconds nobody asks
    #[arg(long, default_value_t = 30)]
    idle: u64,
    /// Measure with the program that was built last
    #[arg(long)]
    built: bool,
}

/// What was measured, by subject.
#[derive(Default)]
pub(super) struct Figures(Map<String, Value>);

impl Figures {
    pub(super) fn tell(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    pub(super) fn times(&mut self, name: &str, times: &Times) {
        self.tell(name, times.to_json());
    }

    pub(super) fn into_json(self) -> Value {
        Value::Object(self.0)
    }

    pub(super) fn print(&self) {
        println!();
        for (name, value) in &self.0 {
            let text = match value {
                Value::Object(parts) => {
                    let part =
                        |(name, value): (&String, &Value)| format!("{name} {:.1}", value.as_f64().unwrap_or(f64::NAN));
                    parts.iter().map(part).collect::<Vec<_>>().join("  ")
                }
                other => other.to_string(),
            };
            println!("{name:<52} {text}");
        }
    }
}

impl AgentBench {
    pub(crate) fn start(self) -> Result<(), Failure> {
        let missing = PROGRAMS.iter().find(|name| environment::on_path(name).is_none());
        if let Some(missing) =
            missing.filter(|_| cfg!(target_os = "linux")).or((!cfg!(target_os = "linux")).then_some(&"Linux"))
        {
            println!("SKIPPED: the agent's figures take {missing}");
            return Ok(());
        }
        let (program, package) = PEER;
        let peer = environment::on_path(program).is_some();
        if !peer {
            println!("SKIPPED: {program}, which is not installed (Debian's package is {package})");
        }
        let mut progress = Progress::of(9);
        let mut figures = Figures::default();
        // A short path: a socket's may have 107 bytes.
        let folder = std::env::temp_dir().join(format!("plb-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let measured = self.measure(&mut progress, &folder, peer, &mut figures);
        figures.print();
        if let Some(file) = &self.json {
            fs::write(file, format!("{:#}\n", figures.into_json()))?;
        }
        fs::remove_dir_all(&folder)?;
        measured
    }

    fn measure(
        &self,
        progress: &mut Progress,
        folder: &Path,
        peer: bool,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let program = progress.step("Build the program", |step| self.build(step))?;
        let service = Service::start()?;
        let issuer = service.issuer();
        let (session, peer) = progress.step("Sign in", |_| {
            let session = Session::start(folder, &program)?;
            session.sign_in("one", "work", &issuer)?;
            let peer = if peer { Some(Peer::start(folder)?) } else { None };
            if let Some(peer) = &peer {
                peer.sign_in("work", &issuer)?;
            }
            Ok((session, peer))
        })?;
        let ours = session.agent("one")?;
        progress.step("Whole processes", |_| self.processes(&session, peer.as_ref(), figures))?;
        progress.step("The socket", |_| self.socket(&ours, peer.as_ref(), figures))?;
        progress.step("Nobody asks", |_| self.idle(&ours, peer.as_ref(), figures))?;
        progress.step("One account", |_| {
            figures.tell("memory, 1 account, pilotlight (kB)", memory(&[ours.pid()])?);
            if let Some(peer) = &peer {
                figures.tell("memory, 1 account, oidc-agent (kB)", memory(&peer.processes())?);
            }
            Ok(())
        })?;
        progress.step("Under siege", |_| siege::measure(&ours, self.requests, figures))?;
        drop(ours);
        progress.step("A service that takes four seconds", |_| {
            let slow = format!("{issuer}/slow");
            session.sign_in("one", "slow", &slow)?;
            let ours = session.agent("one")?;
            beside_a_slow_one(figures, "pilotlight", &|account, min_ttl| ours.ask(account, min_ttl))?;
            if let Some(peer) = &peer {
                peer.sign_in("slow", &slow)?;
                beside_a_slow_one(figures, "oidc-agent", &|account, min_ttl| peer.ask(account, min_ttl))?;
            }
            Ok(())
        })?;
        progress.step(&format!("{} accounts", self.accounts), |_| self.many(&session, &issuer, figures))
    }

    fn build(&self, step: &mut Step) -> Result<PathBuf, Failure> {
        if !self.built {
            let mut command = cargo::cargo(&["build", "--release"]);
            command.args(["--package", "pilotlight-cli"]);
            step.run(command)?;
        }
        Ok(environment::target_folder().join("release/pilotlight"))
    }

    /// In turns, so that all meet the same moods of the machine.
    fn processes(&self, session: &Session, peer: Option<&Peer>, figures: &mut Figures) -> Result<(), Failure> {
        let (mut floor, mut ours, mut theirs) = (Times::default(), Times::default(), Times::default());
        for _ in 0..self.starts {
            floor.add(&mut || succeed(&mut Command::new("/bin/true")))?;
            ours.add(&mut || succeed(&mut session.command("one", &["token", "work"])))?;
            if let Some(peer) = peer {
                theirs.add(&mut || succeed(peer.command("oidc-token").arg("work")))?;
            }
        }
        figures.times("whole process, /bin/true (µs)", &floor.sorted());
        figures.times("whole process, pilotlight token (µs)", &ours.sorted());
        if peer.is_some() {
            figures.times("whole process, oidc-token (µs)", &theirs.sorted());
        }
        Ok(())
    }

    fn socket(&self, ours: &Ours, peer: Option<&Peer>, figures: &mut Figures) -> Result<(), Failure> {
        let mut measure = |name: &str, processes: &[u32], ask: &mut dyn FnMut() -> Result<(), Failure>| {
            Times::of(self.requests / 20, &mut *ask)?;
            let before = cpu(processes)?;
            let times = Times::of(self.requests, &mut *ask)?;
            let each = (cpu(processes)? - before) / self.requests as f64;
            figures.times(&format!("socket, {name} (µs)"), &times);
            figures.tell(&format!("socket, {name}, CPU of the agent (µs)"), json!(each));
            Ok::<_, Failure>(())
        };
        let pid = [ours.pid()];
        measure("pilotlight, a connection each", &pid, &mut || ours.ask("work", 0))?;
        if let Some(peer) = peer {
            measure("oidc-agent, a connection each", &peer.processes(), &mut || peer.ask("work", 0))?;
        }
        let mut connection = ours.connect()?;
        measure("pilotlight, one connection", &pid, &mut || ours::ask(&mut connection, "work", 0))
    }

    fn idle(&self, ours: &Ours, peer: Option<&Peer>, figures: &mut Figures) -> Result<(), Failure> {
        let pid = [ours.pid()];
        let theirs = peer.map(Peer::processes).unwrap_or_default();
        thread::sleep(REST);
        let before = [&pid[..], &theirs].map(wake_ups);
        thread::sleep(Duration::from_secs(self.idle));
        let after = [&pid[..], &theirs].map(wake_ups);
        let [ours, theirs] = [0, 1].map(|n| after[n].saturating_sub(before[n]));
        figures.tell(&format!("wake-ups in {} s, pilotlight", self.idle), json!(ours));
        if peer.is_some() {
            figures.tell(&format!("wake-ups in {} s, oidc-agent", self.idle), json!(theirs));
        }
        Ok(())
    }

    fn many(&self, session: &Session, issuer: &str, figures: &mut Figures) -> Result<(), Failure> {
        for n in 0..self.accounts {
            session.sign_in("many", &format!("account-{n}"), issuer)?;
        }
        let ours = session.agent("many")?;
        let pid = [ours.pid()];
        thread::sleep(REST);
        figures.tell(&format!("memory, {} accounts, pilotlight (kB)", self.accounts), memory(&pid)?);
        for n in 0..self.accounts {
            ours.ask(&format!("account-{n}"), 0)?;
        }
        figures.tell(&format!("memory, {} accounts lent once, pilotlight (kB)", self.accounts), memory(&pid)?);
        let last = format!("account-{}", self.accounts.saturating_sub(1));
        let times = Times::of(self.requests / 10, || ours.ask(&last, 0))?;
        figures.times(&format!("socket, one of {} accounts (µs)", self.accounts), &times);
        Ok(())
    }
}

/// How long an account waits for its token while another's service takes its time, and without that.
fn beside_a_slow_one(
    figures: &mut Figures,
    name: &str,
    ask: &(dyn Fn(&str, u64) -> Result<(), Failure> + Sync),
) -> Result<(), Failure> {
    const COUNT: usize = 300;
    let pause = SLOW.mul_f64(0.7) / COUNT as u32;
    let spaced = || {
        let mut times = Times::default();
        for _ in 0..COUNT {
            times.add(&mut || ask("work", 0))?;
            thread::sleep(pause);
        }
        Ok::<_, Failure>(times.sorted())
    };
    let quiet = spaced()?;
    let beside = thread::scope(|scope| {
        // A second of life more than is left has it refreshed.
        let slow = scope.spawn(|| ask("slow", LIFE - 1));
        thread::sleep(Duration::from_millis(200));
        let beside = spaced();
        slow.join().map_err(|_| Failure::new("the slow request broke off"))??;
        beside
    })?;
    figures.times(&format!("beside nothing, {name} (µs)"), &quiet);
    figures.times(&format!("beside a service of 4 s, {name} (µs)"), &beside);
    Ok(())
}

fn cpu(processes: &[u32]) -> Result<f64, Failure> {
    processes.iter().map(|pid| proc::cpu(*pid)).sum()
}

fn wake_ups(processes: &[u32]) -> u64 {
    processes.iter().filter_map(|pid| proc::wake_ups(*pid).ok()).sum()
}

fn memory(processes: &[u32]) -> Result<Value, Failure> {
    let (mut rss, mut pss, mut threads) = (0, 0, 0);
    for pid in processes {
        let of_one = proc::memory(*pid)?;
        (rss, pss, threads) = (rss + of_one.0, pss + of_one.1, threads + proc::threads(*pid));
    }
    Ok(json!({ "rss": rss, "pss": pss, "threads": threads }))
}
