//! Asks the person at the terminal whether a program may have tokens.

use std::io::BufRead as _;

use pilotlight_agent::{Answer, Client, Desk, Heard, Place, Question, Request, Verdict};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::command::Outcome;
use crate::failure::Failure;
use crate::output;
use crate::words::harmless;

/// Answers the questions of an agent in this process, for as long as it lives and somebody types.
pub(super) fn answer_here(desk: Desk) {
    let asked = std::thread::Builder::new().name("pilotlight-consent".to_owned()).spawn(move || {
        let (open, mut questions) = desk.hear();
        let mut answer = |question: &Question| {
            let verdict = ask(question)?;
            tell(desk.decide(question.id, verdict));
            Some(())
        };
        if open.iter().try_for_each(&mut answer).is_none() {
            return;
        }
        loop {
            match questions.blocking_recv() {
                Ok(Heard::Asked(question)) if answer(&question).is_some() => {}
                Ok(Heard::Over(_)) | Err(RecvError::Lagged(_)) => {}
                _ => return,
            }
        }
    });
    if asked.is_err() {
        output::note("Nobody can be asked: the system gives no thread for it.");
    }
}

/// `pilotlight programs answer`: answers the questions of an agent that runs elsewhere.
pub(super) fn answer_elsewhere(place: &Place) -> Outcome {
    let mut news = subscribe(place)?;
    output::note("Programs that ask for tokens are shown here.");
    loop {
        let question = match news.hear().map_err(|error| super::gone(&error))? {
            Answer::Question(question) => question,
            Answer::Error(trouble) => return Err(Failure::usage(trouble.message, "Start it again.")),
            _ => continue,
        };
        let Some(verdict) = ask(&question) else { return Ok(0) };
        tell(decide(place, Decided { question: question.id, verdict }));
    }
}

/// An answer of a program that shows the questions itself, in one line.
#[derive(Deserialize)]
struct Decided {
    question: u64,
    verdict: Verdict,
}

/// `pilotlight programs answer --json`: the questions and their ends as the agent tells them, and the answers from standard
/// input, for a program that shows them. It ends with either.
pub(super) fn answer_for_another(place: &Place) -> Outcome {
    let mut news = subscribe(place)?;
    let hang_up = news.hang_up_elsewhere().map_err(|error| super::gone(&error))?;
    let there = place.clone();
    let answering = std::thread::Builder::new().name("pilotlight-consent".to_owned()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if let Ok(decided) = serde_json::from_str(&line) {
                // What is over is told as such to whoever shows it.
                let _ = decide(&there, decided);
            }
        }
        hang_up();
    });
    let answering = answering.map_err(|error| Failure::usage(format!("{error}."), "Try again."))?;
    loop {
        match news.hear() {
            Ok(told @ (Answer::Question(_) | Answer::Over(_))) => output::result(&crate::json::line(&told))?,
            Ok(Answer::Error(trouble)) => return Err(Failure::usage(trouble.message, "Start it again.")),
            Ok(_) => {}
            Err(_) if answering.is_finished() => return Ok(0),
            Err(error) => return Err(super::gone(&error)),
        }
    }
}

/// A connection that hears every question.
fn subscribe(place: &Place) -> Result<Client, Failure> {
    let mut news = super::connect(place)?;
    super::expect_done(news.ask(&Request::Subscribe { decide: true }))?;
    news.wait_for_ever().map_err(|error| super::gone(&error))?;
    Ok(news)
}

/// Whether the question was still open.
fn decide(place: &Place, decided: Decided) -> bool {
    let Decided { question, verdict } = decided;
    let answer =
        |mut agent: Client| matches!(agent.ask(&Request::Decide { question, verdict }), Ok(Answer::Done(true)));
    Client::connect(place).is_ok_and(answer)
}

fn tell(in_time: bool) {
    if !in_time {
        output::note("That question is over: it was answered elsewhere, or a minute has passed.");
    }
}

/// What the person says; none where nobody types any more.
fn ask(question: &Question) -> Option<Verdict> {
    output::note(&text(question));
    loop {
        output::prompt("[o]nce, for this [r]un, [a]lways, [n]o, ne[v]er");
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(verdict) = verdict(&line) {
            return Some(verdict);
        }
    }
}

fn text(question: &Question) -> String {
    let mut text = format!("{} asks for a token of {:?}", harmless(&question.program), harmless(&question.account));
    if !question.parents.is_empty() {
        let parents: Vec<_> = question.parents.iter().map(|parent| harmless(parent)).collect();
        text += &format!(", run by {}", parents.join(", "));
    }
    format!("{text} (process {}). Lend it?", question.pid)
}

fn verdict(line: &str) -> Option<Verdict> {
    match line.trim().to_ascii_lowercase().as_str() {
        "o" | "once" => Some(Verdict::Once),
        "r" | "run" => Some(Verdict::Run),
        "a" | "always" => Some(Verdict::Always),
        "n" | "no" => Some(Verdict::No),
        "v" | "never" => Some(Verdict::Never),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_shows_who_ran_the_program_and_an_empty_answer_decides_nothing() {
        let question = Question {
            id: 1,
            program: "/usr/bin/cu\u{1b}[2Jrl".into(),
            parents: vec!["/usr/bin/bash".into(), "/usr/sbin/sshd".into()],
            pid: 7,
            account: "work".into(),
        };
        let shown =
            "/usr/bin/cu[2Jrl asks for a token of \"work\", run by /usr/bin/bash, /usr/sbin/sshd (process 7). Lend it?";
        assert_eq!(text(&question), shown);
        assert_eq!(verdict("\n"), None);
        assert_eq!(verdict(" Run\n"), Some(Verdict::Run));
    }
}
