//! A list of many accounts, scrolled from its beginning in the real window: how long each frame takes by the page's own clock,
//! and how long each picture stands on the display, which is what a person sees.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Bench, Program, REST};
use crate::{
    bench::agent::{
        Figures,
        measure::{Times, until},
    },
    environment,
    failure::Failure,
};

const DRIVER: &str = "WebKitWebDriver";
/// Pixels a frame: a wheel that glides, one that clicks, and a page at a time.
const STEPS: [u32; 3] = [24, 120, 600];
/// A frame and a half at sixty a second: whoever takes longer has missed one.
const LATE: f64 = 25.0;
/// Until a page that was scrolled back stands still.
const SETTLED: Duration = Duration::from_millis(500);
/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Scrolls by so many pixels a frame for six seconds or to the end, and tells how far apart the frames came. The first ten are
/// not counted: there the driver's own work ends.
const SCROLL: &str = "
    const [by, done] = arguments, at = [];
    const step = (now) => {
        at.push(now);
        const before = scrollY;
        if (at.length > 20) scrollBy(0, by);
        if (at.length > 40 && (scrollY === before || now - at[0] > 6000)) done(at.slice(31).map((one, n) => one - at[n + 30]));
        else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);";
const READY: &str = "return document.querySelector('[data-testid=\"account-card\"]') !== null";

/// Measures, or says why it cannot.
pub(super) fn measure(bench: &Bench, figures: &mut Figures) -> Result<(), Failure> {
    let Some(program) = environment::on_path(DRIVER) else {
        println!("SKIPPED: frames of a long list, which take {DRIVER}");
        return Ok(());
    };
    let driver = Driver::start(bench, &program)?;
    until("the list", || driver.execute("sync", READY, &[]).is_ok_and(|there| there == json!(true)))?;
    thread::sleep(REST);
    for step in STEPS {
        driver.execute("sync", "scrollTo(0, 0)", &[])?;
        thread::sleep(SETTLED);
        let stop = AtomicBool::new(false);
        let (frames, pictures) = thread::scope(|scope| {
            let watching = scope.spawn(|| bench.screen.changes(&stop));
            let frames = driver.execute("async", SCROLL, &[step.into()]);
            stop.store(true, Ordering::Relaxed);
            (frames, watching.join())
        });
        let frames = frames?.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let pictures = pictures.map_err(|_| Failure::new("nobody watched the display"))??;
        for (what, times) in [("frames", frames), ("pictures", pictures)] {
            figures.tell(&format!("scrolling by {step} px, {what} (ms)"), told(times));
        }
    }
    Ok(())
}

fn told(all: Vec<f64>) -> Value {
    let late = all.iter().filter(|time| **time > LATE).count();
    let mut times = Times::default();
    all.into_iter().for_each(|time| times.put(time));
    let mut told = times.sorted().to_json();
    told["late"] = json!(late);
    told
}

/// WebKit's driver and the app that it started; both end when this is dropped.
struct Driver<'a> {
    bench: &'a Bench,
    process: Child,
    port: u16,
    session: String,
}

impl<'a> Driver<'a> {
    fn start(bench: &'a Bench, program: &Path) -> Result<Self, Failure> {
        // Free a moment ago; the driver takes no port 0.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = bench.command(program, "many");
        // WRY lets itself be driven where this is set.
        command.arg(format!("--port={port}")).env("TAURI_WEBVIEW_AUTOMATION", "true");
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut driver = Self { bench, process, port, session: String::new() };
        until("WebKit's driver", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        let (binary, _) = bench.program(Program::App("many"));
        let options = json!({ "binary": binary, "args": ["--no-tray"] });
        let wanted = json!({ "alwaysMatch": { "webkitgtk:browserOptions": options } });
        let session = driver.ask("/session", &json!({ "capabilities": wanted }))?;
        driver.session = session["sessionId"].as_str().unwrap_or_default().to_owned();
        Ok(driver)
    }

    /// Runs a script of the page, to its end or until it says so.
    fn execute(&self, kind: &str, script: &str, arguments: &[Value]) -> Result<Value, Failure> {
        self.ask(&format!("/session/{}/execute/{kind}", self.session), &json!({ "script": script, "args": arguments }))
    }

    /// One request of WebDriver (W3C WebDriver, section 6): JSON there, and JSON back in `value`.
    fn ask(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (body, port) = (body.to_string(), self.port);
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let said = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let mut said: Value = serde_json::from_str(said)
            .map_err(|error| Failure::new(format!("{DRIVER} does not answer with JSON: {error}")))?;
        let value = said["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(Failure::new(format!("{DRIVER}: {error}: {}", value["message"]))),
            None => Ok(value),
        }
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = self.bench.end_windows();
    }
}
