//! What a run found.

use serde::{Deserialize, Serialize};

use crate::cost::{Measurement, measure};
use crate::run::RunError;
use crate::system;
use crate::verdict::{Evidence, Verdict};

/// What came of one attack on one strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellReport {
    /// The strategy's or the program's name.
    pub strategy: String,
    /// The attack's name.
    pub attack: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What it rests on, where it fell.
    pub evidence: Vec<Evidence>,
    /// What was done.
    pub done: String,
    /// What was found, where it withstood.
    pub found: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the program.
    pub version: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub began_ms: i64,
    /// How long it took.
    pub milliseconds: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// On what it ran.
    pub machine: Machine,
    /// Every cell, by strategy.
    pub cells: Vec<CellReport>,
    /// What the strategies cost, where it was measured.
    #[serde(default)]
    pub costs: Vec<crate::cost::Cost>,
    /// The runs that other columns come from.
    #[serde(default)]
    pub others: Vec<Other>,
}

/// A run whose columns were taken into the report of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// Which columns.
    pub strategies: Vec<String>,
    /// The version of its program.
    pub version: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub began_ms: i64,
    /// On what it ran.
    pub machine: Machine,
}

/// On what a run ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system's kernel.
    pub system: String,
    /// The processor.
    pub processor: String,
    /// How many of its cores may be used.
    pub cores: usize,
    /// Whether the lab ran as root.
    pub root: bool,
    /// Whether the program was built for speed.
    pub optimised: bool,
    /// Whether SQLCipher takes SQLite's place in the program, for all strategies (docs/decisions/0025).
    #[serde(default)]
    pub sqlcipher: bool,
    /// How busy the machine was at the beginning and at the end, the lab's own work included: processes that wanted to run,
    /// in the middle over a minute.
    #[serde(default)]
    pub load: (String, String),
}

impl Machine {
    fn this() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let model = |text: String| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        Self {
            system: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            processor: model(read("/proc/cpuinfo")).unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            root: system::is_root(),
            optimised: cfg!(not(debug_assertions)),
            sqlcipher: cfg!(feature = "sqlcipher"),
            load: (load(), String::new()),
        }
    }
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

impl Report {
    pub(crate) fn begin() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            began_ms: system::now_ms(),
            milliseconds: 0,
            stopped: false,
            machine: Machine::this(),
            cells: vec![],
            costs: vec![],
            others: vec![],
        }
    }

    /// Notes how long it took, and how busy the machine is now.
    pub(crate) fn end(&mut self) {
        self.milliseconds = u64::try_from(system::now_ms() - self.began_ms).unwrap_or(0);
        self.machine.load.1 = load();
    }

    /// Measures what the strategies cost, as [`crate::measure`] does, and keeps it here.
    ///
    /// # Errors
    /// Where the throw-away folder cannot be used.
    pub fn measure(&mut self, what: &Measurement, told: impl FnMut(&str, u32, Option<&str>)) -> Result<(), RunError> {
        self.costs = measure(what, told)?;
        self.end();
        Ok(())
    }

    /// Takes the columns and the costs of another run, in the place of those of the same strategies here: a strategy that
    /// asks for a build of its own is run in that build.
    pub fn take_columns_of(&mut self, other: Self) {
        let strategies: Vec<String> = other.strategies().into_iter().map(str::to_owned).collect();
        for cell in other.cells {
            match self.cells.iter_mut().find(|own| own.strategy == cell.strategy && own.attack == cell.attack) {
                Some(own) => *own = cell,
                None => self.cells.push(cell),
            }
        }
        self.costs.retain(|cost| !other.costs.iter().any(|taken| taken.strategy == cost.strategy));
        self.costs.extend(other.costs);
        let order: Vec<String> = self.strategies().into_iter().map(str::to_owned).collect();
        self.costs.sort_by_key(|cost| order.iter().position(|name| *name == cost.strategy));
        self.others.extend(other.others);
        self.others.push(Other {
            strategies,
            version: other.version,
            began_ms: other.began_ms,
            machine: other.machine,
        });
    }

    /// The cell of this strategy and attack.
    #[must_use]
    pub fn cell(&self, strategy: &str, attack: &str) -> Option<&CellReport> {
        self.cells.iter().find(|cell| cell.strategy == strategy && cell.attack == attack)
    }

    /// The cells in which something fell that should not have.
    pub fn faults(&self) -> impl Iterator<Item = &CellReport> {
        self.cells.iter().filter(|cell| cell.verdict == Verdict::Fell)
    }

    /// How many cells have this verdict, by its word.
    #[must_use]
    pub fn count(&self, word: &str) -> usize {
        self.cells.iter().filter(|cell| cell.verdict.word() == word).count()
    }

    /// The strategies, in the order of the cells.
    #[must_use]
    pub fn strategies(&self) -> Vec<&str> {
        let mut names = vec![];
        for cell in &self.cells {
            if !names.contains(&cell.strategy.as_str()) {
                names.push(cell.strategy.as_str());
            }
        }
        names
    }
}
