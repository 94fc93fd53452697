//! Programs that ask for tokens, shown to the person in the window: what is open, and the answers.
//!
//! The page is told the whole list after each change. It can answer a question that is open, and nothing else: tokens go to the
//! program that asked, never to the page.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pilotlight_agent::{Answer, Desk, Heard, Question, Verdict};
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Emitter as _, Manager as _, Runtime, State, UserAttentionType, command};
use tokio::sync::broadcast::error::RecvError;
use ts_rs::TS;

/// Carries every open question.
const OPEN: &str = "questions://open";

/// A program that asks for a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct QuestionView {
    /// Its number.
    #[ts(type = "number")]
    pub(crate) id: u64,
    /// The executable.
    pub(crate) program: String,
    /// Who started it, and who started that, up to the first process.
    pub(crate) parents: Vec<String>,
    /// Its process.
    pub(crate) pid: i32,
    /// Whose token.
    pub(crate) account: String,
}

impl From<Question> for QuestionView {
    fn from(question: Question) -> Self {
        let Question { id, program, parents, pid, account } = question;
        Self { id, program, parents, pid, account }
    }
}

/// What the person says of a program that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "lab/")]
pub(crate) enum VerdictView {
    /// It gets this token.
    Once,
    /// It gets tokens as long as this process of it lives.
    Run,
    /// It gets tokens.
    Always,
    /// It does not get this token.
    No,
    /// It gets none.
    Never,
}

impl From<VerdictView> for Verdict {
    fn from(verdict: VerdictView) -> Self {
        match verdict {
            VerdictView::Once => Self::Once,
            VerdictView::Run => Self::Run,
            VerdictView::Always => Self::Always,
            VerdictView::No => Self::No,
            VerdictView::Never => Self::Never,
        }
    }
}

/// Who takes the answers.
enum Answers {
    /// The desk of the agent in this process.
    Desk(Desk),
    /// Our command line, which hands them to an agent of another process.
    Relay(ChildStdin),
}

/// The questions that are open, and who takes the answers.
#[derive(Default)]
pub(crate) struct Questions {
    open: Mutex<Vec<QuestionView>>,
    answers: Mutex<Option<Answers>>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, Vec<QuestionView>> {
        lock(&self.open)
    }

    fn answers(&self) -> MutexGuard<'_, Option<Answers>> {
        lock(&self.answers)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every open question, the oldest first.
#[command]
pub(crate) fn list(questions: State<'_, Questions>) -> Vec<QuestionView> {
    questions.open().clone()
}

/// Answers a question. One that is over has been answered already: by no, where nobody did.
#[command]
pub(crate) fn answer(questions: State<'_, Questions>, id: u64, verdict: VerdictView) {
    let verdict = Verdict::from(verdict);
    match &mut *questions.answers() {
        Some(Answers::Desk(desk)) => {
            desk.decide(id, verdict);
        }
        Some(Answers::Relay(relay)) => {
            if let Err(error) = writeln!(relay, "{}", serde_json::json!({ "question": id, "verdict": verdict })) {
                tracing::debug!("the agent is gone: {error}");
            }
        }
        None => {}
    }
}

/// Shows the questions of this desk for as long as the app runs: heard from this call on, for a question that nobody hears is
/// answered with no; shown while the future is polled.
pub(crate) fn show<R: Runtime>(app: AppHandle<R>, desk: Desk) -> impl Future<Output = ()> + Send {
    *app.state::<Questions>().answers() = Some(Answers::Desk(desk.clone()));
    let mut hearing = desk.hear();
    async move {
        loop {
            let (open, mut heard) = hearing;
            tell(&app, |shown| *shown = open.into_iter().map(QuestionView::from).collect());
            loop {
                match heard.recv().await {
                    Ok(heard) => take(&app, heard),
                    // Heard anew, from what is open now.
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            }
            hearing = desk.hear();
        }
    }
}

/// Shows the questions of an agent of another process until it ends. Blocks its thread.
///
/// By way of our command line, which the agent can see to be one of ours; this process is closed to its neighbours.
pub(crate) fn relay<R: Runtime>(app: &AppHandle<R>) -> std::io::Result<()> {
    let mut command = Command::new(pilotlight_tray::beside("pilotlight"));
    command.args(["programs", "answer", "--json"]).current_dir("/");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    *app.state::<Questions>().answers() = child.stdin.take().map(Answers::Relay);
    for line in child.stdout.take().into_iter().flat_map(|told| BufReader::new(told).lines()).map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Answer::Question(question)) => take(app, Heard::Asked(question)),
            Ok(Answer::Over(id)) => take(app, Heard::Over(id)),
            _ => {}
        }
    }
    *app.state::<Questions>().answers() = None;
    tell(app, Vec::clear);
    child.wait().map(drop)
}

fn take<R: Runtime>(app: &AppHandle<R>, heard: Heard) {
    match heard {
        Heard::Asked(question) => {
            tell(app, |shown| shown.push(question.into()));
            call_for_attention(app);
        }
        Heard::Over(id) => tell(app, |shown| shown.retain(|question| question.id != id)),
    }
}

fn tell<R: Runtime>(app: &AppHandle<R>, change: impl FnOnce(&mut Vec<QuestionView>)) {
    let questions = app.state::<Questions>();
    let mut open = questions.open();
    change(&mut open);
    open.sort_by_key(|question| question.id);
    // There may be no window at the moment. While the list is held, so that the page hears every list in its order.
    let _ = app.emit(OPEN, &*open);
}

/// Has the desktop mark the window, where it is not the one that is looked at; it takes nobody's keyboard away.
fn call_for_attention<R: Runtime>(app: &AppHandle<R>) {
    if let Some(window) = app.get_webview_window("main")
        && let Err(error) = window.request_user_attention(Some(UserAttentionType::Informational))
    {
        tracing::debug!("the window is not marked: {error}");
    }
}
