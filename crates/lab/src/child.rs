//! What this program does when the lab starts it again as one of its own processes.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use crate::attack::attack;
use crate::cell::{Cell, Orders};
use crate::ours::Ours;
use crate::protocol;
use crate::run::Judged;
use crate::verdict::{Finding, Halt};

/// The first argument of such a process.
pub(crate) const WORD: &str = "lab-child";

/// Does the work of a child of the lab where this process is one; to be called first thing in `main` of every program
/// that calls [`crate::run`], because that starts the program again.
#[must_use]
pub fn work_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(WORD) {
        return None;
    }
    let role = arguments.next().unwrap_or_default();
    Some(match role.as_str() {
        "cell" => cell(),
        "subject" => subject(&arguments.next().unwrap_or_default()),
        _ => ExitCode::from(2),
    })
}

fn subject(strategy: &str) -> ExitCode {
    // What the system refuses shows in the verdicts.
    let _ = pilotlight_vault::process::harden();
    match strategy.parse() {
        Ok(strategy) => protocol::serve(&mut Ours::new(strategy)),
        Err(_) => ExitCode::from(2),
    }
}

fn cell() -> ExitCode {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    let Some(orders) = read.ok().and_then(|_| serde_json::from_str::<Orders>(&text).ok()) else {
        return ExitCode::from(2);
    };
    let judged = carry_out(&orders);
    let written = serde_json::to_string(&judged).map(|line| std::io::stdout().write_all(line.as_bytes()));
    if matches!(written, Ok(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn carry_out(orders: &Orders) -> Judged {
    let Some(attack) = attack(&orders.attack) else {
        return Judged::halted(vec![], Halt::Inconclusive(format!("there is no attack {}", orders.attack)));
    };
    let mut cell = match Cell::new(orders) {
        Ok(cell) => cell,
        Err(halt) => return Judged::halted(vec![], halt),
    };
    let outcome = (attack.run)(&mut cell);
    let done = std::mem::take(&mut cell.done);
    match outcome {
        Ok(Finding::Withstood(found)) => Judged { done, found: Some(found), ..Judged::default() },
        Ok(Finding::Fell(evidence)) => Judged { done, evidence, ..Judged::default() },
        Err(halt) => Judged::halted(done, halt),
    }
}
