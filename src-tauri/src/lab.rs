//! The Storage Lab in the window: what can be attacked and how, a run that tells of each cell as it is done, and its end.
//!
//! A run works on throw-away homes with tokens of its own. Nothing of it comes near the person's vault.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pilotlight::storage::Strategy;
use pilotlight::{Error, ErrorCode};
use pilotlight_lab::{Attack, CellReport, Cost, Event, Measurement, Plan, Report, Subject, attackers, attacks};
use serde::{Deserialize, Serialize};
use tauri::plugin::{Builder, TauriPlugin};
use tauri::{AppHandle, Emitter as _, Runtime, State, command};
use tauri_plugin_pilotlight::Problem;
use ts_rs::TS;

/// How far a run is, for the window.
const EVENT: &str = "lab://event";
/// One measured figure, for the window.
const COST: &str = "lab://cost";
/// Nobody looks at a window for longer than so many records take.
const LARGEST: u32 = 1_000;
/// How long an attack of the quick subset goes on.
const QUICK: Duration = Duration::from_millis(400);

/// Everything that there is to attack, and how.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct LabView {
    /// Who attacks, in the order to show.
    pub(crate) attackers: Vec<AttackerView>,
    /// Every attack.
    pub(crate) attacks: Vec<AttackView>,
    /// The names of the strategies that this program has.
    pub(crate) strategies: Vec<String>,
}

/// Who attacks.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct AttackerView {
    /// E.g. `disk-thief`.
    pub(crate) name: String,
    /// In English.
    pub(crate) title: String,
}

/// One attack.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct AttackView {
    /// E.g. `read-files`.
    pub(crate) name: String,
    /// The name of who does it.
    pub(crate) attacker: String,
    /// What it is, in a few English words.
    pub(crate) title: String,
    /// How it is done.
    pub(crate) how: String,
    /// What must come of it.
    pub(crate) right: String,
    /// Whether it takes only moments.
    pub(crate) quick: bool,
}

