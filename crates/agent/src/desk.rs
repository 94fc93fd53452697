//! Where a person is asked whether a program may have a token: questions, whoever answers them, and the default, which is no.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use crate::program::{self, Asking};
use crate::protocol::{Question, Verdict};

/// So long a person has to answer.
const DEADLINE: Duration = Duration::from_secs(60);
/// So long a process is not asked about again after a question that nobody answered, or that was answered with no.
const QUIET: Duration = Duration::from_secs(60);
/// So many questions may be open.
const OPEN: usize = 16;
/// Whoever listens may be so many questions and ends of questions behind.
const BEHIND: usize = 4 * OPEN;
/// So many processes are kept in mind; those that ended make room.
const RUNS: usize = 256;

/// One run of one program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Run {
    program: PathBuf,
    pid: i32,
    started: u64,
}

/// The questions of one agent. Clones share them.
#[derive(Clone)]
pub struct Desk(Arc<Shared>);

struct Shared {
    papers: Mutex<Papers>,
    news: broadcast::Sender<Heard>,
}

/// What is heard at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A program asks.
    Asked(Question),
    /// The question of this number is over: it was answered, or its time is.
    Over(u64),
}

#[derive(Default)]
struct Papers {
    /// Nobody is asked any more.
    closed: bool,
    last: u64,
    open: HashMap<Run, Open>,
    allowed: HashSet<Run>,
    quiet: HashSet<Run>,
}

struct Open {
    question: Question,
    verdict: watch::Sender<Option<Verdict>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self(Arc::new(Shared { papers: Mutex::default(), news: broadcast::channel(BEHIND).0 }))
    }
}

impl Desk {
    /// Hears every question from now on, those that are open first. Whoever hears them is expected to have a person answer.
    #[must_use]
    pub fn hear(&self) -> (Vec<Question>, broadcast::Receiver<Heard>) {
        let papers = self.papers();
        (papers.open.values().map(|open| open.question.clone()).collect(), self.0.news.subscribe())
    }

    /// Answers what is open with no, and asks nobody any more.
    pub(crate) fn close(&self) {
        let mut papers = self.papers();
        papers.closed = true;
        // Those who wait are told by this: the senders go with the questions.
        papers.open.clear();
    }

    /// Answers a question; false where it is not open (any more).
    pub fn decide(&self, id: u64, verdict: Verdict) -> bool {
        let mut papers = self.papers();
        let run = papers.open.iter().find(|(_, open)| open.question.id == id).map(|(run, _)| run.clone());
        let Some((run, open)) = run.and_then(|run| papers.open.remove_entry(&run)) else { return false };
        papers.remember(run, verdict);
        drop(papers);
        open.verdict.send_replace(Some(verdict));
        self.tell(Heard::Over(id));
        true
    }

    /// Has a person decide, where somebody listens and nothing holds for this run already. No answer is no.
    pub(crate) async fn ask(&self, asking: &Asking, account: &str) -> Verdict {
        let Some(started) = program::started(asking.pid) else { return Verdict::No };
        let run = Run { program: asking.program.clone(), pid: asking.pid, started };
        let mut answered = match self.open(&run, account) {
            Ok(answered) => answered,
            Err(verdict) => return verdict,
        };
        // The one who opened the question may go away; it is open until it is answered or its time is over.
        answered.wait_for(Option::is_some).await.ok().and_then(|verdict| *verdict).unwrap_or(Verdict::No)
    }

    /// The question about this run, made where it is not open; or what is known without one.
    fn open(&self, run: &Run, account: &str) -> Result<watch::Receiver<Option<Verdict>>, Verdict> {
        let mut papers = self.papers();
        if papers.allowed.contains(run) {
            return Err(Verdict::Run);
        }
        if let Some(open) = papers.open.get(run) {
            return Ok(open.verdict.subscribe());
        }
        let nobody = self.0.news.receiver_count() == 0;
        if nobody || papers.closed || papers.open.len() >= OPEN || papers.quiet.contains(run) {
            return Err(Verdict::No);
        }
        papers.last += 1;
        let question = Question {
            id: papers.last,
            program: run.program.display().to_string(),
            parents: program::parents(run.pid).iter().map(|parent| parent.display().to_string()).collect(),
            pid: run.pid,
            account: account.to_owned(),
        };
        let (verdict, answered) = watch::channel(None);
        papers.open.insert(run.clone(), Open { question: question.clone(), verdict });
        self.tell(Heard::Asked(question));
        drop(papers);
        tokio::spawn(self.clone().close_in_time(run.clone(), answered.clone()));
        Ok(answered)
    }

