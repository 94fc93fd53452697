//! One connection: its requests, one after the other, and for a subscriber the news between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use zeroize::Zeroizing;

use crate::answer;
use crate::desk::Heard;
use crate::lines::{Came, Lines};
use crate::link::Link;
use crate::protocol::{Answer, Request, Trouble};
use crate::server::Office;

/// A connection that sends no whole request for this long, or does not take its answer, is closed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection is told without asking.
#[derive(Default)]
struct Subscribed {
    news: Option<broadcast::Receiver<Arc<[u8]>>>,
    questions: Option<broadcast::Receiver<Heard>>,
}

/// What there is to do next.
enum Next {
    Answer {
        line: Zeroizing<Vec<u8>>,
        /// Whether the peer wants no more.
        last: bool,
    },
    Told(Arc<[u8]>),
    Subscribe {
        decide: bool,
    },
    /// The last that is said.
    Last(Trouble),
    Close,
}

impl Next {
    const fn answer(line: Zeroizing<Vec<u8>>) -> Self {
        Self::Answer { line, last: false }
    }
}

/// Serves the connection of this process to its end.
pub(crate) async fn converse(office: &Arc<Office>, link: &mut Link, pid: i32) {
    let (mut lines, mut subscribed) = (Lines::new(), Subscribed::default());
    let mut ending = office.ending.subscribe();
    loop {
        let patience = subscribed.patience();
        let next = tokio::select! {
            biased;
            told = subscribed.next() => told,
            came = tokio::time::timeout(patience, lines.next(link)) => match came {
                Ok(Ok(Came::Line(line))) => respond(office, line, pid).await,
                Ok(Ok(Came::Torn)) => Next::Last(torn()),
                _ => Next::Close,
            },
            // After what has come already: that is answered.
            () = begun(&mut ending) => Next::Close,
        };
        let (line, last) = match next {
            Next::Answer { line, last } => (line, last),
            Next::Told(lines) => (Zeroizing::new(lines.to_vec()), false),
            Next::Subscribe { decide } => (subscribed.begin(office, decide), false),
            Next::Last(trouble) => (Answer::Error(trouble).line(), true),
            Next::Close => return,
        };
        office.work.done();
        let written = tokio::time::timeout(PATIENCE, link.write_all(&line)).await;
        if last || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

async fn respond(office: &Arc<Office>, line: &[u8], pid: i32) -> Next {
    match serde_json::from_slice(line) {
        Err(_) => {
            let refused = Trouble::new("bad_request", "The request is not understood.", "See docs/agent.md.");
            Next::answer(Answer::Error(refused).line())
        }
        Ok(Request::Subscribe { decide: true }) if !office.is_own(pid) => {
            Next::answer(Answer::Error(answer::not_ours()).line())
        }
        Ok(Request::Subscribe { decide }) => Next::Subscribe { decide },
        Ok(request) => {
            let last = matches!(request, Request::Token { last: true, .. });
            Next::Answer { line: office.answer(request, pid).await, last }
        }
    }
}

fn torn() -> Trouble {
    Trouble::new("bad_request", "The request does not end.", "Send at most 65536 bytes and a line feed.")
}

impl Subscribed {
    /// The first line, and the questions that are open; how things stand comes with the news.
    fn begin(&mut self, office: &Office, decide: bool) -> Zeroizing<Vec<u8>> {
        let mut said = Answer::Done(true).line();
        if decide {
            let (open, questions) = office.desk.hear();
            self.questions = Some(questions);
            for question in open {
                said.extend_from_slice(&Answer::Question(question).line());
            }
        }
        self.news = Some(office.news.subscribe());
        said
    }

    /// The next piece of news; never for who has not subscribed.
    async fn next(&mut self) -> Next {
        let slow = || Next::Last(Trouble::new("slow", "The news was not taken in time.", "Subscribe again."));
        tokio::select! {
            told = receive(&mut self.news) => match told {
                Ok(lines) => Next::Told(lines),
                Err(RecvError::Lagged(_)) => slow(),
                Err(RecvError::Closed) => Next::Close,
            },
            asked = receive(&mut self.questions) => match asked {
                Ok(Heard::Asked(question)) => Next::answer(Answer::Question(question).line()),
                Ok(Heard::Over(question)) => Next::answer(Answer::Over(question).line()),
                Err(RecvError::Lagged(_)) => slow(),
                Err(RecvError::Closed) => Next::Close,
            },
        }
    }

    /// A subscriber has nothing to send.
    const fn patience(&self) -> Duration {
        if self.news.is_some() { Duration::from_secs(365 * 24 * 3600) } else { PATIENCE }
    }
}

/// Waits until the agent's end has begun.
async fn begun(ending: &mut watch::Receiver<bool>) {
    // An error would be the end, too.
    drop(ending.wait_for(|ending| *ending).await);
}

async fn receive<T: Clone>(from: &mut Option<broadcast::Receiver<T>>) -> Result<T, RecvError> {
    match from {
        Some(from) => from.recv().await,
        None => std::future::pending().await,
    }
}