impl From<&Attack> for AttackView {
    fn from(attack: &Attack) -> Self {
        Self {
            name: attack.name.to_owned(),
            attacker: name_of(&attack.attacker),
            title: attack.title.to_owned(),
            how: attack.how.to_owned(),
            right: attack.right.to_owned(),
            quick: attack.quick,
        }
    }
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct LabRequest {
    /// The names of the strategies.
    pub(crate) strategies: Vec<String>,
    /// Only the attacks that take moments.
    pub(crate) quick: bool,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct LabEvent {
    /// The strategy that is under attack, or was.
    pub(crate) strategy: String,
    /// The attack's name.
    pub(crate) attack: String,
    /// What came of it; `null` where it has just begun.
    pub(crate) cell: Option<LabCell>,
    /// How many cells are done.
    pub(crate) done: usize,
    /// How many there are.
    pub(crate) all: usize,
}

/// What came of one attack on one strategy.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct LabCell {
    /// `withstood`, `fell`, `fell-as-expected`, `not-applicable` or `inconclusive`.
    pub(crate) verdict: String,
    /// The reason of an honest limit, or why there is no verdict.
    pub(crate) why: Option<String>,
    /// What it rests on, where it fell: where, and what was read or done there.
    pub(crate) evidence: Vec<String>,
    /// What was done.
    pub(crate) done: String,
    /// What was found, where it withstood.
    pub(crate) found: Option<String>,
    /// How long it took.
    #[ts(type = "number")]
    pub(crate) milliseconds: u64,
}

impl From<&CellReport> for LabCell {
    fn from(cell: &CellReport) -> Self {
        let shown = |found: &pilotlight_lab::Evidence| {
            let at = found.offset.map(|offset| format!(", byte {offset}")).unwrap_or_default();
            format!("{}{at}: {}", found.file, found.what)
        };
        Self {
            verdict: cell.verdict.word().to_owned(),
            why: cell.verdict.why().map(str::to_owned),
            evidence: cell.evidence.iter().map(shown).collect(),
            done: cell.done.clone(),
            found: cell.found.clone(),
            milliseconds: cell.milliseconds,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct LabEnd {
    /// Whether it was stopped before its end.
    pub(crate) stopped: bool,
    /// How many cells fell that nobody expected to.
    pub(crate) faults: usize,
    /// How long it took.
    #[ts(type = "number")]
    pub(crate) milliseconds: u64,
}

impl From<Report> for LabEnd {
    fn from(report: Report) -> Self {
        Self { stopped: report.stopped, faults: report.faults().count(), milliseconds: report.milliseconds }
    }
}

/// The middle and the slow end of many times, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct LabTimes {
    /// Half of them took no longer.
    #[ts(type = "number")]
    pub(crate) p50: u64,
    /// Of twenty, nineteen took no longer.
    #[ts(type = "number")]
    pub(crate) p95: u64,
}

/// What one strategy costs at one number of records.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "lab/")]
pub(crate) struct LabCost {
    /// The strategy's name.
    pub(crate) strategy: String,
    /// How many records it held.
    pub(crate) records: u32,
    /// Opening it.
    pub(crate) open: LabTimes,
    /// Reading one record.
    pub(crate) read: LabTimes,
    /// Replacing one record, durably.
    pub(crate) commit: LabTimes,
    /// A whole rotation as a client does it.
    pub(crate) rotate: LabTimes,
    /// Its files, in bytes.
    #[ts(type = "number")]
    pub(crate) bytes: u64,
    /// How often a commit syncs the disk; `null` where nothing is there to count.
    pub(crate) syncs: Option<u32>,
    /// Calls of the keystore for one opening and one commit.
    #[ts(type = "number")]
    pub(crate) keystore_calls: u64,
    /// The most memory its process had, in KiB.
    #[ts(type = "number")]
    pub(crate) memory_kib: u64,
}

impl From<&Cost> for LabCost {
    fn from(cost: &Cost) -> Self {
        let times = |times: pilotlight_lab::Times| LabTimes { p50: times.p50, p95: times.p95 };
        Self {
            strategy: cost.strategy.clone(),
            records: cost.records,
            open: times(cost.open),
            read: times(cost.read),
            commit: times(cost.commit),
            rotate: times(cost.rotate),
            bytes: cost.bytes,
            syncs: cost.syncs,
            keystore_calls: cost.keystore_calls,
            memory_kib: cost.memory_kib,
        }
    }
}

/// The run that is under way: what stops it.
#[derive(Debug, Default)]
struct Bench(Mutex<Option<Arc<AtomicBool>>>);

impl Bench {
    fn take(&self) -> Result<Arc<AtomicBool>, Problem> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Err(problem(ErrorCode::BadInput, "The lab is at work already. Stop it first."));
        }
        let stop = Arc::new(AtomicBool::new(false));
        *running = Some(Arc::clone(&stop));
        Ok(stop)
    }

