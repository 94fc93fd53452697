//! The dangerous window: from the last byte of the answer that carries a rotated refresh token to the instant at which that
//! token is on the disk. Whoever pulls the plug in between signs a person out.
//!
//! It is measured from outside: a real server on loopback, a real client under strace, and between the refreshes the bare
//! fsyncs of the same disk, so that the window can be told in units of them whatever the machine is doing meanwhile.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};

use super::trace::{self, Call};
use crate::{failure::Failure, progress::Step};

/// How many refreshes are made between two looks at the bare disk.
const ROUND: usize = 10;
/// How many bare fsyncs are timed at each look.
const BARE: usize = 40;
/// Which parts of all values are told.
const PARTS: [(&str, f64); 2] = [("p50", 0.5), ("p95", 0.95)];

/// One refresh, in seconds.
#[derive(Clone, Copy, Debug)]
struct Saved {
    /// From the answer to the disk.
    after: f64,
    /// How much of that was waiting for the disk.
    on_disk: f64,
    /// In how many calls.
    syncs: usize,
}

/// What was measured, in seconds, each in rising order.
#[derive(Debug, Default)]
pub(super) struct Window {
    windows: Vec<f64>,
    on_disk: Vec<f64>,
    syncs: Vec<f64>,
    bare: Vec<f64>,
}

/// Refreshes that often, and times the bare fsyncs in between.
pub(super) fn measure(step: &mut Step, programs: &Path, folder: &Path, refreshes: usize) -> Result<Window, Failure> {
    let server = Server::start(&programs.join("pilotlight-server"), folder)?;
    let (client, home) = (programs.join("pilotlight-victim"), folder.join("home"));
    step.run(victim(Command::new(&client), &home, &["sign-in", "issuer", &server.issuer]))?;
    let mut window = Window::default();
    for round in 0..refreshes.div_ceil(ROUND) {
        bare(folder, &mut window.bare)?;
        let log = folder.join(format!("window-{round}.strace"));
        let mut command = trace::of(&log, "recvfrom,recvmsg,read,readv,write,fsync,fdatasync");
        command.arg(&client);
        step.run(victim(command, &home, &["refresh", &ROUND.to_string()]))?;
        for saved in windows_in(&trace::read(&fs::read_to_string(&log)?)) {
            window.windows.push(saved.after);
            window.on_disk.push(saved.on_disk);
            window.syncs.push(saved.syncs as f64);
        }
    }
    bare(folder, &mut window.bare)?;
    if window.windows.len() < refreshes {
        let seen = window.windows.len();
        return Err(Failure::new(format!("of {refreshes} refreshes only {seen} were seen to be saved")));
    }
    for times in [&mut window.windows, &mut window.on_disk, &mut window.syncs, &mut window.bare] {
        times.sort_by(f64::total_cmp);
    }
    Ok(window)
}

fn victim(mut command: Command, home: &Path, arguments: &[&str]) -> Command {
    command.args(arguments).env("PILOTLIGHT_HOME", home);
    command
}

/// One window for each refresh: the client says `sending` before and `refreshed` after it.
fn windows_in(calls: &[Call]) -> Vec<Saved> {
    let said = |call: &Call, word: &str| call.name == "write" && call.arguments.contains(&format!("\"{word}"));
    let mut windows = Vec::new();
    let mut rest = calls;
    while let Some(sending) = rest.iter().position(|call| said(call, "sending")) {
        let Some(length) = rest[sending..].iter().position(|call| said(call, "refreshed")) else { break };
        let refresh = &rest[sending..sending + length];
        windows.extend(window_of(refresh));
        rest = &rest[sending + length..];
    }
    windows
}

fn window_of(refresh: &[Call]) -> Option<Saved> {
    let is_answer = |call: &&Call| {
        let from_network = call.arguments.contains("<socket:") || call.arguments.contains("<TCP");
        call.returned > 0 && from_network && call.name != "write"
    };
    let answered = refresh.iter().rfind(is_answer)?.ended;
    // The keystore's files and the journal's are not what keeps the token.
    let is_save =
        |call: &&Call| call.name.contains("sync") && call.arguments.contains("vault.db") && call.begun >= answered;
    // What another thread does with the vault meanwhile, emptying its log, comes after the commit.
    let thread = &refresh.iter().find(is_save)?.thread;
    let saves: Vec<&Call> = refresh.iter().filter(is_save).filter(|call| call.thread == *thread).collect();
    Some(Saved {
        after: saves.last()?.ended - answered,
        on_disk: saves.iter().map(|call| call.ended - call.begun).sum(),
        syncs: saves.len(),
    })
}

