//! A server on a socket of this machine, for what the router alone does not show, and a client that sends what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_server::{Config, Listeners, MemoryStore, Server, Store, SystemClock, Tls, add_demo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::kit::ISSUER;

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    over: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        Self::over(config, Arc::new(MemoryStore::new()), None).await
    }

    pub(crate) async fn over(config: Config, store: Arc<dyn Store>, tls: Option<Tls>) -> Self {
        add_demo(&*store).unwrap();
        let server = Server::open(config, store, Arc::new(SystemClock)).unwrap();
        let main = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let within = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, metrics) = (main.local_addr().unwrap(), within.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let listeners = Listeners { main, tls, metrics: Some(within) };
        let over = tokio::spawn(server.clone().run_on(listeners, async { drop(stopped.await) }));
        Self { server, address, metrics, stop: Some(stop), over }
    }

    /// Asks it to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.over).await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> Talk {
        Talk(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own; status and all that came.
    pub(crate) async fn ask(&self, head: &str, body: &str) -> (u16, String) {
        self.ask_at(self.address, head, body).await
    }

    pub(crate) async fn ask_at(&self, address: SocketAddr, head: &str, body: &str) -> (u16, String) {
        let mut talk = Talk(TcpStream::connect(address).await.unwrap());
        talk.send(&format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            .await;
        talk.rest().await
    }
}

/// The settings that tests begin with.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::new(ISSUER);
    change(&mut config);
    config
}

/// One connection.
pub(crate) struct Talk(pub(crate) TcpStream);

impl Talk {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// All that comes until the server hangs up, and its first status; 0 where nothing came.
    pub(crate) async fn rest(&mut self) -> (u16, String) {
        let mut bytes = Vec::new();
        // A reset is an end too.
        drop(tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the server never hung up"));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0), text)
    }

    /// The next answer, on a connection that stays; it must have a length.
    pub(crate) async fn answer(&mut self) -> (u16, String) {
        let mut text = String::new();
        let read = async {
            let mut buffer = [0; 4096];
            loop {
                let got = self.0.read(&mut buffer).await.unwrap();
                assert!(got > 0, "hung up in the middle: {text}");
                text.push_str(std::str::from_utf8(&buffer[..got]).unwrap());
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("no answer came");
        (text[9..12].parse().unwrap(), text)
    }
}
