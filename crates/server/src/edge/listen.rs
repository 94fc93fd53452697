//! Takes connections, as many as there may be, until the server stops; then waits for the answers that are under way.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{Manner, closed, converse};
use super::refuse::refuse;
use super::tls::Tls;
use super::{Limits, Refusal};
use crate::app::App;

/// After a connection that could not be taken, as where files have run out.
const PAUSE: Duration = Duration::from_millis(50);
/// Refusals told at once. Beyond them connections are closed without a word.
const FAREWELLS: usize = 64;

/// A socket, and what is behind it.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) router: Router,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: Limits,
}

/// Serves until `closing` turns true, and then to the end of what has begun.
pub(crate) async fn serve(app: Arc<App>, door: Door, mut closing: watch::Receiver<bool>) {
    let Door { listener, router, tls, limits } = door;
    let manner = Manner { router, limits, closing: closing.clone() };
    let mut open = Open { app, manner, tls, talks: JoinSet::new(), farewells: JoinSet::new() };
    loop {
        tokio::select! {
            accepted = listener.accept() => open.take(accepted).await,
            Some(_) = open.talks.join_next() => {}
            Some(_) = open.farewells.join_next() => {}
            () = closed(&mut closing) => break,
        }
    }
    // Their connections stood before the end was said: they are answered too.
    while let Some(accepted) = poll_fn(|context| match listener.poll_accept(context) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
    {
        open.take(accepted).await;
    }
    drop(listener);
    while open.talks.join_next().await.is_some() {}
}

/// The connections of one door.
struct Open {
    app: Arc<App>,
    manner: Manner,
    tls: Option<Tls>,
    /// Dropped with this, they end.
    talks: JoinSet<()>,
    farewells: JoinSet<()>,
}

impl Open {
    async fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((socket, address)) => self.admit(socket, address),
            // The other end was faster in hanging up.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::error!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn admit(&mut self, socket: TcpStream, address: SocketAddr) {
        if self.talks.len() >= self.manner.limits.connections {
            self.app.metrics.refuse(Refusal::Connections);
            // Before the handshake nothing can be said under TLS.
            if self.tls.is_none() && self.farewells.len() < FAREWELLS {
                self.farewells.spawn(refuse(socket));
            }
            return;
        }
        // Answers are written whole: waiting for more would only delay them.
        drop(socket.set_nodelay(true));
        let (app, manner, tls) = (self.app.clone(), self.manner.clone(), self.tls.clone());
        self.talks.spawn(async move {
            let _counted = app.metrics.connection();
            let remote = address.ip().to_canonical();
            let Some(tls) = tls else { return converse(manner, socket, remote, false).await };
            // A handshake that fails is the other end's affair; it is not worth a line.
            if let Ok(Ok((socket, second))) = tokio::time::timeout(manner.limits.head_time, tls.accept(socket)).await {
                converse(manner, socket, remote, second).await;
            }
        });
    }
}