/// Times the least that a new record can cost: a page at the end of a file, and waiting for the disk.
fn bare(folder: &Path, times: &mut Vec<f64>) -> Result<(), Failure> {
    let mut file = File::create(folder.join("bare"))?;
    file.sync_all()?;
    for _ in 0..BARE {
        let begun = now();
        file.write_all(&[2; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "what is measured is true time")]
fn now() -> Instant {
    Instant::now()
}

/// `pilotlight-server` on a free port; it ends when this is dropped.
struct Server {
    child: Child,
    issuer: String,
}

impl Server {
    fn start(program: &Path, folder: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.args(["serve", "--demo", "--retry-window", "0s", "--listen", "127.0.0.1:0", "--store"]);
        command
            .arg(format!("sqlite:{}", folder.join("server.db").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command.stderr(File::create(folder.join("server.log"))?);
        let mut server = Self { child: command.spawn()?, issuer: String::new() };
        let mut line = String::new();
        if let Some(output) = server.child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let said: Option<Value> = serde_json::from_str(&line).ok();
        let issuer = said.as_ref().and_then(|said| said.get("issuer")?.as_str());
        server.issuer = issuer.ok_or_else(|| Failure::new(format!("the server does not start: {line}")))?.to_owned();
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value that this part of all values does not exceed.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
}

impl Window {
    fn in_fsyncs(&self, times: &[f64], part: f64) -> f64 {
        quantile(times, part) / quantile(&self.bare, 0.5)
    }

    pub(super) fn print(&self) {
        let Self { windows, on_disk, syncs, bare } = self;
        println!(
            "\nThe dangerous window over {} refreshes, in medians of {} bare fsyncs beside them:",
            windows.len(),
            bare.len()
        );
        println!("{:<4} {:>9} {:>17} {:>12} {:>7}", "", "window", "of it on the disk", "bare fsync", "fsyncs");
        for (name, part) in PARTS {
            let [window, disk, bare] = [windows, on_disk, bare].map(|times| self.in_fsyncs(times, part));
            println!("{name:<4} {window:>9.2} {disk:>17.2} {bare:>12.2} {:>7.0}", quantile(syncs, part));
        }
        println!("One is {:.2} ms here.", 1e3 * quantile(bare, 0.5));
    }

    pub(super) fn to_json(&self) -> Value {
        let all = |times: &[f64]| {
            PARTS.map(|(name, part)| (name, self.in_fsyncs(times, part))).into_iter().collect::<BTreeMap<_, _>>()
        };
        json!({
            "refreshes": self.windows.len(),
            "bare_fsync_ms": 1e3 * quantile(&self.bare, 0.5),
            "fsyncs": quantile(&self.syncs, 0.5),
            "in_bare_fsyncs": { "window": all(&self.windows), "on_disk": all(&self.on_disk), "bare": all(&self.bare) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Saved, Window, quantile, windows_in};
    use crate::bench::trace;

    const LOG: &str = "\
1 10.000000 write(1</out>, \"sending\\n\", 8) = 8 <0.000001>
1 10.000100 fdatasync(7</h/vault.db-wal>) = 0 <0.001000>
1 10.010000 recvfrom(9<socket:[1]>, \"HTTP/1.1 200\"..., 8192, 0, NULL, NULL) = 120 <0.000000>
2 10.011000 fdatasync(7</h/vault.db-wal>) = 0 <0.001000>
3 10.013000 fsync(8</h/keystore/anchor>) = 0 <0.100000>
1 10.020000 write(1</out>, \"refreshed 1\\n\", 12) = 12 <0.000001>
4 10.015000 fdatasync(9</h/vault.db>) = 0 <0.004000>
2 10.030000 fdatasync(7</h/vault.db-wal>) = 0 <0.001000>
1 10.040000 write(1</out>, \"sending\\n\", 8) = 8 <0.000001>
";

    #[test]
    fn a_window_is_from_the_answer_to_the_end_of_the_commit() {
        let windows = windows_in(&trace::read(LOG));
        assert_eq!(windows.len(), 1);
        let Saved { after, on_disk, syncs } = windows[0];
        assert!((after - 0.002).abs() < 1e-6 && (on_disk - 0.001).abs() < 1e-6 && syncs == 1, "{windows:?}");
    }

    #[test]
    fn a_window_is_told_in_bare_fsyncs() {
        let window = Window { windows: vec![2.0, 3.0, 9.0], bare: vec![1.0, 2.0, 3.0], ..Window::default() };
        assert!((window.in_fsyncs(&window.windows, 0.5) - 1.5).abs() < 1e-9);
        assert!((quantile(&window.windows, 0.95) - 9.0).abs() < 1e-9);
    }
}
