//! An authorization server behind a proxy that makes trouble by plan, both in this process.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use pilotlight_server::{
    Config, MemoryStore, Server, Stats, SystemClock, add_demo,
    chaos::{Chaos, Passage, Plan},
};
use tokio::{net::TcpListener, task::JoinSet};

/// The server with the person demo/demo and the client `pilotlight`, and the proxy, which clients know as the issuer. Both
/// end when this is dropped.
pub struct Chaotic {
    server: Server,
    issuer: String,
    passages: Arc<Mutex<Vec<Passage>>>,
    _running: JoinSet<()>,
}

impl Chaotic {
    /// Starts both on free loopback ports.
    ///
    /// # Panics
    /// When there is no port to be had.
    pub async fn start(plan: Plan) -> Self {
        let (inner, upstream) = listen().await;
        // The server names the proxy as its issuer, so that nothing that passes has to be rewritten.
        let (outer, issuer) = listen().await;
        let store = Arc::new(MemoryStore::new());
        add_demo(&*store).expect("a store in memory takes everything");
        let server = Server::open(Config::new(&issuer), store, Arc::new(SystemClock)).expect("the server opens");
        let passages = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&passages);
        let chaos = Chaos::new(&upstream, plan).expect("a loopback address");
        let chaos = chaos.watched(move |passage| told.lock().expect("nobody panics with it").push(passage.clone()));
        let (serving, mut running) = (server.clone(), JoinSet::new());
        running.spawn(async move { serving.run(inner, pending()).await.expect("the server serves") });
        running.spawn(async move { chaos.run(outer, pending()).await.expect("the proxy serves") });
        Self { server, issuer, passages, _running: running }
    }

    /// The proxy's address, which is the issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How the server answered the refresh tokens that reached it.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// Every request so far that the plan concerns, and what happened to it.
    ///
    /// # Panics
    /// When a watcher panicked.
    pub fn passages(&self) -> Vec<Passage> {
        let all = self.passages.lock().expect("nobody panics with it");
        all.iter().filter(|passage| passage.number.is_some()).cloned().collect()
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, format!("http://{address}"))
}
