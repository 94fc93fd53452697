//! The agent itself: accepts, asks who is there, and gives each connection its place.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight::{Home, Pilotlight};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::audit::{Entry, Ledger};
use crate::connection;
use crate::consent::{Programs, Unknown};
use crate::desk::Desk;
use crate::news::News;
use crate::place::{Place, PlaceError, own_uid};
use crate::program;
use crate::protocol::{Answer, Trouble};
use crate::rest::Work;

/// Connections of all processes, and of one: whoever opens ten thousand takes none of the others'.
const CONNECTIONS: usize = 512;
const CONNECTIONS_OF_ONE: usize = 32;

/// Serves the accounts of one home.
pub struct Agent {
    pub(crate) pilotlight: Pilotlight,
    pub(crate) programs: Programs,
    pub(crate) unknown: Unknown,
    /// Our own executable.
    pub(crate) own: PathBuf,
    pub(crate) desk: Desk,
    pub(crate) news: News,
    /// Held by the one who tries a passphrase.
    pub(crate) unlocking: tokio::sync::Mutex<()>,
    pub(crate) work: Work,
    ledger: Mutex<Ledger>,
    connections: Arc<Mutex<HashMap<i32, usize>>>,
    /// Held for as long as the agent lives.
    _alone: File,
    listener: UnixListener,
}

impl Agent {
    /// Listens at `place`. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// Another agent serves it, or it is not ours alone.
    pub fn new(pilotlight: Pilotlight, home: &Home, place: &Place, unknown: Unknown) -> Result<Self, PlaceError> {
        let (listener, alone) = place.listen()?;
        Self::over(pilotlight, home, place, unknown, (listener, alone))
    }

    /// Serves a socket that the service manager has opened at `place` (socket activation).
    ///
    /// # Errors
    /// As [`Agent::new`], and where it is another socket.
    pub fn activated(
        pilotlight: Pilotlight,
        home: &Home,
        place: &Place,
        unknown: Unknown,
        listener: std::os::unix::net::UnixListener,
    ) -> Result<Self, PlaceError> {
        let alone = place.take_over(&listener)?;
        Self::over(pilotlight, home, place, unknown, (listener, alone))
    }

    fn over(
        pilotlight: Pilotlight,
        home: &Home,
        place: &Place,
        unknown: Unknown,
        (listener, alone): (std::os::unix::net::UnixListener, File),
    ) -> Result<Self, PlaceError> {
        let io = |error| PlaceError::Io(place.socket(), error);
        let own = std::env::current_exe().map_err(io)?;
        listener.set_nonblocking(true).map_err(io)?;
        let listener = UnixListener::from_std(listener).map_err(io)?;
        Ok(Self {
            news: News::of(&pilotlight),
            pilotlight,
            programs: Programs::of(home),
            unknown,
            own,
            desk: Desk::default(),
            unlocking: tokio::sync::Mutex::default(),
            work: Work::default(),
            ledger: Mutex::default(),
            connections: Arc::default(),
            _alone: alone,
            listener,
        })
    }

    /// Where questions are asked, for whoever can show them to the person.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Serves until `end`, and writes down what was counted.
    pub async fn serve_until(self, end: impl Future<Output = ()>) {
        let agent = Arc::new(self);
        let mut connections = JoinSet::new();
        tokio::select! {
            () = end => {}
            () = agent.accept(&mut connections) => {}
            () = agent.work.rest_between(agent.pilotlight.subscribe()) => {}
        }
        connections.shutdown().await;
        agent.news.end().await;
        let lines = lock(&agent.ledger).close();
        for line in lines {
            agent.pilotlight.note(&line.account, line.kind, &line.text).await;
        }
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        self.serve_until(std::future::pending()).await;
    }

    async fn accept(self: &Arc<Self>, connections: &mut JoinSet<()>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => self.receive(stream, connections),
                // Out of descriptors, as a rule: some will be given back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            // Those that are over are forgotten.
            while connections.try_join_next().is_some() {}
        }
    }

    /// Starts to serve one connection, if it is this user's and there is room.
    fn receive(self: &Arc<Self>, mut stream: UnixStream, connections: &mut JoinSet<()>) {
        let Ok(peer) = stream.peer_cred() else { return };
        let Some(pid) = peer.pid().filter(|_| peer.uid() == own_uid()) else { return };
        let Some(slot) = Slot::take(&self.connections, pid) else {
            let busy = Trouble::new("busy", "Too many connections are open.", "Close some, then try again.");
            // A new connection's buffer has room for a line; a peer that has gone does not want it.
            let _ = stream.try_write(&Answer::Error(busy).line());
            return;
        };
        let agent = Arc::clone(self);
        connections.spawn(async move {
            // Given back before the stream is closed: whoever sees the end may connect again.
            let _slot = slot;
            connection::converse(&agent, &mut stream, pid).await;
        });
    }

    /// Counts a lend or a refusal, and writes the line that is due, without holding up the answer. `pid` tells who ran the program.
    pub(crate) fn enter(&self, pid: i32, entry: Entry) {
        let line = lock(&self.ledger).enter(self.pilotlight.now(), entry, || program::parents(pid));
        if let Some(line) = line {
            let pilotlight = self.pilotlight.clone();
            tokio::spawn(async move { pilotlight.note(&line.account, line.kind, &line.text).await });
        }
    }
}

/// One connection's place among all.
struct Slot {
    connections: Arc<Mutex<HashMap<i32, usize>>>,
    pid: i32,
}

impl Slot {
    fn take(connections: &Arc<Mutex<HashMap<i32, usize>>>, pid: i32) -> Option<Self> {
        let mut open = lock(connections);
        let full = open.values().sum::<usize>() >= CONNECTIONS;
        let own = open.get(&pid).copied().unwrap_or(0);
        if full || own >= CONNECTIONS_OF_ONE {
            return None;
        }
        open.insert(pid, own + 1);
        drop(open);
        Some(Self { connections: Arc::clone(connections), pid })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = lock(&self.connections);
        if let Some(own) = open.get_mut(&self.pid) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.pid);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