    fn stop(&self) {
        if let Some(stop) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn give_back(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The commands `list`, `run`, `measure` and `stop`. A run that is under way when the app ends is stopped with it.
pub(crate) fn plugin<R: Runtime>() -> TauriPlugin<R> {
    Builder::new("lab")
        .invoke_handler(tauri::generate_handler![list, run, measure, stop])
        .setup(|app, _| {
            use tauri::Manager as _;
            app.manage(Bench::default());
            Ok(())
        })
        .on_event(|app, event| {
            use tauri::Manager as _;
            if matches!(event, tauri::RunEvent::Exit) {
                app.state::<Bench>().stop();
            }
        })
        .build()
}

#[command]
fn list() -> LabView {
    let who = |attacker: pilotlight_lab::Attacker| AttackerView {
        name: name_of(&attacker),
        title: attacker.title().to_owned(),
    };
    LabView {
        attackers: attackers().into_iter().map(who).collect(),
        attacks: attacks().iter().map(AttackView::from).collect(),
        strategies: built_in().map(|one| one.to_string()).collect(),
    }
}

#[command]
async fn run<R: Runtime>(app: AppHandle<R>, bench: State<'_, Bench>, request: LabRequest) -> Result<LabEnd, Problem> {
    let mut plan = plan(&request)?;
    plan.stop = bench.take()?;
    let work = move || {
        pilotlight_lab::run(&plan, |event| {
            // A window that is closing hears no more of it.
            let _ = app.emit(EVENT, told(&event));
        })
    };
    let ended = tauri::async_runtime::spawn_blocking(work).await;
    bench.give_back();
    match ended {
        Ok(Ok(report)) => Ok(report.into()),
        Ok(Err(error)) => Err(problem(ErrorCode::VaultIo, &format!("{error}."))),
        Err(_) => Err(problem(ErrorCode::Internal, "The lab broke off.")),
    }
}

#[command]
async fn measure<R: Runtime>(app: AppHandle<R>, bench: State<'_, Bench>) -> Result<(), Problem> {
    let subjects = built_in().map(|one| Subject::Strategy(one.to_string())).collect();
    let stop = bench.take()?;
    let work = move || measure_each(&app, subjects, &stop);
    let ended = tauri::async_runtime::spawn_blocking(work).await;
    bench.give_back();
    ended.unwrap_or_else(|_| Err(problem(ErrorCode::Internal, "The lab broke off.")))
}

/// One strategy after the other, so that each one's figures are told as soon as they are there.
fn measure_each<R: Runtime>(app: &AppHandle<R>, subjects: Vec<Subject>, stop: &Arc<AtomicBool>) -> Result<(), Problem> {
    for subject in subjects {
        let mut measurement = Measurement::new(vec![subject], LARGEST);
        measurement.stop = Arc::clone(stop);
        let costs = pilotlight_lab::measure(&measurement, |_, _, _| ())
            .map_err(|error| problem(ErrorCode::VaultIo, &format!("{error}.")))?;
        for cost in &costs {
            // A window that is closing hears no more of it.
            let _ = app.emit(COST, LabCost::from(cost));
        }
    }
    Ok(())
}

fn built_in() -> impl Iterator<Item = Strategy> {
    Strategy::ALL.into_iter().filter(|one| one.is_built_in())
}

#[command]
fn stop(bench: State<'_, Bench>) {
    bench.stop();
}

fn plan(request: &LabRequest) -> Result<Plan, Problem> {
    let known = |name: &String| match name.parse::<Strategy>() {
        Ok(strategy) if strategy.is_built_in() => Ok(Subject::Strategy(strategy.to_string())),
        _ => Err(problem(ErrorCode::BadInput, "There is no such strategy in this build.")),
    };
    let subjects = request.strategies.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    if subjects.is_empty() {
        return Err(problem(ErrorCode::BadInput, "Choose at least one strategy."));
    }
    let mut plan = Plan::new(subjects, attacks().iter().filter(|attack| attack.quick || !request.quick).collect());
    if request.quick {
        plan.budget = QUICK;
    }
    Ok(plan)
}

fn told(event: &Event) -> LabEvent {
    match event {
        Event::Began { strategy, attack, done, all } => {
            LabEvent { strategy: strategy.clone(), attack: attack.clone(), cell: None, done: *done, all: *all }
        }
        Event::Ended { cell, done, all } => LabEvent {
            strategy: cell.strategy.clone(),
            attack: cell.attack.clone(),
            cell: Some(LabCell::from(&**cell)),
            done: *done,
            all: *all,
        },
    }
}

/// The name as JSON has it.
fn name_of(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn problem(code: ErrorCode, message: &str) -> Problem {
    Error::new(code, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(strategies: &[&str], quick: bool) -> LabRequest {
        LabRequest { strategies: strategies.iter().map(|name| (*name).to_owned()).collect(), quick }
    }

    #[test]
    fn a_request_names_strategies_of_this_build_and_at_least_one() {
        assert!(plan(&request(&[], true)).is_err());
        assert!(plan(&request(&["of-tomorrow"], true)).is_err());
        let (quick, whole) =
            (plan(&request(&["memory"], true)).unwrap(), plan(&request(&["memory", "plain-file"], false)).unwrap());
        assert!(quick.attacks.iter().all(|attack| attack.quick) && !quick.attacks.is_empty());
        assert_eq!(whole.cells(), 2 * attacks().len());
    }

    #[test]
    fn every_attack_is_done_by_somebody_whom_the_window_can_name() {
        let view = list();
        for attack in &view.attacks {
            assert!(view.attackers.iter().any(|who| who.name == attack.attacker), "{}", attack.name);
        }
        assert!(view.strategies.contains(&"sqlite-aead".to_owned()));
    }

    #[test]
    fn one_run_at_a_time() {
        let bench = Bench::default();
        let stop = bench.take().unwrap();
        assert!(bench.take().is_err());
        bench.stop();
        assert!(stop.load(Ordering::Relaxed));
        bench.give_back();
        assert!(bench.take().is_ok());
    }
}
