//! One agent with the account `work`, and connections to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pilotlight::parts::{Clock, Sleep, SystemClock, SystemRandom};
use pilotlight::simulation::{FakeServer, config, sign_in};
use pilotlight::values::Timestamp;
use pilotlight::{Home, Pilotlight};
use pilotlight_agent::{Agent, Place, PlaceError, Unknown};
use pilotlight_vault::MemoryVault;
use serde_json::Value;

/// What an access token lives at the service.
pub(crate) const TTL: Duration = Duration::from_secs(900);

/// The system's clock, which a test sets ahead so that tokens have expired.
#[derive(Default)]
pub(crate) struct Ahead(AtomicU64);

impl Ahead {
    pub(crate) fn by(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    fn offset(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.offset())
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed() + self.offset()
    }

    fn sleep_until(&self, elapsed: Duration) -> Sleep<'_> {
        SystemClock.sleep_until(elapsed.saturating_sub(self.offset()))
    }
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) clock: Arc<Ahead>,
    pub(crate) server: Arc<FakeServer>,
    pub(crate) pilotlight: Pilotlight,
}

impl World {
    /// `work` signed in, no agent.
    pub(crate) async fn signed_in() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Ahead::default());
        let server = Arc::new(FakeServer::new(clock.clone(), TTL).strict());
        let mut config = config(Home::at(folder.path().join("home")).unwrap(), clock.clone(), server.clone());
        config.random = Arc::new(SystemRandom);
        let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
        let world = Self { folder, clock, server, pilotlight };
        world.sign_in("work").await;
        world
    }

    pub(crate) async fn sign_in(&self, name: &str) {
        sign_in(&self.pilotlight, name).await.unwrap();
    }

    /// The same, with an agent that lends to every program.
    pub(crate) async fn lending() -> Self {
        let world = Self::signed_in().await;
        tokio::spawn(world.agent(Unknown::Allow).unwrap().serve());
        world
    }

    pub(crate) fn agent(&self, unknown: Unknown) -> Result<Agent, PlaceError> {
        Agent::new(self.pilotlight.clone(), &self.home(), &self.place(), unknown)
    }

    pub(crate) fn home(&self) -> Home {
        Home::at(self.folder.path().join("home")).unwrap()
    }

    pub(crate) fn place(&self) -> Place {
        Place::within(&self.home())
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::new(UnixStream::connect(self.place().socket()).unwrap())
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// A client that sends what it likes.
pub(crate) struct Connection(BufReader<UnixStream>);

impl Connection {
    fn new(stream: UnixStream) -> Self {
        // Whoever waits for longer hangs; nothing here takes a second.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    /// To send from another thread what this one reads the answers of.
    pub(crate) fn sender(&self) -> UnixStream {
        self.0.get_ref().try_clone().unwrap()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// The next answer; null where the agent closed the connection.
    pub(crate) fn answer(&mut self) -> Value {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => Value::Null,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Value::Null,
            Err(error) => panic!("{error}"),
            Ok(_) => serde_json::from_str(&line).unwrap(),
        }
    }

    /// Whether an answer has come, without waiting for one.
    pub(crate) fn has_answer(&mut self) -> bool {
        self.0.get_ref().set_nonblocking(true).unwrap();
        let come = self.0.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        self.0.get_ref().set_nonblocking(false).unwrap();
        come
    }

    /// The next answer that has this member; what comes before it is passed over.
    pub(crate) fn answer_with(&mut self, member: &str) -> Value {
        loop {
            let mut answer = self.answer();
            assert!(!answer.is_null(), "the end came before {member:?}");
            if let Some(found) = answer.get_mut(member) {
                return found.take();
            }
        }
    }

    pub(crate) fn ask(&mut self, request: &str) -> Value {
        self.send(format!("{request}\n").as_bytes());
        self.answer()
    }

    /// Says that nothing follows, waits until the agent has closed, and gives what it still said.
    pub(crate) fn end(mut self) -> Vec<Value> {
        self.0.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
        std::iter::repeat_with(|| self.answer()).take_while(|answer| !answer.is_null()).collect()
    }
}