    /// Takes the question away when its time is over, and ends the quiet after a no.
    async fn close_in_time(self, run: Run, mut answered: watch::Receiver<Option<Verdict>>) {
        let verdict = match tokio::time::timeout(DEADLINE, answered.wait_for(Option::is_some)).await {
            Ok(Ok(verdict)) => *verdict,
            _ => None,
        };
        if verdict.is_none() {
            let mut papers = self.papers();
            papers.remember(run.clone(), Verdict::No);
            // Those who wait are told by this: the sender goes with the question.
            let over = papers.open.remove(&run);
            drop(papers);
            if let Some(over) = over {
                self.tell(Heard::Over(over.question.id));
            }
        }
        if verdict.is_none_or(|verdict| verdict == Verdict::No) {
            tokio::time::sleep(QUIET).await;
            self.papers().quiet.remove(&run);
        }
    }

    fn tell(&self, heard: Heard) {
        // Whoever listened has just gone: then nobody answers, and the time runs out.
        let _ = self.0.news.send(heard);
    }

    fn papers(&self) -> MutexGuard<'_, Papers> {
        // No invariant spans a panic while it is held.
        self.0.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Papers {
    /// What follows for later requests of the run.
    fn remember(&mut self, run: Run, verdict: Verdict) {
        match verdict {
            Verdict::Run => {
                if self.allowed.len() >= RUNS {
                    self.allowed.retain(|run| program::started(run.pid) == Some(run.started));
                }
                if self.allowed.len() < RUNS {
                    self.allowed.insert(run);
                }
            }
            Verdict::No => {
                self.quiet.insert(run);
            }
            Verdict::Once | Verdict::Always | Verdict::Never => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This very process, as one that asks.
    fn asking() -> Asking {
        Asking { pid: i32::try_from(std::process::id()).unwrap(), program: std::env::current_exe().unwrap() }
    }

    /// Asks, and has the question answered so.
    async fn answered(desk: &Desk, verdict: Verdict) -> Verdict {
        let (_, mut questions) = desk.hear();
        let asked = tokio::spawn({
            let desk = desk.clone();
            async move { desk.ask(&asking(), "work").await }
        });
        let Heard::Asked(question) = questions.recv().await.unwrap() else { panic!("nothing is over yet") };
        assert_eq!((question.account.as_str(), question.parents.is_empty()), ("work", false));
        assert!(!desk.decide(question.id + 1, Verdict::Always));
        assert!(desk.decide(question.id, verdict));
        assert!(!desk.decide(question.id, Verdict::Always), "it was answered");
        assert_eq!(questions.recv().await.unwrap(), Heard::Over(question.id));
        asked.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_listening_is_no() {
        assert_eq!(Desk::default().ask(&asking(), "work").await, Verdict::No);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_without_an_answer_is_no_and_is_not_asked_again_at_once() {
        let desk = Desk::default();
        let (_, mut questions) = desk.hear();
        assert_eq!(desk.ask(&asking(), "work").await, Verdict::No);
        assert!(matches!(questions.recv().await.unwrap(), Heard::Asked(_)));
        assert!(matches!(questions.recv().await.unwrap(), Heard::Over(_)));
        assert_eq!(desk.ask(&asking(), "work").await, Verdict::No);
        assert!(questions.try_recv().is_err());
        tokio::time::sleep(QUIET + Duration::from_secs(1)).await;
        assert_eq!(desk.ask(&asking(), "work").await, Verdict::No);
        questions.recv().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn once_is_asked_again_and_a_run_is_not() {
        let desk = Desk::default();
        assert_eq!(answered(&desk, Verdict::Once).await, Verdict::Once);
        assert_eq!(answered(&desk, Verdict::Run).await, Verdict::Run);
        let (_, mut questions) = desk.hear();
        assert_eq!(desk.ask(&asking(), "work").await, Verdict::Run);
        assert!(questions.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn many_requests_of_one_run_are_one_question() {
        let desk = Desk::default();
        let (_, mut questions) = desk.hear();
        let asked: Vec<_> = (0..100)
            .map(|_| {
                let desk = desk.clone();
                tokio::spawn(async move { desk.ask(&asking(), "work").await })
            })
            .collect();
        let Heard::Asked(question) = questions.recv().await.unwrap() else { panic!("nothing is over yet") };
        assert_eq!(desk.hear().0, std::slice::from_ref(&question), "who comes later hears it too");
        desk.decide(question.id, Verdict::Run);
        for one in asked {
            assert_eq!(one.await.unwrap(), Verdict::Run);
        }
        assert_eq!(questions.try_recv(), Ok(Heard::Over(question.id)));
        assert!(questions.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_desk_that_closes_says_no_to_what_is_open_and_to_what_comes() {
        let desk = Desk::default();
        let (_, mut questions) = desk.hear();
        let asked = tokio::spawn({
            let desk = desk.clone();
            async move { desk.ask(&asking(), "work").await }
        });
        questions.recv().await.unwrap();
        desk.close();
        assert_eq!(asked.await.unwrap(), Verdict::No);
        assert_eq!(desk.ask(&asking(), "work").await, Verdict::No);
        assert!(desk.hear().0.is_empty());
    }
}
