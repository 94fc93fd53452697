//! Programs that ask for tokens, shown to the person in the window: what is open, and the answers.
//!
//! The page is told the whole list after each change. It can answer a question that is open, and nothing else: tokens go to the
//! program that asked, never to the page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pilotlight_agent::{Desk, Heard, Question, Verdict};
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

/// The questions that are open, and who takes the answers.
#[derive(Default)]
pub(crate) struct Questions {
    open: Mutex<Vec<QuestionView>>,
    desk: Mutex<Option<Desk>>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, Vec<QuestionView>> {
        lock(&self.open)
    }

    fn desk(&self) -> MutexGuard<'_, Option<Desk>> {
        lock(&self.desk)
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
    if let Some(desk) = &*questions.desk() {
        desk.decide(id, verdict.into());
    }
}

/// Shows the questions of this desk for as long as the app runs.
pub(crate) async fn show<R: Runtime>(app: AppHandle<R>, desk: Desk) {
    *app.state::<Questions>().desk() = Some(desk.clone());
    loop {
        let (open, mut heard) = desk.hear();
        tell(&app, |shown| *shown = open.into_iter().map(QuestionView::from).collect());
        loop {
            match heard.recv().await {
                Ok(Heard::Asked(question)) => {
                    tell(&app, |shown| shown.push(question.into()));
                    call_for_attention(&app);
                }
                Ok(Heard::Over(id)) => tell(&app, |shown| shown.retain(|question| question.id != id)),
                // Heard anew, from what is open now.
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return,
            }
        }
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
