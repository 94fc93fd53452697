//! The agent itself: accepts, asks who is there, and gives each connection its place.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight::{Home, Pilotlight};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::{Entry, Ledger};
use crate::connection;
use crate::consent::{Programs, Unknown};
use crate::desk::Desk;
use crate::door::Door;
use crate::link::Link;
use crate::news::News;
use crate::peer::peer;
use crate::place::{Place, PlaceError, own_uid};
use crate::program;
use crate::protocol::{Answer, Trouble};
use crate::rest::Work;

/// Connections of all processes, and of one: whoever opens ten thousand takes none of the others'.
const CONNECTIONS: usize = 512;
const CONNECTIONS_OF_ONE: usize = 32;

/// Answers under way when the agent is to end may take so long.
const LAST: Duration = Duration::from_secs(5);

/// Serves the accounts of one home.
pub struct Agent {
    office: Arc<Office>,
    seat: Seat,
    rests: bool,
}

/// What all connections of an agent share.
pub(crate) struct Office {
    pub(crate) pilotlight: Pilotlight,
    pub(crate) programs: Programs,
    pub(crate) unknown: Unknown,
    /// Whose agent this is.
    uid: u32,
    /// Our own executables.
    pub(crate) own: Vec<PathBuf>,
    pub(crate) desk: Desk,
    pub(crate) news: News,
    /// Held by the one who tries a passphrase.
    pub(crate) unlocking: tokio::sync::Mutex<()>,
    pub(crate) work: Work,
    /// Whether connections are to come to their end.
    pub(crate) ending: watch::Sender<bool>,
    ledger: Mutex<Ledger>,
    connections: Arc<Mutex<HashMap<i32, usize>>>,
}

/// The place that an agent has, for as long as it lives.
struct Seat {
    place: Place,
    door: Door,
    /// Given back last.
    alone: File,
}

/// An agent that serves no longer. Nobody else has its place until this is dropped.
pub struct Ended(Seat);

impl Ended {
    /// Takes the socket away: who connects finds nobody.
    pub fn clear(self) {
        self.0.place.clear();
    }

    /// The socket, for the agent that takes over ([`socket_on_stdin`](crate::socket_on_stdin)): who connects meanwhile waits in
    /// it. The place is free when this returns.
    ///
    /// # Errors
    /// The system refuses.
    pub fn pass_on(self) -> std::io::Result<OwnedFd> {
        let Seat { door, alone, .. } = self.0;
        drop(alone);
        door.into_inner()
    }
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
        listener: UnixListener,
    ) -> Result<Self, PlaceError> {
        let alone = place.take_over(&listener)?;
        Self::over(pilotlight, home, place, unknown, (listener, alone))
    }

    fn over(
        pilotlight: Pilotlight,
        home: &Home,
        place: &Place,
        unknown: Unknown,
        (listener, alone): (UnixListener, File),
    ) -> Result<Self, PlaceError> {
        let io = |error| PlaceError::Io(place.socket(), error);
        let own = program::ours().map_err(io)?;
        let door = Door::new(listener).map_err(io)?;
        let office = Office {
            news: News::of(&pilotlight),
            pilotlight,
            programs: Programs::of(home),
            unknown,
            uid: own_uid(),
            own,
            desk: Desk::default(),
            unlocking: tokio::sync::Mutex::default(),
            work: Work::default(),
            ending: watch::Sender::new(false),
            ledger: Mutex::default(),
            connections: Arc::default(),
        };
        Ok(Self { office: Arc::new(office), seat: Seat { place: place.clone(), door, alone }, rests: false })
    }

    /// Gives memory back between work, for a process that does nothing but serve.
    #[must_use]
    pub fn resting(self) -> Self {
        Self { rests: true, ..self }
    }

    /// Where questions are asked, for whoever can show them to the person.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.office.desk.clone()
    }

    /// Serves until `end`, answers what was asked by then, and writes down what was counted.
    pub async fn serve_until(self, end: impl Future<Output = ()>) -> Ended {
        let Self { office, seat, rests } = self;
        let mut connections = JoinSet::new();
        let resting = async {
            if rests {
                office.work.rest_between(office.pilotlight.subscribe()).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            () = end => {}
            () = office.accept(&seat.door, &mut connections) => {}
            () = resting => {}
        }
        office.close(connections).await;
        Ended(seat)
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        self.serve_until(std::future::pending()).await;
    }
}

impl Office {
    /// Has every connection come to its end.
    async fn close(&self, mut connections: JoinSet<()>) {
        self.desk.close();
        self.ending.send_replace(true);
        let answered = async { while connections.join_next().await.is_some() {} };
        // Whoever is not answered by then asks again, and finds that refresh done.
        drop(tokio::time::timeout(LAST, answered).await);
        connections.shutdown().await;
        self.news.end().await;
        let lines = lock(&self.ledger).close();
        for line in lines {
            line.write_to(&self.pilotlight).await;
        }
    }

    async fn accept(self: &Arc<Self>, door: &Door, connections: &mut JoinSet<()>) {
        loop {
            match door.accept().await {
                Ok(stream) => self.receive(stream, connections),
                // Out of descriptors, as a rule: some will be given back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            // Those that are over are forgotten.
            while connections.try_join_next().is_some() {}
        }
    }

    /// Starts to serve one connection, if it is this user's and there is room.
    fn receive(self: &Arc<Self>, mut stream: UnixStream, connections: &mut JoinSet<()>) {
        let Ok(peer) = peer(&stream) else { return };
        let Some(pid) = peer.pid.filter(|_| peer.uid == self.uid) else { return };
        let Some(slot) = Slot::take(&self.connections, pid) else {
            let busy = Trouble::new("busy", "Too many connections are open.", "Close some, then try again.");
            // A new connection's buffer has room for a line; a peer that has gone does not want it.
            let _ = stream.write(&Answer::Error(busy).line());
            return;
        };
        let office = Arc::clone(self);
        let mut stream = Link::new(stream);
        connections.spawn(async move {
            // Given back before the stream is closed: whoever sees the end may connect again.
            let _slot = slot;
            connection::converse(&office, &mut stream, pid).await;
        });
    }

    /// Counts a lend or a refusal, and writes the line that is due, without holding up the answer. `pid` tells who ran the program.
    pub(crate) fn enter(&self, pid: i32, entry: Entry) {
        let line = lock(&self.ledger).enter(self.pilotlight.now(), entry, || program::parents(pid));
        if let Some(line) = line {
            let pilotlight = self.pilotlight.clone();
            tokio::spawn(async move { line.write_to(&pilotlight).await });
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
