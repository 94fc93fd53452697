//! The loopback redirect of RFC 8252 section 7.3: a literal address, a port of the system's choice, one right answer.
//!
//! Anything on this machine may connect, so whatever is not our answer gets a 4xx and changes nothing: another path, another
//! `Host` (a rebinding web page), another `state`, a slow or silent client.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pilotlight_oauth::{CallbackError, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::redirect::PATH;
use crate::{Error, ErrorCode};

const LONGEST_REQUEST: usize = 16 * 1024;
const SLOWEST_REQUEST: Duration = Duration::from_secs(10);
/// Browsers open a few connections ahead; nobody needs more.
const MOST_CONNECTIONS: usize = 32;

pub(super) struct Loopback {
    listener: TcpListener,
    redirect_uri: String,
    host: String,
}

/// What the query of an answer says.
pub(super) type Read = dyn Fn(&str) -> Result<SecretString, CallbackError> + Send + Sync;
/// What a connection brought; nothing where it was not what was waited for.
pub(super) type Outcome = Option<Result<SecretString, CallbackError>>;

impl Loopback {
    pub(super) async fn bind() -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorCode::Internal, format!("No loopback address to listen at: {error}."))
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let host = format!("127.0.0.1:{}", listener.local_addr().map_err(failed)?.port());
        Ok(Self { redirect_uri: format!("http://{host}{PATH}"), listener, host })
    }

    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits until `read` accepts an answer, or says that the service refused. The port closes with it.
    pub(super) async fn answer(self, read: Arc<Read>) -> Result<SecretString, Error> {
        let accept = |context: &mut Context<'_>| self.listener.poll_accept(context).map_ok(|(stream, _)| stream);
        until_answered(accept, |stream| serve(stream, self.host.clone(), Arc::clone(&read))).await
    }
}

/// Serves whoever connects until one of them brings what was waited for.
pub(super) async fn until_answered<S, O>(
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<std::io::Result<S>>,
    serve: impl Fn(S) -> O,
) -> Result<SecretString, Error>
where
    O: Future<Output = Outcome> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = std::future::poll_fn(&mut accept), if connections.len() < MOST_CONNECTIONS => {
                // A connection that failed before it was accepted is no concern of ours.
                let Ok(stream) = accepted else { continue };
                connections.spawn(tokio::time::timeout(SLOWEST_REQUEST, serve(stream)));
            }
            Some(done) = connections.join_next() => {
                if let Ok(Ok(Some(outcome))) = done {
                    return outcome.map_err(Error::from);
                }
            }
        }
    }
}

/// Answers one request; something only where it is the one that was waited for.
async fn serve(mut stream: TcpStream, host: String, read: Arc<Read>) -> Outcome {
    let head = read_head(&mut stream).await?;
    let (page, outcome) = match query_of(&head, &host) {
        None => (Page::NotFound, None),
        Some(query) => match read(&query) {
            Err(CallbackError::WrongState) => (Page::WrongState, None),
            Ok(code) => (Page::Done, Some(Ok(code))),
            Err(error) => (Page::Declined, Some(Err(error))),
        },
    };
    // Whether the person sees the page does not matter to the sign-in.
    let _ = stream.write_all(page.response().as_bytes()).await;
    let _ = stream.shutdown().await;
    outcome
}

async fn read_head(stream: &mut TcpStream) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let mut head = zeroize::Zeroizing::new(Vec::with_capacity(LONGEST_REQUEST));
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= LONGEST_REQUEST || stream.read_buf(&mut *head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// The query of `GET /callback?…` sent to our very address.
fn query_of(head: &[u8], host: &str) -> Option<zeroize::Zeroizing<String>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(head).ok()?;
    let (path, query) = request.path?.split_once('?')?;
    let hosts: Vec<&[u8]> = request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("host"))
        .map(|header| header.value)
        .collect();
    let ours = request.method == Some("GET") && path == PATH && hosts == [host.as_bytes()];
    ours.then(|| zeroize::Zeroizing::new(query.to_owned()))
}

enum Page {
    Done,
    Declined,
    WrongState,
    NotFound,
}

impl Page {
    fn response(&self) -> String {
        let (status, title, text) = match self {
            Self::Done => ("200 OK", "Back to Pilotlight", "Pilotlight has your answer. You can close this tab."),
            Self::Declined => {
                ("200 OK", "The sign-in was not finished", "You can close this tab. Pilotlight tells you why.")
            }
            Self::WrongState => {
                ("400 Bad Request", "This is an old link", "Go back to Pilotlight and start the sign-in again.")
            }
            Self::NotFound => ("404 Not Found", "There is nothing here", "Go back to Pilotlight."),
        };
        let body = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>{title}</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:20vh auto;padding:0 24px}}\
             h1{{font-size:20px;border-left:4px solid #d97706;padding-left:12px}}</style><h1>{title}</h1><p>{text}</p></html>"
        );
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

#[cfg(test)]
#[path = "loopback_tests.rs"]
mod tests;
