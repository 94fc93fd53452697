//! The processes of one measurement, each on its core.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::Programs;
use crate::{bench::proc, failure::Failure};

const SERVERS_CORE: &str = "0";
const OTHER_CORE: &str = "1";

/// Where grants are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    Memory,
    Sqlite,
    Redis,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
        }
    }
}

/// A child; it ends when this is dropped.
pub(super) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(core: &str, program: &Path, arguments: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", core]).arg(program).args(arguments);
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?))
    }

    /// The address of a server that says it in its first line.
    fn address(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if let Some(output) = self.0.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let said: Option<Value> = serde_json::from_str(&line).ok();
        let issuer = said.as_ref().and_then(|said| said.get("issuer")?.as_str());
        let address = issuer.and_then(|issuer| issuer.strip_prefix("http://")).map(str::to_owned);
        address.ok_or_else(|| Failure::new(format!("a server does not start: {line}")))
    }

    /// Resident memory and this process' share of it, in kilobytes.
    pub(super) fn memory(&self) -> Result<(u64, u64), Failure> {
        proc::memory(self.0.id())
    }
}

/// A server and its Redis.
pub(super) struct Running {
    pub(super) server: Process,
    address: String,
    redis: Option<(Process, PathBuf)>,
}

impl Running {
    /// The floor of that store; the file's is that of memory.
    pub(super) fn floor(programs: &Programs, folder: &Path, (store, grants): (Kind, u32)) -> Result<Self, Failure> {
        let redis = redis(store, folder)?;
        let (tokens, grants) = (folder.join("tokens").display().to_string(), grants.to_string());
        let address = redis.as_ref().map_or_else(|| "memory".to_owned(), |(_, socket)| redis_address(socket));
        let arguments = ["floor", &address, "--grants", &grants, "--tokens", &tokens];
        let mut server = Process::start(SERVERS_CORE, &programs.load, &arguments)?;
        Ok(Self { address: server.address()?, server, redis })
    }

    /// Ours, with so many grants, and so many more that are over.
    pub(super) fn ours(
        programs: &Programs,
        folder: &Path,
        (store, grants): (Kind, u32),
        expired: u32,
    ) -> Result<Self, Failure> {
        let redis = redis(store, folder)?;
        let path = |name: &str| folder.join(name).display().to_string();
        let (keys, tokens, grants, expired) = (path("keys"), path("tokens"), grants.to_string(), expired.to_string());
        let address = match (store, &redis) {
            (_, Some((_, socket))) => redis_address(socket),
            (Kind::Sqlite, None) => format!("sqlite:{}", path("server.db")),
            _ => "memory".to_owned(),
        };
        let fill = [&*address, "--keys", &keys, "--grants", &grants, "--tokens", &tokens, "--expired", &expired];
        let mut server = if store == Kind::Memory {
            Process::start(SERVERS_CORE, &programs.load, &[&["serve"], &fill[..]].concat())?
        } else {
            let status = Command::new(&programs.load).arg("fill").args(fill).status()?;
            if !status.success() {
                return Err(Failure::new(format!("the store was not filled: {status}")));
            }
            let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--store", &address, "--keys", &keys];
            Process::start(SERVERS_CORE, &programs.server, &serve)?
        };
        Ok(Self { address: server.address()?, server, redis })
    }

    /// Bytes that Redis has for all that it keeps.
    pub(super) fn used_by_redis(&self) -> Option<u64> {
        let (_, socket) = self.redis.as_ref()?;
        let mut stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(b"INFO memory\r\nQUIT\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
    }
}

fn redis_address(socket: &Path) -> String {
    format!("redis+unix://{}", socket.display())
}

/// A Redis that writes nothing to the disk, where the store is one.
fn redis(store: Kind, folder: &Path) -> Result<Option<(Process, PathBuf)>, Failure> {
    if store != Kind::Redis {
        return Ok(None);
    }
    let socket = folder.join("redis.sock");
    let (at, place) = (socket.display().to_string(), folder.display().to_string());
    let arguments = ["--port", "0", "--unixsocket", &at, "--save", "", "--appendonly", "no", "--dir", &place];
    let mut process = Process::start(OTHER_CORE, Path::new("redis-server"), &arguments)?;
    let output = process.0.stdout.take().map(BufReader::new);
    let mut lines = output.into_iter().flat_map(BufReader::lines).map_while(Result::ok);
    if lines.any(|line| line.contains("eady to accept connections")) {
        Ok(Some((process, socket)))
    } else {
        Err(Failure::new("redis-server ended"))
    }
}

/// What one measurement saw.
#[derive(Clone, Debug)]
pub(super) struct Sample(pub(super) Value);

impl Sample {
    pub(super) fn number(&self, name: &str) -> f64 {
        self.0.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    /// Seconds of the processor for a thousand refreshes: the server's, and Redis's.
    pub(super) fn cpu(&self, process: usize) -> f64 {
        self.0.pointer(&format!("/cpu_per_1000/{process}")).and_then(Value::as_f64).unwrap_or(0.0)
    }
}

/// So many people refresh for so many milliseconds, after so many to warm up.
pub(super) fn drive(
    programs: &Programs,
    folder: &Path,
    running: &Running,
    (users, millis, warm_up): (usize, u64, u64),
) -> Result<Sample, Failure> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", OTHER_CORE]).arg(&programs.load).args(["drive", &running.address]);
    command.args(["--users", &users.to_string(), "--millis", &millis.to_string()]);
    command.args(["--warm-up", &warm_up.to_string(), "--tokens"]).arg(folder.join("tokens"));
    let redis = running.redis.as_ref().map(|(redis, _)| redis);
    for process in [Some(&running.server), redis].into_iter().flatten() {
        command.args(["--pid", &process.0.id().to_string()]);
    }
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let sample = Sample(
        serde_json::from_str(&said)
            .map_err(|_| Failure::new(format!("the generator failed: {}", String::from_utf8_lossy(&output.stderr))))?,
    );
    // A 503 of a store that had to wait for its turn on a busy machine is counted and told.
    if sample.number("refreshes") < 1.0 {
        return Err(Failure::new(format!("nobody was answered: {}", sample.0)));
    }
    Ok(sample)
}
