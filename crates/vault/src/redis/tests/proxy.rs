//! A proxy in front of Redis that makes trouble once, when it is told to.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The request arrives, and its answer is kept back.
    SwallowAnswer,
    /// The request arrives, and the connection breaks before the answer.
    BreakAfter,
    /// The connection breaks before the request arrives.
    BreakBefore,
}

struct Plan {
    target: PathBuf,
    next: Option<Trouble>,
}

pub(super) struct Proxy {
    folder: TempDir,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    pub(super) fn of(server: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("pl-").tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("proxy.sock")).unwrap();
        let plan = Arc::new(Mutex::new(Plan { target: server.join("redis.sock"), next: None }));
        let shared = Arc::clone(&plan);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is gone: the client sees its connection closed.
                let target = shared.lock().unwrap().target.clone();
                if let Ok(server) = UnixStream::connect(target) {
                    serve(&client, &server, &shared);
                }
            }
        });
        Self { folder, plan }
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("proxy.sock").display())
    }

    pub(super) fn make(&self, trouble: Trouble) {
        self.plan.lock().unwrap().next = Some(trouble);
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.plan.lock().unwrap().next.is_none()
    }

    /// Leads new connections to another Redis.
    pub(super) fn lead_to(&self, server: &Path) {
        self.plan.lock().unwrap().target = server.join("redis.sock");
    }
}

fn serve(client: &UnixStream, server: &UnixStream, plan: &Arc<Mutex<Plan>>) {
    for (requests, from, to) in [(true, client, server), (false, server, client)] {
        let (mut from, mut to, plan) = (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(plan));
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                let breaks = if requests { Trouble::BreakBefore } else { Trouble::BreakAfter };
                let mut plan = plan.lock().unwrap();
                if plan.next == Some(breaks) {
                    plan.next = None;
                    break;
                }
                if plan.next == Some(Trouble::SwallowAnswer) && !requests {
                    plan.next = None;
                    continue;
                }
                drop(plan);
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
}
