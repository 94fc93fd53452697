//! Authorized requests under way: sent here, so that the token never enters the webview. A window asks for each piece of a
//! body, so that a slow window slows the server and fills no memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight::{AuthorizedClient, Pilotlight};
use reqwest::{Request, Response, Url};
use tokio::sync::Notify;

use crate::echo::Echo;
use crate::fetch::{self, FetchHead};
use crate::view::Problem;

/// From the first byte sent to the last received. A body that nobody reads is dropped then.
const DEADLINE: Duration = Duration::from_secs(120);
/// Of a response's body, in bytes: most windows hold it whole.
const LARGEST_RESPONSE: usize = 32 << 20;
/// At once, of all windows.
const MOST: usize = 64;
/// The first byte of a piece: whether another one follows.
const LAST: u8 = 0;
const MORE: u8 = 1;

/// A request of one webview, by the number that it gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    webview: String,
    id: u32,
}

impl Key {
    pub(crate) fn new(webview: &str, id: u32) -> Self {
        Self { webview: webview.to_owned(), id }
    }
}

/// The requests under way, and the clients they go by.
#[derive(Default)]
pub(crate) struct Fetches {
    /// By account and origin. Kept, because a client remembers that a refresh did not help.
    clients: Mutex<HashMap<(String, String), AuthorizedClient>>,
    running: Mutex<HashMap<Key, Running>>,
}

struct Running {
    cancelled: Arc<Notify>,
    /// Absent before the head has come, and while a piece is being read.
    body: Option<Body>,
}

struct Body {
    response: Response,
    echo: Echo,
    left: usize,
    /// What the server has announced and not yet sent.
    announced: Option<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fetches {
    /// Sends `request` with the token of `account`, and tells the head of the answer.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        pilotlight: &Pilotlight,
        account: &str,
        key: Key,
        request: Request,
    ) -> Result<FetchHead, Problem> {
        let client = self.client(pilotlight, account, request.url())?;
        let cancelled = self.enter(&key)?;
        let outcome = tokio::select! {
            outcome = send(client, request) => outcome,
            () = cancelled.notified() => Err(was_cancelled()),
        };
        let kept = outcome.and_then(|(head, body)| self.keep(&key, &cancelled, body).map(|()| head));
        if kept.is_err() {
            self.leave(&key, &cancelled);
        }
        kept
    }

    /// The next piece of a body: one byte that tells whether another follows, and the bytes.
    pub(crate) async fn piece(&self, key: &Key) -> Result<Vec<u8>, Problem> {
        let (cancelled, mut body) = {
            let mut running = lock(&self.running);
            let entry = running.get_mut(key).ok_or_else(was_cancelled)?;
            (Arc::clone(&entry.cancelled), entry.body.take().ok_or_else(was_cancelled)?)
        };
        let piece = tokio::select! {
            piece = body.next() => piece,
            () = cancelled.notified() => Err(was_cancelled()),
        };
        let goes_on = piece.as_ref().is_ok_and(|piece| piece.first() == Some(&MORE));
        if goes_on {
            self.keep(key, &cancelled, body)?;
        } else {
            self.leave(key, &cancelled);
        }
        piece
    }

    /// Ends a request; its token may have been sent.
    pub(crate) fn cancel(&self, key: &Key) {
        if let Some(entry) = lock(&self.running).remove(key) {
            entry.cancelled.notify_one();
        }
    }

    /// Ends all requests of a webview: its page is another one now.
    pub(crate) fn forget(&self, webview: &str) {
        lock(&self.running).retain(|key, entry| {
            let stays = key.webview != webview;
            if !stays {
                entry.cancelled.notify_one();
            }
            stays
        });
    }

    fn client(&self, pilotlight: &Pilotlight, account: &str, url: &Url) -> Result<AuthorizedClient, Problem> {
        let key = (account.to_owned(), url.origin().ascii_serialization());
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        if clients.len() >= MOST {
            clients.clear();
        }
        let client = pilotlight.authorize(account, pilotlight.client_for(url, DEADLINE)?);
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn enter(self: &Arc<Self>, key: &Key) -> Result<Arc<Notify>, Problem> {
        let mut running = lock(&self.running);
        if running.len() >= MOST || running.contains_key(key) {
            return Err(Problem::refused("Too many requests are under way, or one of that number."));
        }
        let cancelled = Arc::new(Notify::new());
        running.insert(key.clone(), Running { cancelled: Arc::clone(&cancelled), body: None });
        drop(running);
        let (all, key, mine) = (Arc::downgrade(self), key.clone(), Arc::downgrade(&cancelled));
        tokio::spawn(async move {
            tokio::time::sleep(DEADLINE).await;
            if let (Some(all), Some(mine)) = (all.upgrade(), mine.upgrade()) {
                all.leave(&key, &mine);
            }
        });
        Ok(cancelled)
    }

    /// Keeps what is left of a body for the next question, unless it was cancelled meanwhile.
    fn keep(&self, key: &Key, mine: &Arc<Notify>, body: Body) -> Result<(), Problem> {
        let mut running = lock(&self.running);
        let entry = running.get_mut(key).filter(|entry| Arc::ptr_eq(&entry.cancelled, mine));
        entry.ok_or_else(was_cancelled)?.body = Some(body);
        Ok(())
    }

    /// Another request may have the number by now.
    fn leave(&self, key: &Key, mine: &Arc<Notify>) {
        let mut running = lock(&self.running);
        if running.get(key).is_some_and(|entry| Arc::ptr_eq(&entry.cancelled, mine)) {
            running.remove(key);
        }
    }
}

async fn send(client: AuthorizedClient, request: Request) -> Result<(FetchHead, Body), Problem> {
    let (response, token) = client.execute_telling(request).await?;
    let echo = Echo::of(token.token);
    if response.headers().iter().any(|(_, value)| echo.is_in(value.as_bytes())) {
        return Err(echoed());
    }
    let head = fetch::head(&response)?;
    Ok((head, Body { announced: response.content_length(), response, echo, left: LARGEST_RESPONSE }))
}

impl Body {
    /// Where the server told the length, the last piece says that it is the last: nobody needs to ask once more.
    async fn next(&mut self) -> Result<Vec<u8>, Problem> {
        let mut piece = vec![MORE];
        while piece.len() == 1 {
            let Some(bytes) = self.response.chunk().await.map_err(|_| broken())? else {
                piece[0] = LAST;
                piece.extend(self.echo.rest());
                return Ok(piece);
            };
            self.left = self
                .left
                .checked_sub(bytes.len())
                .ok_or_else(|| fetch::too_large("The answer is larger than 32 MiB."))?;
            piece.extend(self.echo.pass(&bytes).map_err(|_| echoed())?);
            self.announced = self.announced.map(|left| left.saturating_sub(bytes.len() as u64));
            if self.announced == Some(0) {
                piece[0] = LAST;
                piece.extend(self.echo.rest());
                return Ok(piece);
            }
        }
        Ok(piece)
    }
}

fn was_cancelled() -> Problem {
    Problem::of("fetch_cancelled", "The request was cancelled, or took too long.", "Send it again.")
}

fn broken() -> Problem {
    Problem::of("fetch_interrupted", "The answer broke off.", "Send the request again where that is safe.")
}

fn echoed() -> Problem {
    let hint = "Ask another address of the service: this one sends a request's headers back.";
    Problem::of("fetch_token_echoed", "The answer holds the token, and no window is given one.", hint)
}

#[cfg(test)]
#[path = "fetches_tests.rs"]
mod tests;
